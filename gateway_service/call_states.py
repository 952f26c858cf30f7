"""The states of a call as the gateway sees them: one table, no I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway_service.errors import OutOfOrder


class State(StrEnum):
    """Where a call stands."""

    CONNECTED = "connected"  # the socket is open, nobody has said who calls
    OPENING = "opening"  # the session has been asked
    TALKING = "talking"  # answered; audio flows
    ENDING = "ending"  # the leg was told to close
    ENDED = "ended"  # the leg is gone


class Step(StrEnum):
    """What moves a call from one state to the next."""

    START = "start"
    ACCEPT = "accept"
    CLOSE = "close"
    GONE = "gone"


TABLE: Final[dict[tuple[State, Step], State]] = {
    (State.CONNECTED, Step.START): State.OPENING,
    (State.CONNECTED, Step.CLOSE): State.ENDING,
    (State.CONNECTED, Step.GONE): State.ENDED,
    (State.OPENING, Step.ACCEPT): State.TALKING,
    (State.OPENING, Step.CLOSE): State.ENDING,
    (State.OPENING, Step.GONE): State.ENDED,
    (State.TALKING, Step.CLOSE): State.ENDING,
    (State.TALKING, Step.GONE): State.ENDED,
    (State.ENDING, Step.GONE): State.ENDED,
}
OVER: Final = frozenset({State.ENDING, State.ENDED})


def after(state: State, step: Step) -> State:
    """The state that `step` leads to; raises OutOfOrder where the table lists none."""
    try:
        return TABLE[state, step]
    except KeyError:
        raise OutOfOrder(
            f"{step.value!r} cannot come when the call is {state.value}",
            mend="send start once, before all else",
        ) from None
