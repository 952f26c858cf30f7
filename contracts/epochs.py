"""Who is believed: which role an event belongs to, and from which epoch the process of a role speaks.

The epoch of a call counts its reassignments. Whoever stays keeps the epoch that it was assigned in, so what
somebody says is stale only against the epoch from which its own role speaks. `call.reassigned` moves that
border, for those who listen and for those who read the record (docs/adr/0013-failover.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from contracts.channels import CHANNELS
from contracts.messages import CallReassigned, EngineFailed, Event, Role

_ROLES: Final = {role.value: role for role in Role}
_OWNER: Final = {
    row.message: _ROLES[row.producers[0]]
    for row in CHANNELS
    if len(row.producers) == 1 and row.producers[0] in _ROLES
}


def role_of(event: Event[Any]) -> Role | None:
    """The role whose process says such an event; None for what no worker says."""
    if isinstance(event.body, EngineFailed):
        return Role(event.body.stage.value)
    return _OWNER.get(type(event.body))


class Border:
    """For each role of one call, the epoch from which its present process speaks."""

    def __init__(self, since: Mapping[Role, int] | None = None) -> None:
        self._since: dict[Role, int] = dict(since or {})

    def copy(self) -> Border:
        """The same border, which moves by itself from here on."""
        return Border(self._since)

    def since(self, role: Role) -> int:
        """The epoch from which the process of this role speaks; 0 where none has been replaced."""
        return self._since.get(role, 0)

    def move(self, role: Role, epoch: int) -> None:
        """The process of this role speaks from `epoch`; an older one moves nothing."""
        self._since[role] = max(epoch, self.since(role))

    def join(self, since: Mapping[Role, int]) -> None:
        """What an assignment knows of the border besides."""
        for role, epoch in since.items():
            self.move(role, epoch)

    def is_stale(self, role: Role | None, epoch: int) -> bool:
        """Whether something that `role` said in `epoch` counts no more. Epoch 0 always counts."""
        return role is not None and 0 < epoch < self.since(role)

    def believes(self, event: Event[Any]) -> bool:
        """Whether an event counts, as the next one of its call; `call.reassigned` moves the border."""
        if self.is_stale(role_of(event), event.epoch):
            return False
        if isinstance(event.body, CallReassigned):
            self.move(event.body.role, event.body.epoch)
        return True


def believed(events: Iterable[Event[Any]], border: Border | None = None) -> tuple[Event[Any], ...]:
    """What counts of a call's record, which is given in the stream's order: from its beginning, or from where
    `border` was left when it was read before.
    """
    border = border or Border()
    return tuple(event for event in events if border.believes(event))
