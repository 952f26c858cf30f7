"""What an operator should know soon, and no call is to notice."""

from __future__ import annotations

from enum import StrEnum

from contracts.identities import EventId, PhoneNumber, TenantSlug
from contracts.messages.base import Message, Micros


class AnsweredWith(StrEnum):
    """What a number is answered with while its configuration does not hold."""

    LAST_GOOD = "last_good"
    ASSISTANT_ALONE = "assistant_alone"
    NOTHING = "nothing"


class ConfigurationBroken(Message):
    """A number's configuration does not hold. Said once for each fault, not at every attempt to publish."""

    id: EventId
    at_us: Micros
    tenant: TenantSlug
    number: PhoneNumber
    fault: str
    mend: str
    answered_with: AnsweredWith
