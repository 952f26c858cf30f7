"""The life of a call as the session sees it: one table, no I/O."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from session_service.errors import IllegalTransition


class CallState(Enum):
    """Where a call stands. RESERVED and DETACHED hold everything and wait for a leg."""

    OPENING = auto()
    RESERVED = auto()
    ACTIVE = auto()
    DETACHED = auto()
    ENDED = auto()


class CallInput(Enum):
    """What can happen to it."""

    WORKERS_TOOK_IT = auto()
    NOBODY_TOOK_IT = auto()
    LEG_CAME = auto()
    LEG_ENDED = auto()
    GATEWAY_LOST = auto()
    GIVEN_UP = auto()


_TABLE: Final = {
    (CallState.OPENING, CallInput.WORKERS_TOOK_IT): CallState.RESERVED,
    (CallState.OPENING, CallInput.NOBODY_TOOK_IT): CallState.ENDED,
    (CallState.OPENING, CallInput.LEG_ENDED): CallState.ENDED,
    (CallState.RESERVED, CallInput.LEG_CAME): CallState.ACTIVE,
    (CallState.RESERVED, CallInput.LEG_ENDED): CallState.ENDED,
    (CallState.RESERVED, CallInput.GIVEN_UP): CallState.ENDED,
    (CallState.ACTIVE, CallInput.LEG_ENDED): CallState.ENDED,
    (CallState.ACTIVE, CallInput.GATEWAY_LOST): CallState.DETACHED,
    (CallState.ACTIVE, CallInput.GIVEN_UP): CallState.ENDED,
    (CallState.DETACHED, CallInput.LEG_CAME): CallState.ACTIVE,
    (CallState.DETACHED, CallInput.LEG_ENDED): CallState.ENDED,
    (CallState.DETACHED, CallInput.GIVEN_UP): CallState.ENDED,
}


def next_state(state: CallState, happened: CallInput) -> CallState:
    """The state after `happened`; raises IllegalTransition for a pair that the table does not list."""
    try:
        return _TABLE[state, happened]
    except KeyError:
        raise IllegalTransition(
            f"{happened.name} cannot happen to a call that is {state.name}",
            mend="see session_service/states.py",
        ) from None
