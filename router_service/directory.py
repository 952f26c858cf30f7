"""The directory as its owner writes it: tenants with their assistants and numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.identities import PhoneNumber, TenantSlug
from contracts.messages import Price
from contracts.messages.base import Share
from router_service.currencies import CURRENCIES


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberEntry(_Entry):
    """A called number: who answers it, and what it changes in that assistant."""

    assistant: str
    label: str = ""
    active: bool = True
    max_concurrent_calls: Annotated[int, Field(ge=0)] = 1
    override: dict[str, Any] = {}


def _known_currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError(f"{code!r} is no currency of ISO 4217: use a code such as USD or EUR")
    return code


class PriceEntry(Price):
    """A price; here a field that there is not is refused by name, and so is a currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    currency: Annotated[str, AfterValidator(_known_currency)]


class TenantEntry(_Entry):
    """A business; an assistant is kept as written, because it is valid only once merged for a number."""

    name: str
    subscription_active: bool = True
    max_concurrent_calls: Annotated[int, Field(ge=0)] = 10
    inbound_reserve: Annotated[int, Field(ge=0)] = 0
    share: Share | None = None
    price: PriceEntry | None = None
    recording_allowed: bool = False
    assistants: dict[str, dict[str, Any]]
    numbers: dict[PhoneNumber, NumberEntry]


class Directory(_Entry):
    """Every tenant by slug."""

    tenants: dict[TenantSlug, TenantEntry]
