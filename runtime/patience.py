"""Waiting out what passes: JetStream elects leaders for some seconds after a server of its cluster is gone.

Meanwhile it says so (503), or says nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import nats.errors
import nats.js.errors

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

PATIENCE_S: Final = 15.0
"""Longer than an election: nats-server begins one 4 to 9 s after it last heard a leader."""

_TRY_AGAIN_S: Final = 0.25
_NO_SERVERS_FOR_COPIES: Final = 10005
_SWITCHED_OFF: Final = (10039, 10076)


def passes(error: nats.errors.Error) -> bool:
    """Whether the same request may well succeed a little later."""
    code = error.err_code if isinstance(error, nats.js.errors.APIError) else None
    if code == _NO_SERVERS_FOR_COPIES:
        return True
    if code in _SWITCHED_OFF:
        return False
    return isinstance(error, nats.errors.TimeoutError | nats.js.errors.ServiceUnavailableError)


async def patiently(
    what: str, ask: Callable[[], Awaitable[ResultT]], patience_s: float = PATIENCE_S
) -> ResultT:
    """Ask, and ask again for `patience_s` while the answer is one that passes; the last one is raised.

    For what may be asked twice. `what` is said in the log, once.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + patience_s
    patient = False
    while True:
        try:
            return await ask()
        except nats.errors.Error as error:
            if not passes(error) or loop.time() >= deadline_s:
                raise
            if not patient:
                log.warning("%s has to wait for JetStream, up to %g s: %s", what, patience_s, error)
            patient = True
        await asyncio.sleep(_TRY_AGAIN_S)
