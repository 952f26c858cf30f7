"""Who asks, and who may: principals, users, API keys, sign-in. Router answers; it alone reads SQL."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from contracts.identities import RecordId, TenantSlug
from contracts.messages.base import Count, Message, Micros, Reply

Line = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$", description="one line of text")]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]+$")
]
Password = Annotated[str, Field(min_length=12, max_length=256, pattern=r"^[^\x00]*$")]
Secret = Annotated[str, Field(min_length=1, max_length=8_192, pattern=r"^[^\x00]*$")]
PageSize = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$", description="`next` of the page before")]
RequestsPerMinute = Annotated[int, Field(ge=1, le=1_000_000)]


class MemberRole(StrEnum):
    """What a member of a tenant may do; each role may all that the next one may."""

    OWNER = "owner"
    SUPERVISOR = "supervisor"
    AGENT = "agent"


class Principal(Message):
    """Who asks, as established by sign-in or key: a member of one tenant, or the platform's admin."""

    subject: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
    admin: bool = False
    tenant: TenantSlug | None = None
    role: MemberRole | None = None

    @model_validator(mode="after")
    def _either_admin_or_member(self) -> Self:
        member = self.tenant is not None and self.role is not None
        if self.admin is member or (self.admin and (self.tenant or self.role)):
            raise ValueError("a principal is an admin, or has a tenant and a role there")
        return self


class Asked(Message):
    """What every request to router begins with.

    `tenant` is whose things it is about: a member's own where it is left out, for an admin all of them where
    that makes sense. A request repeated with its `idempotency_key` is answered as the first time.
    """

    principal: Principal
    tenant: TenantSlug | None = None
    idempotency_key: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] | None = None


class KeptAnswer(Message):
    """What a POST with an idempotency key was answered, and a digest of what it asked, as REST keeps it."""

    mark: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="a SHA-256 digest")]
    answer: dict[str, JsonValue]


class UserView(Message):
    """A user of a tenant. One who belongs to several is a user of each, with a password each."""

    id: RecordId
    email: Email
    name: str
    role: MemberRole
    active: bool
    created_us: Micros


class AddUser(Message):
    """Let a person in."""

    op: Literal["add"] = "add"
    email: Email
    name: Name
    role: MemberRole
    password: Password


class GetUser(Message):
    """One user."""

    op: Literal["get"] = "get"
    id: RecordId


class ListUsers(Message):
    """The users, by the time they were let in."""

    op: Literal["list"] = "list"
    after: Cursor | None = None
    limit: PageSize = 50


class UpdateUser(Message):
    """Change what is given."""

    op: Literal["update"] = "update"
    id: RecordId
    name: Name | None = None
    role: MemberRole | None = None
    active: bool | None = None


class RemoveUser(Message):
    """End a membership."""

    op: Literal["remove"] = "remove"
    id: RecordId


class ChangePassword(Message):
    """Set one's own password (`id` left out), proving the old one; an owner sets any user's without."""

    op: Literal["change_password"] = "change_password"
    id: RecordId | None = None
    current: Secret | None = None
    password: Password


class UsersRequest(Asked):
    """Users of a tenant."""

    operation: Annotated[
        AddUser | GetUser | ListUsers | UpdateUser | RemoveUser | ChangePassword, Field(discriminator="op")
    ]


class UsersReply(Reply):
    """The user that it was about, or a page of them."""

    items: tuple[UserView, ...] = ()
    next: Cursor | None = None


class KeyView(Message):
    """An API key without its secret: only its `prefix` can be shown."""

    id: RecordId
    prefix: str
    label: str
    tenant: TenantSlug | None
    role: MemberRole | None
    requests_per_minute: RequestsPerMinute | None
    created_by: str
    created_us: Micros
    expires_us: Micros | None
    revoked_us: Micros | None


class CreateKey(Message):
    """A key of a tenant with a role there; without one, by an admin and for no tenant, an admin's key."""

    op: Literal["create"] = "create"
    label: Name
    role: MemberRole | None = None
    expires_us: Micros | None = None
    requests_per_minute: RequestsPerMinute | None = None


class ListKeys(Message):
    """The keys, by age."""

    op: Literal["list"] = "list"
    after: Cursor | None = None
    limit: PageSize = 50


class RevokeKey(Message):
    """End a key at once and for good."""

    op: Literal["revoke"] = "revoke"
    id: RecordId


class KeysRequest(Asked):
    """API keys of a tenant, or of the platform."""

    operation: Annotated[CreateKey | ListKeys | RevokeKey, Field(discriminator="op")]


class KeysReply(Reply):
    """The key that it was about, or a page of them; `secret` is said once, when the key is made."""

    items: tuple[KeyView, ...] = ()
    next: Cursor | None = None
    secret: str | None = None


class SignIn(Message):
    """Email and password; `tenant` for one who belongs to several."""

    op: Literal["sign_in"] = "sign_in"
    email: Annotated[str, Field(max_length=254, pattern=r"^[^\x00]*$")]
    password: Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
    tenant: TenantSlug | None = None


class CheckKey(Message):
    """Whose key is this?"""

    op: Literal["check_key"] = "check_key"
    key: Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]


class CheckPrincipal(Message):
    """Does what was established before still hold? Answered with the principal as it is now."""

    op: Literal["check_principal"] = "check_principal"
    principal: Principal


class AuthenticateRequest(Message):
    """Who is this?"""

    operation: Annotated[SignIn | CheckKey | CheckPrincipal, Field(discriminator="op")]


class MembershipView(Message):
    """Where a person belongs."""

    tenant: TenantSlug
    tenant_name: str
    role: MemberRole


class AuthenticateReply(Reply):
    """Who it is. `memberships` are the tenants that this password opens; a key has none."""

    principal: Principal | None = None
    memberships: tuple[MembershipView, ...] = ()
    requests_per_minute: Count | None = None
