"""The demo's caller: three questions, an interruption of the last answer, a goodbye."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.caller import Caller
from trunkline.turn_taking import (
    ANSWER_WITHIN_S,
    QUIET_S,
    Exchange,
    answer_began,
    ask,
    exchange_of,
    hear_greeting,
    speech_end,
)
from trunkline.utterance import LINE_RATE_HZ, Utterance, load_utterance

_INTERRUPT_AFTER_S: Final = 2.0
_STOP_WITHIN_S: Final = 3.0
_QUESTIONS: Final = ("opening-hours", "cleaning-price", "parking")
_INTERRUPTION: Final = "interrupt"
_GOODBYE: Final = "goodbye"


@dataclass(frozen=True, slots=True)
class Lines:
    """What the caller will say."""

    questions: tuple[Utterance, ...]
    interruption: Utterance
    goodbye: Utterance

    def __len__(self) -> int:
        return len(self.questions) + 2


def load_lines(folder: Path) -> Lines:
    """The demo's lines from its folder of WAVs; raises WavError that names the one at fault."""
    *questions, interruption, goodbye = (
        load_utterance(folder / f"{name}.wav") for name in (*_QUESTIONS, _INTERRUPTION, _GOODBYE)
    )
    return Lines(tuple(questions), interruption, goodbye)


async def hold_conversation(caller: Caller, lines: Lines, note: Callable[[Exchange], None]) -> None:
    """Say the lines, each when the agent has finished, and `note` what became of each.

    Raises CallFailed or CallRefused when the call breaks off.
    """
    await hear_greeting(caller)
    *questions, last = lines.questions
    for question in questions:
        note(await ask(caller, question))
    note(await _ask_and_wait_for_sound(caller, last))
    note(await _interrupt(caller, lines.interruption))
    note(await ask(caller, lines.goodbye, last=True))


async def _ask_and_wait_for_sound(caller: Caller, utterance: Utterance) -> Exchange:
    """Say it, and return when the agent is in the middle of the answer."""
    said = caller.say(utterance)
    await speech_end(caller, said)
    answered = await caller.until(lambda: answer_began(caller, said) is not None, ANSWER_WITHIN_S)
    began = answer_began(caller, said)
    if began is not None:
        due = began + round(_INTERRUPT_AFTER_S * LINE_RATE_HZ)
        await caller.until(lambda: caller.now >= due, 2 * _INTERRUPT_AFTER_S)
    return exchange_of(caller, said, answered=answered)


async def _interrupt(caller: Caller, utterance: Utterance) -> Exchange:
    """Say it while the agent speaks, and wait for it to stop and to answer."""
    speaking = caller.ear.spurts[-1] if caller.ear.spurts else None
    said = caller.say(utterance)
    end = await speech_end(caller, said)
    stopped_ms = None
    if speaking is not None and await caller.until(lambda: speaking.cleared is not None, _STOP_WITHIN_S):
        assert speaking.cleared is not None
        assert said.speech_began is not None
        stopped_ms = (speaking.cleared - said.speech_began) * 1000 / LINE_RATE_HZ
    answered = await caller.until_answered(end, QUIET_S, ANSWER_WITHIN_S)
    return exchange_of(caller, said, answered=answered, interrupts=True, stopped_ms=stopped_ms)
