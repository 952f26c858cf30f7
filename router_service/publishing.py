"""Keeps KV equal to the directory: publishes what changed, withdraws what is gone, leaves the rest alone."""

from __future__ import annotations

import logging

from contracts.identities import number_key
from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.directory import Directory
from router_service.errors import DirectoryUnreadable, NumberMisconfigured
from router_service.ports import Alerts, DirectorySource, SnapshotStore
from router_service.routing import Resolver, stand_in

log = logging.getLogger(__name__)


class Publisher:
    """Reads a directory source and publishes its snapshots."""

    def __init__(self, source: DirectorySource, store: SnapshotStore, alerts: Alerts | None = None) -> None:
        self._source = source
        self._store = store
        self._alerts = alerts
        self._resolver = Resolver()
        self._revision: object = None
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
        """Publish again if the source changed; an unreadable one is reported and the last good one stays.

        A store that fails raises its error; the next refresh then tries again.
        """
        try:
            revision = self._source.revision()
            if revision == self._revision:
                return False
            directory = self._source.read()
        except DirectoryUnreadable as error:
            log.error("the directory is kept as it was: %s", error)
            return False
        await self._publish(directory)
        self._revision = revision
        return True

    async def _publish(self, directory: Directory | None = None) -> None:
        directory = self._source.read() if directory is None else directory
        snapshots, faults = self._resolver.resolve(directory)
        for fault in faults:
            if fault.number not in snapshots:
                await self._stand_in(fault, directory, snapshots)
            else:
                await self._alert(fault, AnsweredWith.NOTHING)
        broken = {fault.number for fault in faults}
        self._alerted = {number: said for number, said in self._alerted.items() if number in broken}
        wanted = {number_key(number): snapshot for number, snapshot in snapshots.items()}
        for key in self._published.keys() - wanted.keys():
            await self._store.delete(key)
            del self._published[key]
            log.info("withdrew %s", key)
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
        log.error("number is answered with %s: %s", answered_with, fault)
        if self._alerts is not None:
            await self._alerts.configuration_broken(fault, answered_with)
        self._alerted[fault.number] = fault.message

    async def _put_if_changed(self, key: str, snapshot: NumberSnapshot) -> None:
        known = self._published.get(key)
        if known is not None and known.model_copy(update={"revision": 0}) == snapshot:
            return
        revised = snapshot.model_copy(update={"revision": known.revision + 1 if known else 1})
        await self._store.put(key, revised)
        self._published[key] = revised
        log.info("published %s of %s, revision %d", snapshot.number, snapshot.tenant, revised.revision)
