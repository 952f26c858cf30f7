"""What a tenant pays for and entrusts to the platform: plans, credentials, the log of who changed what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from contracts.identities import RecordId, TenantSlug
from contracts.messages.access import Asked, Cursor, Line, PageSize, Secret
from contracts.messages.base import Calls, Count, Message, Micros, PlanSlug, Reply, Share
from contracts.messages.money import Price


class PlanView(Message):
    """What a subscription buys: calls at once, how many of those outbound traffic cannot take, and the share
    of the engines beside other tenants'; and what an answered minute costs, where minutes are charged.
    """

    slug: PlanSlug
    name: str
    max_concurrent_calls: Calls
    inbound_reserve: Calls
    share: Share = 1
    price: Price | None = None


class SubscriptionView(Message):
    """A tenant's subscription as it is in force: the plan's limits, share and price, or its own where set."""

    tenant: TenantSlug
    plan: PlanSlug
    active: bool
    ends_us: Micros | None
    max_concurrent_calls: Count
    inbound_reserve: Count
    share: Share = 1
    price: Price | None = None


class ListPlans(Message):
    """The plans, by slug."""

    op: Literal["plans"] = "plans"
    after: Cursor | None = None
    limit: PageSize = 50


class PutPlan(Message):
    """Make or change a plan; every tenant on it gets the new limits, and the share and the price for its
    next calls.
    """

    op: Literal["put_plan"] = "put_plan"
    plan: PlanView


class GetSubscription(Message):
    """The subscription of the tenant that the request names."""

    op: Literal["get"] = "get"


class PutSubscription(Message):
    """Set the subscription; a limit left out is the plan's, and so are the share and the price."""

    op: Literal["put"] = "put"
    plan: PlanSlug
    active: bool = True
    ends_us: Micros | None = None
    max_concurrent_calls: Calls | None = None
    inbound_reserve: Calls | None = None
    share: Share | None = None
    price: Price | None = None


class SubscriptionsRequest(Asked):
    """Plans and subscriptions."""

    operation: Annotated[ListPlans | PutPlan | GetSubscription | PutSubscription, Field(discriminator="op")]


class SubscriptionsReply(Reply):
    """A page of the plans, or the subscription."""

    plans: tuple[PlanView, ...] = ()
    subscription: SubscriptionView | None = None
    next: Cursor | None = None


class CredentialView(Message):
    """A stored credential; what it is cannot be read back. `shared` is the platform's own."""

    id: RecordId
    provider: str
    label: str
    shared: bool
    updated_by: str
    updated_us: Micros


class PutCredential(Message):
    """Store a credential, replacing one of the same provider and label; for no tenant, the platform's own."""

    op: Literal["put"] = "put"
    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    label: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]*$")] = "default"
    secret: Secret


class ListCredentials(Message):
    """Which credentials are stored: the tenant's own, then the platform's."""

    op: Literal["list"] = "list"
    after: Cursor | None = None
    limit: PageSize = 50


class DeleteCredential(Message):
    """Forget a credential."""

    op: Literal["delete"] = "delete"
    id: RecordId


class CredentialsRequest(Asked):
    """Provider credentials: write-only."""

    operation: Annotated[PutCredential | ListCredentials | DeleteCredential, Field(discriminator="op")]


class CredentialsReply(Reply):
    """The credential that it was about, or a page."""

    items: tuple[CredentialView, ...] = ()
    next: Cursor | None = None


class AuditEntry(Message):
    """Somebody changed something."""

    id: RecordId
    at_us: Micros
    actor: str
    tenant: TenantSlug | None
    action: str
    target: str
    detail: dict[str, JsonValue]


class ListAudit(Message):
    """The log, newest first; `target` narrows it to one thing."""

    op: Literal["list"] = "list"
    target: Line | None = None
    after: Cursor | None = None
    limit: PageSize = 50


class AuditRequest(Asked):
    """The audit log."""

    operation: ListAudit = ListAudit()


class AuditReply(Reply):
    """A page of the log."""

    items: tuple[AuditEntry, ...] = ()
    next: Cursor | None = None
