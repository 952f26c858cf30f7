from typing import Any

from contracts.messages import AnsweredWith
from router_service.directory import Directory
from router_service.routing import Resolver, resolve, stand_in
from tests.support.office import CONFIG

NUMBER = "+15550100"


def directory(override: dict[str, Any] | None = None, **changes: Any) -> Directory:
    number = {"assistant": "desk", "override": override or {}}
    tenant = {"name": "Acme", "assistants": {"desk": CONFIG}, "numbers": {NUMBER: number}, **changes}
    return Directory.model_validate({"tenants": {"acme": tenant}})


BROKEN = {"voice": {"speed": 9}}


def test_a_number_is_resolved_to_its_tenant_and_assistant() -> None:
    snapshots, faults = resolve(directory({"greeting": "Hello."}, max_concurrent_calls=4, inbound_reserve=9))

    assert not faults
    found = snapshots[NUMBER]
    assert (found.tenant, found.assistant.id, found.assistant.greeting) == ("acme", "desk", "Hello.")
    assert (found.tenant_max_concurrent_calls, found.tenant_inbound_reserve) == (4, 4)


def test_a_broken_number_is_a_fault_of_its_own() -> None:
    numbers = {NUMBER: {"assistant": "desk", "override": BROKEN}, "+15550101": {"assistant": "desk"}}
    snapshots, (fault,) = resolve(directory(numbers=numbers))

    assert set(snapshots) == {"+15550101"}
    assert (fault.number, fault.tenant) == (NUMBER, "acme")
    assert "voice.speed" in fault.message


def test_a_number_of_two_tenants_is_answered_by_the_first() -> None:
    tenant = {"name": "A", "assistants": {"desk": CONFIG}, "numbers": {NUMBER: {"assistant": "desk"}}}
    snapshots, (fault,) = resolve(Directory.model_validate({"tenants": {"a": tenant, "b": tenant}}))

    assert snapshots[NUMBER].tenant == "a"
    assert "belongs to a and to b" in fault.message


def test_a_tenant_that_did_not_change_is_not_resolved_again() -> None:
    resolver, same = Resolver(), directory()

    first, _ = resolver.resolve(same)
    second, _ = resolver.resolve(same.model_copy())
    third, _ = resolver.resolve(directory())

    assert second[NUMBER] is first[NUMBER]
    assert third[NUMBER] is not first[NUMBER]
    assert third == first


def test_the_last_good_assistant_stands_in_under_todays_terms() -> None:
    last = resolve(directory({"greeting": "Before."}))[0][NUMBER]
    broken = directory(BROKEN, name="Acme and Sons", subscription_active=False)
    (fault,) = resolve(broken)[1]

    found, answered_with = stand_in(fault, broken, last)

    assert answered_with is AnsweredWith.LAST_GOOD
    assert found is not None
    assert (found.assistant.greeting, found.tenant_name) == ("Before.", "Acme and Sons")
    assert not found.subscription_active


def test_another_tenants_last_good_never_stands_in() -> None:
    last = resolve(directory({"greeting": "Before."}))[0][NUMBER].model_copy(update={"tenant": "other"})
    broken = directory(BROKEN)
    (fault,) = resolve(broken)[1]

    found, answered_with = stand_in(fault, broken, last)

    assert answered_with is AnsweredWith.ASSISTANT_ALONE
    assert found is not None
    assert (found.tenant, found.assistant.greeting) == ("acme", CONFIG["greeting"])


def test_nothing_stands_in_for_an_assistant_that_never_held() -> None:
    broken = directory(assistants={"desk": {"name": "x"}})
    (fault,) = resolve(broken)[1]

    assert stand_in(fault, broken, None) == (None, AnsweredWith.NOTHING)
