"""How many calls the whole platform holds, and what a call costs: the fixed density workload.

    python -m bench.density [--calls 25,100,200,300] [--seconds 40] [--detector energy|silero]
                            [--out bench/results/density.json]

Every call sends 20 ms frames in real time over Twilio Media Streams: 2.0 s of noise, then 4.0 s of zeros,
again and again for 40 s; offsets are spread over the 6 s and, within 20 ms, over the frame period. Engines
are synthetic: a turn ends after 300 ms of quiet, the answer is 12 words in two sentences at once, each 1.0 s
of audio at once. So what is over 300 ms between the last loud frame sent and the first agent frame at the
caller's socket is the platform's own: `overhead`. With `--detector silero` the voice detector is the real
one, and in place of the noise stand 2.0 s of a recorded sentence without a pause, which it takes for speech.

The platform runs as `trunkline up --spread` starts it, NATS and all services; the callers are
`trunkline load` in a process of their own, which is not counted. CPU is that between the moment at which the
last call has begun to talk and the one at which the first is done: all calls are in mid-workload all the
time. Memory per call is what all processes have more than before the calls that are measured; a few others
went before them, so that what a platform takes once, when it first works, is not charged to any call.

The last lines are the growth: what a call costs at each number of calls, beside what it costs at the largest,
and the part of it that does not grow with the calls, by least squares.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from audio.codec import to_pcm16
from audio.wav import read_wav, write_wav
from bench.figures import Figures
from bench.growth import growth, show_growth
from bench.machine import describe_machine
from trunkline.load.report import HEARD_OUT, LoadReport, read_report
from trunkline.load.script import FIXED_PATTERN, parse_pattern
from trunkline.local_platform import LocalPlatform, Options
from trunkline.reports.processes import usages
from trunkline.reports.samples import CALLERS, spread

ENDPOINT_MS: Final = 300
WHOLE_ANSWER_MS: Final = 1_950
DIALS_A_SECOND: Final = 50
SETTLES_S: Final = 3.0
CAPACITY: Final = 2_000
WARM_UP_CALLS: Final = 5
WARM_UP_S: Final = 3.0
PERIOD_S: Final = parse_pattern(FIXED_PATTERN).period_s
ENERGY, SILERO = "energy", "silero"
LOUD_S: Final = 2.0
PAUSE_S: Final = 4.0
SPEECH: Final = Path(__file__).parent / "speech" / "am_michael" / "08.wav"
SPEECH_FROM_S: Final = 0.2
"""From here on the voice does not pause for more than `LOUD_S`."""


@dataclass(frozen=True, slots=True)
class Point:
    """One number of calls: its report, and each process's memory before the first call that is measured."""

    report: LoadReport
    calls: int
    seconds: float
    idle_mb: dict[str, float]

    def row(self) -> dict[str, Any]:
        turns = [turn for call in self.report.calls for turn in call.turns]
        overhead = spread([turn.waited_ms - ENDPOINT_MS for turn in turns if turn.waited_ms is not None])
        steady_from_s = self.report.talk_from_s + min(PERIOD_S, self.seconds / 2)
        costs = self.report.costs(steady_from_s, self.report.talk_from_s + self.seconds)
        cpu = {name: cost.cpu_s_per_call_minute or 0.0 for name, cost in costs.items() if name != CALLERS}
        memory = {
            name: round((cost.memory_mb_most - self.idle_mb[name]) / self.calls, 3)
            for name, cost in costs.items()
            if name in self.idle_mb
        }
        held = sum(call.ending == HEARD_OUT for call in self.report.calls)
        return {
            "calls": self.calls,
            "held": held,
            "broken": self.report.broken,
            "turns_expected": self.report.expected,
            "turns_answered": overhead.count,
            "turns_completed": sum(turn.heard_ms >= WHOLE_ANSWER_MS for turn in turns),
            "overhead_ms": overhead.model_dump(exclude={"count"}),
            "cpu_s_per_call_minute": round(sum(cpu.values()), 4),
            "cpu_by_process": cpu,
            "memory_mb_per_call": round(sum(memory.values()), 3),
            "memory_mb_per_call_by_process": memory,
            "callers_cpu_s_per_call_minute": costs[CALLERS].cpu_s_per_call_minute
            if CALLERS in costs
            else None,
            "callers_worst_lateness_ms": max(call.worst_lateness_ms for call in self.report.calls),
            "load_average_before": self.report.machine_before["load_average"],
            "load_average_after": self.report.machine_after["load_average"],
        }


def make_room(
    set_variable: Callable[[str, str], object] = os.environ.setdefault, detector: str = ENERGY
) -> None:
    """Let every service take more calls than any machine of this size holds, and load no model but that of
    the voice detector, where it has one.
    """
    for service in ("GATEWAY", "STT", "LLM", "TTS"):
        set_variable(f"TRUNKLINE_{service}_CAPACITY", str(CAPACITY))
    set_variable("TRUNKLINE_STT_PRELOAD", "synthetic")
    set_variable("TRUNKLINE_STT_SYNTHETIC_DETECTOR", detector)
    for service in ("LLM", "TTS"):
        set_variable(f"TRUNKLINE_{service}_PRELOAD", '["synthetic"]')


def speech_in(folder: Path) -> Path:
    """A WAV of `LOUD_S` of speech without a pause."""
    samples, rate_hz = read_wav(SPEECH)
    begins = round(SPEECH_FROM_S * rate_hz)
    clip = folder / "speech.wav"
    write_wav(clip, to_pcm16(samples[begins : begins + round(LOUD_S * rate_hz)]), rate_hz)
    return clip


async def measure(home: Path, calls: int, seconds: float, report: Path, script: Sequence[Any]) -> LoadReport:
    """Run the callers in a process of their own."""
    arguments = [
        *script,
        "--calls",
        calls,
        "--talk",
        seconds,
        "--over",
        calls / DIALS_A_SECOND,
        "--together",
        "--out",
        report,
        "--home",
        home,
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trunkline", "load", *map(str, arguments), stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait() != 0:
        raise SystemExit("trunkline load failed")
    return read_report(report)


async def run(arguments: argparse.Namespace, figures: Figures) -> None:
    make_room(detector=arguments.detector)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        script = (speech_in(home), "--pause", PAUSE_S) if arguments.detector == SILERO else ()
        options = Options(home=home, port=0, spread=True, local_llm=False, open_loopback=True)
        async with LocalPlatform(options) as platform:
            await measure(home, WARM_UP_CALLS, WARM_UP_S, home / "warm-up.json", script)
            await asyncio.sleep(SETTLES_S)
            pids = {one.name: one.pid for one in platform.state.processes}
            idle_mb = {name: one.memory_mb for name, one in usages(pids).items()}
            for calls in arguments.calls:
                report = await measure(home, calls, arguments.seconds, home / f"load-{calls}.json", script)
                rows.append(Point(report, calls, arguments.seconds, idle_mb).row())
                show(rows[-1])
                figures.put(rows=rows, growth=growth(rows))
                await asyncio.sleep(SETTLES_S)
    show_growth(growth(rows))


def show(row: dict[str, Any]) -> None:
    overhead = row["overhead_ms"]
    print(
        f"{row['calls']:5} calls  turns {row['turns_completed']}/{row['turns_expected']}"
        f"  overhead p50 {overhead['p50']} p95 {overhead['p95']} p99 {overhead['p99']} ms"
        f"  {row['cpu_s_per_call_minute']:.3f} CPU-s per call-minute"
        f"  {row['memory_mb_per_call']:.2f} MB per call"
        f"  load {row['load_average_before'][0]} → {row['load_average_after'][0]}"
    )
    for name, cpu in row["cpu_by_process"].items():
        print(
            f"        {name:<12} {cpu:.4f} CPU-s  {row['memory_mb_per_call_by_process'].get(name, 0):.3f} MB"
        )
    print(
        f"        (callers)    {row['callers_cpu_s_per_call_minute'] or 0:.4f} CPU-s, not counted", flush=True
    )
    if row["broken"]:
        print(f"        broken: {row['broken']}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    counts = parser.add_argument("--calls", default="25,100,200,300", help="one after the other, ascending")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--detector", choices=(ENERGY, SILERO), default=ENERGY, help="of the caller's voice")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON, each as it comes")
    arguments = parser.parse_args()
    arguments.calls = sorted(int(count) for count in arguments.calls.split(","))
    if not arguments.calls or arguments.calls[0] < 1:
        parser.error(f"{counts.option_strings[0]} must be numbers of calls, such as 25,100")
    figures = Figures(arguments.out, "bench.density", **describe_machine(), detector=arguments.detector)
    uvloop.run(run(arguments, figures))


if __name__ == "__main__":
    main()
