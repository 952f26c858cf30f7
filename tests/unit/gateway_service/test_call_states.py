import itertools

import pytest

from contracts.errors import ErrorCode
from gateway_service.call_states import OVER, TABLE, State, Step, after
from gateway_service.errors import OutOfOrder


def test_a_call_goes_from_socket_to_end() -> None:
    state = State.CONNECTED
    for step, expected in (
        (Step.START, State.OPENING),
        (Step.ACCEPT, State.TALKING),
        (Step.CLOSE, State.ENDING),
        (Step.GONE, State.ENDED),
    ):
        state = after(state, step)
        assert state is expected


@pytest.mark.parametrize(("state", "step"), sorted(set(itertools.product(State, Step)) - TABLE.keys()))
def test_what_the_table_does_not_list_raises(state: State, step: Step) -> None:
    with pytest.raises(OutOfOrder, match=f"'{step}' cannot come when the call is {state}") as caught:
        after(state, step)
    assert caught.value.code is ErrorCode.OUT_OF_ORDER
    assert caught.value.close_code == 1002


@pytest.mark.parametrize("state", State)
def test_the_leg_may_be_gone_at_any_time_before_it_is(state: State) -> None:
    if state is State.ENDED:
        assert (state, Step.GONE) not in TABLE
    else:
        assert after(state, Step.GONE) is State.ENDED


def test_nothing_leads_back_from_over() -> None:
    assert all(after_it in OVER for (state, _), after_it in TABLE.items() if state in OVER)
