from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import AssistantSnapshot, Endpointing
from contracts.streams import ASSISTANTS_BUCKET
from router_service.configuration import check_known, merge, snapshot_of
from router_service.errors import BadConfiguration
from tests.support.office import CONFIG

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@pytest.mark.parametrize(
    ("base", "patch", "merged"),
    [  # the examples of RFC 7396, appendix A, whose documents are objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_is_json_merge_patch(base: Any, patch: Any, merged: Any) -> None:
    assert merge(base, patch) == merged


@given(OBJECTS, OBJECTS)
def test_merging_twice_is_merging_once(base: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(base, patch)

    assert merge(once, patch) == once


def test_an_override_changes_what_it_names_and_nothing_else() -> None:
    alone = snapshot_of("acme", "desk", CONFIG, {})
    changed = snapshot_of("acme", "desk", CONFIG, {"voice": {"speed": 1.5}, "language": "de"})

    assert changed == alone.model_copy(
        update={"voice": alone.voice.model_copy(update={"speed": 1.5}), "language": "de"}
    )


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ({"voice": {"speed": 9}}, r"voice\.speed: .*less than or equal to 2"),
        ({"greeting": None}, "greeting: Field required"),
        ({"greeting": ""}, "greeting: "),
        ({"language": "English"}, "language: "),
        ({"knowledge": [{"questions": [], "answer": "x"}]}, r"knowledge\.0\.questions: "),
        ({"knowledge": [{"question": "x", "answer": "x"}]}, r"knowledge\.0\.questions: "),
        ({"escalation": {"keywords": ["lawyer"]}}, "escalation: .*either a number or a queue"),
        ({"tools": [{"name": "a", "description": "x", "url": "ftp://x"}]}, r"tools\.0\.url"),
        (
            {"tools": [{"name": "a", "description": "x", "url": "https://x/"}] * 2},
            "configuration: .*two tools have one name",
        ),
    ],
)
def test_a_setting_that_does_not_hold_is_named(override: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadConfiguration, match=f"assistant desk of acme: {fault}") as refused:
        snapshot_of("acme", "desk", CONFIG, override)

    assert "correct " in refused.value.mend


@pytest.mark.parametrize(
    ("settings", "fault", "mend"),
    [
        ({"greting": "Hi"}, "override: there is no setting 'greting'", "did you mean 'greeting'?"),
        ({"greting": None}, "override: there is no setting 'greting'", "did you mean 'greeting'?"),
        ({"voice": {"sped": 1}}, "override: there is no setting 'voice.sped'", "did you mean 'speed'?"),
        ({"escalation": {"to": "x"}}, "override: there is no setting 'escalation.to'", "there are: keywords"),
        ({"id": "other"}, "override: there is no setting 'id'", ""),
        ({"prompt": "a\x00b"}, "override: a text holds a NUL character", "remove it"),
        ({"voice": {"speed": float("nan")}}, "override: Out of range", "neither NaN"),
    ],
)
def test_a_setting_that_does_not_exist_is_named(settings: dict[str, Any], fault: str, mend: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        check_known(settings, "override")

    assert refused.value.message.startswith(fault)
    assert mend in refused.value.mend


def test_every_setting_is_known() -> None:
    check_known({name: None for name in AssistantSnapshot.model_fields if name != "id"}, "override")
    check_known({"profession": {"objection_handlers": {"too dear": "We have a plan."}}}, "override")


@pytest.mark.parametrize(
    ("config", "waits"),
    [
        ({}, (Endpointing().finished_ms, Endpointing().unfinished_ms)),
        ({"latency": "fast"}, (250, 600)),
        ({"latency": "patient"}, (600, 1200)),
        ({"latency": "fast", "endpointing": {"finished_ms": 400}}, (400, 600)),
    ],
)
def test_a_latency_profile_says_how_long_to_wait(config: dict[str, Any], waits: tuple[int, int]) -> None:
    endpointing = snapshot_of("acme", "desk", {**CONFIG, **config}, {}).endpointing

    assert (endpointing.finished_ms, endpointing.unfinished_ms) == waits


def test_what_no_message_can_carry_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="a call can be given"):
        snapshot_of("acme", "desk", {**CONFIG, "prompt": "x" * ASSISTANTS_BUCKET.max_value_bytes}, {})


@given(OBJECTS)
def test_any_settings_hold_or_are_refused(settings: dict[str, Any]) -> None:
    try:
        check_known(settings, "override")
        snapshot_of("acme", "desk", CONFIG, settings)
    except BadConfiguration:
        return
    assert set(settings) <= set(AssistantSnapshot.model_fields)
