"""What a call costs: the only place where that is worked out. Whole numbers throughout. No I/O.

Charged is the time since the leg was answered, at the price that held when the call began. The time in which
a call waited for a leg that never came again is not.
"""

from __future__ import annotations

from typing import Final

from contracts.messages import ActiveCall, CallCost, Price

_SECOND_US: Final = 1_000_000
_MINUTE_S: Final = 60


def cost_of(call: ActiveCall, now_us: int) -> CallCost | None:
    """What the call costs if it ends now; None where its minutes are not charged."""
    if call.price is None:
        return None
    if call.answered_us is None:
        return charge(call.price, 0)
    # The moment of the answer is on a gateway's clock, which may be ahead of ours or behind.
    from_us = max(call.answered_us, call.started_us)
    until_us = now_us if call.detached_us is None else min(now_us, call.detached_us)
    return charge(call.price, max(0, until_us - from_us))


def charge(price: Price, answered_for_us: int) -> CallCost:
    """The price of so much answered time: whole increments, then rounded once, half a millionth up."""
    increments = -(-answered_for_us // (price.increment_s * _SECOND_US))
    billed_s = increments * price.increment_s
    amount_micros = (2 * price.per_minute_micros * billed_s + _MINUTE_S) // (2 * _MINUTE_S)
    return CallCost(amount_micros=amount_micros, currency=price.currency, billed_s=billed_s)
