"""What a batch of Whisper decodes gains over one decode at a time, and whether the words stay the same.

    python -m bench.batching [--model whisper-base] [--sizes 2,4,8] [--clips 24] [--out FILE]

Sentences of `bench/speech`, of different lengths, as a busy worker finds them in its queue; each size decodes
all of them, once one by one and once in batches, alternately, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio.g711 import decode_mulaw_float
from bench.machine import describe_machine
from bench.recognition import sentences
from models.store import ModelStore
from stt_service.engines.whisper import WhisperTranscriber, load
from stt_service.ports import Segment
from stt_service.settings import Settings


async def decode(
    engine: WhisperTranscriber, segments: Sequence[Segment], size: int
) -> tuple[float, list[str]]:
    """Seconds that all of them took in batches of `size`, and what was understood."""
    texts: list[str] = []
    began_s = time.perf_counter()
    for at in range(0, len(segments), size):
        texts += [transcript.text for transcript in await engine.transcribe(segments[at : at + size])]
    return time.perf_counter() - began_s, texts


async def measure(engine: WhisperTranscriber, segments: Sequence[Segment], sizes: Sequence[int]) -> list[Any]:
    """One row a size."""
    rows = []
    for size in sizes:
        single_s, alone = await decode(engine, segments, 1)
        batched_s, together = await decode(engine, segments, size)
        differ = sum(one != other for one, other in zip(alone, together, strict=True))
        rows.append(
            {
                "size": size,
                "single_s_each": round(single_s / len(segments), 4),
                "batched_s_each": round(batched_s / len(segments), 4),
                "gain": round(single_s / batched_s, 2),
                "texts_that_differ": differ,
            }
        )
        print(rows[-1], flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--sizes", default="2,4,8")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    settings = Settings(stt_whisper_model=options.model)
    engine = load(settings, ModelStore(settings.home / "models"))
    said = list(sentences(human=False))
    step = max(1, len(said) // options.clips)
    segments = [Segment(decode_mulaw_float(one.mulaw_8k), "en-US") for one in said[::step]][: options.clips]
    rows = asyncio.run(measure(engine, segments, [int(size) for size in options.sizes.split(",")]))
    result = {"machine": describe_machine(), "model": options.model, "clips": len(segments), "sizes": rows}
    if options.out is not None:
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
