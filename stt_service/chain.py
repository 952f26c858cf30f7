"""An assistant's engines in their order: the first that can writes the segment down.

An engine that fails is asked last for a while, so that not every turn of every call waits for it in vain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from contracts.errors import TrunklineError
from contracts.messages import EngineFailed, Stage
from runtime.clock import Clock
from stt_service.actions import Understood
from stt_service.batching import DecodeBatcher
from stt_service.ports import Segment

log = logging.getLogger(__name__)


class Engines(Protocol):
    """Where engines come from."""

    async def get(self, name: str) -> DecodeBatcher:
        """The engine of that name; raises a TrunklineError for one that is not to be had."""
        ...


class Chain:
    """Writes down segments of every call of the process."""

    def __init__(self, engines: Engines, clock: Clock, rest_s: float) -> None:
        self._engines = engines
        self._clock = clock
        self._rest_s = rest_s
        self._resting_until_s: dict[str, float] = {}

    async def write_down(
        self,
        segment: Segment,
        names: Sequence[str],
        failed: Callable[[EngineFailed], None],
        tenant: str = "",
    ) -> Understood | None:
        """What was said, by the first of `names` that can tell; None, after each failure, where none can.

        `tenant` is whose share of the engines it takes.
        """
        rested = sorted(names, key=self._rests)
        for name, following in zip(rested, [*rested[1:], None], strict=True):
            try:
                engine = await self._engines.get(name)
                decoded = await engine.decode(segment, tenant)
            except TrunklineError as error:
                log.warning("engine %s failed: %s", name, error)
                self._resting_until_s[name] = self._clock.monotonic_s() + self._rest_s
                failed(_failure(name, error, following))
            else:
                return Understood(decoded.transcript, name, decoded.decode_ms)
        return None

    async def glance(self, segment: Segment, names: Sequence[str]) -> Understood | None:
        """The same by the preferred engine and only if it is idle; a failure is not worth telling here."""
        name = min(names, key=self._rests)
        try:
            engine = await self._engines.get(name)
            decoded = await engine.glance(segment)
        except TrunklineError as error:
            log.debug("no partial transcript from %s: %s", name, error)
            return None
        return Understood(decoded.transcript, name, decoded.decode_ms) if decoded else None

    def _rests(self, name: str) -> bool:
        return self._clock.monotonic_s() < self._resting_until_s.get(name, 0.0)


def _failure(name: str, error: TrunklineError, following: str | None) -> EngineFailed:
    return EngineFailed(
        stage=Stage.STT,
        engine=name,
        code=error.code,
        detail=str(error),
        retryable=error.retryable,
        next_engine=following,
    )
