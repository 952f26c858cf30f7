"""From the directory to one merged, validated snapshot per number. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from contracts.identities import PLATFORM_TENANT
from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.configuration import merge, snapshot_of
from router_service.directory import Directory, NumberEntry, TenantEntry
from router_service.errors import BadConfiguration, NumberMisconfigured

__all__ = ["Resolver", "merge", "owners_of", "resolve", "stand_in"]

Resolved = tuple[dict[str, NumberSnapshot], list[NumberMisconfigured]]


def resolve(directory: Directory) -> Resolved:
    """Every number's snapshot, and a fault for each number whose configuration does not hold.

    A number that two tenants claim is a fault and goes to neither: a slip must not move a tenant's calls.
    """
    return Resolver().resolve(directory)


@dataclass(slots=True)
class Resolver:
    """Resolves directories one after another; a tenant that is the same object as before costs nothing."""

    _known: dict[str, tuple[TenantEntry, Resolved]] = field(default_factory=dict)

    def resolve(self, directory: Directory) -> Resolved:
        """As the function `resolve`."""
        snapshots: dict[str, NumberSnapshot] = {}
        faults = list(_misplaced(directory))
        misplaced = {fault.number for fault in faults}
        for slug, tenant in directory.tenants.items():
            own, broken = self._tenant(slug, tenant)
            snapshots |= {number: one for number, one in own.items() if number not in misplaced}
            faults += [fault for fault in broken if fault.number not in misplaced]
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

    A number that several claim stays with the one that had it, as it was.
    """
    owners = owners_of(directory)[fault.number]
    if last is not None and last.tenant not in owners:
        last = None
    if owners != [fault.tenant] or fault.tenant == PLATFORM_TENANT:
        return last, AnsweredWith.LAST_GOOD if last else AnsweredWith.NOTHING
    tenant = directory.tenants[fault.tenant]
    entry = tenant.numbers[fault.number]
    if last is not None:
        terms = _terms(fault.tenant, tenant, entry)
        return last.model_copy(update={**terms, "revision": 0}), AnsweredWith.LAST_GOOD
    try:
        alone = entry.model_copy(update={"override": {}})
        return _snapshot(fault.tenant, tenant, fault.number, alone), AnsweredWith.ASSISTANT_ALONE
    except NumberMisconfigured:
        return None, AnsweredWith.NOTHING


def owners_of(directory: Directory) -> dict[str, list[str]]:
    """The tenants that claim each number."""
    owners: dict[str, list[str]] = {}
    for slug, tenant in directory.tenants.items():
        for number in tenant.numbers:
            owners.setdefault(number, []).append(slug)
    return owners


def _misplaced(directory: Directory) -> Iterator[NumberMisconfigured]:
    """The numbers that more than one tenant claims, or one that cannot be."""
    for number, owners in owners_of(directory).items():
        if len(owners) > 1:
            yield NumberMisconfigured(
                number,
                f"belongs to {' and to '.join(owners)}",
                mend="leave it to one of them",
                tenant=owners[0],
            )
        elif owners[0] == PLATFORM_TENANT:
            yield NumberMisconfigured(
                number,
                f"{PLATFORM_TENANT!r} stands for what belongs to no tenant",
                mend="rename the tenant",
                tenant=owners[0],
            )


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
            mend=f"use one of: {', '.join(sorted(tenant.assistants)) or 'none is there yet'}",
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
        "recording_allowed": tenant.recording_allowed,
        "price": tenant.price,
        "tenant_share": tenant.share or 1,
        "tenant_inbound_reserve": min(tenant.inbound_reserve, tenant.max_concurrent_calls),
    }
