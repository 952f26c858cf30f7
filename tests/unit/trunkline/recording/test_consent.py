from __future__ import annotations

import json

from contracts.examples import EXAMPLES
from contracts.messages import AssistantSnapshot, Event, NumberSnapshot
from contracts.wire import decode_event
from trunkline.recording.consent import Consent, without_words

ASSISTANT = AssistantSnapshot(id="a", name="A", greeting="Hi.", prompt="")


def snapshot(number: str, *, tenant: str = "acme", allowed: bool) -> NumberSnapshot:
    return NumberSnapshot(
        number=number, tenant=tenant, tenant_name="Acme", recording_allowed=allowed, assistant=ASSISTANT
    )


async def test_a_tenant_allows_recording_when_each_of_its_numbers_says_so() -> None:
    consent = Consent()
    assert not consent.allows("acme")
    await consent.on_number("1", snapshot("+15550101", allowed=True))
    await consent.on_number("3", snapshot("+15550103", tenant="other", allowed=False))
    assert consent.allows("acme")
    assert not consent.allows("other")
    await consent.on_number("2", snapshot("+15550102", allowed=False))
    assert not consent.allows("acme")
    await consent.on_number("2", None)
    assert consent.allows("acme")


def test_nothing_that_was_said_is_left_of_any_event_and_each_still_fits_its_model() -> None:
    events = [example for example in EXAMPLES if isinstance(example.message, Event)]
    assert events
    for example in events:
        name = example.subject.split(".", 3)[3]
        left = without_words(name, example.data)
        if name == "dtmf.received":
            assert left is None
            continue
        assert left is not None
        assert json.loads(left)["withheld"] is True
        event = decode_event(example.subject, left)
        before = json.loads(example.data)["body"]
        said = [value for key, value in _fields(before) if ("pii" in key or key == "caller") and value]
        text = event.model_dump_json()
        for value in said:
            assert not isinstance(value, str) or value not in text


def _fields(value: object) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    if isinstance(value, dict):
        for key, one in value.items():
            found += [(key, one), *_fields(one)]
    return found


def test_what_cannot_be_read_is_left_out() -> None:
    assert without_words("turn.ended", b"junk") is None
    assert without_words("turn.ended", b"[1]") is None
