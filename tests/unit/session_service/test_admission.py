"""No limit is ever exceeded, and the counters are what the slots say, whatever the order of events."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.errors import ErrorCode
from contracts.examples.practice import ACTIVE_CALL
from contracts.messages import NumberSnapshot
from session_service.admission import Admission
from session_service.errors import (
    NumberFull,
    NumberInactive,
    PlatformFull,
    Refused,
    SubscriptionInactive,
    TenantFull,
    UnknownNumber,
)
from tests.unit.session_service.stage import NUMBER, a_number

CASES: list[tuple[NumberSnapshot, int, type[Refused], tuple[ErrorCode, int, bool]]] = [
    (
        a_number(subscription_active=False),
        0,
        SubscriptionInactive,
        (ErrorCode.SUBSCRIPTION_INACTIVE, 402, False),
    ),
    (a_number(active=False), 0, NumberInactive, (ErrorCode.NUMBER_INACTIVE, 404, False)),
    (a_number(max_concurrent_calls=1), 0, NumberFull, (ErrorCode.NUMBER_FULL, 486, False)),
    (a_number(max_concurrent_calls=0), 0, NumberFull, (ErrorCode.NUMBER_FULL, 486, False)),
    (a_number(tenant_max_concurrent_calls=1), 0, TenantFull, (ErrorCode.TENANT_FULL, 486, False)),
    (a_number(), 1, PlatformFull, (ErrorCode.PLATFORM_FULL, 503, True)),
]


@pytest.mark.parametrize(("snapshot", "max_calls", "refusal", "says"), CASES)
def test_each_refusal_has_its_code_and_status_and_changes_nothing(
    snapshot: NumberSnapshot, max_calls: int, refusal: type[Refused], says: tuple[ErrorCode, int, bool]
) -> None:
    admission = Admission(max_calls)
    admission.restore(ACTIVE_CALL)
    with pytest.raises(refusal) as caught:
        admission.take_slot("another", snapshot)
    assert (caught.value.code, caught.value.status, caught.value.retryable) == says
    assert caught.value.mend
    assert (len(admission), admission.held(number=NUMBER), admission.held(tenant="bright-smile")) == (1, 1, 1)


@pytest.mark.parametrize(
    "called", ["+15550199", "", "+", "nonsense", "+1 555 0100", "a@b", "+" * 400, ".", "15550100\n", "\u0661"]
)
def test_a_number_that_nobody_has_is_refused_with_the_form_it_takes(called: str) -> None:
    with pytest.raises(UnknownNumber, match=r"in E\.164 form such as \+15550100") as caught:
        Admission(numbers={"15550100": a_number()}).look_up(called)
    assert (caught.value.code, caught.value.status) == (ErrorCode.UNKNOWN_NUMBER, 404)


@pytest.mark.parametrize("called", ["+15550100", "15550100"])
def test_a_number_is_found_with_and_without_its_plus(called: str) -> None:
    assert Admission(numbers={"15550100": a_number()}).look_up(called) == a_number()


def test_a_lowered_limit_holds_for_the_next_call_and_ends_none() -> None:
    admission = Admission()
    for call in "abc":
        admission.take_slot(call, a_number())
    with pytest.raises(NumberFull):
        admission.take_slot("d", a_number(max_concurrent_calls=2))
    assert len(admission) == 3


NUMBERS = {
    "one": ("+15550101", "anna"),
    "two": ("+15550102", "anna"),
    "three": ("+15550103", "bert"),
}
NUMBER_LIMITS = {"one": 2, "two": 3, "three": 2}
TENANT_LIMITS = {"anna": 4, "bert": 5}
PLATFORM_LIMIT = 5


class Admitting(RuleBasedStateMachine):
    """Opens, ends, repeats and restores calls at random, against a model that is a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(PLATFORM_LIMIT)
        self.model: dict[str, str] = {}

    @initialize(restored=st.lists(st.sampled_from(sorted(NUMBERS)), max_size=2))
    def begin_with_what_kv_held(self, restored: list[str]) -> None:
        for index, name in enumerate(restored):
            number, tenant = NUMBERS[name]
            record = ACTIVE_CALL.model_copy(
                update={"call": f"restored-{index}", "number": number, "tenant": tenant}
            )
            self.admission.restore(record)
            self.admission.restore(record)
            self.model[record.call] = name

    @rule(call=st.integers(0, 12).map(str), name=st.sampled_from(sorted(NUMBERS)))
    def take(self, call: str, name: str) -> None:
        expected = self._expected(call, name)
        if expected is None:
            self.admission.take_slot(call, self._snapshot(name))
            self.model.setdefault(call, name)
        else:
            with pytest.raises(expected):
                self.admission.take_slot(call, self._snapshot(name))

    @rule(call=st.integers(0, 12).map(str) | st.sampled_from(["restored-0", "restored-1"]))
    def free(self, call: str) -> None:
        self.admission.free_slot(call)
        self.model.pop(call, None)

    @invariant()
    def counters_are_what_the_slots_say(self) -> None:
        assert len(self.admission) == self.admission.held() == len(self.model)
        for name, (number, _) in NUMBERS.items():
            assert self.admission.held(number=number) == self._count(name)
        for tenant in TENANT_LIMITS:
            assert self.admission.held(tenant=tenant) == self._of(tenant)

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert len(self.model) <= PLATFORM_LIMIT
        assert all(self._count(name) <= limit for name, limit in NUMBER_LIMITS.items())
        assert all(self._of(tenant) <= limit for tenant, limit in TENANT_LIMITS.items())

    def _expected(self, call: str, name: str) -> type[Refused] | None:
        if call in self.model:
            return None
        if self._count(name) >= NUMBER_LIMITS[name]:
            return NumberFull
        if self._of(NUMBERS[name][1]) >= TENANT_LIMITS[NUMBERS[name][1]]:
            return TenantFull
        return PlatformFull if len(self.model) >= PLATFORM_LIMIT else None

    def _count(self, name: str) -> int:
        return sum(held == name for held in self.model.values())

    def _of(self, tenant: str) -> int:
        return sum(NUMBERS[name][1] == tenant for name in self.model.values())

    def _snapshot(self, name: str) -> NumberSnapshot:
        number, tenant = NUMBERS[name]
        return a_number(
            number,
            tenant,
            max_concurrent_calls=NUMBER_LIMITS[name],
            tenant_max_concurrent_calls=TENANT_LIMITS[tenant],
        )


TestAdmitting = Admitting.TestCase
TestAdmitting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
