"""Following one of our own calls as it goes on: its story from the platform's record, its levels by ear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

import numpy as np

from audio.g711 import decode_mulaw_float
from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import CallEnded, Event
from runtime.tasks import TaskOwner
from trunkline.bus_client import open_bus
from trunkline.caller import Caller
from trunkline.narrator import Line, Narrator, Who
from trunkline.utterance import LINE_RATE_HZ
from trunkline.view import CallView
from trunkline.watching import find_call, watch_call

_LOOK_EVERY_S: Final = 0.1
_LEVEL_OVER: Final = LINE_RATE_HZ // 5
_SILENCE_DB: Final = -99.0


class Following:
    """Shows a call for the time of an `async with` block.

    With `nats_url` the story comes from the platform's record and `events` gathers it; without it, or where
    that bus does not answer, there are only the levels and who spoke when.
    """

    def __init__(self, caller: Caller, view: CallView, nats_url: str | None) -> None:
        self.events: list[Event[Any]] = []
        self.ref: CallRef | None = None
        self.over = asyncio.Event()
        self._caller = caller
        self._view = view
        self._nats_url = nats_url
        self._narrator = Narrator()
        self._by_ear = _ByEar(caller, view.add)
        self._tasks = TaskOwner("following")
        self._recorded = nats_url is not None

    async def story_told(self, within_s: float) -> bool:
        """Wait for the record to say that the call is over; False when it does not, or has no such call."""
        if self.ref is None:
            return False
        try:
            await asyncio.wait_for(self.over.wait(), within_s)
        except TimeoutError:
            return False
        return True

    async def _follow(self, nats_url: str) -> None:
        try:
            async with open_bus(nats_url) as bus:
                self.ref = await find_call(bus, self._caller.dialling.carrier_call_id)
                await watch_call(bus, self.ref, self._on_event)
                await asyncio.Event().wait()
        except TrunklineError as error:
            self._recorded = False
            self._view.add(Line(0.0, Who.PLATFORM, "no transcript: the bus does not answer", str(error)))

    def _on_event(self, event: Event[Any]) -> None:
        self.events.append(event)
        for line in self._narrator.tell(event):
            self._view.add(line)
        if isinstance(event.body, CallEnded):
            self.over.set()

    async def _look(self) -> None:
        caller = self._caller
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if not self._recorded:
                self._by_ear.look()
            now = caller.now
            self._view.status(
                level_db(caller.last_said(_LEVEL_OVER)),
                level_db(caller.ear.latest(_LEVEL_OVER, now)),
                self._narrator.partial,
            )

    async def __aenter__(self) -> Following:
        if self._nats_url is not None:
            self._tasks.spawn(self._follow(self._nats_url), "record")
        self._tasks.spawn(self._look(), "levels")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()
        if not self._recorded:
            self._by_ear.look()


class _ByEar:
    """The story as the caller alone can tell it: who made sound, and how long the answer took."""

    def __init__(self, caller: Caller, add: Callable[[Line], None]) -> None:
        self._caller = caller
        self._add = add
        self._said = 0
        self._spurts = 0

    def look(self) -> None:
        """Tell what is new."""
        for said in self._caller.said[self._said :]:
            if said.began is None:
                break
            self._said += 1
            self._add(Line(said.began / LINE_RATE_HZ, Who.CALLER, f"says {said.utterance.name}"))
        for spurt in self._caller.ear.spurts[self._spurts :]:
            self._spurts += 1
            waited_ms = self._caller.waited_ms(spurt.arrived)
            note = "" if waited_ms is None else f"after {waited_ms:.0f} ms"
            self._add(Line(spurt.arrived / LINE_RATE_HZ, Who.AGENT, "speaks", note))


def level_db(mulaw: bytes) -> float:
    """The loudness of a stretch of mu-law against full scale, in dB; -99 for silence."""
    if not mulaw:
        return _SILENCE_DB
    power = float(np.square(decode_mulaw_float(mulaw)).mean())
    return max(10 * float(np.log10(power)), _SILENCE_DB) if power else _SILENCE_DB
