"""Tenants, their numbers and assistants, and what a number would be answered with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from contracts.identities import PhoneNumber, TenantSlug
from contracts.messages.access import Asked, Cursor, Line, Name, PageSize
from contracts.messages.base import Calls, Count, Message, Micros, PlanSlug, Reply
from contracts.messages.config import AssistantSnapshot, NumberSnapshot

NewAssistantSlug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
DialledNumber = Annotated[
    str, Field(max_length=40, description="an international number, starting with +; spaces may stand in it")
]
AssistantRef = Annotated[
    str, Field(max_length=63, pattern=r"^[^\x00-\x1f\x7f]*$", description="an assistant's id")
]
Patch = Annotated[dict[str, JsonValue], Field(description="a JSON Merge Patch: null removes")]


class TenantView(Message):
    """A business on the platform; `recording_allowed` is its word that its callers agree to be recorded."""

    slug: TenantSlug
    name: str
    recording_allowed: bool = False
    created_us: Micros


class CreateTenant(Message):
    """A new business, on a plan. A slug is given once, even after its tenant is closed."""

    op: Literal["create"] = "create"
    slug: TenantSlug
    name: Name
    plan: PlanSlug | None = None


class GetTenant(Message):
    """The tenant that the request names."""

    op: Literal["get"] = "get"


class ListTenants(Message):
    """The tenants by slug; a member sees its own."""

    op: Literal["list"] = "list"
    after: Cursor | None = None
    limit: PageSize = 50


class UpdateTenant(Message):
    """Change what is given."""

    op: Literal["update"] = "update"
    name: Name | None = None
    recording_allowed: bool | None = None


class CloseTenant(Message):
    """Remove all it has but the audit log; its numbers must be somebody else's or nobody's before."""

    op: Literal["close"] = "close"


class TenantsRequest(Asked):
    """Tenants."""

    operation: Annotated[
        CreateTenant | GetTenant | ListTenants | UpdateTenant | CloseTenant, Field(discriminator="op")
    ]


class TenantsReply(Reply):
    """The tenant that it was about, or a page of them."""

    items: tuple[TenantView, ...] = ()
    next: Cursor | None = None


class NumberView(Message):
    """A number, whose it is, and what it changes in its assistant."""

    number: PhoneNumber
    tenant: TenantSlug | None
    label: str
    assistant: str | None
    override: dict[str, JsonValue]
    max_concurrent_calls: Count
    active: bool
    assigned_by: str | None
    assigned_at_us: Micros | None
    created_us: Micros


class CreateNumber(Message):
    """A number that the platform now has; for the request's tenant, or nobody's yet."""

    op: Literal["create"] = "create"
    number: DialledNumber
    label: Line = ""
    assistant: AssistantRef | None = None
    max_concurrent_calls: Calls = 1


class AssignNumber(Message):
    """Give the number to the request's tenant, or with none to nobody.

    What the former tenant had set (label, assistant, override) is gone.
    """

    op: Literal["assign"] = "assign"
    number: DialledNumber
    assistant: AssistantRef | None = None


class GetNumber(Message):
    """One number."""

    op: Literal["get"] = "get"
    number: DialledNumber


class ListNumbers(Message):
    """The numbers in their order: the tenant's, or for an admin all."""

    op: Literal["list"] = "list"
    after: Cursor | None = None
    limit: PageSize = 50


class UpdateNumber(Message):
    """Change what is given. `override` replaces the one there was; the limit is the operator's to change."""

    op: Literal["update"] = "update"
    number: DialledNumber
    label: Line | None = None
    assistant: AssistantRef | None = None
    override: Patch | None = None
    active: bool | None = None
    max_concurrent_calls: Calls | None = None


class DeleteNumber(Message):
    """The platform no longer has this number."""

    op: Literal["delete"] = "delete"
    number: DialledNumber


class NumbersRequest(Asked):
    """Called numbers."""

    operation: Annotated[
        CreateNumber | AssignNumber | GetNumber | ListNumbers | UpdateNumber | DeleteNumber,
        Field(discriminator="op"),
    ]


class NumbersReply(Reply):
    """The number that it was about, or a page of them."""

    items: tuple[NumberView, ...] = ()
    next: Cursor | None = None


class AssistantView(Message):
    """An assistant as configured: `config` holds what was set, the rest has its defaults."""

    id: str
    tenant: TenantSlug
    config: dict[str, JsonValue]
    revision: Count
    changed_by: str
    changed_us: Micros


class CreateAssistant(Message):
    """A new assistant from the fields of AssistantSnapshot (but `id`, which stands beside them)."""

    op: Literal["create"] = "create"
    id: NewAssistantSlug
    config: dict[str, JsonValue]


class GetAssistant(Message):
    """One assistant."""

    op: Literal["get"] = "get"
    id: AssistantRef


class ListAssistants(Message):
    """The tenant's assistants, by id."""

    op: Literal["list"] = "list"
    after: Cursor | None = None
    limit: PageSize = 50


class UpdateAssistant(Message):
    """Change what is given; with `if_revision`, only if nobody changed it since."""

    op: Literal["update"] = "update"
    id: AssistantRef
    changes: Patch
    if_revision: Count | None = None


class DeleteAssistant(Message):
    """Remove an assistant that no number is answered by."""

    op: Literal["delete"] = "delete"
    id: AssistantRef


class ListRevisions(Message):
    """Every change of an assistant, newest first."""

    op: Literal["revisions"] = "revisions"
    id: AssistantRef
    after: Cursor | None = None
    limit: PageSize = 50


class RestoreRevision(Message):
    """Configure the assistant as it was at a revision; that is a new revision."""

    op: Literal["restore"] = "restore"
    id: AssistantRef
    revision: Count


class AssistantsRequest(Asked):
    """Assistants of a tenant."""

    operation: Annotated[
        CreateAssistant
        | GetAssistant
        | ListAssistants
        | UpdateAssistant
        | DeleteAssistant
        | ListRevisions
        | RestoreRevision,
        Field(discriminator="op"),
    ]


class AssistantsReply(Reply):
    """The assistant that it was about, a page of them, or a page of its revisions."""

    items: tuple[AssistantView, ...] = ()
    next: Cursor | None = None


class PreviewRequest(Asked):
    """What would answer, if this were saved: nothing is.

    `assistant` with `changes`, under the `number`'s own override or the given one. At least one of
    `assistant` and `number` is named; a number alone brings its assistant.
    """

    assistant: AssistantRef | None = None
    number: DialledNumber | None = None
    changes: Patch = Field(default_factory=dict)
    override: Patch | None = None


class PreviewReply(Reply):
    """The merged, validated configuration; with a number, its whole snapshot too."""

    assistant: AssistantSnapshot | None = None
    snapshot: NumberSnapshot | None = None
