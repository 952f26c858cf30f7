"""Two tiny services that run as real processes and misbehave on demand.

python -m tests.support.tiny_service one        the first alone
python -m tests.support.tiny_service one two    both in one process
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Literal

from contracts.channels import ANALYTICS_QUERY, SESSION_ACTIVE
from contracts.identities import CallRef
from contracts.messages import ActiveCalls, DtmfReceived, ListActiveCalls, SqlQuery, SqlResult
from contracts.telemetry import STALE_EPOCH
from runtime.process import Context, Service, run
from runtime.settings import ProcessSettings

log = logging.getLogger("tiny")

REF = CallRef("bright-smile", "01890a5d-ac96-774b-bcce-b302099a8057")


class Settings(ProcessSettings):
    """What goes wrong, and when."""

    tiny_start: Literal["done", "hangs", "fails"] = "done"
    tiny_task: Literal["none", "fails_at_start", "fails_when_asked"] = "none"
    tiny_drain: Literal["done", "hangs", "fails"] = "done"
    tiny_stop: Literal["done", "fails", "hangs"] = "done"


class Tiny:
    """A service that answers one request, and says an event as its last word."""

    def __init__(self, name: str, settings: Settings, context: Context) -> None:
        self._name = name
        self._settings = settings
        self._context = context

    async def start(self) -> None:
        log.info("%s is %s", self._name, self._context.process)
        self._context.metrics.counter(STALE_EPOCH).add()
        if self._settings.tiny_task == "fails_at_start":
            self._context.tasks.spawn(_behave("fails"), "wheel")
        await _behave(self._settings.tiny_start)
        if self._name == "one":
            self._context.rpc.serve(SESSION_ACTIVE, ActiveCalls, self._active)
        else:
            self._context.rpc.serve(ANALYTICS_QUERY, SqlResult, self._query)

    async def drain(self) -> None:
        log.info("%s drains", self._name)
        await _behave(self._settings.tiny_drain)
        log.info("%s is drained", self._name)

    async def stop(self) -> None:
        if self._name == "two" or self._settings.tiny_stop == "done":
            await self._context.bus.publish_event(REF, DtmfReceived(digit_pii="0"))
            log.info("%s is stopped", self._name)
        else:
            await _behave(self._settings.tiny_stop)

    async def _active(self, _: ListActiveCalls) -> ActiveCalls:
        if self._settings.tiny_task == "fails_when_asked":
            self._context.tasks.spawn(_behave("fails"), "wheel")
        return ActiveCalls()

    async def _query(self, query: SqlQuery) -> SqlResult:
        return SqlResult(columns=(query.sql,))


async def _behave(how: str) -> None:
    if how == "hangs":
        await asyncio.Event().wait()
    if how == "fails":
        raise RuntimeError("the wheel came off")


ONE = Service("one", Settings, lambda settings, context: Tiny("one", settings, context))
TWO = Service("two", Settings, lambda settings, context: Tiny("two", settings, context))

if __name__ == "__main__":
    run(*({"one": ONE, "two": TWO}[name] for name in sys.argv[1:]))
