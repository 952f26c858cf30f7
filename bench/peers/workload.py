"""The density workload for one framework in one process: callers, their pace, and what they heard.

One ticker drives every caller, so that the harness costs little; `--baseline` runs it alone with the energy
detector, for subtraction. A framework is a `Peer`: it wires each caller's `push` to its own input and reports
agent audio with `heard`. This file and the two adapters run in the frameworks' own virtual environments and
import nothing of Trunkline.
"""

from __future__ import annotations

import argparse
import asyncio
import audioop
import gc
import heapq
import json
import os
import random
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import uvloop

RATE_HZ: Final = 16_000
ANSWER_RATE_HZ: Final = 24_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = RATE_HZ * FRAME_MS // 1000
TRANSCRIPT: Final = "what time do you open tomorrow"
# Two sentences, twelve words; each is longer than 20 characters, or LiveKit's tokenizer joins them.
ANSWER: Final = (
    *("We ", "open ", "at ", "nine ", "every ", "day. "),
    *("Please ", "come ", "and ", "visit ", "us ", "soon."),
)
SENTENCE_PCM: Final = random.Random(1).randbytes(ANSWER_RATE_HZ * 2)  # 1.0 s
SPEECH_S: Final = 2.0
PERIOD_S: Final = 6.0
QUIET_S: Final = 0.3
WHOLE_ANSWER_S: Final = 1.95
_LOUD_RMS: Final = 500
_PER_PERIOD: Final = round(PERIOD_S * 1000 / FRAME_MS)
_LOUD_FRAMES: Final = round(SPEECH_S * 1000 / FRAME_MS)
_QUIET_FRAMES: Final = round(QUIET_S * 1000 / FRAME_MS)
_SLACK_S: Final = 0.0005
_AT_ONCE: Final = 32
_DRAIN_S: Final = 3.0
_STOP_WITHIN_S: Final = 8.0
_LONGEST_S: Final = 180.0

Push = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked to do; `tuned` is for Pipecat alone."""

    calls: int
    seconds: float
    baseline: bool
    tuned: bool


class Peer(Protocol):
    """A framework under the workload."""

    name: str
    version: str

    async def start(self, callers: Sequence[Caller]) -> None:
        """Build a session for each caller and set its `push`."""
        ...

    async def stop(self) -> None:
        """Close all sessions."""
        ...


class EnergyDetector:
    """Says `start` at the first loud frame and `end` after 300 ms without one."""

    __slots__ = ("_quiet", "_speaking")

    def __init__(self) -> None:
        self._speaking = False
        self._quiet = 0

    def feed(self, pcm: bytes | memoryview) -> str:
        """`start`, `end` or nothing."""
        if audioop.rms(pcm, 2) > _LOUD_RMS:
            self._quiet = 0
            if not self._speaking:
                self._speaking = True
                return "start"
        elif self._speaking:
            self._quiet += 1
            if self._quiet >= _QUIET_FRAMES:
                self._speaking, self._quiet = False, 0
                return "end"
        return ""


@dataclass(slots=True)
class Turn:
    """One utterance of a caller: when its last loud frame was pushed, and the answer."""

    pushed_s: float
    first_s: float | None = None
    heard_s: float = 0.0


@dataclass(slots=True)
class Caller:
    """One simulated caller and the account of what it heard."""

    index: int
    offset_s: float
    frames: int
    noise: Sequence[bytes]
    push: Push
    sent: int = 0
    turns: list[Turn] = field(default_factory=list)

    @property
    def expected(self) -> int:
        """Turns whose 300 ms of quiet lie within what is sent."""
        starts = range(0, self.frames, _PER_PERIOD)
        return sum(start + _LOUD_FRAMES + _QUIET_FRAMES <= self.frames for start in starts)

    def next_frame(self) -> tuple[bytes, bool]:
        """The next 20 ms, and whether it is the last loud frame of an utterance."""
        at = self.sent % _PER_PERIOD
        self.sent += 1
        if at >= _LOUD_FRAMES:
            return bytes(2 * FRAME_SAMPLES), False
        return self.noise[(self.sent + self.index * 7) % len(self.noise)], at == _LOUD_FRAMES - 1

    def heard(self, seconds: float) -> None:
        """Agent audio came out of the framework."""
        if not self.turns:
            return
        turn = self.turns[-1]
        if turn.first_s is None:
            turn.first_s = time.perf_counter()
        turn.heard_s += seconds


async def unconnected(_: bytes) -> None:
    """Where a caller's frames go before a framework takes them."""
    raise RuntimeError("this caller is connected to nothing")


def make_callers(options: Options) -> list[Caller]:
    """Callers spread over the period, and over the frame period besides: a whole number of frames between
    them would make all push at the same instant.
    """
    rng = random.Random(7)
    noise = [
        b"".join(rng.randint(-8000, 8000).to_bytes(2, "little", signed=True) for _ in range(FRAME_SAMPLES))
        for _ in range(25)
    ]
    frames = round(options.seconds * 1000 / FRAME_MS)
    return [
        Caller(
            index,
            index * PERIOD_S / options.calls + index * 0.6180339887 % 1.0 * FRAME_MS / 1000,
            frames,
            noise,
            unconnected,
        )
        for index in range(options.calls)
    ]


async def push_all(callers: Sequence[Caller], zero_s: float) -> None:
    """Push every caller's frames on an absolute schedule until the last one is sent."""
    due = [(zero_s + caller.offset_s, caller.index) for caller in callers]
    heapq.heapify(due)
    while due:
        wait_s = due[0][0] - time.perf_counter()
        await asyncio.sleep(wait_s if wait_s > _SLACK_S else 0)
        pushed = 0
        while due and due[0][0] <= time.perf_counter() + _SLACK_S:
            moment_s, index = due[0]
            await _push_one(callers[index])
            if callers[index].sent < callers[index].frames:
                heapq.heapreplace(due, (moment_s + FRAME_MS / 1000, index))
            else:
                heapq.heappop(due)
            pushed += 1
            if pushed % _AT_ONCE == 0:  # let the framework run between bursts
                await asyncio.sleep(0)


async def _push_one(caller: Caller) -> None:
    pcm, last_loud = caller.next_frame()
    if last_loud:
        caller.turns.append(Turn(time.perf_counter()))
    await caller.push(pcm)


async def measure(peer: Peer, options: Options) -> dict[str, Any]:
    """Run the workload and say what was found."""
    gc.collect()
    gc.freeze()  # as LiveKit's own worker does after its imports
    imported_mb, load_before = memory_mb(), os.getloadavg()[0]
    callers = make_callers(options)
    if options.baseline:
        for caller in callers:
            caller.push = _detect_only()
    else:
        await peer.start(callers)
    gc.collect()
    ready_mb = memory_mb()
    cpu_before_s = cpu_s()
    await push_all(callers, time.perf_counter() + 0.2)
    await asyncio.sleep(_DRAIN_S)
    used_s = cpu_s() - cpu_before_s
    turns = [turn for caller in callers for turn in caller.turns]
    overhead = [(turn.first_s - turn.pushed_s - QUIET_S) * 1000 for turn in turns if turn.first_s is not None]
    return {
        "peer": peer.name,
        "version": peer.version,
        "calls": options.calls,
        "seconds": options.seconds,
        "baseline": options.baseline,
        "tuned": options.tuned,
        "turns_expected": sum(caller.expected for caller in callers),
        "turns_completed": sum(turn.heard_s >= WHOLE_ANSWER_S for turn in turns),
        "overhead_ms": {f"p{percent}": percentile(overhead, percent) for percent in (50, 95, 99)},
        "cpu_s_per_call_minute": round(used_s / (options.calls * options.seconds / 60), 4),
        "memory_mb": {"imported": imported_mb, "ready": ready_mb, "end": memory_mb()},
        "load_average": [round(load_before, 2), round(os.getloadavg()[0], 2)],
    }


def _detect_only() -> Push:
    detector = EnergyDetector()

    async def push(pcm: bytes) -> None:
        detector.feed(pcm)

    return push


def memory_mb() -> float:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    kib = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return round(int(kib) * 1024 / 1e6, 1)


def cpu_s() -> float:
    """CPU time of this process and of what it started and that has ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def percentile(values: Sequence[float], percent: float) -> float | None:
    """By linear interpolation; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    at = (len(ordered) - 1) * percent / 100
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (at - below), 2)


def main(make_peer: Callable[[Options], Peer]) -> None:
    """Parse the command line, run the workload on uvloop, and print one JSON line."""
    parser = argparse.ArgumentParser(description="The density workload in one process; prints JSON.")
    parser.add_argument("--calls", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--baseline", action="store_true", help="the harness alone")
    parser.add_argument("--tuned", action="store_true", help="Pipecat: bookkeeping off")
    options = Options(**vars(parser.parse_args()))

    async def run() -> None:
        peer = make_peer(options)
        async with asyncio.timeout(_LONGEST_S):
            print(json.dumps(await measure(peer, options)), flush=True)
        with suppress(Exception):  # what a framework raises while it ends has no bearing on the figures
            await asyncio.wait_for(peer.stop(), _STOP_WITHIN_S)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    sys.stdout.flush()
    os._exit(0)  # both leave threads behind that would keep the process
