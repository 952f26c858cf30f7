"""From the directory to one merged, validated snapshot per number. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.configuration import merge, snapshot_of
from router_service.directory import Directory, NumberEntry, TenantEntry
from router_service.errors import BadConfiguration, NumberMisconfigured

__all__ = ["Resolver", "merge", "resolve", "stand_in"]

Resolved = tuple[dict[str, NumberSnapshot], list[NumberMisconfigured]]


def resolve(directory: Directory) -> Resolved:
    """Every number's snapshot, and a fault for each number whose configuration does not hold."""
    return Resolver().resolve(directory)


@dataclass(slots=True)
class Resolver:
    """Resolves directories one after another; a tenant that is the same object as before costs nothing."""

    _known: dict[str, tuple[TenantEntry, Resolved]] = field(default_factory=dict)

    def resolve(self, directory: Directory) -> Resolved:
        """As the function `resolve`."""
        snapshots: dict[str, NumberSnapshot] = {}
        faults: list[NumberMisconfigured] = []
        for slug, tenant in directory.tenants.items():
            own, broken = self._tenant(slug, tenant)
            faults += broken
            for number, snapshot in own.items():
                if number in snapshots:
                    faults.append(_twice(number, snapshots[number].tenant, slug))
                else:
                    snapshots[number] = snapshot
        self._known = {slug: self._known[slug] for slug in directory.tenants}
        return snapshots, faults

    def _tenant(self, slug: str, tenant: TenantEntry) -> Resolved:
        known = self._known.get(slug)
        if known is None or known[0] is not tenant:
            known = tenant, _resolve_tenant(slug, tenant)
            self._known[slug] = known
        return known[1]


def stand_in(
    fault: NumberMisconfigured, directory: Directory, last: NumberSnapshot | None
) -> tuple[NumberSnapshot | None, AnsweredWith]:
    """What answers a broken number: the last good assistant of the same tenant, else its own without the
    override, else nobody. Whose it is and how many calls it may hold are always today's.
    """
    tenant = directory.tenants[fault.tenant]
    entry = tenant.numbers[fault.number]
    if last is not None and last.tenant == fault.tenant:
        terms = _terms(fault.tenant, tenant, entry)
        return last.model_copy(update={**terms, "revision": 0}), AnsweredWith.LAST_GOOD
    try:
        alone = entry.model_copy(update={"override": {}})
        return _snapshot(fault.tenant, tenant, fault.number, alone), AnsweredWith.ASSISTANT_ALONE
    except NumberMisconfigured:
        return None, AnsweredWith.NOTHING


def _resolve_tenant(slug: str, tenant: TenantEntry) -> Resolved:
    snapshots: dict[str, NumberSnapshot] = {}
    faults: list[NumberMisconfigured] = []
    for number, entry in tenant.numbers.items():
        try:
            snapshots[number] = _snapshot(slug, tenant, number, entry)
        except NumberMisconfigured as fault:
            faults.append(fault)
    return snapshots, faults


def _snapshot(slug: str, tenant: TenantEntry, number: str, entry: NumberEntry) -> NumberSnapshot:
    if entry.assistant not in tenant.assistants:
        raise NumberMisconfigured(
            number,
            f"tenant {slug} has no assistant {entry.assistant!r}",
            mend=f"use one of: {', '.join(sorted(tenant.assistants))}",
            tenant=slug,
        )
    try:
        assistant = snapshot_of(slug, entry.assistant, tenant.assistants[entry.assistant], entry.override)
    except BadConfiguration as error:
        raise NumberMisconfigured(number, error.message, mend=error.mend, tenant=slug) from error
    return NumberSnapshot(number=number, assistant=assistant, **_terms(slug, tenant, entry))


def _terms(slug: str, tenant: TenantEntry, entry: NumberEntry) -> dict[str, Any]:
    """What holds of a number whoever answers it."""
    return {
        "tenant": slug,
        "tenant_name": tenant.name,
        "subscription_active": tenant.subscription_active,
        "active": entry.active,
        "max_concurrent_calls": entry.max_concurrent_calls,
        "tenant_max_concurrent_calls": tenant.max_concurrent_calls,
        "tenant_inbound_reserve": min(tenant.inbound_reserve, tenant.max_concurrent_calls),
    }


def _twice(number: str, first: str, second: str) -> NumberMisconfigured:
    return NumberMisconfigured(
        number, f"belongs to {first} and to {second}", mend="remove it from one", tenant=second
    )
