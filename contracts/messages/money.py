"""What a minute costs and what a call cost: whole millionths of a currency unit, never fractions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.messages.base import Count, Message

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, such as USD")]
CurrencyOrNone = Annotated[str, Field(pattern=r"^([A-Z]{3})?$", description="ISO 4217, or empty")]
MoneyMicros = Annotated[
    int, Field(ge=0, le=(1 << 53) - 1, description="millionths of a unit of the currency: 90000 is 0.09")
]


class Price(Message):
    """What an answered minute costs. Time is charged in whole increments, each of them once it has begun."""

    per_minute_micros: Annotated[
        int,
        Field(
            ge=0,
            le=100_000_000_000,
            description="millionths of a unit of the currency: 90000 is 0.09",
        ),
    ]
    currency: Currency
    increment_s: Annotated[int, Field(ge=1, le=3600, description="seconds that are charged at a time")] = 1


class CallCost(Message):
    """What a call costs: its price for `billed_s`, the answered time in whole increments.

    Nothing where it was refused or not answered; `currency` is empty for one that was refused.
    """

    amount_micros: MoneyMicros
    currency: CurrencyOrNone
    billed_s: Count
