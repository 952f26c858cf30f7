"""Keeps KV equal to the directory: publishes what changed, withdraws what is gone, leaves the rest alone."""

from __future__ import annotations

import logging
from typing import Final

from contracts.errors import TrunklineError
from contracts.identities import number_key
from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.directory import Directory
from router_service.errors import DirectoryUnreadable, NumberMisconfigured
from router_service.ports import Alerts, DirectorySource, SnapshotStore
from router_service.routing import Resolver, stand_in

log = logging.getLogger(__name__)

_SAID: Final = {
    AnsweredWith.LAST_GOOD: "keeps what it had",
    AnsweredWith.ASSISTANT_ALONE: "is answered without its override",
    AnsweredWith.NOTHING: "is not published",
}


class Publisher:
    """Reads a directory source and publishes its snapshots."""

    def __init__(self, source: DirectorySource, store: SnapshotStore, alerts: Alerts | None = None) -> None:
        self._source = source
        self._store = store
        self._alerts = alerts
        self._resolver = Resolver()
        self._revision: object = None
        self._complaint = ""
        self._published: dict[str, NumberSnapshot] = {}
        self._settled: dict[str, NumberSnapshot] = {}
        self._alerted: dict[str, str] = {}

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
        directory = self._source.read()
        snapshots, faults = self._resolver.resolve(directory)
        for fault in faults:
            await self._stand_in(fault, directory, snapshots)
        broken = {fault.number for fault in faults}
        self._alerted = {number: said for number, said in self._alerted.items() if number in broken}
        wanted = {number_key(number): snapshot for number, snapshot in snapshots.items()}
        for key in self._published.keys() - wanted.keys():
            await self._store.delete(key)
            gone = self._published.pop(key)
            log.info("withdrew %s of %s", gone.number, gone.tenant)
        for key, snapshot in wanted.items():
            if self._settled.get(key) is not snapshot:
                await self._put_if_changed(key, snapshot)
        self._settled = wanted

    async def _stand_in(
        self, fault: NumberMisconfigured, directory: Directory, snapshots: dict[str, NumberSnapshot]
    ) -> None:
        last = self._published.get(number_key(fault.number))
        snapshot, answered_with = stand_in(fault, directory, last)
        if snapshot is not None:
            snapshots[fault.number] = snapshot
        await self._alert(fault, answered_with)

    async def _alert(self, fault: NumberMisconfigured, answered_with: AnsweredWith) -> None:
        """Once for each fault."""
        if self._alerted.get(fault.number) == fault.message:
            return
        log.error("number %s; it %s", fault, _SAID[answered_with])
        if self._alerts is not None:
            await self._alerts.configuration_broken(fault, answered_with)
        self._alerted[fault.number] = fault.message

    async def _put_if_changed(self, key: str, snapshot: NumberSnapshot) -> None:
        known = self._published.get(key)
        if known is not None and known.model_copy(update={"revision": 0}) == snapshot.model_copy(
            update={"revision": 0}
        ):
            return
        revised = snapshot.model_copy(update={"revision": known.revision + 1 if known else 1})
        try:
            await self._store.put(key, revised)
        except TrunklineError as error:
            if error.retryable:
                raise
            log.error("number %s cannot be published: %s", snapshot.number, error)
            return
        self._published[key] = revised
        log.info("published %s of %s, revision %d", snapshot.number, snapshot.tenant, revised.revision)
