from __future__ import annotations

from itertools import pairwise

import pytest

from trunkline.errors import BadOption
from trunkline.load.plan import Arrival, LoadPlan, Number, arrivals, parse_number, require_loopback, whom
from trunkline.load.script import parse_pattern


def test_arrivals_come_at_once_evenly_or_ever_faster() -> None:
    assert arrivals(Arrival.BURST, 3, 10) == (0, 0, 0)
    assert arrivals(Arrival.CONSTANT, 5, 10) == (0, 2, 4, 6, 8)
    ramp = arrivals(Arrival.RAMP, 100, 10)
    gaps = [b - a for a, b in pairwise(ramp)]
    assert gaps == sorted(gaps, reverse=True)
    assert ramp[0] == 0
    assert ramp[25] == pytest.approx(5)
    assert ramp[-1] < 10


def test_numbers_are_mixed_by_weight_from_the_first_call_on() -> None:
    mix = whom([Number("a", 3), Number("b")], 8)
    assert sorted(mix) == ["a"] * 6 + ["b"] * 2
    assert sorted(mix[:4]) == ["a", "a", "a", "b"]


def test_a_number_may_have_a_weight() -> None:
    assert parse_number("+15550199") == Number("+15550199", 1)
    assert parse_number("+15550199=12") == Number("+15550199", 12)


@pytest.mark.parametrize("text", ["", "=3", "+1555=", "+1555=0", "+1555=x", "+1555=1001"])
def test_a_weight_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match="--to"):
        parse_number(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1.2.3"])
def test_this_machine_may_be_loaded(host: str) -> None:
    require_loopback(f"ws://{host}:8080/media/twilio")


@pytest.mark.parametrize(
    "url", ["ws://10.0.0.1/media", "wss://example.com/media", "ws://127.0.0.1.example.com/"]
)
def test_another_machine_is_not_loaded_by_mistake(url: str) -> None:
    with pytest.raises(BadOption, match="--allow-remote"):
        require_loopback(url)


def test_callers_take_gateways_in_turn_and_may_come_back_through_any() -> None:
    plan = LoadPlan(
        url="ws://a",
        others=("ws://b", "ws://c"),
        numbers=(Number("+15550199"),),
        calls=4,
        arrival=Arrival.BURST,
        arrive_over_s=0.0,
        script=parse_pattern("noise:1,silence:3"),
        talk_s=4.0,
    )
    assert [plan.dial(index) for index in (0, 1, 3)] == [
        ("ws://a", ("ws://b", "ws://c")),
        ("ws://b", ("ws://c", "ws://a")),
        ("ws://a", ("ws://b", "ws://c")),
    ]
    assert plan.describe()["url"] == "ws://a ws://b ws://c"
