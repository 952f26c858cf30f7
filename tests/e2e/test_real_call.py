"""One whole call with the real models, over the gateway's real protocol, in separate processes.

What the caller said is compared with what was understood, the agent's audio is written down by an independent
run of the recognizer and compared with what it was to say, and the turn ledger must explain the silence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from audio.codec import to_float
from bench.words import count_errors
from contracts.identities import CallRef
from models.store import ModelStore
from runtime.clock import SystemClock
from stt_service.engines.whisper import load
from stt_service.ports import Segment
from stt_service.settings import Settings as SttSettings
from trunkline.bus_client import open_bus
from trunkline.caller import Caller, Dialling
from trunkline.composition import models_home
from trunkline.ledger import LedgerTurn, read_ledger
from trunkline.local_platform import LocalPlatform, Options
from trunkline.utterance import LINE_RATE_HZ, load_utterance
from trunkline.watching import find_call

EXAMPLES = Path("examples/audio")
_BEFORE = LINE_RATE_HZ // 5
QUESTIONS = ("opening-hours", "cleaning-price")
EXPECTED = (
    "We are open Monday to Friday from 8 a.m. to 6 p.m. On Saturday we are open from 9 a.m. to 1 p.m.",
    "A cleaning costs $95. It takes about forty minutes, and the checkup is included.",
)


@dataclass(frozen=True)
class Answer:
    """What was heard of the agent after one question."""

    heard: str
    waited_ms: float


def said_in(name: str) -> str:
    """The text of an example clip, from its manifest."""
    clips = json.loads((EXAMPLES / "manifest.json").read_text(encoding="utf-8"))["clips"]
    text: str = next(clip["text"] for clip in clips if clip["file"] == f"{name}.wav")
    return text


async def hold_conversation(
    platform: LocalPlatform, home: Path
) -> tuple[list[Answer], tuple[LedgerTurn, ...]]:
    ears = load(SttSettings(), ModelStore(models_home(home)))
    answers: list[Answer] = []
    dialling = Dialling(platform.state.media_url, "+15550100", "+15550123", "CA" + "e2e".rjust(32, "0"))
    async with open_bus(platform.state.bus_url) as bus:
        async with Caller(dialling, SystemClock()) as caller:
            ref: CallRef = await find_call(bus, dialling.carrier_call_id)
            assert await caller.until_answered(0, 0.8, within_s=30), "no greeting"
            for question in QUESTIONS:
                said = caller.say(load_utterance(EXAMPLES / f"{question}.wav"))
                await said.finished.wait()
                assert said.speech_ended is not None
                assert await caller.until_answered(said.speech_ended, 1.2, within_s=40), (
                    f"no answer to {question}"
                )
                spurt = next(one for one in caller.ear.spurts if one.arrived >= said.speech_ended)
                # Whisper says things twice where much is silence: none from before the answer.
                sound = to_float(caller.heard()[spurt.arrived - _BEFORE : caller.now])
                (transcript,) = await ears.transcribe([Segment(sound, "en")])
                waited_ms = (spurt.arrived - said.speech_ended) * 1000 / LINE_RATE_HZ
                answers.append(Answer(transcript.text, waited_ms))
        await ears.close()
        return answers, await read_ledger(bus, ref, within_s=30)


@pytest.mark.e2e
@pytest.mark.timeout(240)
async def test_a_real_call_is_understood_answered_and_recorded(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with LocalPlatform(Options(home=home, port=0, open_loopback=True)) as platform:
        answers, turns = await hold_conversation(platform, home)

    assert [turn.turn for turn in turns] == [1, 2]
    understood = count_errors([said_in(name) for name in QUESTIONS], [turn.text_pii for turn in turns])
    assert understood.rate <= 0.1, [turn.text_pii for turn in turns]
    assert [turn.answer_pii for turn in turns] == list(EXPECTED)
    assert {turn.llm_engine for turn in turns} == {"faq"}
    for turn, answer in zip(turns, answers, strict=True):
        assert turn.answer_pii is not None
        spoken = count_errors([turn.answer_pii], [answer.heard])
        assert spoken.rate <= 0.25, (
            f"the agent was to say {turn.answer_pii!r}, and this was heard: {answer.heard!r}"
        )
        assert turn.playout_outcome == "done"
        assert turn.voice_to_voice_ms is not None
        assert turn.voice_to_voice_ms > 0
        assert turn.unexplained_ms is not None
        assert answer.waited_ms > 0
