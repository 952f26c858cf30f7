"""Keeps KV equal to the directory: publishes what changed, withdraws what is gone, leaves the rest alone."""

from __future__ import annotations

import logging

from contracts.errors import TrunklineError
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
        self._complaint = ""
        self._published: dict[str, NumberSnapshot] = {}

    async def begin(self) -> None:
        """Take up what is published already, then publish today's directory; raises DirectoryUnreadable."""
        self._published = await self._store.all()
        revision = self._source.revision()
        await self._publish()
        self._revision = revision

    async def refresh(self) -> bool:
        """Publish again if the source changed; True when it was read and published.

        An unreadable source is reported once and the last good one stays. Where the store fails, the same is
        tried at the next call.
        """
        try:
            revision = self._source.revision()
            if revision == self._revision:
                return False
            await self._publish()
        except DirectoryUnreadable as error:
            self._complain(str(error))
            return False
        except TrunklineError as error:
            log.warning("publishing will be tried again: %s", error)
            return False
        self._revision, self._complaint = revision, ""
        return True

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            log.error("the directory is kept as it was: %s", complaint)
        self._complaint = complaint

    async def _publish(self) -> None:
        snapshots, faults = resolve(self._source.read())
        for fault in faults:
            known = number_key(fault.number) in self._published
            kept = "keeps what it had" if known else "is not published"
            log.error("number %s; it %s", fault, kept)
        wanted = {number_key(number): snapshot for number, snapshot in snapshots.items()}
        for key in self._published.keys() - wanted.keys() - {number_key(fault.number) for fault in faults}:
            await self._store.delete(key)
            gone = self._published.pop(key)
            log.info("withdrew %s of %s", gone.number, gone.tenant)
        for key, snapshot in wanted.items():
            await self._put_if_changed(key, snapshot)

    async def _put_if_changed(self, key: str, snapshot: NumberSnapshot) -> None:
        known = self._published.get(key)
        if known is not None and known.model_copy(update={"revision": 0}) == snapshot:
            return
        published = snapshot.model_copy(update={"revision": known.revision + 1 if known else 1})
        try:
            await self._store.put(key, published)
        except TrunklineError as error:
            if error.retryable:
                raise
            log.error("number %s cannot be published: %s", snapshot.number, error)
            return
        self._published[key] = published
        log.info("published %s of %s, revision %d", snapshot.number, snapshot.tenant, published.revision)
