"""What one tenant at ten times its share costs the others: real stt, llm and tts processes on a real NATS.

    python -m bench.fairness [--seconds 20] [--out bench/results/fairness.json]

Five tenants make turns at random moments (Poisson), each at 0.7 of a fifth of what an engine can do; in the
second part the first tenant makes ten times as many. Every engine does one thing at a time and needs
`--work-ms` for it (the synthetic engines, one slot each, no cache, no batches), so the first of the three
queues is over-full and the other two are nearly so.

A turn is 0.4 s of noise, sent at once to stt, and then silence in real time; the bench stands where session
and gateway stand. What is measured there, for the four other tenants: from the last loud frame to
`turn.ended` (stt: with the pause of 450 ms that ends a turn, in which the words are made), from there to
`reply.sentence` (llm), from there to the first agent frame (tts), and all of it (turn): what a caller waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time_ns
from typing import Any, Final

import numpy as np
import uvloop

from audio.g711 import encode_mulaw
from bench.figures import Figures
from bench.machine import describe_machine
from contracts.channels import ASSIGN, CALLER_AUDIO, HEARTBEAT
from contracts.frames import FRAME_MS, Codec, Frame
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assign,
    Assigned,
    AssistantSnapshot,
    EngineChain,
    Event,
    Heartbeat,
    ReplySentence,
    Role,
    TurnEnded,
    Voice,
)
from contracts.streams import CALLS
from runtime.bus import Bus
from runtime.storage import ensure_stream
from trunkline.bus_client import open_bus
from trunkline.nats_server import NatsServer

GATEWAY: Final = "gateway-bench"
WORKERS: Final = {Role.STT: "stt-bench", Role.LLM: "llm-bench", Role.TTS: "tts-bench"}
TENANTS: Final = ("loud", "quiet-1", "quiet-2", "quiet-3", "quiet-4")
LOAD: Final = 0.7
TIMES: Final = 10
CALLS_A_TENANT: Final = 16
VOICE_FRAMES: Final = 20
SILENCE: Final = b"\xff" * 160
STAGES: Final = ("stt", "llm", "tts", "turn")
WARM_UP_S: Final = 3.0
GIVES_UP_S: Final = 8.0


@dataclass(eq=False)
class Line:
    """One call: at most one turn at a time."""

    ref: CallRef
    sequence: int = 0
    turn_at: list[float] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False

    def passed(self, stage: int) -> None:
        """The turn has come so far; each stage counts once."""
        if len(self.turn_at) == stage:
            self.turn_at.append(monotonic())
            if stage == 3:
                self.heard.set()


class Bench:
    """The five tenants' calls on the three workers."""

    def __init__(self, bus: Bus, rng: random.Random) -> None:
        self._bus = bus
        self._rng = rng
        self._lines: dict[CallRef, Line] = {}
        self.figures: dict[str, dict[str, list[float]]] = {}
        self.counts: Counter[str] = Counter()
        noise = np.random.default_rng(1).normal(0, 3_000, VOICE_FRAMES * 160).astype(np.int16)
        voice = encode_mulaw(noise)
        self._voice = [voice[at : at + 160] for at in range(0, len(voice), 160)]

    async def open(self, tenant: str, calls: int) -> list[Line]:
        """Assign so many calls; each has its own speed of speech, so that no two share a phrase."""
        lines = []
        for _ in range(calls):
            ref = CallRef(tenant, uuid7(time_ns() // 1_000_000, self._rng))
            line = self._lines[ref] = Line(ref)
            await self._bus.on_events(ref, self._on_event, frozenset(("turn.ended", "reply.sentence")))
            assistant = AssistantSnapshot(
                id="bench",
                name="Bench",
                greeting="Hello.",
                prompt="Answer.",
                engines=EngineChain(stt=("synthetic",), llm=("synthetic",), tts=("synthetic",)),
                voice=Voice(speed=1 + len(self._lines) / 1000),
                fillers=(),
            )
            for role, process in WORKERS.items():
                assign = Assign(
                    call=ref.call,
                    tenant=tenant,
                    epoch=1,
                    gateway=GATEWAY,
                    workers=WORKERS,
                    assistant=assistant,
                )
                answer = await self._bus.request(
                    ASSIGN, assign, Assigned, timeout_s=10, role=role.value, process=process
                )
                if answer.error is not None:
                    raise SystemExit(f"{process} refuses: {answer.error.message}")
            lines.append(line)
        return lines

    def on_frame(self, ref: CallRef, _frame: Frame) -> None:
        """A frame of an agent."""
        if (line := self._lines.get(ref)) is not None:
            line.passed(3)

    async def _on_event(self, event: Event[Any]) -> None:
        line = self._lines[event.ref]
        if isinstance(event.body, TurnEnded):
            line.passed(1)
        elif isinstance(event.body, ReplySentence):
            line.passed(2)

    async def part(self, rates: dict[str, float], lines: dict[str, list[Line]], seconds: float) -> None:
        """Turns at these rates; figures of what began after the warm-up."""
        self.figures = {stage: {tenant: [] for tenant in rates} for stage in STAGES}
        self.counts.clear()
        counted_from_s = monotonic() + WARM_UP_S
        async with asyncio.TaskGroup() as turns:
            for tenant, rate in rates.items():
                turns.create_task(
                    self._tenant(
                        tenant, rate, lines[tenant], (counted_from_s, counted_from_s + seconds), turns
                    )
                )

    async def _tenant(
        self,
        tenant: str,
        rate: float,
        lines: list[Line],
        counted_s: tuple[float, float],
        turns: asyncio.TaskGroup,
    ) -> None:
        """Begin turns until the part is over; with every line busy, a turn is only wished for."""
        while monotonic() < counted_s[1]:
            await asyncio.sleep(self._rng.expovariate(rate))
            free = [line for line in lines if not line.busy]
            self.counts[f"{tenant} wished"] += 1
            if free:
                free[0].busy = True
                turns.create_task(self._turn(free[0], counts=monotonic() > counted_s[0]))

    async def _turn(self, line: Line, *, counts: bool) -> None:
        tenant = line.ref.tenant
        line.heard.clear()
        for payload in self._voice:
            await self._send(line, payload)
        line.turn_at = [monotonic()]
        silence = asyncio.ensure_future(self._be_silent(line))
        try:
            await asyncio.wait_for(line.heard.wait(), GIVES_UP_S)
        except TimeoutError:
            self.counts[f"{tenant} unanswered"] += counts
        else:
            sent, *_ = at = line.turn_at
            if counts:
                self.counts[f"{tenant} answered"] += 1
                for stage, (began, ended) in zip(
                    STAGES, [(at[0], at[1]), (at[1], at[2]), (at[2], at[3]), (sent, at[3])], strict=True
                ):
                    self.figures[stage][tenant].append((ended - began) * 1000)
        await asyncio.sleep(0.3)  # the end of the reply
        silence.cancel()
        line.busy = False

    async def _be_silent(self, line: Line) -> None:
        """In real time, whatever the loop's delays."""
        begun_s, sent = monotonic(), 0
        while True:
            sent += 1
            await asyncio.sleep(max(0.0, begun_s + sent * FRAME_MS / 1000 - monotonic()))
            await self._send(line, SILENCE)

    async def _send(self, line: Line, payload: bytes) -> None:
        subject = CALLER_AUDIO.subject(process=WORKERS[Role.STT], tenant=line.ref.tenant, call=line.ref.call)
        at_us = 1_700_000_000_000_000 + line.sequence * FRAME_MS * 1000
        frame = Frame(Codec.MULAW, 8_000, line.sequence, at_us, payload, epoch=1)
        line.sequence += 1
        self._bus.send_frame(subject, frame)

    def others(self) -> dict[str, dict[str, float]]:
        """p50 and p95 of each stage over all tenants but the loud one."""
        found = {}
        for stage, by_tenant in self.figures.items():
            values = np.array([ms for tenant, each in by_tenant.items() if tenant != "loud" for ms in each])
            p50, p95 = np.percentile(values, [50, 95])
            found[stage] = {
                "p50_ms": round(float(p50), 1),
                "p95_ms": round(float(p95), 1),
                "turns": len(values),
            }
        return found


@asynccontextmanager
async def workers(home: Path, work_ms: int) -> AsyncIterator[Bus]:
    """NATS and the three workers, each a process, ready for calls."""
    async with AsyncExitStack() as stack:
        nats = stack.enter_context(NatsServer(home))
        settings = {
            "NATS_URL": nats.url,
            "HOME": str(home),
            "LOG_LEVEL": "error",
            "STT_PRELOAD": "synthetic",
            "STT_CAPACITY": "1000",
            "STT_QUEUE_FRAMES": "200",
            "STT_BATCH_LIMIT": "1",
            "STT_PARTIALS": "false",
            "STT_SYNTHETIC_DELAY_MS": str(work_ms),
            "LLM_PRELOAD": '["synthetic"]',
            "LLM_SLOTS": '{"synthetic":1}',
            "LLM_SYNTHETIC_TEXT": "We are open from nine to five.",
            "LLM_SYNTHETIC_FIRST_TOKEN_MS": str(work_ms),
            "LLM_QUEUE_TIMEOUT_S": "60",
            "TTS_PRELOAD": '["synthetic"]',
            "TTS_ENGINE_SLOTS": "1",
            "TTS_CACHE_MB": "0",
            "TTS_WARM_PHRASES": "0",
            "TTS_SYNTHETIC_AUDIO_MS": "100",
            "TTS_SYNTHETIC_DELAY_MS": str(work_ms),
        }
        environment = {**os.environ, **{f"TRUNKLINE_{name}": value for name, value in settings.items()}}
        async with open_bus(nats.url) as bus:
            await bus.start()
            await ensure_stream(bus.jetstream, CALLS)
            missing = set(WORKERS.values())
            ready = asyncio.Event()

            async def hear(beat: Heartbeat) -> None:
                missing.discard(beat.process)
                if not missing:
                    ready.set()

            await bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, hear)
            for role, process in WORKERS.items():
                child = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    f"{role.value}_service",
                    env={**environment, "TRUNKLINE_PROCESS": process},
                )
                stack.push_async_callback(child.wait)
                stack.callback(child.kill)
            async with asyncio.timeout(20):
                await ready.wait()
            yield bus


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both parts, and what the second moved."""
    share = LOAD * 1000 / arguments.work_ms / len(TENANTS)
    with tempfile.TemporaryDirectory() as folder:
        async with workers(Path(folder), arguments.work_ms) as bus:
            bench = Bench(bus, random.Random(5))
            await bus.on_frames(GATEWAY, bench.on_frame)
            lines = {
                tenant: await bench.open(tenant, CALLS_A_TENANT * (4 if tenant == "loud" else 1))
                for tenant in TENANTS
            }
            rates = dict.fromkeys(TENANTS, share)
            result: dict[str, Any] = {"turns_a_second_each": round(share, 2), "work_ms": arguments.work_ms}
            for name, times in (("alike", 1), ("loud", TIMES)):
                await bench.part({**rates, "loud": share * times}, lines, arguments.seconds)
                result[name] = {"others": bench.others(), "counts": dict(bench.counts)}
                print(name, json.dumps(result[name]), flush=True)
    result["p95_ratio"] = {
        stage: round(
            result["loud"]["others"][stage]["p95_ms"] / result["alike"]["others"][stage]["p95_ms"], 3
        )
        for stage in STAGES
    }
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write where told; exit status 1 above the ratio that is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part")
    parser.add_argument("--work-ms", type=int, default=40, help="what an engine needs for one thing")
    parser.add_argument("--most", type=float, default=1.15, help="the ratio of p95 that is still fair")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    figures = Figures(arguments.out, "bench.fairness", **describe_machine())
    result = uvloop.run(run(arguments))
    print(json.dumps(result["p95_ratio"]))
    figures.put(**result)
    return int(result["p95_ratio"]["turn"] > arguments.most)


if __name__ == "__main__":
    sys.exit(main())
