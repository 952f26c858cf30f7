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
from router_service.directory import Directory
from router_service.errors import BadKeyring, DatabaseUnavailable, DirectoryUnreadable
from router_service.handlers import BusAlerts, Handlers
from router_service.passwords import Passwords
from router_service.ports import Transaction
from router_service.publishing import Publisher
from router_service.replays import Replays
from router_service.seeding import SEEDER, is_empty, seed, seed_plans
from router_service.settings import Settings
from router_service.sql.directory import SqlDirectory
from router_service.sql.engine import open_engine
from router_service.sql.migrate import migrate
from router_service.sql.unit_of_work import SqlUnitOfWork
from router_service.stores.yaml_file import YamlFile
from router_service.vault import Keyring, Vault, keyring_file
from router_service.work import Work
from runtime.errors import BusUnavailable
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
        self._sql_answers = True
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
        await self._fill()
        await ensure_stream(context.bus.jetstream, ALERTS)
        bucket = await Bucket.open(context.bus.jetstream, ASSISTANTS_BUCKET, NumberSnapshot)
        alerts = BusAlerts(context.bus, context.clock, self._ids)
        publisher = Publisher(self._directory, bucket, alerts)
        await self._directory.load()
        await publisher.begin()
        context.tasks.spawn(self._publish(publisher), "publish")
        context.tasks.spawn(self._look_around(), "look around")
        context.tasks.spawn(self._keep_house(), "housekeeping")
        authentication = Authentication(self._database, self._passwords, context.clock.now_us)
        Handlers(self._desk, authentication).serve(context.rpc)

    async def drain(self) -> None:
        """Nothing to wait for."""

    async def stop(self) -> None:
        """Close the database; tasks and connections to the bus belong to the process."""
        await self._engine.dispose()

    async def _fill(self) -> None:
        """Import the tenants file into a database that has no tenants yet."""

        async def begin(tx: Transaction) -> bool:
            work = self._desk.work(tx, SEEDER, None)
            await seed_plans(work)
            return await is_empty(work)

        if not await self._database.write(begin):
            return
        directory = self._tenants_file()
        if directory is None:
            return

        async def fill(tx: Transaction) -> int:
            return await seed(self._desk.work(tx, SEEDER, None), directory)

        count = await self._database.write(fill)
        log.info("imported %d tenants from %s", count, self._settings.router_tenants_file)

    def _tenants_file(self) -> Directory | None:
        """The file's content; None where nobody asked for a file and there is none."""
        path = self._settings.router_tenants_file
        if "router_tenants_file" not in self._settings.model_fields_set and not path.exists():
            return None
        return YamlFile(path).read()

    async def _publish(self, publisher: Publisher) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._directory.load()
                await publisher.refresh()
            except DirectoryUnreadable as error:
                self._say_unreadable(error)
            except BusUnavailable as error:
                log.error("not all is published, will be tried again: %s", error)
            else:
                self._sql_answers = True

    def _say_unreadable(self, error: DirectoryUnreadable) -> None:
        """Once, not at every look."""
        if self._sql_answers:
            log.error("what is published stays: %s", error)
        self._sql_answers = False

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
        await chore(self._desk.work(tx, SEEDER, None))


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
