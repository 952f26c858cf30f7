"""No limit is ever exceeded, and the counters are what the slots say, whatever the order of events."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.errors import ErrorCode
from contracts.examples.practice import ACTIVE_CALL
from contracts.messages import Direction, NumberSnapshot, Occupancy
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
from tests.unit.session_service.stage import NUMBER, TENANT, a_number

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


def test_outbound_calls_leave_the_reserves_to_callers() -> None:
    admission = Admission(6, inbound_reserve=2)
    number = a_number(tenant_max_concurrent_calls=4, tenant_inbound_reserve=3)
    admission.take_slot("a", number, Direction.OUTBOUND)
    with pytest.raises(TenantFull, match="keeps the last 3 of its 4 calls for callers") as of_the_tenant:
        admission.take_slot("b", number, Direction.OUTBOUND)
    for call in "bcd":
        admission.take_slot(call, number)
    other = a_number("+15550105", "another")
    with pytest.raises(PlatformFull, match="keeps the last 2 of its 6 calls for callers") as of_all:
        admission.take_slot("e", other, Direction.OUTBOUND)
    admission.take_slot("e", other)
    admission.take_slot("f", other)
    assert (len(admission), of_the_tenant.value.status, of_all.value.status) == (6, 486, 503)


def test_the_platform_holds_what_its_workers_can_and_says_so() -> None:
    capacity: list[int | None] = [2]
    admission = Admission(capacity=lambda: capacity[0])
    admission.take_slot("a", a_number())
    admission.take_slot("b", a_number())
    with pytest.raises(PlatformFull, match="the platform holds its 2 calls") as caught:
        admission.take_slot("c", a_number())
    assert caught.value.mend == "start another worker"
    capacity[0] = None  # who picks the workers says which is missing
    admission.take_slot("c", a_number())
    assert Admission(7, capacity=lambda: 2).platform_limit == 7


def test_counts_are_shown_beside_their_limits_and_to_nobody_else() -> None:
    ours = a_number(max_concurrent_calls=2, tenant_max_concurrent_calls=5, tenant_inbound_reserve=1)
    idle = a_number(
        "+15550101", max_concurrent_calls=3, tenant_max_concurrent_calls=5, tenant_inbound_reserve=1
    )
    theirs = a_number("+15550102", "another")
    directory = {each.number.removeprefix("+"): each for each in (ours, idle, theirs)}
    admission = Admission(9, directory, inbound_reserve=4)
    admission.take_slot("a", ours)
    admission.take_slot("b", ours, Direction.OUTBOUND)
    admission.take_slot("c", theirs)
    admission.restore(ACTIVE_CALL.model_copy(update={"call": "d", "number": "+15550109", "tenant": "gone"}))
    everything = admission.counts()
    assert everything.platform == Occupancy(held=4, outbound=1, limit=9, inbound_reserve=4)
    assert set(everything.tenants) == {TENANT, "another", "gone"}
    assert everything.tenants["gone"] == Occupancy(held=1)
    of_ours = admission.counts(TENANT)
    assert of_ours.platform is None
    assert of_ours.tenants == {TENANT: Occupancy(held=2, outbound=1, limit=5, inbound_reserve=1)}
    assert of_ours.numbers == {
        NUMBER: Occupancy(held=2, outbound=1, limit=2),
        "+15550101": Occupancy(held=0, limit=3),
    }
    one = admission.counts(number="+15550102")
    assert (one.platform, one.tenants, set(one.numbers)) == (None, {}, {"+15550102"})
    assert admission.counts(TENANT, "+15550102").numbers == {}, "another tenant's number is nobody's"


NUMBERS = {
    "one": ("+15550101", "anna"),
    "two": ("+15550102", "anna"),
    "three": ("+15550103", "bert"),
}
DIRECTIONS = st.sampled_from(Direction)
NAMES = st.sampled_from(sorted(NUMBERS))
TENANTS = st.sampled_from(["anna", "bert"])
RESTORED = ["restored-0", "restored-1"]
CALLS = st.integers(0, 12).map(str) | st.sampled_from(RESTORED)


class Admitting(RuleBasedStateMachine):
    """Opens, ends, repeats and restores calls, in and out, while limits and subscriptions change.

    Feature: ai-voice-agent, Property 4: Multi-Tenant Data Isolation: for any order of admissions and
    releases, no limit of a number, a tenant or the platform is exceeded by one call, the counts are what a
    plain model says, and what is repeated changes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(5, inbound_reserve=1)
        self.model: dict[str, tuple[str, Direction]] = {}
        self.number_limits = {"one": 2, "two": 3, "three": 2}
        self.tenant_limits = {"anna": 4, "bert": 5}
        self.reserves = {"anna": 1, "bert": 0}
        self.paid = {"anna": True, "bert": True}
        self.active = dict.fromkeys(NUMBERS, True)

    @initialize(restored=st.lists(st.tuples(NAMES, DIRECTIONS), max_size=2))
    def begin_with_what_kv_held(self, restored: list[tuple[str, Direction]]) -> None:
        for call, (name, direction) in zip(RESTORED, restored, strict=False):
            number, tenant = NUMBERS[name]
            update = {"call": call, "number": number, "tenant": tenant, "direction": direction}
            record = ACTIVE_CALL.model_copy(update=update)
            self.admission.restore(record)
            self.admission.restore(record)
            self.model[call] = (name, direction)

    @rule(call=CALLS, name=NAMES, direction=DIRECTIONS)
    def take(self, call: str, name: str, direction: Direction) -> None:
        held = call in self.model
        expected = None if held else self._refusal(name, direction)
        if expected is not None:
            with pytest.raises(expected):
                self.admission.take_slot(call, self._snapshot(name), direction)
            return
        self.admission.take_slot(call, self._snapshot(name), direction)
        self.model.setdefault(call, (name, direction))
        assert held or self._within_every_limit(name, direction), "a new call exceeded a limit"

    @rule(call=CALLS)
    def free(self, call: str) -> None:
        self.admission.free_slot(call)
        self.model.pop(call, None)

    @rule(name=NAMES, limit=st.integers(0, 4))
    def change_the_limit_of_a_number(self, name: str, limit: int) -> None:
        self.number_limits[name] = limit

    @rule(tenant=TENANTS, limit=st.integers(0, 6), reserve=st.integers(0, 3))
    def change_the_plan_of_a_tenant(self, tenant: str, limit: int, reserve: int) -> None:
        self.tenant_limits[tenant], self.reserves[tenant] = limit, reserve

    @rule(limit=st.integers(1, 7), reserve=st.integers(0, 3))
    def change_the_platform(self, limit: int, reserve: int) -> None:
        self.admission.max_calls, self.admission.inbound_reserve = limit, reserve

    @rule(tenant=TENANTS, paid=st.booleans())
    def change_a_subscription(self, tenant: str, paid: bool) -> None:
        self.paid[tenant] = paid

    @rule(name=NAMES, active=st.booleans())
    def switch_a_number(self, name: str, active: bool) -> None:
        self.active[name] = active

    @rule()
    def restart_from_what_is_held(self) -> None:
        """A new leader restores what the old one had written down, in whatever order, and holds the same."""
        restored = Admission(self.admission.max_calls, inbound_reserve=self.admission.inbound_reserve)
        for call, (name, direction) in reversed(self.model.items()):
            number, tenant = NUMBERS[name]
            update = {"call": call, "number": number, "tenant": tenant, "direction": direction}
            restored.restore(ACTIVE_CALL.model_copy(update=update))
        self.admission = restored

    @invariant()
    def the_counts_are_what_the_model_says(self) -> None:
        counts = self.admission.counts()
        assert counts.platform is not None
        assert (counts.platform.held, counts.platform.outbound) == (
            len(self.model),
            self._held(outbound=True),
        )
        assert len(self.admission) == self.admission.held() == len(self.model)
        for name, (number, tenant) in NUMBERS.items():
            shown = counts.numbers.get(number, Occupancy())
            assert (shown.held, shown.outbound) == (
                self._held(name=name),
                self._held(name=name, outbound=True),
            )
            shown = counts.tenants.get(tenant, Occupancy())
            assert shown.held == self._held(tenant=tenant)
            assert shown.outbound == self._held(tenant=tenant, outbound=True)

    def _refusal(self, name: str, direction: Direction) -> type[Refused] | None:
        tenant = NUMBERS[name][1]
        reserve, platform_reserve = 0, 0
        if direction is Direction.OUTBOUND:
            reserve, platform_reserve = self.reserves[tenant], self.admission.inbound_reserve
        checks: list[tuple[bool, type[Refused]]] = [
            (not self.paid[tenant], SubscriptionInactive),
            (not self.active[name], NumberInactive),
            (self._held(name=name) >= self.number_limits[name], NumberFull),
            (self._held(tenant=tenant) >= self.tenant_limits[tenant] - reserve, TenantFull),
            (len(self.model) >= self.admission.max_calls - platform_reserve, PlatformFull),
        ]
        return next((refusal for holds, refusal in checks if holds), None)

    def _within_every_limit(self, name: str, direction: Direction) -> bool:
        tenant = NUMBERS[name][1]
        outbound = direction is Direction.OUTBOUND
        return (
            self._held(name=name) <= self.number_limits[name]
            and self._held(tenant=tenant) <= self.tenant_limits[tenant] - outbound * self.reserves[tenant]
            and len(self.model) <= self.admission.max_calls - outbound * self.admission.inbound_reserve
        )

    def _held(self, *, name: str | None = None, tenant: str | None = None, outbound: bool = False) -> int:
        return sum(
            name in (None, held)
            and tenant in (None, NUMBERS[held][1])
            and (not outbound or direction is Direction.OUTBOUND)
            for held, direction in self.model.values()
        )

    def _snapshot(self, name: str) -> NumberSnapshot:
        number, tenant = NUMBERS[name]
        return a_number(
            number,
            tenant,
            active=self.active[name],
            subscription_active=self.paid[tenant],
            max_concurrent_calls=self.number_limits[name],
            tenant_max_concurrent_calls=self.tenant_limits[tenant],
            tenant_inbound_reserve=self.reserves[tenant],
        )


TestAdmitting = Admitting.TestCase
TestAdmitting.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
