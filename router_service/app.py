"""Wires the router service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from contracts.messages import NumberSnapshot
from contracts.streams import ALERTS, ASSISTANTS_BUCKET
from router_service.authentication import Authentication
from router_service.credentials import Credentials
from router_service.desk import Desk, Ids
from router_service.errors import DatabaseUnavailable, DirectoryUnreadable, NumberMisconfigured
from router_service.handlers import BusAlerts, Handlers
from router_service.importing import IMPORTER, provide_plan, take_over
from router_service.passwords import Passwords
from router_service.ports import Transaction
from router_service.publishing import Publisher
from router_service.replays import Replays
from router_service.settings import Settings
from router_service.sql.directory import SqlDirectory
from router_service.sql.engine import open_engine
from router_service.sql.migrate import migrate
from router_service.sql.unit_of_work import SqlUnitOfWork
from router_service.stores.yaml_file import YamlFile
from router_service.vault import Vault
from router_service.work import Work
from runtime.errors import BadKeyring
from runtime.keyring import Keyring, keyring_file
from runtime.process import Context, Service
from runtime.storage import Bucket, ensure_stream

log = logging.getLogger(__name__)

_HOUSEKEEPING_S: Final = 3600.0


class RouterApp:
    """The running service. It is not in the call path: calls go on while it, or its database, is away."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._changed = asyncio.Event()
        self._complaints: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._file = _tenants_file(settings)
        self._file_seen: object = None
        self._vault = Vault(_keyring(settings))
        self._engine = open_engine(settings.router_database_url.get_secret_value(), settings.home)
        self._database = SqlUnitOfWork(self._engine, context.rng, self._changed.set)
        self._directory = SqlDirectory(self._engine, context.clock.now_us)
        self._ids = Ids(context.clock.now_us, context.rng)
        self._passwords = Passwords(
            memory_kib=settings.router_password_memory_kib, rounds=settings.router_password_rounds
        )
        self._replays = Replays(self._vault)
        self._credentials = Credentials(self._vault)
        self._desk = Desk(
            self._database,
            credentials=self._credentials,
            passwords=self._passwords,
            replays=self._replays,
            now_us=context.clock.now_us,
            ids=self._ids,
        )

    async def start(self) -> None:
        """Bring the database up to date, publish what it says, then begin to answer."""
        context = self._context
        await migrate(self._engine)
        await self._follow_file()
        if self._file is None:
            await self._import()
        await ensure_stream(context.bus.jetstream, ALERTS, context.bus.client.replicas)
        bucket = await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        alerts = BusAlerts(context.bus, context.clock, self._ids)
        publisher = Publisher(self._directory, bucket, alerts)
        await self._directory.load()
        await publisher.begin()
        self._tasks = [
            context.tasks.spawn(self._publish(publisher), "publish"),
            context.tasks.spawn(self._look_around(), "look around"),
            context.tasks.spawn(self._keep_house(), "housekeeping"),
        ]
        authentication = Authentication(self._database, self._passwords, context.clock.now_us)
        Handlers(self._desk, authentication).serve(context.rpc)

    async def drain(self) -> None:
        """Nothing to wait for."""

    async def stop(self) -> None:
        """Close the database, when nothing here uses it any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.dispose()

    async def _import(self) -> None:
        """Take the tenants file over, if there is one and it says something new."""
        directory = self._file.read() if self._file is not None else None

        async def work(tx: Transaction) -> list[NumberMisconfigured]:
            work = self._desk.work(tx, IMPORTER, None)
            await provide_plan(work)
            return [] if directory is None else await take_over(work, directory)

        for fault in await self._database.write(work):
            log.error("number %s; it stays as it was", fault)

    async def _publish(self, publisher: Publisher) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for step in (self._follow_file, self._directory.load):
                try:
                    await step()
                except (DirectoryUnreadable, DatabaseUnavailable) as error:
                    self._complain(step.__name__, str(error))
                else:
                    self._complaints.pop(step.__name__, None)
            await publisher.refresh()

    async def _follow_file(self) -> None:
        if self._file is None or (revision := self._file.revision()) == self._file_seen:
            return
        await self._import()
        self._file_seen = revision

    def _complain(self, step: str, complaint: str) -> None:
        """Once, not at every look."""
        if self._complaints.get(step) != complaint:
            log.error("the directory is kept as it was: %s", complaint)
        self._complaints[step] = complaint

    async def _look_around(self) -> None:
        """Another router may have changed something, a subscription may have ended, a write to KV failed."""
        while True:
            await self._context.clock.sleep(self._settings.router_reload_s)
            self._changed.set()

    async def _keep_house(self) -> None:
        while True:
            for chore in (self._credentials.seal_anew, self._replays.forget_old):
                try:
                    await self._database.write(partial(self._chore, chore))
                except DatabaseUnavailable as error:
                    log.warning("housekeeping waits: %s", error)
            await self._context.clock.sleep(_HOUSEKEEPING_S)

    async def _chore(self, chore: Callable[[Work], Awaitable[object]], tx: Transaction) -> None:
        await chore(self._desk.work(tx, IMPORTER, None))


def _tenants_file(settings: Settings) -> YamlFile | None:
    """The file that is named; the default one only where it is there."""
    path = settings.router_tenants_file
    named = "router_tenants_file" in settings.model_fields_set
    return YamlFile(path) if named or path.exists() else None


def _keyring(settings: Settings) -> Keyring:
    """From the environment, a file, or, for the database of this machine only, a file made at first start."""
    if text := settings.router_keyring.get_secret_value():
        return Keyring.parse(text)
    if settings.router_keyring_file is not None:
        return keyring_file(settings.router_keyring_file)
    if settings.router_database_url.get_secret_value():
        raise BadKeyring(
            "no keyring is given: every router of a shared database needs the same",
            mend="set TRUNKLINE_ROUTER_KEYRING or TRUNKLINE_ROUTER_KEYRING_FILE",
        )
    return keyring_file(settings.home / "router" / "keyring")


def build(settings: Settings, context: Context) -> RouterApp:
    """The service, not started."""
    return RouterApp(settings, context)


SERVICE = Service("router", Settings, build)
