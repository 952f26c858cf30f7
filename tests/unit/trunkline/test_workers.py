"""How many processes of which service, and what they are called."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from contracts.identities import ProcessId
from trunkline.errors import BadOption
from trunkline.workers import HEAVY, LIGHT, Seat, parse_workers, require_workers, seats


def test_the_option_is_a_list_of_services_with_numbers() -> None:
    assert parse_workers("stt=2, llm=3") == {"stt": 2, "llm": 3}
    assert parse_workers("") == {}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stt", r"--workers stt has no number \(write it as stt=2,llm=2\)"),
        ("stt=many", "--workers stt=many has no number"),
        ("stt=-1", "--workers stt=-1 has no number"),
        ("ftp=2", r"--workers names 'ftp', which is no service \(use any of gateway stt"),
        ("stt=2,stt=3", "--workers names stt twice"),
        ("stt=0", r"--workers stt=0 is out of range \(use 1 to 32\)"),
        ("stt=33", "--workers stt=33 is out of range"),
        ("rest=2", "rest runs in one process: it listens on one port"),
        ("analytics=2", r"analytics runs in one process: its embedded store .* \(leave analytics out\)"),
    ],
)
def test_what_cannot_be_is_named_with_its_mend(text: str, fault: str) -> None:
    with pytest.raises(BadOption, match=fault):
        parse_workers(text)


def test_one_of_everything_is_always_allowed() -> None:
    assert require_workers({"analytics": 1}) == {"analytics": 1}


def test_light_services_share_a_process_unless_there_are_several() -> None:
    assert [seat.name for seat in seats({}, spread=False)] == [*HEAVY, "+".join(LIGHT)]
    assert [seat.name for seat in seats({"session": 2}, spread=False)] == [
        *HEAVY,
        "session-1",
        "session-2",
        "router+llm",
    ]
    assert [seat.name for seat in seats({}, spread=True)] == [*HEAVY, *LIGHT]
    everything = seats(dict.fromkeys(LIGHT, 2), spread=False)
    assert all(len(seat.services) == 1 for seat in everything)


def test_a_process_is_told_an_id_that_subjects_can_hold() -> None:
    valid = TypeAdapter(ProcessId)
    told = [seat.process for seat in seats({"stt": 2}, spread=False)]
    assert told == ["gateway-1", "stt-1", "stt-2", "tts-1", "analytics-1", "1"]
    assert [valid.validate_python(one) for one in told] == told


def test_a_name_alone_is_that_of_the_only_one() -> None:
    assert Seat(("stt",)).name == "stt"
    assert Seat(("stt",), 1, 2).name == "stt-1"
