"""Wires the gateway: the only place that does."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway_service.entrance import Entrance
from gateway_service.handlers import Desk
from gateway_service.media.server import MEDIA_PATHS, listen
from gateway_service.media_tokens import token_keyring
from gateway_service.pacer import Pacer
from gateway_service.playout import Pace
from gateway_service.settings import Settings
from runtime.nap import Nap
from runtime.process import Context, Service

_GOODBYE_S: Final = 1.5  # longer than a leg waits for its caller's close


class GatewayApp:
    """The gateway service of one process."""

    def __init__(self, settings: Settings, context: Context, desk: Desk) -> None:
        self._settings = settings
        self._context = context
        self._desk = desk
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where callers connect, once started."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"ws://{host}:{port}{next(iter(MEDIA_PATHS))}"

    async def start(self) -> None:
        """Hear the bus, then listen for callers; raises PortInUse."""
        await attend(self._desk, self._context)
        self._server = await listen(self._desk, self._settings)
        self._context.health.require("media", lambda: self._server is not None and self._server.is_serving())

    async def drain(self) -> None:
        """Refuse new legs and send those that are here elsewhere; returns when the last one is gone."""
        await self._desk.drain()

    async def stop(self) -> None:
        """Stop listening and close the legs that are left."""
        if self._server is not None:
            self._server.close()
        await self._desk.close_all(_GOODBYE_S)


async def attend(desk: Desk, context: Context) -> None:
    """Hear the bus for this desk, and begin what goes on for as long as it takes calls."""
    await context.bus.on_runs_of_frames(context.process, desk.on_frames)
    context.bus.on_lost(desk.hold)
    context.bus.on_reconnected(desk.catch_up)
    context.bus.on_reconnected(desk.say_again)
    for work, name in (
        (desk.dispatch.run(), "dispatch"),
        (Pacer(context.clock, desk.tick, desk.ticks_wanted).run(), "pacer"),
        (desk.beat(), "heartbeat"),
    ):
        context.tasks.spawn(work, name)
    if desk.settings.gateway_nap_ms:
        nap = Nap(
            desk.settings.gateway_nap_ms / 1000,
            desk.is_busy,
            least_s=desk.settings.gateway_nap_bus_ms / 1000,
            doorbell=context.bus.client.await_arrival,
            gathered=context.bus.frames,
        )
        context.tasks.spawn(nap.run(), "nap")


def pace_of(settings: Settings) -> Pace:
    """How playout is timed, as the settings have it."""
    return Pace(
        lead_us=settings.gateway_playout_lead_ms * 1000,
        limit_us=int(settings.gateway_playout_limit_s * 1_000_000),
        mark_every_us=settings.gateway_mark_every_ms * 1000,
        mark_grace_us=settings.gateway_mark_grace_ms * 1000,
        starved_after_us=settings.gateway_starved_after_ms * 1000,
    )


def build(settings: Settings, context: Context) -> GatewayApp:
    """The gateway on this process's plumbing."""
    entrance = Entrance(
        token_keyring(settings), settings.gateway_open_loopback, settings.gateway_token_returns_s
    )
    return GatewayApp(settings, context, Desk(settings, context, pace_of(settings), entrance))


SERVICE = Service("gateway", Settings, build)
