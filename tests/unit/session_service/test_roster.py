"""Who lives, who has most room, and when silence means loss."""

from __future__ import annotations

import pytest

from contracts.errors import ErrorCode
from contracts.messages import Heartbeat, Role
from session_service.errors import NoWorker, PlatformFull
from session_service.roster import Roster


def hear(
    roster: Roster,
    process: str,
    at_s: float,
    *,
    role: Role = Role.STT,
    capacity: int = 10,
    draining: bool = False,
    room: int | None = None,
    calls: int = 0,
) -> None:
    beat = Heartbeat(
        role=role, process=process, at_us=0, calls=calls, capacity=capacity, room=room, draining=draining
    )
    roster.heard(beat, at_s)


def test_the_smallest_share_in_use_is_picked_and_equals_by_name() -> None:
    roster = Roster(4.0)
    hear(roster, "stt-2", 0, capacity=10)
    hear(roster, "stt-1", 0, capacity=100)
    assert roster.pick(Role.STT, 0) == "stt-1"
    for _ in range(5):
        roster.took("stt-1")
    assert roster.pick(Role.STT, 0) == "stt-2", "0 of 10 is less than 5 of 100"
    roster.took("stt-2")
    assert roster.pick(Role.STT, 0) == "stt-1", "5 of 100 is less than 1 of 10"


def test_a_burst_between_two_heartbeats_is_spread() -> None:
    roster = Roster(4.0)
    for process in ("stt-1", "stt-2", "stt-3"):
        hear(roster, process, 0)
    picked = []
    for _ in range(30):
        picked.append(roster.pick(Role.STT, 0))
        roster.took(picked[-1])
    assert {process: picked.count(process) for process in picked} == {"stt-1": 10, "stt-2": 10, "stt-3": 10}
    with pytest.raises(PlatformFull, match=r"every stt worker is at its capacity \(start another") as caught:
        roster.pick(Role.STT, 0)
    assert caught.value.code is ErrorCode.PLATFORM_FULL
    roster.let_go("stt-2")
    assert roster.pick(Role.STT, 0) == "stt-2"


def test_the_dead_the_draining_the_doubted_and_the_avoided_are_not_picked() -> None:
    roster = Roster(4.0)
    for process in ("a", "b", "c", "d"):
        hear(roster, process, 0)
    hear(roster, "alive", 3.9)
    hear(roster, "draining", 3.9, draining=True)
    hear(roster, "doubted", 3.9)
    roster.doubt(Role.STT, "doubted")
    roster.doubt(Role.STT, "never heard of")
    assert roster.pick(Role.STT, 4.0) == "alive"
    with pytest.raises(NoWorker, match=r"no stt worker can take a call \(start a stt service") as caught:
        roster.pick(Role.STT, 4.0, avoid={"alive"})
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.NO_WORKER, True)
    hear(roster, "doubted", 4.0)
    assert roster.pick(Role.STT, 4.0, avoid={"alive"}) == "doubted", "it is heard again"


def test_a_worker_of_another_role_does_not_do() -> None:
    roster = Roster(4.0)
    hear(roster, "llm-1", 0, role=Role.LLM)
    with pytest.raises(NoWorker):
        roster.pick(Role.STT, 0)


def test_a_worker_without_capacity_is_full() -> None:
    roster = Roster(4.0)
    hear(roster, "stt-1", 0, capacity=0)
    with pytest.raises(PlatformFull):
        roster.pick(Role.STT, 0)


def test_load_never_falls_below_nothing() -> None:
    roster = Roster(4.0)
    roster.let_go("stt-1")
    roster.took("stt-1")
    roster.let_go("stt-1")
    roster.let_go("stt-1")
    assert roster.load("stt-1") == 0


def test_the_lost_are_told_once() -> None:
    roster = Roster(4.0)
    hear(roster, "stt-1", 0)
    for second in (1, 2, 3):
        hear(roster, "stt-2", second)
    assert roster.forget_the_lost(3.9) == []
    assert roster.forget_the_lost(4.0) == [(Role.STT, "stt-1")]
    assert roster.forget_the_lost(4.0) == []
    assert (roster.lives(Role.STT, "stt-1", 4.0), roster.lives(Role.STT, "stt-2", 4.0)) == (False, True)
    assert roster.forget_the_lost(7.0) == [], "nobody is heard: it is we who are deaf"


def test_who_is_cut_off_is_lost_sooner_unless_it_is_heard_again() -> None:
    roster = Roster(4.0, suspect_s=1.0)
    for process in ("stt-1", "stt-2", "stt-3"):
        hear(roster, process, 0)
    roster.suspect("stt-1", 0.5)
    roster.suspect("stt-2", 0.5)
    roster.suspect("stt-1", 1.4)
    hear(roster, "stt-2", 0.8)
    assert roster.forget_the_lost(1.4) == []
    assert roster.lives(Role.STT, "stt-1", 1.4)
    assert not roster.lives(Role.STT, "stt-1", 1.5), "counted from when it was first said"
    assert roster.forget_the_lost(1.5) == [(Role.STT, "stt-1")]
    assert roster.pick(Role.STT, 1.5) == "stt-2"


def test_who_only_just_hears_again_believes_no_such_word_either() -> None:
    roster = Roster(4.0, suspect_s=1.0)
    hear(roster, "stt-1", 0)
    roster.suspect("stt-1", 5.0)
    hear(roster, "stt-2", 6.0)
    assert roster.forget_the_lost(6.5) == []
    assert roster.forget_the_lost(7.0) == [(Role.STT, "stt-1")]


def test_who_is_expected_is_lost_when_it_is_not_heard_and_takes_no_call_before() -> None:
    roster = Roster(4.0)
    hear(roster, "stt-2", 0)
    roster.expect(Role.STT, "stt-1", 0)
    roster.expect(Role.STT, "stt-2", 0)
    assert roster.pick(Role.STT, 0) == "stt-2"
    assert roster.lives(Role.STT, "stt-1", 3.9)
    assert not roster.heard_since(Role.STT, "stt-1", -1)
    for second in (1, 2, 3, 4):
        hear(roster, "stt-2", second)
    assert roster.forget_the_lost(4.0) == [(Role.STT, "stt-1")]


def test_another_life_under_the_same_name_is_noticed() -> None:
    roster = Roster(4.0)
    lives = [
        roster.heard(Heartbeat(role=Role.STT, process="a", at_us=0, started_us=us, calls=0, capacity=1), 0)
        for us in (7, 7, 9, 9)
    ]
    assert lives == [True, False, True, False]
    assert (roster.life(Role.STT, "a"), roster.life(Role.LLM, "a")) == (9, 0)


class TestRoom:
    """A worker says how many more it can take and stay within its latency budget."""

    def test_it_limits_below_capacity_and_what_was_assigned_since_counts(self) -> None:
        roster = Roster(4.0)
        hear(roster, "stt-1", 0, capacity=100, room=2)
        for _ in range(2):
            roster.took(roster.pick(Role.STT, 0))
        with pytest.raises(PlatformFull):
            roster.pick(Role.STT, 0)
        hear(roster, "stt-1", 1, capacity=100, room=1, calls=2)
        roster.took(roster.pick(Role.STT, 1))
        with pytest.raises(PlatformFull):
            roster.pick(Role.STT, 1)

    def test_what_was_on_its_way_when_it_spoke_is_not_forgotten(self) -> None:
        roster = Roster(4.0)
        hear(roster, "stt-1", 0, capacity=100)
        for _ in range(3):
            roster.took("stt-1")
        hear(roster, "stt-1", 1, capacity=100, room=3, calls=1)
        roster.took(roster.pick(Role.STT, 1))
        with pytest.raises(PlatformFull):
            roster.pick(Role.STT, 1)

    def test_who_has_room_is_picked_before_who_has_the_smaller_share(self) -> None:
        roster = Roster(4.0)
        hear(roster, "stt-1", 0, capacity=100, room=0)
        hear(roster, "stt-2", 0, capacity=10, room=1)
        roster.took("stt-2")
        hear(roster, "stt-2", 0, capacity=10, room=1, calls=1)
        assert roster.pick(Role.STT, 0) == "stt-2"
        assert roster.pick(Role.STT, 0, urgent=True) == "stt-2"

    def test_a_call_under_way_is_taken_without_room_but_not_beyond_capacity(self) -> None:
        roster = Roster(4.0)
        hear(roster, "stt-1", 0, capacity=1, room=0)
        assert roster.pick(Role.STT, 0, urgent=True) == "stt-1"
        roster.took("stt-1")
        with pytest.raises(PlatformFull):
            roster.pick(Role.STT, 0, urgent=True)


def test_it_is_complete_with_a_live_worker_of_every_role() -> None:
    roster = Roster(4.0)
    for second, role in enumerate((Role.GATEWAY, Role.STT, Role.LLM)):
        hear(roster, f"{role}-1", second, role=role)
        assert not roster.complete(second)
    hear(roster, "tts-1", 3, role=Role.TTS)
    assert roster.complete(3)
    assert not roster.complete(5.5), "stt-1 was last heard at 1"


def test_silence_means_loss_only_to_who_hears_and_has_heard_for_a_while() -> None:
    roster = Roster(4.0)
    assert not roster.hears(100), "nobody was ever heard"
    for second in range(4):
        hear(roster, "stt-1", second)
        assert not roster.hears(second)
    hear(roster, "stt-1", 4)
    assert roster.hears(4)
    assert roster.hears(5.9)
    assert not roster.hears(6), "nobody at all for as long: it may be us"
    hear(roster, "stt-1", 10)
    assert not roster.hears(10), "the others have yet to say that they live"
    for second in (11, 12, 13, 14):
        hear(roster, "stt-1", second)
    assert roster.hears(14)


def test_together_the_workers_hold_what_the_smallest_role_can() -> None:
    roster = Roster(4.0)
    for process, role, size in (
        ("stt-1", Role.STT, 10),
        ("stt-2", Role.STT, 5),
        ("llm-1", Role.LLM, 30),
    ):
        hear(roster, process, 0.0, role=role, capacity=size)
    assert roster.capacity(0.0) is None, "nobody is heard who speaks"
    hear(roster, "tts-1", 0.0, role=Role.TTS, capacity=12)
    assert roster.capacity(0.0) == 12
    roster.took("stt-1")
    hear(roster, "stt-1", 1.0, draining=True)
    assert roster.capacity(1.0) == 6, "who drains holds what it has"
    assert roster.capacity(4.5) is None, "who is not heard holds nothing"
