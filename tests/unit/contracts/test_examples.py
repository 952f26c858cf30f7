from itertools import pairwise
from typing import Any

import pytest

from contracts.channel import Plane
from contracts.examples import EXAMPLES, Example
from contracts.examples.practice import CALL
from contracts.examples.story import Story
from contracts.frames import Frame, decode_frame
from contracts.messages import Event, Reply
from contracts.wire import call_in, decode_event, wire_model

TOLD = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
EVENTS = [example for example in EXAMPLES if isinstance(example.message, Event)]


@TOLD
def test_an_example_is_what_its_bytes_say(example: Example) -> None:
    if isinstance(example.message, Frame):
        assert decode_frame(example.data) == example.message
        return
    model = example.channel.reply if example.answer else wire_model(example.channel)

    assert model is not None
    assert model.model_validate_json(example.data) == example.message


@TOLD
def test_an_example_is_on_a_subject_of_its_channel(example: Example) -> None:
    pairs = zip(example.channel.pattern.split("."), example.subject.split("."), strict=True)

    assert all(kind.startswith("{") or kind == token for kind, token in pairs)


@TOLD
def test_an_example_says_what_it_shows(example: Example) -> None:
    assert example.summary.endswith((".", "?", ")"))


@pytest.mark.parametrize("example", EVENTS, ids=lambda example: example.name)
def test_an_event_passes_the_door_that_services_use(example: Example) -> None:
    event = decode_event(example.subject, example.data)

    assert event == example.message
    assert event.ref == call_in(example.subject)
    assert event.v == type(event.body).version


def test_names_are_unique() -> None:
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES)


def test_events_are_in_order_and_led_to_by_earlier_ones() -> None:
    seen: dict[str, Event[Any]] = {}
    for example in EVENTS:
        assert isinstance(example.message, Event)
        event = example.message
        assert event.id not in seen
        assert all(earlier.at_us <= event.at_us for earlier in seen.values())
        assert event.cause is None or seen[event.cause].ref == event.ref
        assert int(event.id.replace("-", "")[:12], 16) == event.at_us // 1000
        seen[event.id] = event


def test_an_answer_follows_its_request() -> None:
    for before, after in pairwise(EXAMPLES):
        if after.answer:
            assert (after.channel, after.subject) == (before.channel, before.subject)
            assert isinstance(after.message, Reply)


def test_the_audio_examples_are_frames_of_this_call() -> None:
    frames = [example for example in EXAMPLES if example.channel.plane is Plane.AUDIO]

    assert {call_in(example.subject) for example in frames} == {CALL}
    assert {len(example.data) for example in frames} == {28 + 160}


def test_the_clock_of_a_story_only_moves_when_told() -> None:
    story = Story(now_us=1_000)

    assert story.wait(2.5) == 3_500
    assert story.now_us == 3_500
