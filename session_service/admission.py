"""Who may be answered: numbers, limits and slots. One writer, no I/O, so every decision is atomic."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from contracts.errors import SubjectError
from contracts.identities import number_key
from contracts.messages import ActiveCall, NumberSnapshot
from session_service.errors import (
    NumberFull,
    NumberInactive,
    PlatformFull,
    SubscriptionInactive,
    TenantFull,
    UnknownNumber,
)


@dataclass(slots=True)
class Admission:
    """The directory of numbers and the slots that are taken, counted by tenant and by number."""

    max_calls: int = 0
    numbers: dict[str, NumberSnapshot] = field(default_factory=dict)
    _slots: dict[str, tuple[str, str]] = field(default_factory=dict)
    _by_tenant: Counter[str] = field(default_factory=Counter)
    _by_number: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self._slots)

    def look_up(self, called: str) -> NumberSnapshot:
        """The number as router published it; raises UnknownNumber."""
        try:
            return self.numbers[number_key(called)]
        except (KeyError, SubjectError):
            raise UnknownNumber(
                f"nobody has the number {called!r}",
                mend="assign it to a tenant, in E.164 form such as +15550100",
            ) from None

    def take_slot(self, call: str, snapshot: NumberSnapshot) -> None:
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
        if self._by_tenant[tenant] >= snapshot.tenant_max_concurrent_calls:
            raise TenantFull(
                f"{tenant} holds its {snapshot.tenant_max_concurrent_calls} calls",
                mend="raise the tenant's limit",
            )
        if self.max_calls and len(self._slots) >= self.max_calls:
            raise PlatformFull(
                f"the platform holds its {self.max_calls} calls", mend="raise session_max_calls"
            )
        self._hold(call, tenant, number)

    def restore(self, call: ActiveCall) -> None:
        """Hold the slot of a call that was admitted before this process started."""
        if call.call not in self._slots:
            self._hold(call.call, call.tenant, call.number)

    def free_slot(self, call: str) -> None:
        """Give the slot back; freeing one that is not held changes nothing."""
        slot = self._slots.pop(call, None)
        if slot is None:
            return
        for counter, key in zip((self._by_tenant, self._by_number), slot, strict=True):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]

    def held(self, *, tenant: str | None = None, number: str | None = None) -> int:
        """How many slots a tenant or a number holds."""
        if number is not None:
            return self._by_number[number]
        return self._by_tenant[tenant] if tenant is not None else len(self._slots)

    def _hold(self, call: str, tenant: str, number: str) -> None:
        self._slots[call] = (tenant, number)
        self._by_tenant[tenant] += 1
        self._by_number[number] += 1
