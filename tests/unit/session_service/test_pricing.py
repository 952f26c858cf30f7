"""What a call costs, against the same in fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.examples.practice import ACTIVE_CALL, PRICE
from contracts.messages import CallCost, Price
from session_service.pricing import charge, cost_of

SECOND_US = 1_000_000
MONTH_US = 31 * 24 * 3600 * SECOND_US
DEAREST = 100_000_000_000
PRICES = st.builds(
    Price,
    per_minute_micros=st.integers(0, DEAREST),
    currency=st.sampled_from(["USD", "EUR", "JPY"]),
    increment_s=st.integers(1, 3600),
)
TIMES_US = st.integers(0, MONTH_US)
ANSWERED_US = ACTIVE_CALL.started_us + 2 * SECOND_US
ANSWERED = ACTIVE_CALL.model_copy(update={"answered_us": ANSWERED_US})


@given(PRICES, TIMES_US)
def test_a_cost_is_the_price_of_the_whole_increments_to_the_nearest_millionth(
    price: Price, time_us: int
) -> None:
    cost = charge(price, time_us)
    increments = ceil(Fraction(time_us, price.increment_s * SECOND_US))
    exact = Fraction(price.per_minute_micros * increments * price.increment_s, 60)
    assert cost.billed_s == increments * price.increment_s
    assert -Fraction(1, 2) < cost.amount_micros - exact <= Fraction(1, 2)
    assert cost.currency == price.currency


@given(PRICES, TIMES_US, TIMES_US)
def test_a_longer_call_never_costs_less(price: Price, one_us: int, other_us: int) -> None:
    shorter, longer = sorted((one_us, other_us))
    assert charge(price, shorter).amount_micros <= charge(price, longer).amount_micros


@given(PRICES, st.integers(0, 10_000))
def test_whole_minutes_cost_exactly_their_price(price: Price, minutes: int) -> None:
    by_the_minute = price.model_copy(update={"increment_s": 60})
    cost = charge(by_the_minute, minutes * 60 * SECOND_US)
    assert cost.amount_micros == minutes * price.per_minute_micros


@pytest.mark.parametrize(
    ("time_us", "increment_s", "cost"),
    [
        (0, 1, (0, 0)),
        (1, 1, (1_500, 1)),
        (SECOND_US, 1, (1_500, 1)),
        (SECOND_US + 1, 1, (3_000, 2)),
        (1, 60, (90_000, 60)),
        (60 * SECOND_US, 60, (90_000, 60)),
        (60 * SECOND_US + 1, 60, (180_000, 120)),
    ],
)
def test_an_increment_is_charged_once_it_has_begun(
    time_us: int, increment_s: int, cost: tuple[int, int]
) -> None:
    charged = charge(PRICE.model_copy(update={"increment_s": increment_s}), time_us)
    assert (charged.amount_micros, charged.billed_s) == cost


def test_what_one_second_cannot_cost_exactly_is_rounded_once() -> None:
    a_third = Price(per_minute_micros=20, currency="USD")  # a third of a millionth a second
    assert [charge(a_third, seconds * SECOND_US).amount_micros for seconds in range(7)] == [
        0,
        0,
        1,
        1,
        1,
        2,
        2,
    ]


def test_time_counts_from_the_answer() -> None:
    assert cost_of(ANSWERED, ANSWERED_US + 60 * SECOND_US) == charge(PRICE, 60 * SECOND_US)


def test_what_was_not_answered_costs_nothing() -> None:
    assert cost_of(ACTIVE_CALL, ANSWERED_US + SECOND_US) == CallCost(
        amount_micros=0, currency="USD", billed_s=0
    )


def test_without_a_price_there_is_no_cost() -> None:
    assert cost_of(ANSWERED.model_copy(update={"price": None}), ANSWERED_US + SECOND_US) is None


def test_the_wait_for_a_leg_is_not_charged() -> None:
    waiting = ANSWERED.model_copy(update={"detached_us": ANSWERED_US + 5 * SECOND_US})
    assert cost_of(waiting, ANSWERED_US + 20 * SECOND_US) == charge(PRICE, 5 * SECOND_US)


@given(st.integers(-MONTH_US, MONTH_US))
def test_no_gateways_clock_makes_a_call_longer_than_it_held_its_slot(off_us: int) -> None:
    call = ACTIVE_CALL.model_copy(update={"answered_us": ACTIVE_CALL.started_us + off_us})
    cost = cost_of(call, call.started_us + 10 * SECOND_US)
    assert cost is not None
    assert 0 <= cost.billed_s <= 10
