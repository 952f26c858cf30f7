"""From a directory to snapshots: merged as RFC 7396 says, faults named and kept to their own number."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.directory import Directory
from router_service.routing import Resolver, merge, resolve, stand_in

FRONT_DESK = {
    "name": "Front desk",
    "greeting": "Hello.",
    "prompt": "You answer.",
    "voice": {"name": "joe", "speed": 1.1},
    "goodbye_phrases": ["bye"],
}


Entry = tuple[str, str, dict[str, Any]]


def a_directory(*entries: Entry) -> dict[str, Any]:
    """Two tenants with a number each, and the entries for (tenant, number) beside or in place of them."""
    tenants: dict[str, Any] = {
        "anna": {
            "name": "Anna's",
            "assistants": {"desk": FRONT_DESK},
            "numbers": {"+15550101": {"assistant": "desk"}},
        },
        "bert": {
            "name": "Bert's",
            "max_concurrent_calls": 3,
            "assistants": {"desk": FRONT_DESK, "night": FRONT_DESK},
            "numbers": {"+15550102": {"assistant": "night", "max_concurrent_calls": 2}},
        },
    }
    for tenant, number, entry in entries:
        tenants[tenant]["numbers"][number] = entry
    return {"tenants": tenants}


def resolved_of(directory: dict[str, Any]) -> tuple[dict[str, NumberSnapshot], list[str]]:
    snapshots, faults = resolve(Directory.model_validate(directory))
    return snapshots, [str(fault) for fault in faults]


def resolved(*entries: Entry) -> tuple[dict[str, NumberSnapshot], list[str]]:
    return resolved_of(a_directory(*entries))


# Appendix A of RFC 7396, its cases of objects.
RFC_CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
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
]


@pytest.mark.parametrize(("base", "patch", "merged"), RFC_CASES)
def test_merge_is_rfc_7396(base: dict[str, Any], patch: dict[str, Any], merged: dict[str, Any]) -> None:
    assert merge(base, patch) == merged


KEYS = st.text("abc", min_size=1, max_size=2)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def _has_no_null(value: Any) -> bool:
    """A null inside a list is a value like any other."""
    if isinstance(value, dict):
        return all(each is not None and _has_no_null(each) for each in value.values())
    return True


@given(OBJECTS, OBJECTS)
def test_what_the_patch_says_is_so_and_the_rest_stays(base: dict[str, Any], patch: dict[str, Any]) -> None:
    base_before, patch_before = copy.deepcopy(base), copy.deepcopy(patch)
    merged = merge(base, patch)
    assert (base, patch) == (base_before, patch_before), "neither is changed"
    assert merged.keys() == (base.keys() | patch.keys()) - {key for key in patch if patch[key] is None}
    for key in merged:
        if key not in patch:
            assert merged[key] == base[key]
        elif not isinstance(patch[key], dict):
            assert merged[key] == patch[key]
        else:
            below = base.get(key)
            assert merged[key] == merge(below if isinstance(below, dict) else {}, patch[key])


@given(OBJECTS, OBJECTS)
def test_to_merge_twice_is_to_merge_once(base: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(base, patch)
    assert merge(once, patch) == once


@given(OBJECTS)
def test_an_empty_patch_changes_nothing_and_onto_nothing_only_nulls_go(value: dict[str, Any]) -> None:
    assert merge(value, {}) == value
    assert _has_no_null(merge({}, value))
    if _has_no_null(value):
        assert merge({}, value) == value


def test_every_number_is_resolved_with_its_tenants_limits() -> None:
    snapshots, faults = resolved()
    assert faults == []
    second = snapshots["+15550102"]
    assert (second.tenant, second.tenant_name, second.assistant.id) == ("bert", "Bert's", "night")
    assert (second.max_concurrent_calls, second.tenant_max_concurrent_calls) == (2, 3)
    assert (second.active, second.subscription_active, second.revision) == (True, True, 0)
    assert snapshots["+15550101"].assistant.voice.name == "joe"


def test_an_override_changes_its_own_number_only() -> None:
    override = {"greeting": "Good night.", "voice": {"speed": None}, "goodbye_phrases": ["ta-ta"]}
    entry = {"assistant": "night", "override": override}
    snapshots, faults = resolved(("bert", "+15550103", entry))
    assert faults == []
    changed, untouched = snapshots["+15550103"].assistant, snapshots["+15550102"].assistant
    assert (changed.greeting, changed.voice.name, changed.voice.speed) == ("Good night.", "joe", 1.0)
    assert changed.goodbye_phrases == ("ta-ta",)
    assert (untouched.greeting, untouched.voice.speed, untouched.goodbye_phrases) == ("Hello.", 1.1, ("bye",))


@pytest.mark.parametrize(
    ("override", "where", "what"),
    [
        ({"greetings": "Hi"}, "greetings", "Extra inputs are not permitted"),
        ({"voice": {"pitch": 2}}, "voice.pitch", "Extra inputs are not permitted"),
        ({"greeting": None}, "greeting", "Field required"),
        (
            {"engines": {"stt": []}},
            "engines.stt",
            "Tuple should have at least 1 item after validation, not 0",
        ),
        (
            {"knowledge": [{"questions": ["?"], "answer": "!", "x": 1}]},
            "knowledge.0.x",
            "Extra inputs are not permitted",
        ),
    ],
)
def test_a_fault_names_the_thing_and_the_mend_and_touches_no_other_number(
    override: dict[str, Any], where: str, what: str
) -> None:
    snapshots, faults = resolved(("anna", "+15550101", {"assistant": "desk", "override": override}))
    mend = f"correct {where} in the assistant or in the number's override"
    assert faults == [f"+15550101: assistant desk of anna: {where}: {what} ({mend})"]
    assert set(snapshots) == {"+15550102"}


def test_an_assistant_that_is_not_there_is_named_with_those_that_are() -> None:
    snapshots, faults = resolved(("bert", "+15550102", {"assistant": "day"}))
    assert faults == ["+15550102: tenant bert has no assistant 'day' (use one of: desk, night)"]
    assert set(snapshots) == {"+15550101"}


def test_a_number_that_two_tenants_claim_goes_to_neither() -> None:
    snapshots, faults = resolved(("bert", "+15550101", {"assistant": "desk"}))
    assert faults == ["+15550101: belongs to anna and to bert (leave it to one of them)"]
    assert set(snapshots) == {"+15550102"}


def test_a_claim_that_does_not_hold_is_a_claim_all_the_same() -> None:
    """Otherwise a slip in one tenant's assistant would hand its number to the other."""
    snapshots, faults = resolved(
        ("anna", "+15550101", {"assistant": "none"}), ("bert", "+15550101", {"assistant": "desk"})
    )
    assert len(faults) == 1
    assert "+15550101" not in snapshots


@pytest.mark.parametrize(
    ("slug", "assistants", "says"),
    [
        ("carl", {}, "tenant carl has no assistant 'desk' (use one of: none is there yet)"),
        (
            "platform",
            {"desk": FRONT_DESK},
            "'platform' stands for what belongs to no tenant (rename the tenant)",
        ),
    ],
)
def test_a_tenant_that_cannot_be_is_told_so(slug: str, assistants: dict[str, Any], says: str) -> None:
    directory = a_directory()
    directory["tenants"][slug] = {
        "name": slug,
        "assistants": assistants,
        "numbers": {"+15550109": {"assistant": "desk"}},
    }
    snapshots, faults = resolved_of(directory)
    assert faults == [f"+15550109: {says}"]
    assert set(snapshots) == {"+15550101", "+15550102"}


def test_a_tenant_that_did_not_change_is_not_resolved_again() -> None:
    resolver, directory = Resolver(), Directory.model_validate(a_directory())

    first, _ = resolver.resolve(directory)
    second, _ = resolver.resolve(directory.model_copy())
    third, _ = resolver.resolve(Directory.model_validate(a_directory()))

    assert second["+15550101"] is first["+15550101"]
    assert third["+15550101"] is not first["+15550101"]
    assert third == first


def test_the_reserve_for_callers_is_never_more_than_all_calls() -> None:
    directory = a_directory()
    directory["tenants"]["bert"]["inbound_reserve"] = 9

    assert resolved_of(directory)[0]["+15550102"].tenant_inbound_reserve == 3


BROKEN: Entry = ("anna", "+15550101", {"assistant": "desk", "override": {"voice": {"speed": 9}}})


@pytest.mark.parametrize(
    ("last_of", "answered_with", "greeting"),
    [
        ("anna", AnsweredWith.LAST_GOOD, "Before."),
        ("bert", AnsweredWith.ASSISTANT_ALONE, "Hello."),
        (None, AnsweredWith.ASSISTANT_ALONE, "Hello."),
    ],
)
def test_only_what_the_same_tenant_had_stands_in(
    last_of: str | None, answered_with: AnsweredWith, greeting: str
) -> None:
    entry = {"assistant": "desk", "override": {"greeting": "Before."}}
    before = resolved(("anna", "+15550101", entry))[0]["+15550101"]
    last = before.model_copy(update={"tenant": last_of}) if last_of else None
    broken = Directory.model_validate(a_directory(BROKEN))
    (fault,) = resolve(broken)[1]

    found, said = stand_in(fault, broken, last)

    assert said is answered_with
    assert found is not None
    assert (found.tenant, found.assistant.greeting) == ("anna", greeting)


def test_a_number_that_two_claim_stays_with_the_one_that_had_it() -> None:
    before = resolved()[0]["+15550101"]
    claimed = Directory.model_validate(a_directory(("bert", "+15550101", {"assistant": "desk"})))
    (fault,) = resolve(claimed)[1]

    assert stand_in(fault, claimed, before) == (before, AnsweredWith.LAST_GOOD)
    of_another = before.model_copy(update={"tenant": "carl"})
    assert stand_in(fault, claimed, of_another) == (None, AnsweredWith.NOTHING)
