"""What the router needs of the world."""

from __future__ import annotations

from typing import Protocol

from contracts.messages import NumberSnapshot
from router_service.directory import Directory


class DirectorySource(Protocol):
    """Where tenants, numbers and assistants are kept: a YAML file today, SQL next."""

    def revision(self) -> object:
        """Something that differs whenever the content may have changed; raises DirectoryUnreadable."""
        ...

    def read(self) -> Directory:
        """Everything; raises DirectoryUnreadable."""
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
