"""Keeps KV equal to the directory: publishes what changed, withdraws what is gone, leaves the rest alone."""

from __future__ import annotations

import logging

from contracts.identities import number_key
from contracts.messages import NumberSnapshot
from router_service.errors import DirectoryUnreadable
from router_service.ports import DirectorySource, SnapshotStore
from router_service.routing import resolve

log = logging.getLogger(__name__)


class Publisher:
    """Reads a directory source and publishes its snapshots."""

    def __init__(self, source: DirectorySource, store: SnapshotStore) -> None:
        self._source = source
        self._store = store
        self._revision: object = None
        self._published: dict[str, NumberSnapshot] = {}

    async def begin(self) -> None:
        """Take up what is published already, then publish today's directory; raises DirectoryUnreadable."""
        self._published = await self._store.all()
        self._revision = self._source.revision()
        await self._publish()

    async def refresh(self) -> bool:
        """Publish again if the source changed; an unreadable one is reported and the last good one stays."""
        try:
            revision = self._source.revision()
            if revision == self._revision:
                return False
            self._revision = revision
            await self._publish()
        except DirectoryUnreadable as error:
            log.error("the directory is kept as it was: %s", error)
            return False
        return True

    async def _publish(self) -> None:
        snapshots, faults = resolve(self._source.read())
        broken = {fault.number for fault in faults} - snapshots.keys()
        for fault in faults:
            log.error("number keeps its last good configuration: %s", fault)
        wanted = {number_key(number): snapshot for number, snapshot in snapshots.items()}
        for key in self._published.keys() - wanted.keys() - {number_key(number) for number in broken}:
            await self._store.delete(key)
            del self._published[key]
        for key, snapshot in wanted.items():
            await self._put_if_changed(key, snapshot)

    async def _put_if_changed(self, key: str, snapshot: NumberSnapshot) -> None:
        known = self._published.get(key)
        if known is not None and known.model_copy(update={"revision": 0}) == snapshot:
            return
        revision = known.revision + 1 if known else 1
        self._published[key] = snapshot.model_copy(update={"revision": revision})
        await self._store.put(key, self._published[key])
        log.info("published %s of %s, revision %d", snapshot.number, snapshot.tenant, revision)
