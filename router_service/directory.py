"""The directory as its owner writes it: tenants with their assistants and numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from contracts.identities import PhoneNumber, TenantSlug


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberEntry(_Entry):
    """A called number: who answers it, and what it changes in that assistant."""

    assistant: str
    label: str = ""
    active: bool = True
    max_concurrent_calls: Annotated[int, Field(ge=0)] = 1
    override: dict[str, Any] = {}


class TenantEntry(_Entry):
    """A business; an assistant is kept as written, because it is valid only once merged for a number."""

    name: str
    subscription_active: bool = True
    max_concurrent_calls: Annotated[int, Field(ge=0)] = 10
    inbound_reserve: Annotated[int, Field(ge=0)] = 0
    recording_allowed: bool = False
    assistants: dict[str, dict[str, Any]]
    numbers: dict[PhoneNumber, NumberEntry]


class Directory(_Entry):
    """Every tenant by slug."""

    tenants: dict[TenantSlug, TenantEntry]
