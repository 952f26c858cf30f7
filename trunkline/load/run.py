"""A whole load run: callers arrive, talk and hang up, while somebody looks once a second how all is going."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from runtime.clock import Clock
from runtime.tasks import TaskOwner
from trunkline.admittance import Admit, without_token
from trunkline.caller import Connect, Dialling, new_carrier_call_id
from trunkline.load.plan import LoadPlan, arrivals, whom
from trunkline.load.report import HEARD_OUT, CallRecord, LoadReport
from trunkline.load.talker import FRAME_S, Gate, Talker, connect_in_phase
from trunkline.machine import describe_machine
from trunkline.media_socket import connect_media
from trunkline.metronome import Metronome
from trunkline.reports.watching import Going, Progress, Watch

_GOLDEN: Final = 0.6180339887


class LoadRun:
    """One run of one plan. `pids` are the processes that are watched, by name."""

    def __init__(
        self,
        plan: LoadPlan,
        clock: Clock,
        rng: random.Random,
        *,
        pids: Mapping[str, int],
        connect: Connect = connect_media,
        admit: Admit = without_token,
        progress: Progress = lambda _: None,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._rng = rng
        self._connect = connect
        self._admit = admit
        self._watch = Watch(pids, clock, self._going, progress)
        self._gate = Gate(plan.calls, clock)
        self._metronome = Metronome(clock)
        self._talkers: list[Talker] = []
        self._records: list[CallRecord] = []
        self._spurts = 0
        self._fault: BaseException | None = None
        self._over = asyncio.Event()
        self._enough = False

    def finish(self) -> None:
        """Let callers hang up when they would say something more, before their time is over."""
        self._enough = True

    async def run(self) -> LoadReport:
        """Run it to its end; a fault of this program is raised, what breaks a call is in the report."""
        before = describe_machine()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._watch.begin()
        tasks = TaskOwner("load", on_failure=self._broke)
        try:
            called = whom(self._plan.numbers, self._plan.calls)
            arriving = arrivals(self._plan.arrival, self._plan.calls, self._plan.arrive_over_s)
            for index, (arrives_s, number) in enumerate(zip(arriving, called, strict=True)):
                tasks.spawn(self._call(index, arrives_s, number), f"call {index}")
            tasks.spawn(self._metronome.run(), "metronome")
            watching = tasks.spawn(self._watch.run(), "watch")
            await self._over.wait()
            watching.cancel()
        finally:
            await tasks.close()
        if self._fault is not None:
            raise self._fault
        self._watch.look()
        return self._report(at, before)

    async def _call(self, index: int, arrives_s: float, called: str) -> None:
        await self._clock.sleep(self._watch.zero_s + arrives_s - self._clock.monotonic_s())
        phase = index * _GOLDEN % 1.0
        came = False

        async def may_begin() -> float:
            nonlocal came
            came = True
            if not self._plan.together:
                return self._clock.monotonic_s()
            offset_s = index * self._plan.script.period_s / self._plan.calls + phase * FRAME_S
            return await self._gate.wait() + offset_s

        url, others = self._plan.dial(index)
        talker = Talker(
            Dialling(url, called, f"+1555{index:07d}", new_carrier_call_id(self._rng), others=others),
            self._plan.script,
            self._plan.talk_s,
            self._clock,
            self._watch.zero_s,
            connect_in_phase(self._clock, phase, self._connect),
            may_begin,
            self._plan.greeting,
            self._admit,
            lambda: self._enough,
            self._metronome,
        )
        self._talkers.append(talker)
        record = await talker.talk()
        if not came:
            self._gate.one_less()
        self._spurts += talker.spurts
        self._talkers.remove(talker)
        self._records.append(record)
        if len(self._records) == self._plan.calls:
            self._over.set()

    def _going(self) -> Going:
        return Going(
            calls=sum(talker.up for talker in self._talkers),
            spurts=self._spurts + sum(talker.spurts for talker in self._talkers),
            broken=sum(record.ending != HEARD_OUT for record in self._records),
        )

    def _broke(self, fault: BaseException) -> None:
        self._fault = fault
        self._over.set()

    def _report(self, at: str, before: dict[str, Any]) -> LoadReport:
        opened_s = self._gate.opened_s
        return LoadReport(
            version=version("trunkline"),
            at=at,
            plan=self._plan.describe(),
            machine_before=before,
            machine_after=describe_machine(),
            talk_from_s=round(opened_s - self._watch.zero_s, 3) if opened_s and self._plan.together else 0.0,
            calls=tuple(sorted(self._records, key=lambda record: record.began_s)),
            samples=tuple(self._watch.samples),
        )
