"""What 10,000 and 1,000,000 concurrent calls need, worked out from what was measured on two cores.

    python -m bench.scale            writes the tables of docs/scale.md from bench/results/

Every figure is either measured (read from the results) or an assumption, named as one below. The arithmetic
is here so that a new measurement changes the page, and so that it can be argued with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "bench" / "results"
PAGE: Final = ROOT / "docs" / "scale.md"
BEGIN: Final = "<!-- begin: python -m bench.scale -->"
END: Final = "<!-- end: python -m bench.scale -->"
SIZES: Final = (10_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What was not measured here: how people talk, what a big machine does, and what GPUs do."""

    turns_a_minute: float = 6.0
    utterance_s: float = 3.0
    call_minutes: float = 3.0
    frame_bytes: int = 28 + 160 + 90  # header, payload, subject and protocol
    cores_a_node: int = 16
    busy: float = 0.6  # the share of a core that is planned for
    gpu_stt_real_time: float = 150.0  # seconds of speech a second, batched, large Whisper on one GPU
    gpu_llm_tokens_s: float = 4_000.0  # batched, an 8B model on one GPU
    gpu_tts_real_time: float = 100.0  # seconds of speech a second, batched Kokoro on one GPU
    answer_tokens: float = 45.0
    answer_s: float = 4.0
    events_a_turn: float = 9.0


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU-seconds per call-minute of each process at the highest number of calls that held, and the rest."""

    calls: int
    cpu: dict[str, float]
    memory_mb: float
    admissions_s: float
    events_s: float
    whisper_cpu_s: float


IN_TIME_MS: Final = 50.0
"""What the platform may add to a turn at p95: beyond, it is too full to tell what a call costs."""
EVENTS_S: Final = 14_000.0
"""Events a second that one stream takes, asynchronous publishes: measured, in the design."""


def measured() -> Measured:
    """From the results that are committed."""
    rows = _read("density")["rows"]
    in_time = [one for one in rows if not one["broken"] and one["overhead_ms"]["p95"] <= IN_TIME_MS]
    row = max(in_time, key=lambda one: one["calls"])
    return Measured(
        calls=row["calls"],
        cpu=row["cpu_by_process"],
        memory_mb=row["memory_mb_per_call"],
        admissions_s=_read("admission")["most"]["per_s"],
        events_s=EVENTS_S,
        whisper_cpu_s=_read("recognition")["decode_ms"]["p50"] / 1000 * 2,
    )


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def cores(cpu_s_per_call_minute: float, calls: int, busy: float) -> float:
    """Cores for so many calls, planned to be `busy`."""
    return cpu_s_per_call_minute * calls / 60 / busy


def needs(calls: int, found: Measured, assumed: Assumed) -> Iterator[tuple[str, str]]:
    """What it takes, line by line."""
    frames_s = calls * 50 * (1 + assumed.turns_a_minute * assumed.answer_s / 60)
    yield "audio messages into NATS", f"{frames_s / 1e6:.2f} M/s"
    yield "audio bytes into NATS", f"{frames_s * assumed.frame_bytes / 1e9:.2f} GB/s, and as much out"
    nats = cores(found.cpu["nats"], calls, assumed.busy)
    yield "NATS, cores", f"{nats:,.0f} ({_nodes(nats, assumed)} nodes of {assumed.cores_a_node})"
    for service in ("gateway", "stt", "llm", "tts", "session", "analytics"):
        need = cores(found.cpu.get(service, 0.0), calls, assumed.busy)
        yield f"{service}, cores without engines", f"{need:,.0f}"
    yield "memory that calls take", f"{found.memory_mb * calls / 1000:,.0f} GB over all services"
    turns_s = calls * assumed.turns_a_minute / 60
    events_s = turns_s * assumed.events_a_turn
    yield "call events", f"{events_s:,.0f}/s: {math.ceil(events_s / found.events_s / assumed.busy)} streams"
    admissions_s = calls / (assumed.call_minutes * 60)
    leaders = math.ceil(admissions_s / (found.admissions_s * assumed.busy))
    yield "admissions", f"{admissions_s:,.0f}/s: {leaders} session leader{'s' if leaders > 1 else ''}"
    stt_gpus = turns_s * assumed.utterance_s / assumed.gpu_stt_real_time / assumed.busy
    stt_cores = turns_s * found.whisper_cpu_s / assumed.busy
    yield "speech to text", f"{stt_gpus:,.0f} GPUs, or {stt_cores:,.0f} cores of Whisper base"
    yield (
        "language model",
        f"{turns_s * assumed.answer_tokens / assumed.gpu_llm_tokens_s / assumed.busy:,.0f} GPUs",
    )
    yield (
        "text to speech",
        f"{turns_s * assumed.answer_s / assumed.gpu_tts_real_time / assumed.busy:,.0f} GPUs",
    )


def _nodes(need: float, assumed: Assumed) -> int:
    return max(3, math.ceil(need / assumed.cores_a_node))


def tables(found: Measured, assumed: Assumed) -> str:
    """The generated part of the page."""
    lines = [
        f"Measured at {found.calls} calls, CPU-seconds per call-minute: "
        + ", ".join(f"{name} {cost:.3f}" for name, cost in sorted(found.cpu.items()))
        + f". Memory per call {found.memory_mb:.2f} MB. One leader admits {found.admissions_s:,.0f}/s.",
        "",
        "| | " + " | ".join(f"{size:,} calls" for size in SIZES) + " |",
        "|---|" + "---|" * len(SIZES),
    ]
    columns = [dict(needs(size, found, assumed)) for size in SIZES]
    lines += [f"| {name} | " + " | ".join(column[name] for column in columns) + " |" for name in columns[0]]
    return "\n".join(lines) + "\n"


def page(text: str, found: Measured, assumed: Assumed) -> str:
    """The page with its tables as they are now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(found, assumed)}{END}{after}"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page(text, measured(), Assumed()), encoding="utf-8")


if __name__ == "__main__":
    main()
