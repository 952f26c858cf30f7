"""A replay from its first call to its last: callers on time, and the platform's record of each."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from runtime.clock import Clock
from runtime.tasks import TaskOwner
from trunkline.admittance import Admit, without_token
from trunkline.caller import Caller, Connect, Dialling, new_carrier_call_id
from trunkline.media_socket import connect_media
from trunkline.metronome import Metronome
from trunkline.recording.conversation import conversation_of
from trunkline.replaying.legs import Fate, replay_leg
from trunkline.replaying.plan import Planned
from trunkline.replaying.report import Replayed
from trunkline.reports.observing import Observer
from trunkline.reports.watching import Going

_RECORDED_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to call, what lets the calls in, and the way there; with `called` that number, otherwise the one
    called then.
    """

    url: str
    called: str = ""
    admit: Admit = without_token
    connect: Connect = connect_media


class Replay:
    """Places the planned calls; `under_way` and `results` say how far it is."""

    def __init__(
        self, plan: tuple[Planned, ...], target: Target, observer: Observer, clock: Clock, rng: random.Random
    ) -> None:
        self.under_way = 0
        self.results: list[Replayed] = []
        self._plan = plan
        self._target = target
        self._observer = observer
        self._clock = clock
        self._rng = rng
        self._metronome = Metronome(clock)

    def going(self) -> Going:
        """How it goes, for who watches."""
        broken = sum(not call.ok for call in self.results)
        return Going(self.under_way, self._observer.replies, broken)

    async def run(self) -> list[Replayed]:
        """Place every call on its time; the results in the order of the plan."""
        began_s = self._clock.monotonic_s()
        tasks = TaskOwner("replay")
        try:
            tasks.spawn(self._metronome.run(), "metronome")
            running = []
            for planned in self._plan:
                await self._clock.sleep(max(0.0, began_s + planned.begins_s - self._clock.monotonic_s()))
                running.append(tasks.spawn(self._call(planned), f"call {planned.number}"))
            return list(await asyncio.gather(*running))
        finally:
            await tasks.close()

    async def _call(self, planned: Planned) -> Replayed:
        carrier_call_id = new_carrier_call_id(self._rng)
        recorded = planned.recorded
        called = self._target.called or recorded.entry.called
        caller = Caller(
            Dialling(self._target.url, called, recorded.caller, carrier_call_id),
            self._clock,
            connect=self._target.connect,
            keep_audio=False,
            admit=self._target.admit,
            metronome=self._metronome,
        )
        self._observer.expect(carrier_call_id)
        self.under_way += 1
        try:
            leg = await replay_leg(recorded, caller, self._clock)
        finally:
            self.under_way -= 1
        on_record = caller.began_us > 0 and leg.fate is not Fate.REFUSED
        over = on_record and await self._observer.ended(carrier_call_id, _RECORDED_WITHIN_S)
        events = self._observer.events(carrier_call_id)
        result = Replayed(
            planned,
            leg,
            carrier_call_id,
            self._observer.refs.get(carrier_call_id),
            conversation_of(events) if over else None,
        )
        self.results.append(result)
        return result
