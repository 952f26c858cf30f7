"""What share of an engine each tenant gets, as the calls say that this process holds.

A share comes with each assignment and holds from the moment when the call began. Of a tenant's calls the one
that began last is right, in whatever order they come here: an older one may be moved here after a newer one,
with what held when it began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from contracts.identities import CallRef

_UNKNOWN: Final = 1.0


@dataclass(slots=True)
class _Tenant:
    """Its calls here, and what the one said that began last (call ids sort by time)."""

    share: int
    newest: str
    calls: set[str] = field(default_factory=set)


class TenantShares:
    """The Weight of every queue before this process's engines. A tenant is forgotten with its last call."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}

    def __len__(self) -> int:
        return len(self._tenants)

    def __call__(self, tenant: str) -> float:
        """The tenant's share; that of one who has no call here is 1."""
        known = self._tenants.get(tenant)
        return float(known.share) if known is not None else _UNKNOWN

    def take(self, ref: CallRef, share: int) -> None:
        """A call is held, with this share; again is as good as once."""
        known = self._tenants.setdefault(ref.tenant, _Tenant(share, ref.call))
        known.calls.add(ref.call)
        if ref.call >= known.newest:
            known.share, known.newest = share, ref.call

    def drop(self, ref: CallRef) -> None:
        """A call is held no more; one that was not held changes nothing."""
        known = self._tenants.get(ref.tenant)
        if known is not None:
            known.calls.discard(ref.call)
            if not known.calls:
                del self._tenants[ref.tenant]
