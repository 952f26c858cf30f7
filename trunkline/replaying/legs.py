"""One recorded call, placed again: the caller's audio and keys in true time, and the end as it was."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.messages import EndReason
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from trunkline.caller import Caller
from trunkline.errors import CallFailed, CallRefused
from trunkline.recording.calls import RecordedCall
from trunkline.turn_taking import QUIET_S
from trunkline.utterance import LINE_RATE_HZ, Utterance

LINGER_S: Final = 10.0
_LATE_S: Final = 30.0


class Fate(StrEnum):
    """What became of a leg."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg that is over."""

    fate: Fate
    detail: str
    worst_lateness_ms: float


async def replay_leg(recorded: RecordedCall, caller: Caller, clock: Clock, linger_s: float = LINGER_S) -> Leg:
    """Say what was said and press what was pressed, then end as then.

    Where the last reply was heard to its end then, it is given `linger_s` to be so again; where the agent
    hung up, it is given as long to do so.
    """
    caller.say(_utterance(recorded))
    keys = TaskOwner("keys")
    fate, detail = Fate.DONE, ""
    try:
        async with caller:
            keys.spawn(_press(recorded, caller, clock), "press")
            await _through(recorded, caller, linger_s)
    except CallRefused as error:
        fate, detail = Fate.REFUSED, error.message
    except CallFailed as error:
        if caller.ending is None or not caller.ending.agreed:
            fate, detail = Fate.FAILED, error.message
    finally:
        await keys.close()
    return Leg(fate, detail, caller.worst_lateness_ms)


async def _through(recorded: RecordedCall, caller: Caller, linger_s: float) -> None:
    said = caller.said[0]
    await caller.until(said.finished.is_set, said.utterance.duration_s + _LATE_S)
    if recorded.conversation.end is EndReason.AGENT_HUNG_UP:
        if await caller.until(lambda: caller.ending is not None, linger_s):
            caller.check()  # it may have been lost instead
    elif recorded.conversation.heard_out:
        await caller.until(lambda: _quiet(caller), linger_s)


def _quiet(caller: Caller) -> bool:
    since = caller.ear.silent_since(caller.now)
    return since is not None and caller.now - since >= QUIET_S * LINE_RATE_HZ


async def _press(recorded: RecordedCall, caller: Caller, clock: Clock) -> None:
    for at_s, digit in recorded.keys:
        await clock.sleep(max(0.0, at_s - caller.now / LINE_RATE_HZ))
        caller.press(digit)


def _utterance(recorded: RecordedCall) -> Utterance:
    """All of it as one thing said: where the speech lies is for the platform to find out again."""
    mulaw = recorded.audio.mulaw
    return Utterance(recorded.entry.call, mulaw, 0, len(mulaw))
