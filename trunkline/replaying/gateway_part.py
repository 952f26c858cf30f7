"""A gateway's part on the bus, played in this process: callers of ours reach the services without a socket.

It is the gateway's own core, less the media socket and its tokens: it opens calls with the session, beats,
numbers and stamps the caller's frames, follows a replaced worker, paces what the agent says and tells what
was heard of it. So a service sees no difference between a replay onto the bus and one through a gateway.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from contracts.permissions import REPLAYER
from gateway_service.app import attend, pace_of
from gateway_service.entrance import Entrance
from gateway_service.handlers import Desk
from gateway_service.settings import Settings
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.connection import connect
from runtime.health import Health
from runtime.keyring import Keyring
from runtime.process import Context
from runtime.rpc import RpcServer
from runtime.tasks import TaskOwner
from runtime.telemetry import Telemetry
from trunkline.bus_client import settings_for
from trunkline.caller import Connect
from trunkline.media_socket import Receiver
from trunkline.replaying.bus_leg import BusLeg

_SERVICE: Final = "gateway"
_SETTLE_S: Final = 3.0


@asynccontextmanager
async def gateway_part(
    nats_url: str, calls: int, clock: Clock, rng: random.Random, *, heartbeat_s: float | None = None
) -> AsyncIterator[Connect]:
    """Play a gateway that takes so many calls; yields the way to it, whatever address is dialled.

    Raises BusUnavailable, or SettingsError where the bus does not take the user of `nats_url` in; at the end
    whatever broke it.
    """
    changes = {"gateway_capacity": calls, **({"heartbeat_s": heartbeat_s} if heartbeat_s else {})}
    settings = settings_for(Settings, nats_url).model_copy(update=changes)
    process = f"{REPLAYER}-{secrets.token_hex(3)}"
    faults: list[BaseException] = []
    tasks, telemetry = TaskOwner(process, on_failure=faults.append), Telemetry(process)
    metrics = telemetry.metrics(_SERVICE)
    client = await connect(settings, process)  # by this name the session knows whose calls a lost one held
    try:
        bus = Bus(client, clock, rng, metrics, tasks)
        await bus.start()
        rpc, health = RpcServer(settings, _SERVICE, bus.reject), Health(clock.monotonic_s)
        context = Context(process, bus, rpc, clock, rng, metrics, telemetry.tracer, tasks, health)
        open_to_us = Entrance(Keyring({}), open_loopback=True, returns_s=0)  # in here nobody needs a token
        desk = Desk(settings, context, pace_of(settings), open_to_us)
        await attend(desk, context)
        await bus.flush()

        async def reach(_: str, receiver: Receiver) -> BusLeg:
            return BusLeg(desk, receiver, asyncio.get_running_loop().call_soon)

        try:
            yield reach
        finally:
            await desk.drain()
            await bus.settle(_SETTLE_S)
    finally:
        await tasks.close()
        await client.close()
        telemetry.close()
    if faults:
        raise faults[0]
