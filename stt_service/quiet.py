"""Whether it means anything that nothing has come from a caller. Mostly it does: his leg is gone, or he is.

Not while the bus is away: what he says meanwhile is kept by his gateway and comes later. And not where this
process stood still: what came meanwhile lies unread. Silence put there would cut what he says in two.
"""

from __future__ import annotations

from typing import Final

_LATE_S: Final = 0.2
"""A look comes every 0.1 s."""
_GATEWAYS_BACK_S: Final = 2.0
"""A gateway comes back a little later than we, or waits for us; then what it kept comes, before the new."""


class Quiet:
    """Asked at every look at who has been heard; times are on the monotonic clock."""

    def __init__(self) -> None:
        self._looked_s: float | None = None
        self._away = False
        self._counts_from_s = 0.0

    def bus_lost(self) -> None:
        """Nothing can come."""
        self._away = True

    def bus_back(self, now_s: float) -> None:
        """What was kept will come soon."""
        self._away, self._counts_from_s = False, now_s + _GATEWAYS_BACK_S

    def counts(self, now_s: float) -> bool:
        """Whether who has not been heard since the look before was quiet, for all we know."""
        late = self._looked_s is not None and now_s - self._looked_s > _LATE_S
        self._looked_s = now_s
        return not (self._away or late or now_s < self._counts_from_s)
