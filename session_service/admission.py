"""Who may be answered: numbers, limits and slots. One writer, no I/O, so every decision is atomic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from contracts.errors import SubjectError
from contracts.identities import number_key
from contracts.messages import ActiveCall, CallCounts, Direction, NumberSnapshot, Occupancy
from session_service.errors import (
    NumberFull,
    NumberInactive,
    PlatformFull,
    SubscriptionInactive,
    TenantFull,
    UnknownNumber,
)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a call takes up."""

    tenant: str
    number: str
    direction: Direction


def _unknown() -> int | None:
    return None


@dataclass(slots=True)
class Admission:
    """The directory of numbers and the slots that are taken, counted by tenant and by number.

    The platform's limit is `max_calls`, or where that is 0 what the workers can hold: `capacity`, None while
    some role has no worker, which is for who picks the workers to say. Outbound calls stop
    `inbound_reserve` short of it, and their tenant's reserve short of the tenant's limit: so many slots are
    free for callers, or taken by them, at any time.
    """

    max_calls: int = 0
    numbers: dict[str, NumberSnapshot] = field(default_factory=dict)
    inbound_reserve: int = 0
    capacity: Callable[[], int | None] = _unknown
    _slots: dict[str, Slot] = field(default_factory=dict)
    _by_tenant: Counter[str] = field(default_factory=Counter)
    _by_number: Counter[str] = field(default_factory=Counter)
    _outbound: Counter[str] = field(default_factory=Counter)
    _outbound_by_number: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self._slots)

    def look_up(self, called: str) -> NumberSnapshot:
        """The number as router published it; raises UnknownNumber."""
        try:
            return self.numbers[number_key(called)]
        except (KeyError, SubjectError):
            raise UnknownNumber(
                f"nobody has the number {called!r}",
                mend="assign it to a tenant, with an assistant, in E.164 form such as +15550100",
            ) from None

    def take_slot(
        self, call: str, snapshot: NumberSnapshot, direction: Direction = Direction.INBOUND
    ) -> None:
        """Reserve a slot for `call`, which may hold it already.

        Raises the Refused that applies, and then changes nothing.
        """
        if call in self._slots:
            return
        tenant, number = snapshot.tenant, snapshot.number
        if not snapshot.subscription_active:
            raise SubscriptionInactive(f"the subscription of {tenant} is not active", mend="renew it")
        if not snapshot.active:
            raise NumberInactive(f"{number} is switched off", mend="switch it on")
        if self._by_number[number] >= snapshot.max_concurrent_calls:
            raise NumberFull(
                f"{number} holds its {snapshot.max_concurrent_calls} calls", mend="raise max_concurrent_calls"
            )
        outbound = direction is Direction.OUTBOUND
        self._check_tenant(snapshot, outbound=outbound)
        self._check_platform(outbound=outbound)
        self._hold(call, Slot(tenant, number, direction))

    def _check_tenant(self, snapshot: NumberSnapshot, *, outbound: bool) -> None:
        tenant, limit = snapshot.tenant, snapshot.tenant_max_concurrent_calls
        held = self._by_tenant[tenant]
        if held >= limit:
            raise TenantFull(f"{tenant} holds its {limit} calls", mend="raise the tenant's limit")
        if outbound and held >= limit - snapshot.tenant_inbound_reserve:
            raise TenantFull(
                f"{tenant} keeps the last {snapshot.tenant_inbound_reserve} of its {limit} calls for callers",
                mend="call later, or lower the tenant's inbound reserve",
            )

    def _check_platform(self, *, outbound: bool) -> None:
        limit = self.platform_limit
        if limit is None:
            return
        if len(self._slots) >= limit:
            mend = "raise session_max_calls" if self.max_calls else "start another worker"
            raise PlatformFull(f"the platform holds its {limit} calls", mend=mend)
        if outbound and len(self._slots) >= limit - self.inbound_reserve:
            raise PlatformFull(
                f"the platform keeps the last {self.inbound_reserve} of its {limit} calls for callers",
                mend="call later, or lower session_inbound_reserve",
            )

    @property
    def platform_limit(self) -> int | None:
        """How many calls the platform may hold now; None while that is not known."""
        return self.max_calls or self.capacity()

    def restore(self, call: ActiveCall) -> None:
        """Hold the slot of a call that was admitted before this process led."""
        if call.call not in self._slots:
            self._hold(call.call, Slot(call.tenant, call.number, call.direction))

    def free_slot(self, call: str) -> None:
        """Give the slot back; freeing one that is not held changes nothing."""
        slot = self._slots.pop(call, None)
        if slot is not None:
            _less(self._by_tenant, slot.tenant)
            _less(self._by_number, slot.number)
            if slot.direction is Direction.OUTBOUND:
                _less(self._outbound, slot.tenant)
                _less(self._outbound_by_number, slot.number)

    def held(self, *, tenant: str | None = None, number: str | None = None) -> int:
        """How many slots a tenant or a number holds."""
        if number is not None:
            return self._by_number[number]
        return self._by_tenant[tenant] if tenant is not None else len(self._slots)

    def counts(self, tenant: str | None = None, number: str | None = None) -> CallCounts:
        """Slots beside their limits: of one tenant, of one number, or of everything."""
        known = [
            each
            for each in self.numbers.values()
            if tenant in (None, each.tenant) and number in (None, each.number)
        ]
        tenants = {each.tenant: self._tenant(each.tenant, each) for each in known}
        numbers = {each.number: self._number(each.number, each) for each in known}
        for slot in self._slots.values():  # of numbers that are gone from the directory
            if tenant in (None, slot.tenant) and number in (None, slot.number):
                tenants.setdefault(slot.tenant, self._tenant(slot.tenant))
                numbers.setdefault(slot.number, self._number(slot.number))
        everything = tenant is None and number is None
        return CallCounts(
            platform=self._platform() if everything else None,
            tenants={} if number is not None and tenant is None else tenants,
            numbers=numbers,
        )

    def _platform(self) -> Occupancy:
        return Occupancy(
            held=len(self._slots),
            outbound=self._outbound.total(),
            limit=self.platform_limit,
            inbound_reserve=self.inbound_reserve,
        )

    def _tenant(self, tenant: str, known: NumberSnapshot | None = None) -> Occupancy:
        return Occupancy(
            held=self._by_tenant[tenant],
            outbound=self._outbound[tenant],
            limit=known.tenant_max_concurrent_calls if known else None,
            inbound_reserve=known.tenant_inbound_reserve if known else 0,
        )

    def _number(self, number: str, known: NumberSnapshot | None = None) -> Occupancy:
        return Occupancy(
            held=self._by_number[number],
            outbound=self._outbound_by_number[number],
            limit=known.max_concurrent_calls if known else None,
        )

    def _hold(self, call: str, slot: Slot) -> None:
        self._slots[call] = slot
        self._by_tenant[slot.tenant] += 1
        self._by_number[slot.number] += 1
        if slot.direction is Direction.OUTBOUND:
            self._outbound[slot.tenant] += 1
            self._outbound_by_number[slot.number] += 1


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
