"""What the recognizer understands over a telephone, and how long it takes.

    python -m bench.recognition [--model whisper-base] [--human] [--out bench/results/recognition.json]

Every sentence of `bench/speech` (three synthetic voices, none of which is the platform's own) goes through
the stt engine as a finished segment, as a turn does. `--human` adds the read sentences of Debian's
pocketsphinx-testdata (LibriVox), brought to the telephone band. Word error rate by voice; decode times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from audio.g711 import decode_mulaw_float
from bench.figures import Figures
from bench.human_speech import human_sentences
from bench.machine import describe_machine
from bench.words import count_errors
from models.store import ModelStore
from stt_service.engines.whisper import WhisperTranscriber, load
from stt_service.ports import Segment
from stt_service.settings import Settings
from trunkline.utterance import load_utterance

SPEECH = Path("bench/speech")


class Sentence(NamedTuple):
    voice: str
    mulaw_8k: bytes
    text: str


def sentences(*, human: bool) -> Iterator[Sentence]:
    for clip in json.loads((SPEECH / "manifest.json").read_text(encoding="utf-8"))["clips"]:
        yield Sentence(clip["voice"], load_utterance(SPEECH / clip["file"]).mulaw, clip["text"])
    if human:
        for mulaw, transcript in human_sentences():
            yield Sentence("human (LibriVox)", mulaw, transcript)


async def understand(
    engine: WhisperTranscriber, said: list[Sentence]
) -> tuple[list[str], list[tuple[float, float]]]:
    """What was understood of each sentence, and (seconds of audio, seconds to decode) of each."""
    texts, times = [], []
    for sentence in said:
        segment = Segment(decode_mulaw_float(sentence.mulaw_8k), "en-US")
        began_s = time.perf_counter()
        (transcript,) = await engine.transcribe([segment])
        times.append((segment.duration_s, time.perf_counter() - began_s))
        texts.append(transcript.text)
    return texts, times


def summarize(said: list[Sentence], texts: list[str], times: list[tuple[float, float]]) -> dict[str, Any]:
    by_voice: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for sentence, text in zip(said, texts, strict=True):
        by_voice[sentence.voice].append((sentence.text, text))
    voices = {}
    for voice, pairs in by_voice.items():
        errors = count_errors([one for one, _ in pairs], [other for _, other in pairs])
        rate = round(100 * errors.rate, 2)
        voices[voice] = {
            "sentences": len(pairs),
            "words": errors.words,
            "errors": errors.errors,
            "wer_percent": rate,
        }
    decode_ms = [1000 * decode_s for _, decode_s in times]
    p50, p95 = np.percentile(decode_ms, [50, 95])
    wrong = [
        {"said": sentence.text, "understood": text}
        for sentence, text in zip(said, texts, strict=True)
        if count_errors([sentence.text], [text]).errors
    ]
    return {
        "voices": voices,
        "decode_ms": {"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
        "real_time_factor": round(sum(took for _, took in times) / sum(long for long, _ in times), 3),
        "wrong": wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="whisper-base", help="a model's name in models/manifest.toml")
    parser.add_argument("--human", action="store_true", help="with Debian's pocketsphinx-testdata")
    parser.add_argument(
        "--home", type=Path, default=Path(".trunkline/models"), help="where joined models lie"
    )
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    arguments = parser.parse_args()
    engine = load(Settings(stt_whisper_model=arguments.model), ModelStore(arguments.home))
    said = list(sentences(human=arguments.human))
    figures = Figures(arguments.out, "bench.recognition", **describe_machine(), model=arguments.model)
    texts, times = asyncio.run(understand(engine, said))
    summary = summarize(said, texts, times)
    for voice, figures in summary["voices"].items():
        rate = figures["wer_percent"]
        print(f"{voice:<18} {figures['errors']:>3} of {figures['words']:>4} words, WER {rate} %")
    print(f"decode p50 {summary['decode_ms']['p50']} ms, p95 {summary['decode_ms']['p95']} ms")
    print(f"{summary['real_time_factor']} seconds a second of audio")
    for pair in summary["wrong"]:
        print(f"  said       {pair['said']}\n  understood {pair['understood']}")
    figures.put(**summary)


if __name__ == "__main__":
    main()
