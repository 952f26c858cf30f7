"""The tables, one a kind of record, with columns named as its fields.

A change here needs a migration beside it in `migrations/versions`: a test holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

from contracts.messages import MemberRole
from router_service import records as r

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

_JSON: Final = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_ROLE: Final = Enum(
    MemberRole,
    native_enum=False,
    create_constraint=False,
    length=20,
    values_callable=lambda roles: [role.value for role in roles],
)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _us(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _id() -> Column[str]:
    return Column("id", Text, primary_key=True)


def _tenant_id(*, null: bool = False) -> Column[str]:
    return Column("tenant_id", ForeignKey("tenants.id"), nullable=null)


TENANTS: Final = Table(
    "tenants",
    METADATA,
    _id(),
    Column("slug", Text, nullable=False, unique=True),
    _text("name"),
    Column("revision", BigInteger, nullable=False),
    _us("created_us"),
    Column("recording_allowed", Boolean, nullable=False),
    _us("closed_us", null=True),
)
PLANS: Final = Table(
    "plans",
    METADATA,
    _id(),
    Column("slug", Text, nullable=False, unique=True),
    _text("name"),
    Column("max_concurrent_calls", Integer, nullable=False),
    Column("inbound_reserve", Integer, nullable=False),
    Column("price", _JSON),
    Column("share", Integer, nullable=False, server_default="1"),
)
SUBSCRIPTIONS: Final = Table(
    "subscriptions",
    METADATA,
    Column("tenant_id", ForeignKey("tenants.id"), primary_key=True),
    Column("plan_id", ForeignKey("plans.id"), nullable=False, index=True),
    Column("active", Boolean, nullable=False),
    _us("ends_us", null=True),
    Column("max_concurrent_calls", Integer),
    Column("inbound_reserve", Integer),
    Column("price", _JSON),
    Column("share", Integer),
)
USERS: Final = Table(
    "users",
    METADATA,
    _id(),
    _tenant_id(),
    _text("email"),
    _text("name"),
    Column("role", _ROLE, nullable=False),
    _text("password_hash"),
    Column("active", Boolean, nullable=False),
    _us("created_us"),
    UniqueConstraint("tenant_id", "email"),
    Index(None, "email"),
)
API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    _id(),
    _tenant_id(null=True),
    Column("role", _ROLE),
    _text("label"),
    _text("prefix"),
    Column("digest", Text, nullable=False, unique=True),
    Column("requests_per_minute", Integer),
    _text("created_by"),
    _us("created_us"),
    _us("expires_us", null=True),
    _us("revoked_us", null=True),
    Index(None, "tenant_id"),
)
ASSISTANTS: Final = Table(
    "assistants",
    METADATA,
    _id(),
    _tenant_id(),
    _text("slug"),
    Column("config", _JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    _text("changed_by"),
    _us("changed_us"),
    UniqueConstraint("tenant_id", "slug"),
)
ASSISTANT_REVISIONS: Final = Table(
    "assistant_revisions",
    METADATA,
    _id(),
    _tenant_id(),
    _text("slug"),
    Column("revision", Integer, nullable=False),
    Column("config", _JSON, nullable=False),
    Column("deleted", Boolean, nullable=False),
    _text("changed_by"),
    _us("changed_us"),
    UniqueConstraint("tenant_id", "slug", "revision"),
)
NUMBERS: Final = Table(
    "numbers",
    METADATA,
    _id(),
    Column("number", Text, nullable=False, unique=True),
    _tenant_id(null=True),
    Column("assistant_id", ForeignKey("assistants.id")),
    _text("label"),
    Column("override", _JSON, nullable=False),
    Column("max_concurrent_calls", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    _us("created_us"),
    _text("assigned_by", null=True),
    _us("assigned_at_us", null=True),
    Index(None, "tenant_id"),
    Index(None, "assistant_id"),
)
CREDENTIALS: Final = Table(
    "credentials",
    METADATA,
    _id(),
    _tenant_id(null=True),
    _text("provider"),
    _text("label"),
    _text("key_id"),
    Column("sealed", LargeBinary, nullable=False),
    _text("updated_by"),
    _us("updated_us"),
    UniqueConstraint("tenant_id", "provider", "label"),
)
# NULLs differ from each other in a unique constraint: the platform's own credentials need one of their own.
Index(
    "uq_credentials_shared",
    CREDENTIALS.c.provider,
    CREDENTIALS.c.label,
    unique=True,
    sqlite_where=CREDENTIALS.c.tenant_id.is_(None),
    postgresql_where=CREDENTIALS.c.tenant_id.is_(None),
)
AUDIT_LOG: Final = Table(
    "audit_log",
    METADATA,
    _id(),
    _us("at_us"),
    _text("actor"),
    Column("tenant_id", Text),
    _text("tenant", null=True),
    _text("action"),
    _text("target"),
    Column("detail", _JSON, nullable=False),
    Index(None, "tenant_id", "id"),
)
IDEMPOTENCY_KEYS: Final = Table(
    "idempotency_keys",
    METADATA,
    _id(),
    _text("scope"),
    _text("key"),
    _text("mark"),
    _text("key_id"),
    Column("sealed", LargeBinary, nullable=False),
    _us("created_us"),
    UniqueConstraint("scope", "key"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the records of a kind lie, and in which order they are read; the first column is their id."""

    table: Table
    order: str
    newest_first: bool = False

    @property
    def key(self) -> Column[Any]:
        """The column that identifies a row."""
        return next(iter(self.table.primary_key))


PLACES: Final[dict[type[Any], Place]] = {
    r.Tenant: Place(TENANTS, "slug"),
    r.Plan: Place(PLANS, "slug"),
    r.Subscription: Place(SUBSCRIPTIONS, "tenant_id"),
    r.User: Place(USERS, "id"),
    r.ApiKey: Place(API_KEYS, "id"),
    r.Assistant: Place(ASSISTANTS, "slug"),
    r.AssistantRevision: Place(ASSISTANT_REVISIONS, "revision", newest_first=True),
    r.Number: Place(NUMBERS, "number"),
    r.Credential: Place(CREDENTIALS, "id"),
    r.Audit: Place(AUDIT_LOG, "id", newest_first=True),
    r.Answered: Place(IDEMPOTENCY_KEYS, "created_us"),
}
