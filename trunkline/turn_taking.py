"""Taking turns with the agent by ear alone: listen to the greeting, speak, and wait until it has answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trunkline.caller import Caller, Said
from trunkline.errors import CallFailed
from trunkline.utterance import LINE_RATE_HZ, Utterance

QUIET_S: Final = 0.9
"""How long the agent must be silent to have finished; longer than its pauses between sentences."""

ANSWER_WITHIN_S: Final = 30.0
GREETING_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One thing said and what became of it, as the caller heard it.

    `waited_ms` is from the last sample of speech sent to the first frame of the answer; None without one.
    `stopped_ms`, of an interruption only, is from its first sample of speech sent to the agent's silence.
    """

    said: Said
    answered: bool
    waited_ms: float | None
    interrupts: bool = False
    stopped_ms: float | None = None


async def hear_greeting(caller: Caller) -> bool:
    """Wait until the agent has greeted and is silent; False when it does not greet."""
    return await caller.until_answered(0, QUIET_S, GREETING_WITHIN_S)


async def ask(caller: Caller, utterance: Utterance, *, last: bool = False) -> Exchange:
    """Say it, and wait until the agent has answered and is silent.

    After the `last` thing that is said the agent may hang up. Raises CallFailed or CallRefused when the call
    breaks off otherwise.
    """
    said = caller.say(utterance)
    answered = False
    try:
        answered = await caller.until_answered(await speech_end(caller, said), QUIET_S, ANSWER_WITHIN_S)
    except CallFailed:
        if not last or caller.ending is None or not caller.ending.agreed:
            raise
        answered = answer_began(caller, said) is not None
    return exchange_of(caller, said, answered=answered)


async def speech_end(caller: Caller, said: Said) -> int:
    """Where on the call's clock the speech in it ended, once all of it is said."""
    await caller.until(said.finished.is_set, said.utterance.duration_s + ANSWER_WITHIN_S)
    assert said.speech_ended is not None
    return said.speech_ended


def answer_began(caller: Caller, said: Said) -> int | None:
    """When the first agent audio came after it was said."""
    end = said.speech_ended
    return next(
        (spurt.arrived for spurt in caller.ear.spurts if end is not None and spurt.arrived > end), None
    )


def exchange_of(
    caller: Caller, said: Said, *, answered: bool, interrupts: bool = False, stopped_ms: float | None = None
) -> Exchange:
    """What became of it, measured now."""
    end, began = said.speech_ended, answer_began(caller, said)
    waited_ms = None if end is None or began is None else (began - end) * 1000 / LINE_RATE_HZ
    return Exchange(said, answered, waited_ms, interrupts, stopped_ms)
