"""The command line's own hold on a platform's bus: asks and listens, publishes nothing."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from contracts.channels import ANALYTICS_QUERY
from contracts.messages import SqlQuery, SqlResult
from runtime import settings
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.connection import connect
from runtime.settings import ProcessSettings
from runtime.tasks import TaskOwner
from runtime.telemetry import Telemetry
from trunkline.errors import QueryFailed

_NAME: Final = "trunkline"
_CONNECT_S: Final = 3.0
_QUERY_S: Final = 30.0

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)


@asynccontextmanager
async def open_bus(nats_url: str) -> AsyncIterator[Bus]:
    """A bus at `nats_url`, as the user whom that names, else the environment.

    Raises BusUnavailable, or SettingsError where the bus does not take that user in.
    """
    client = await connect(settings_for(ProcessSettings, nats_url), _NAME)
    tasks, telemetry = TaskOwner(_NAME), Telemetry(_NAME)
    try:
        yield Bus(client, SystemClock(), random.Random(), telemetry.metrics(_NAME), tasks)
    finally:
        await tasks.close()
        await client.close()
        telemetry.close()


def settings_for(kind: type[SettingsT], nats_url: str) -> SettingsT:
    """The environment's settings, but with the bus at `nats_url` and the user whom that names."""
    ours: dict[str, Any] = {"nats_url": nats_url, "nats_connect_timeout_s": _CONNECT_S}
    if urlsplit(nats_url).username:
        ours |= {"nats_user": "", "nats_password": ""}
    return settings.load(kind).model_copy(update=ours)


def without_user(nats_url: str) -> str:
    """The address as it may be shown: without who we are there."""
    return ",".join(re.sub(r"//[^/@]*@", "//", one) for one in nats_url.split(","))


async def ask_analytics(bus: Bus, sql: str, max_rows: int) -> SqlResult:
    """The rows of one statement; raises QueryFailed with what the store said, or RequestTimeout."""
    result = await bus.request(
        ANALYTICS_QUERY, SqlQuery(sql=sql, max_rows=max_rows), SqlResult, timeout_s=_QUERY_S
    )
    if result.error is not None:
        raise QueryFailed(result.error.message, mend=result.error.mend)
    return result
