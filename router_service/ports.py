"""What the router needs of the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.directory import Directory
from router_service.errors import NumberMisconfigured

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")


class DirectorySource(Protocol):
    """Where tenants, numbers and assistants are read for publishing: SQL, or a YAML file."""

    def revision(self) -> object:
        """Something that differs whenever the content may have changed; raises DirectoryUnreadable."""
        ...

    def read(self) -> Directory:
        """Everything; raises DirectoryUnreadable. A tenant that did not change may be the same object."""
        ...


class SnapshotStore(Protocol):
    """Where the call path finds the snapshots.

    Raises a retryable TrunklineError where the store is away, and another for a value that it refuses.
    """

    async def put(self, key: str, value: NumberSnapshot) -> None:
        """Publish a number's snapshot."""
        ...

    async def delete(self, key: str) -> None:
        """Withdraw a number."""
        ...

    async def all(self) -> dict[str, NumberSnapshot]:
        """Every snapshot that is published now."""
        ...


class Alerts(Protocol):
    """Who tells the operator."""

    async def configuration_broken(self, fault: NumberMisconfigured, answered_with: AnsweredWith) -> None:
        """A number's configuration does not hold; does not raise when nobody can be told."""
        ...


class Rows(Protocol[RowT]):
    """The rows of one kind within a transaction."""

    async def find(
        self, *, after: str | None = None, limit: int | None = None, **equals: object
    ) -> list[RowT]:
        """Those whose fields equal what is given, in the order of their kind, those beyond `after`."""
        ...

    async def put(self, row: RowT) -> None:
        """Add the row, or replace the one with its id."""
        ...

    async def remove(self, **equals: object) -> int:
        """Remove those whose fields equal what is given; returns how many."""
        ...


class Transaction(Protocol):
    """What is seen and changed at once."""

    def rows(self, kind: type[RowT]) -> Rows[RowT]:
        """The rows of a kind of `router_service.records`."""
        ...


class UnitOfWork(Protocol):
    """Runs work on the database, all of it or nothing.

    Transactions behave as if one ran after the other. `work` may therefore be run again from its start,
    and must do nothing outside of its transaction. Raises DatabaseUnavailable.
    """

    async def read(self, work: Callable[[Transaction], Awaitable[ResultT]]) -> ResultT:
        """Run work that changes nothing."""
        ...

    async def write(self, work: Callable[[Transaction], Awaitable[ResultT]]) -> ResultT:
        """Run work and keep what it changed; an error that it raises undoes all."""
        ...
