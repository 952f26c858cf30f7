from __future__ import annotations

from itertools import product

import pytest

from stt_service.errors import UnlistedTransition
from stt_service.turns import TABLE, TurnEvent, TurnMachine, TurnState

PATHS = {
    TurnState.QUIET: (),
    TurnState.SPEAKING: (TurnEvent.BEGAN,),
    TurnState.PAUSING: (TurnEvent.BEGAN, TurnEvent.PAUSED),
    TurnState.UNDERSTOOD: (TurnEvent.BEGAN, TurnEvent.PAUSED, TurnEvent.UNDERSTOOD),
}


def machine_in(state: TurnState) -> TurnMachine:
    machine = TurnMachine()
    for event in PATHS[state]:
        machine.apply(event)
    assert machine.state is state
    return machine


@pytest.mark.parametrize(
    ("state", "event", "following"),
    [
        (TurnState.QUIET, TurnEvent.BEGAN, TurnState.SPEAKING),
        (TurnState.SPEAKING, TurnEvent.PAUSED, TurnState.PAUSING),
        (TurnState.PAUSING, TurnEvent.RESUMED, TurnState.SPEAKING),
        (TurnState.PAUSING, TurnEvent.UNDERSTOOD, TurnState.UNDERSTOOD),
        (TurnState.PAUSING, TurnEvent.FAILED, TurnState.QUIET),
        (TurnState.UNDERSTOOD, TurnEvent.RESUMED, TurnState.SPEAKING),
        (TurnState.UNDERSTOOD, TurnEvent.OVER, TurnState.QUIET),
    ],
)
def test_a_listed_pair_moves_on(state: TurnState, event: TurnEvent, following: TurnState) -> None:
    machine = machine_in(state)
    assert machine.apply(event) is following
    assert machine.state is following


@pytest.mark.parametrize(
    ("state", "event"), [pair for pair in product(TurnState, TurnEvent) if pair not in TABLE]
)
def test_an_unlisted_pair_raises_and_changes_nothing(state: TurnState, event: TurnEvent) -> None:
    machine = machine_in(state)
    with pytest.raises(UnlistedTransition, match=f"{event} while {state}"):
        machine.apply(event)
    assert machine.state is state


def test_the_table_lists_nothing_but_what_is_tested_above() -> None:
    assert len(TABLE) == 7
