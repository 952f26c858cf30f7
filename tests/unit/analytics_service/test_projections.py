from __future__ import annotations

from typing import Any

import pytest

from analytics_service.projections import (
    CALL_FACTS,
    EVENT_LOG,
    REJECTED_LOG,
    REPLY_FACTS,
    TURN_FACTS,
    WHOLE_REPLY,
    project,
    rejection,
)
from contracts import messages as m
from contracts.channel import Plane
from contracts.channels import CHANNELS
from contracts.errors import MessageError
from contracts.examples import EXAMPLES
from tests.unit.analytics_service.stories import CallStory, whole_call

RECORDED = [
    one.message for one in EXAMPLES if isinstance(one.message, m.Event) and one.channel.plane is Plane.RECORD
]


def rows_of(event: m.Event[Any]) -> dict[str, Any]:
    return dict(project(event))


def the(name: str) -> m.Event[Any]:
    return next(one.message for one in EXAMPLES if one.name == name and isinstance(one.message, m.Event))


def test_the_examples_cover_every_event_of_the_record() -> None:
    assert {type(event.body) for event in RECORDED} == {
        row.message for row in CHANNELS if row.plane is Plane.RECORD
    }


@pytest.mark.parametrize("event", RECORDED, ids=lambda event: type(event.body).__name__)
def test_every_event_is_logged_whole(event: m.Event[Any]) -> None:
    row = rows_of(event)[EVENT_LOG]
    assert (row["tenant"], row["call"], row["id"], row["at"]) == (
        event.tenant,
        event.call,
        event.id,
        event.at_us,
    )
    assert type(event.body).model_validate_json(row["body_pii"]) == event.body


@pytest.mark.parametrize("event", RECORDED, ids=lambda event: type(event.body).__name__)
def test_what_a_caller_said_is_only_in_columns_that_say_so(event: m.Event[Any]) -> None:
    said = getattr(event.body, "text_pii", None)
    for _, row in project(event):
        for column, value in row.items():
            if said and isinstance(value, str) and said in value:
                assert "pii" in column


def test_events_that_are_no_facts_are_only_logged() -> None:
    assert set(rows_of(the("dtmf.received"))) == {EVENT_LOG}
    assert set(rows_of(the("engine.failed"))) == {EVENT_LOG}


def test_a_turn_keeps_its_three_moments_on_the_gateways_clock() -> None:
    event = the("turn.ended")
    row = rows_of(event)[TURN_FACTS]
    assert row["speech_started_at"] == event.body.speech_started_us
    assert row["speech_ended_at"] == event.body.speech_ended_us
    assert row["decided_at"] == event.body.decided_us
    assert row["words"] == 7
    assert row["id"] == event.id


def test_facts_of_a_reply_say_which_sentence_they_speak_of() -> None:
    assert rows_of(the("reply.sentence"))[REPLY_FACTS]["sentence"] == 0
    assert rows_of(the("sentence.synthesized"))[REPLY_FACTS]["sentence"] == 0
    for name in ("reply.completed", "playout.started", "playout.ended"):
        assert rows_of(the(name))[REPLY_FACTS]["sentence"] == WHOLE_REPLY


def test_enumerations_are_told_as_their_words() -> None:
    assert rows_of(the("call.ended"))[CALL_FACTS]["reason"] == "commanded"
    assert rows_of(the("call.rejected"))[CALL_FACTS]["code"] == "number_full"
    for event in whole_call().events:
        for _, row in project(event):
            assert {type(value) for value in row.values()} <= {str, int, float, bool, type(None)}


def test_a_later_epoch_outranks_any_time_and_a_later_time_its_own_epoch() -> None:
    story = CallStory()
    early = story.turn(1, "first")
    late = story.turn(1, "later")
    newer = early.model_copy(update={"epoch": 2})
    ranks = [rows_of(event)[TURN_FACTS]["rank"] for event in (early, late, newer)]
    assert ranks == sorted(set(ranks))
    last = late.model_copy(update={"epoch": 0xFFFF, "at_us": 10_413_791_999_999_999})
    assert ranks[-1] < rows_of(last)[TURN_FACTS]["rank"] < 2**64


@pytest.mark.parametrize("at_us", [0, 946_684_799_999_999, 10_413_792_000_000_000, 10**30])
def test_a_time_that_no_call_has_is_refused_by_name(at_us: int) -> None:
    event = the("turn.ended")
    with pytest.raises(MessageError, match=f"at_us={at_us} is no time of a call"):
        project(event.model_copy(update={"at_us": at_us}))
    with pytest.raises(MessageError, match="speech_ended_us"):
        project(event.model_copy(update={"body": event.body.model_copy(update={"speech_ended_us": at_us})}))


def test_a_rejection_keeps_what_came_as_text_up_to_a_limit() -> None:
    table, row = rejection("call.x", b"\xff\x00ok" + b"a" * 100_000, 7, 5, MessageError("no", mend="yes"))
    assert table == REJECTED_LOG
    assert (row["code"], row["error"], row["sequence"], row["size"]) == (
        "bad_message",
        "no (yes)",
        7,
        100_004,
    )
    assert isinstance(row["data_pii"], str)
    assert row["data_pii"].startswith("\\xff\x00okaaa")
    assert len(row["data_pii"]) < 70_000
