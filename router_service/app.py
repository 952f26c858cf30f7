"""Wires the router service."""

from __future__ import annotations

from contracts.messages import NumberSnapshot
from contracts.streams import ASSISTANTS_BUCKET
from router_service.publishing import Publisher
from router_service.settings import Settings
from router_service.stores.yaml_file import YamlFile
from runtime.process import Context, Service
from runtime.storage import Bucket


class RouterApp:
    """The running service. It is not in the call path: calls go on while it is away."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context

    async def start(self) -> None:
        """Publish the directory, then watch it."""
        bucket = await Bucket.open(self._context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        publisher = Publisher(YamlFile(self._settings.router_tenants_file), bucket)
        await publisher.begin()
        self._context.tasks.spawn(self._watch(publisher), "directory")

    async def drain(self) -> None:
        """Nothing to wait for."""

    async def stop(self) -> None:
        """Tasks and connections belong to the process."""

    async def _watch(self, publisher: Publisher) -> None:
        while True:
            await self._context.clock.sleep(self._settings.router_reload_s)
            await publisher.refresh()


def build(settings: Settings, context: Context) -> RouterApp:
    """The service, not started."""
    return RouterApp(settings, context)


SERVICE = Service("router", Settings, build)
