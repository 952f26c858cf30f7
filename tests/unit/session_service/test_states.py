"""The table of a call's life: what is listed happens, the rest raises and changes nothing."""

from __future__ import annotations

import itertools

import pytest

from contracts.errors import ErrorCode
from session_service.errors import IllegalTransition
from session_service.states import CallInput, CallState, next_state

LISTED = {
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


@pytest.mark.parametrize(("state", "happened"), list(itertools.product(CallState, CallInput)))
def test_every_pair(state: CallState, happened: CallInput) -> None:
    if (state, happened) in LISTED:
        assert next_state(state, happened) is LISTED[state, happened]
    else:
        with pytest.raises(IllegalTransition, match=f"{happened.name} .* {state.name}") as caught:
            next_state(state, happened)
        assert caught.value.code is ErrorCode.OUT_OF_ORDER


def test_an_ended_call_stays_ended() -> None:
    assert not any(state is CallState.ENDED for state, _ in LISTED)
