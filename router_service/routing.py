"""From the directory to one merged, validated snapshot per number. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from contracts.identities import PLATFORM_TENANT
from contracts.messages import AssistantSnapshot, NumberSnapshot
from router_service.directory import Directory, TenantEntry
from router_service.errors import NumberMisconfigured


def resolve(directory: Directory) -> tuple[dict[str, NumberSnapshot], list[NumberMisconfigured]]:
    """Every number's snapshot, and a fault for each number whose configuration does not hold.

    A number that two tenants claim is a fault and goes to neither: a slip must not move a tenant's calls.
    """
    snapshots: dict[str, NumberSnapshot] = {}
    faults: list[NumberMisconfigured] = []
    for number, owners in _owners(directory).items():
        try:
            slug = _the_one(number, owners)
            snapshots[number] = _snapshot(slug, directory.tenants[slug], number)
        except NumberMisconfigured as fault:
            faults.append(fault)
    return snapshots, faults


def _owners(directory: Directory) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for slug, tenant in directory.tenants.items():
        for number in tenant.numbers:
            owners.setdefault(number, []).append(slug)
    return owners


def _the_one(number: str, owners: list[str]) -> str:
    if len(owners) > 1:
        raise NumberMisconfigured(
            number, f"belongs to {' and to '.join(owners)}", mend="leave it to one of them"
        )
    if owners[0] == PLATFORM_TENANT:
        raise NumberMisconfigured(
            number, f"{PLATFORM_TENANT!r} stands for what belongs to no tenant", mend="rename the tenant"
        )
    return owners[0]


def _snapshot(slug: str, tenant: TenantEntry, number: str) -> NumberSnapshot:
    entry = tenant.numbers[number]
    if entry.assistant not in tenant.assistants:
        raise NumberMisconfigured(
            number,
            f"tenant {slug} has no assistant {entry.assistant!r}",
            mend=f"use one of: {', '.join(sorted(tenant.assistants)) or 'none is there yet'}",
        )
    merged = merge(tenant.assistants[entry.assistant], entry.override)
    try:
        assistant = AssistantSnapshot.model_validate({**merged, "id": entry.assistant}, extra="forbid")
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise NumberMisconfigured(
            number,
            f"assistant {entry.assistant} of {slug}: {where}: {fault['msg']}",
            mend=f"correct {where} in the assistant or in the number's override",
        ) from error
    return NumberSnapshot(
        number=number,
        tenant=slug,
        tenant_name=tenant.name,
        subscription_active=tenant.subscription_active,
        active=entry.active,
        max_concurrent_calls=entry.max_concurrent_calls,
        tenant_max_concurrent_calls=tenant.max_concurrent_calls,
        recording_allowed=tenant.recording_allowed,
        assistant=assistant,
    )


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch (RFC 7396): objects merge, null removes, everything else replaces."""
    merged = dict(base)
    for key, value in override.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
