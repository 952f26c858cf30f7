"""The whole platform but analytics in the test's own process, on a real nats-server.

The services are the real ones, each on its own connection and behind its own settings; only the processes
are saved. What kills processes starts them as processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nats.errors
import yaml

import gateway_service.app
import llm_service.app
import router_service.app
import session_service.app
import stt_service.app
import tts_service.app
from bench.chaos.record import whole_record
from contracts.channels import SESSION_ACTIVE
from contracts.identities import CallRef
from contracts.messages import ActiveCalls, Event, ListActiveCalls
from runtime.bus import Bus
from runtime.errors import BusUnavailable
from runtime.process import App, Context, Service
from runtime.worker import RecentIds
from tests.support.context import service_context
from tests.support.waiting import eventually
from trunkline.bus_client import open_bus
from trunkline.bus_users import BusUser
from trunkline.nats_server import free_port

EXAMPLES = Path("examples/tenants.yaml")
SYNTHETIC_NUMBER = "+15550199"
REAL_NUMBER = "+15550100"
_TWIN = "-twin"
_SERVICES: dict[str, Service[Any]] = {
    "router": router_service.app.SERVICE,
    "session": session_service.app.SERVICE,
    "stt": stt_service.app.SERVICE,
    "llm": llm_service.app.SERVICE,
    "tts": tts_service.app.SERVICE,
    "gateway": gateway_service.app.SERVICE,
}


@dataclass
class Record:
    """Every event of every call, as heard on the bus, in order and each once.

    What the bus carried before the watcher was back on it is read in the stream.
    """

    events: list[Event[Any]] = field(default_factory=list)
    recent: RecentIds = field(default_factory=lambda: RecentIds(100_000))

    async def catch_up(self, bus: Bus) -> None:
        """Hear what was said while this was not heard; raises BusUnavailable."""
        try:
            for event in await whole_record(bus):
                await self.hear(event)
        except nats.errors.Error as error:
            raise BusUnavailable(f"the record cannot be read: {error}") from error

    async def hear(self, event: Event[Any]) -> None:
        if self.recent.is_new(event.id):
            self.events.append(event)

    def bodies(self, kind: type[Any], call: str | None = None) -> list[Any]:
        return [
            event.body for event in self.events if isinstance(event.body, kind) and call in (None, event.call)
        ]

    async def wait_for(self, kind: type[Any], count: int = 1, timeout_s: float = 20.0) -> list[Any]:
        await eventually(
            lambda: len(self.bodies(kind)) >= count,
            f"{count} {kind.__name__} among {[type(event.body).__name__ for event in self.events]}",
            timeout_s,
        )
        return self.bodies(kind)


@dataclass
class Platform:
    """A running platform: where to call it, and what it says."""

    url: str
    bus: Bus
    record: Record
    apps: dict[str, App]
    contexts: dict[str, Context]

    async def active_calls(self) -> ActiveCalls:
        return await self.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)

    async def only_call(self) -> CallRef:
        """The one call that is active now."""
        (call,) = (await self.active_calls()).calls
        return CallRef(call.tenant, call.call)


def tenants_file(folder: Path, change: dict[str, Any] | None = None) -> Path:
    """The example directory with `change` merged into the assistant of the synthetic number.

    Its tenant does not allow recording; `tests.support.recordings` has one that does.
    """
    directory = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))
    lab = directory["tenants"]["load-lab"]
    lab["recording_allowed"] = False
    lab["assistants"]["metronome"].update(change or {})
    path = folder / "tenants.yaml"
    path.write_text(yaml.safe_dump(directory), encoding="utf-8")
    return path


@asynccontextmanager
async def platform(
    nats_url: str,
    folder: Path,
    *,
    assistant: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    users: Mapping[str, BusUser] | None = None,
    ways: Mapping[str, str] | None = None,
    twins: Collection[str] = (),
) -> AsyncIterator[Platform]:
    """Start every service but analytics; `assistant` changes the synthetic number's assistant.

    A service in `ways` reaches NATS at the address there. Of those in `twins` a second process runs, which
    takes over (process `SERVICE-twin`, among the apps under that name).

    With `users`, by service, each is its own to the bus, and who watches is `users["trunkline"]`.
    """
    users = users or {}
    port = free_port()
    values: dict[str, Any] = {
        "nats_url": nats_url,
        "home": folder / "home",
        "router_tenants_file": tenants_file(folder, assistant),
        "gateway_port": port,
        "gateway_open_loopback": True,
        "heartbeat_s": 0.2,
        **(settings or {}),
    }
    failures: list[BaseException] = []
    apps: dict[str, App] = {}
    contexts: dict[str, Context] = {}
    async with AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(open_bus(_address(nats_url, users.get("trunkline"))))
        record = Record()
        await watcher.client.subscribe("call.*.*.>", cb=_record_into(record))
        await watcher.flush()
        watcher.on_reconnected(partial(record.catch_up, watcher))
        for name, service in _processes(twins):
            where = {"nats_url": (ways or {}).get(name, nats_url)}
            own = service.settings(**{**values, **where, **who_is(users.get(name))})
            process = name if name.endswith(_TWIN) else None
            context = await stack.enter_async_context(
                service_context(own, service.name, process=process, on_task_failure=failures.append)
            )
            app = service.build(own, context)
            stack.push_async_callback(app.stop)
            await app.start()
            stack.push_async_callback(context.rpc.stop)
            await context.rpc.start()
            apps[name], contexts[name] = app, context
        await asyncio.sleep(0)
        yield Platform(f"ws://127.0.0.1:{port}/media/twilio", watcher, record, apps, contexts)
    assert not failures, failures


def _processes(twins: Collection[str]) -> Iterator[tuple[str, Service[Any]]]:
    for name, service in _SERVICES.items():
        yield name, service
        if name in twins:
            yield name + _TWIN, service


def who_is(user: BusUser | None) -> dict[str, Any]:
    """The settings of a service that is this user to the bus."""
    return {"nats_user": user.name, "nats_password": user.password} if user else {}


def _address(nats_url: str, user: BusUser | None) -> str:
    return nats_url.replace("://", f"://{user.name}:{user.password}@") if user else nats_url


def _record_into(record: Record) -> Any:
    from contracts.wire import decode_event

    async def receive(msg: Any) -> None:
        await record.hear(decode_event(msg.subject, msg.data))

    return receive
