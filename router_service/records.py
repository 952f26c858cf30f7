"""What is kept, one frozen row each: the core reads and writes these, an adapter knows where they lie.

`id` comes first and is the row's own; what people call it (slug, number, email) is beside it and may be
given only once. Times are microseconds since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contracts.messages import MemberRole


@dataclass(frozen=True, slots=True)
class Tenant:
    """A business. `revision` grows with every change that its numbers' snapshots may show.

    A closed one stays as a row without content: its slug keys years of records and is never given again.
    """

    id: str
    slug: str
    name: str
    revision: int
    created_us: int
    recording_allowed: bool = False
    closed_us: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscription buys; `share` is what it gets of an engine that many want, `price` a Price, or None
    where minutes are not charged.
    """

    id: str
    slug: str
    name: str
    max_concurrent_calls: int
    inbound_reserve: int
    price: dict[str, Any] | None = None
    share: int = 1


@dataclass(frozen=True, slots=True)
class Subscription:
    """One a tenant; limits, a share and a price of its own where it has any, else the plan's."""

    tenant_id: str
    plan_id: str
    active: bool
    ends_us: int | None = None
    max_concurrent_calls: int | None = None
    inbound_reserve: int | None = None
    price: dict[str, Any] | None = None
    share: int | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A person in one tenant. One who belongs to two has two of these, with a password each: else the
    tenant that was first would know the password for the other.
    """

    id: str
    tenant_id: str
    email: str
    name: str
    role: MemberRole
    password_hash: str = field(repr=False)
    active: bool
    created_us: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key by its digest; without a tenant it is the platform admin's."""

    id: str
    tenant_id: str | None
    role: MemberRole | None
    label: str
    prefix: str
    digest: str
    requests_per_minute: int | None
    created_by: str
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None


@dataclass(frozen=True, slots=True)
class Assistant:
    """Who answers: `config` as it was set, valid by itself."""

    id: str
    tenant_id: str
    slug: str
    config: dict[str, Any]
    revision: int
    changed_by: str
    changed_us: int


@dataclass(frozen=True, slots=True)
class AssistantRevision:
    """The assistant after one change; kept when the assistant itself is gone.."""

    id: str
    tenant_id: str
    slug: str
    revision: int
    config: dict[str, Any]
    deleted: bool
    changed_by: str
    changed_us: int


@dataclass(frozen=True, slots=True)
class Number:
    """A called number in E.164; with neither tenant nor assistant it is in stock."""

    id: str
    number: str
    tenant_id: str | None
    assistant_id: str | None
    label: str
    override: dict[str, Any]
    max_concurrent_calls: int
    active: bool
    created_us: int
    assigned_by: str | None = None
    assigned_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A sealed secret of a vendor; without a tenant it is shared by all who bring none of their own."""

    id: str
    tenant_id: str | None
    provider: str
    label: str
    key_id: str
    sealed: bytes
    updated_by: str
    updated_us: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Somebody changed something; rows are added and never touched again."""

    id: str
    at_us: int
    actor: str
    tenant_id: str | None
    tenant: str | None
    action: str
    target: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The sealed answer to a request that carried an idempotency key, and a mark of what was asked."""

    id: str
    scope: str
    key: str
    mark: str
    key_id: str
    sealed: bytes
    created_us: int
