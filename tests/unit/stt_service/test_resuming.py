from __future__ import annotations

import random
from typing import Any

import pytest

from contracts.identities import CallRef
from contracts.messages import Event, Message, SpeechDismissed, SpeechStarted, TurnEnded
from stt_service.resuming import Resumption, is_enough, resumption
from tests.support.envelopes import envelope_of
from tests.unit.stt_service.caller import START_US, Caller, saying

REF = CallRef("acme", "0190a6a8-9b2c-7def-8123-456789abcdef")
MS = 1_000


def recorded(body: Message, at_us: int = 1) -> Event[Any]:
    return envelope_of(body)(
        id="0190a6a8-9b2c-7def-8123-00000000000" + str(at_us),
        v=1,
        at_us=at_us,
        tenant=REF[0],
        call=REF[1],
        epoch=1,
        body=body,
    )


def started(turn: int, at_ms: int = 0) -> SpeechStarted:
    at_us = START_US + at_ms * MS
    return SpeechStarted(turn=turn, started_us=at_us, detected_us=at_us + 64 * MS)


def ended(turn: int, at_ms: int) -> TurnEnded:
    at_us = START_US + at_ms * MS
    return TurnEnded(
        turn=turn,
        text_pii="Hello.",
        language="en",
        confidence=1.0,
        speech_started_us=START_US,
        speech_ended_us=at_us,
        decided_us=at_us + 350 * MS,
        audio_ms=1.0,
        decode_ms=1.0,
        engine="fake",
    )


def test_a_call_that_has_just_begun_is_heard_from_its_first_frame() -> None:
    assert resumption([]) == Resumption()


def test_a_turn_that_was_decided_is_over_where_its_speech_ended() -> None:
    history = [recorded(started(1)), recorded(ended(1, 700))]
    assert resumption(history) == Resumption(1, START_US + 700 * MS)


def test_a_turn_that_was_dismissed_ended_as_long_after_its_start_as_it_was() -> None:
    history = [recorded(started(1, 200)), recorded(SpeechDismissed(turn=1, audio_ms=300))]
    assert resumption(history) == Resumption(1, START_US + 500 * MS)


def test_a_turn_that_was_announced_and_not_decided_is_open() -> None:
    announced = recorded(started(2, 900))
    history = [recorded(started(1)), recorded(ended(1, 700)), announced]
    assert resumption(history) == Resumption(1, START_US + 700 * MS, announced)


def test_the_silence_before_a_turn_that_was_announced_need_not_be_heard_again() -> None:
    announced = recorded(started(2, 9_000))
    history = [recorded(started(1)), recorded(ended(1, 700)), announced]
    assert resumption(history) == Resumption(1, START_US + 7_500 * MS, announced)


def a_story(seed: int) -> list[Event[Any]]:
    """Turns one after the other, some of them dismissed, the last perhaps open."""
    rng = random.Random(seed)
    events = []
    for turn in range(1, 40):
        at_ms = turn * 1_000
        events.append(recorded(started(turn, at_ms)))
        dismissal = SpeechDismissed(turn=turn, audio_ms=rng.choice((0, 300)))
        events.append(recorded(dismissal if rng.random() < 0.3 else ended(turn, at_ms + 500)))
    return events


@pytest.mark.parametrize("seed", range(5))
def test_the_end_of_a_record_says_what_the_whole_says(seed: int) -> None:
    events = a_story(seed)
    for until in range(7, len(events) + 1):
        whole = resumption(events[:until])
        enough = [begins for begins in range(until) if is_enough(events[begins:until])]
        assert enough == list(range(max(enough) + 1))
        assert until - max(enough) <= 7
        assert all(resumption(events[begins:until]) == whole for begins in enough)


def test_a_record_of_few_turns_is_wanted_whole() -> None:
    assert not is_enough([])
    assert not is_enough(a_story(1)[:5])
    assert is_enough(a_story(1)[:6])


def resumed(open_at_ms: int | None = None, decided: int = 3) -> Caller:
    announced = None if open_at_ms is None else recorded(started(decided + 1, open_at_ms))
    return Caller(answer=saying("Good day."), resumption=Resumption(decided, START_US, announced))


def test_turns_count_on_from_the_last_that_was_decided() -> None:
    caller = resumed()
    caller.wait(500)
    caller.say(600)
    caller.wait(800)
    begun, over = caller.events()
    assert isinstance(begun, SpeechStarted)
    assert isinstance(over, TurnEnded)
    assert begun.turn == over.turn == 4


def test_a_turn_that_was_announced_is_not_announced_again_and_keeps_its_start() -> None:
    caller = resumed(open_at_ms=490)
    caller.wait(500)
    caller.say(600)
    caller.wait(800)
    (over,) = caller.events()
    assert isinstance(over, TurnEnded)
    assert (over.turn, over.speech_started_us) == (4, START_US + 490 * MS)
    caller.say(600)
    assert isinstance(caller.events()[-1], SpeechStarted)


def test_what_began_much_later_than_was_announced_is_announced_under_its_number() -> None:
    caller = resumed(open_at_ms=0)
    caller.wait(1_050)
    caller.say(600)
    caller.wait(800)
    begun, over = caller.events()
    assert isinstance(begun, SpeechStarted)
    assert begun.turn == 4
    assert isinstance(over, TurnEnded)


def test_a_turn_of_which_nothing_is_heard_any_more_is_dismissed_once() -> None:
    caller = resumed(open_at_ms=100)
    caller.wait(3_000)
    assert caller.events() == [SpeechDismissed(turn=4, audio_ms=0)]
    caller.say(600)
    begun = caller.events()[-1]
    assert isinstance(begun, SpeechStarted)
    assert begun.turn == 5


def test_a_turn_whose_audio_is_gone_is_waited_for_a_second_of_what_is_left() -> None:
    caller = resumed(open_at_ms=-60_000)
    caller.wait(960)
    assert caller.events() == []
    caller.wait(200)
    assert caller.events() == [SpeechDismissed(turn=4, audio_ms=0)]
