"""How long callers wait: whole calls through the embedded platform with its real models.

    python -m bench.call_latency [--turns 24] [--interruptions 10] [--out bench/results/call_latency.json]

Starts the platform as `trunkline up` does, calls the dental practice as often as it takes, and asks with the
telephone voices of `bench/speech`, none of which is the platform's own. It prints p50 and p95 of

- voice to voice: the caller's last sample of speech leaves for the gateway → the first agent frame arrives.
  The end of speech is known from the file, not from what the recognizer believed;
- the same as the platform reports it, on the gateway's clock, and its stages;
- barge-in: the caller's first sample of speech leaves → the last agent frame arrives, and beside it the part
  of it that the voice activity detector took to be sure.

Answers that are in the phrase cache and answers that were synthesized for the caller are counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from bench.figures import Figures
from bench.machine import describe_machine
from contracts.messages import (
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    SentenceSynthesized,
    SpeechStarted,
    TurnEnded,
)
from runtime.clock import SystemClock
from trunkline.bus_client import open_bus
from trunkline.caller import Caller, Dialling
from trunkline.local_platform import LocalPlatform, Options
from trunkline.utterance import LINE_RATE_HZ, Utterance, load_utterance
from trunkline.watching import find_call, watch_call

SPEECH = Path("bench/speech")
NUMBER = "+15550100"
TURNS_A_CALL = 6
QUIET_S = 0.6


@dataclass
class Listener:
    """The events of one call, by kind."""

    events: list[Any] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event.body for event in self.events if isinstance(event.body, kind)]


def load_speech(voices: list[str]) -> list[Utterance]:
    """Sentences of several voices in turn."""
    clips = json.loads((SPEECH / "manifest.json").read_text(encoding="utf-8"))["clips"]
    by_voice = [[clip for clip in clips if clip["voice"] == voice] for voice in voices]
    return [load_utterance(SPEECH / clip["file"]) for group in zip(*by_voice, strict=True) for clip in group]


async def one_call(url: str, nats_url: str, serial: int, talk: Any) -> None:
    """Dial, let the greeting finish, then `talk(caller, listener)`."""
    dialling = Dialling(url, NUMBER, "+15550123", f"CA{os.getpid():016x}{serial:016x}")
    listener = Listener()
    async with open_bus(nats_url) as bus, Caller(dialling, SystemClock()) as caller:
        ref = await find_call(bus, dialling.carrier_call_id)
        await watch_call(bus, ref, listener.events.append)
        assert await caller.until_answered(0, QUIET_S, within_s=30), "no greeting"
        await talk(caller, listener)


async def ask(caller: Caller, utterance: Utterance) -> tuple[float, bool]:
    """Say it and hear the answer out; the wait in ms from the last sample of speech to the first frame, and
    whether the agent had cut in before that."""
    spurts = len(caller.ear.spurts)
    said = caller.say(utterance)
    await said.finished.wait()
    assert said.speech_ended is not None
    assert await caller.until_answered(said.speech_ended, QUIET_S, within_s=40), (
        f"no answer to {utterance.name}"
    )
    first = next(one for one in caller.ear.spurts[spurts:] if one.arrived >= said.speech_ended)
    cut_in = caller.ear.spurts[spurts] is not first
    return (first.arrived - said.speech_ended) * 1000 / LINE_RATE_HZ, cut_in


async def measure_turns(
    platform: LocalPlatform, speech: list[Utterance], turns: int, figures: Figures
) -> tuple[list[dict[str, Any]], int]:
    """Ask `turns` questions, a few to a call; a row each, and how many calls it took."""
    rows: list[dict[str, Any]] = []
    calls = 0
    while len(rows) < turns:
        batch = speech[len(rows) : len(rows) + min(TURNS_A_CALL, turns - len(rows))]

        async def talk(caller: Caller, listener: Listener, batch: list[Utterance] = batch) -> None:
            for utterance in batch:
                known = len(listener.of(TurnEnded))
                waited_ms, cut_in = await ask(caller, utterance)
                assert await caller.until(lambda: len(listener.of(PlayoutEnded)) > known, within_s=5)  # noqa: B023
                heard = {"file": utterance.name, "heard_ms": round(waited_ms, 1), "cut_in": cut_in}
                rows.append({**heard, **stages(listener)})
                figures.put(turns=rows)
                print(".", end="", flush=True)

        await one_call(platform.state.media_url, platform.state.bus_url, calls, talk)
        calls += 1
    print()
    return rows, calls


def stages(listener: Listener) -> dict[str, Any]:
    """The last turn as the platform's own record has it."""
    turn: TurnEnded = listener.of(TurnEnded)[-1]
    completed = next(one for one in reversed(listener.of(ReplyCompleted)) if one.turn == turn.turn)
    first = next(
        one for one in listener.of(SentenceSynthesized) if one.reply == completed.reply and one.index == 0
    )
    started = next(one for one in listener.of(PlayoutStarted) if one.reply == completed.reply)
    return {
        "text": turn.text_pii,
        "answered_by": completed.engine,
        "voice_to_voice_ms": round((started.first_frame_us - turn.speech_ended_us) / 1000, 1),
        "endpoint_ms": round((turn.decided_us - turn.speech_ended_us) / 1000, 1),
        "decode_ms": round(turn.decode_ms, 1),
        "llm_ms": round(completed.first_sentence_ms, 1),
        "tts_ms": round(first.first_audio_ms, 1),
        "cached": first.cached,
    }


async def measure_interruptions(
    platform: LocalPlatform, speech: list[Utterance], count: int, serial: int, figures: Figures
) -> list[dict[str, float]]:
    """Interrupt `count` answers, half a second into each."""
    rows: list[dict[str, float]] = []

    async def talk(caller: Caller, listener: Listener) -> None:
        for number in range(count):
            question = caller.say(speech[number % len(speech)])
            await question.finished.wait()
            spurts = len(caller.ear.spurts)
            assert await caller.until(lambda: len(caller.ear.spurts) > spurts, within_s=30)  # noqa: B023
            await asyncio.sleep(0.5)
            cut = caller.ear.spurts[spurts]
            said = caller.say(speech[(number + 7) % len(speech)])
            assert await caller.until(
                lambda: cut.cleared is not None and said.speech_began is not None,  # noqa: B023
                within_s=10,
            )
            assert said.speech_began is not None
            onset = listener.of(SpeechStarted)[-1]
            rows.append(
                {
                    "stopped_ms": round((cut.last_arrived - said.speech_began) * 1000 / LINE_RATE_HZ, 1),
                    "onset_ms": round((onset.detected_us - onset.started_us) / 1000, 1),
                }
            )
            figures.put(interruptions=rows)
            await said.finished.wait()
            assert await caller.until_answered(said.speech_ended or 0, QUIET_S, within_s=40)
            print(".", end="", flush=True)

    await one_call(platform.state.media_url, platform.state.bus_url, serial, talk)
    print()
    return rows


def spread(values: list[float]) -> dict[str, float]:
    """p50 and p95 and the worst."""
    if not values:
        return {"n": 0}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": round(float(p50), 1), "p95": round(float(p95), 1), "max": max(values)}


def summarize(rows: list[dict[str, Any]], cuts: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """The figures, in milliseconds."""
    made = [row for row in rows if not row["cached"]]
    summary: dict[str, dict[str, float]] = {
        "voice to voice, at the caller": spread([row["heard_ms"] for row in rows]),
        "  of these, not from the phrase cache": spread([row["heard_ms"] for row in made]),
        "voice to voice, as the platform reports it": spread([row["voice_to_voice_ms"] for row in rows]),
    }
    for stage in ("endpoint_ms", "decode_ms", "llm_ms", "tts_ms"):
        summary[f"  {stage.removesuffix('_ms')}"] = spread([row[stage] for row in rows])
    summary["  tts, not from the phrase cache"] = spread([row["tts_ms"] for row in made])
    summary["barge-in, at the caller"] = spread([cut["stopped_ms"] for cut in cuts])
    summary["  of this, the detector's onset"] = spread([cut["onset_ms"] for cut in cuts])
    summary["  without the onset"] = spread([round(cut["stopped_ms"] - cut["onset_ms"], 1) for cut in cuts])
    return summary


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    speech = load_speech(arguments.voices.split(","))
    with tempfile.TemporaryDirectory() as home:
        options = Options(home=arguments.home or Path(home), port=0, open_loopback=True)
        async with LocalPlatform(options) as platform:
            figures = Figures(arguments.out, "bench.call_latency", **describe_machine())
            rows, calls = await measure_turns(platform, speech, arguments.turns, figures)
            figures.put(summary_ms=summarize(rows, []))
            short = [one for one in speech if one.duration_s < 3]
            cuts = await measure_interruptions(platform, short, arguments.interruptions, calls, figures)
            summary = summarize(rows, cuts)
            figures.put(summary_ms=summary)
    return {"summary_ms": summary, "turns": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=24)
    parser.add_argument("--interruptions", type=int, default=10)
    parser.add_argument("--voices", default="af_heart,am_michael", help="folders of bench/speech")
    parser.add_argument("--home", type=Path, help="keep the platform's data here instead of in a new folder")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON, as they come")
    arguments = parser.parse_args()
    report = uvloop.run(run(arguments))
    cut_ins = sum(row["cut_in"] for row in report["turns"])
    print(f"{len(report['turns'])} questions; the agent cut in on {cut_ins}, in a pause within the question")
    for name, figures in report["summary_ms"].items():
        print(f"{name:<46}" + "  ".join(f"{key} {value:>7}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
