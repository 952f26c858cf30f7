"""What batches gain over one at a time: Whisper's decodes, and the sentences that Piper speaks.

    python -m bench.batching [--stage stt,tts] [--model whisper-base] [--sizes 1,2,4,8] [--clips 16]
                             [--out FILE]

Sentences of `bench/speech`, of different lengths, as a busy worker finds them in its queue; each size takes
all of them, once one by one and once in batches, alternately, so that a machine that slows down slows both.

stt: seconds a decode, and how many were written down otherwise.

tts: so many sentences, of as many calls, come at one moment to one slot with one thread, through the
service's own queue, which gives the turns by need, a window of 0.3 to 1.1 s each. Seconds of audio in a
second; processor seconds for a second of audio (`gain` is their ratio, which others at work on the machine
hardly change); when the first audio of each sentence was there. Whisper writes down what was said at the
largest size.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.g711 import decode_mulaw_float
from bench.figures import Figures
from bench.machine import describe_machine
from bench.recognition import sentences
from bench.words import count_errors
from models.store import ModelStore
from runtime.clock import SystemClock
from runtime.tasks import TaskOwner
from stt_service.engines.whisper import WhisperTranscriber, load
from stt_service.ports import Segment
from stt_service.settings import Settings
from tts_service.engines.piper import PiperEngine
from tts_service.ports import Phrase
from tts_service.recording import Recorder
from tts_service.scheduling import Turns

Spoken = tuple[float, float, NDArray[np.float32]]
"""Seconds until the first audio, and until the last; the sound at 8 kHz."""


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


async def speak(engine: PiperEngine, texts: Sequence[str], batch_limit: int) -> list[Spoken]:
    """Say all of these at once, up to so many in one run."""
    clock, tasks = SystemClock(), TaskOwner("bench")
    recorder = Recorder(Turns(1, clock, tasks), clock, batch_limit=batch_limit, budget_s=60.0, timeout_s=60.0)
    voice = engine.voices()[0].name
    came_s = clock.monotonic_s()

    async def say(text: str) -> Spoken:
        times: list[float] = []
        frames = b""
        async for stretch in recorder.record("piper", engine, Phrase(text, voice), lambda: came_s):
            frames += stretch.frames
            times.append(clock.monotonic_s() - came_s)
        return times[0], times[-1], decode_mulaw_float(frames)

    spoken = await asyncio.gather(*(say(text) for text in texts))
    await tasks.close()
    return list(spoken)


class Saying:
    """What one way of saying sentences took in all."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0
        self.spoken: list[Spoken] = []

    async def say(self, engine: PiperEngine, texts: Sequence[str], batch_limit: int) -> None:
        cpu_s = time.process_time()
        spoken = await speak(engine, texts, batch_limit)
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += max(last_s for _, last_s, _ in spoken)
        self.spoken += spoken

    def figures(self) -> dict[str, float]:
        audio_s = sum(len(sound) for *_, sound in self.spoken) / 8000
        p50, p95 = np.percentile([1000 * first_s for first_s, *_ in self.spoken], [50, 95])
        return {
            "audio_s_per_s": round(audio_s / self.wall_s, 2),
            "cpu_s_per_audio_s": round(self.cpu_s / audio_s, 4),
            "first_audio_ms_p50": round(float(p50)),
            "first_audio_ms_p95": round(float(p95)),
        }


async def measure_speech(
    engine: PiperEngine, texts: Sequence[str], sizes: Sequence[int]
) -> tuple[list[Any], list[Saying]]:
    """One row a size, and what was said at the last one: one after the other, and together."""
    rows = []
    alone = together = Saying()
    for size in sizes:
        alone, together = Saying(), Saying()
        for at in range(0, len(texts) - size + 1, size):
            await alone.say(engine, texts[at : at + size], 1)
            await together.say(engine, texts[at : at + size], size)
        gain = alone.cpu_s / together.cpu_s if size > 1 else 1.0
        row = {"size": size, "alone": alone.figures(), "together": together.figures(), "gain": round(gain, 2)}
        rows.append(row)
        print(row, flush=True)
    return rows, [alone, together]


async def words_wrong(ear: WhisperTranscriber, texts: Sequence[str], saying: Saying) -> dict[str, int]:
    """What Whisper makes of what was said."""
    heard = [(await ear.transcribe([Segment(sound, "en-US")]))[0].text for *_, sound in saying.spoken]
    errors = count_errors(list(texts[: len(heard)]), heard)
    return {"errors": errors.errors, "words": errors.words}


async def listen_and_speak(options: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for."""
    settings = Settings(stt_whisper_model=options.model)
    store = ModelStore(settings.home / "models")
    ear = load(settings, store)
    said = list(sentences(human=False))
    said = said[:: max(1, len(said) // options.clips)][: options.clips]
    sizes = [int(size) for size in options.sizes.split(",")]
    result: dict[str, Any] = {}
    if "stt" in options.stage:
        segments = [Segment(decode_mulaw_float(one.mulaw_8k), "en-US") for one in said]
        result["sizes"] = await measure(ear, segments, [size for size in sizes if size > 1])
    if "tts" in options.stage:
        texts = [one.text for one in said]
        with ThreadPoolExecutor(1) as thread:
            engine = PiperEngine.load([store.path("piper-joe")], 1, thread, together=max(sizes))
            await speak(engine, texts[:1], 1)
            result["speech"], sayings = await measure_speech(engine, texts, sizes)
        result["speech_words"] = [await words_wrong(ear, texts, saying) for saying in sayings]
        print("words wrong, alone and together:", result["speech_words"])
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write where told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stage", default="stt,tts", help="stt, tts, or both")
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--sizes", default="1,2,4,8")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    head = {**describe_machine(), "model": options.model, "clips": options.clips}
    figures = Figures(options.out, "bench.batching", **head)
    figures.put(**asyncio.run(listen_and_speak(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
