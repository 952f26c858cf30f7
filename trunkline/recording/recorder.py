"""Recording what goes over the bus: events from the stream, audio as it flies by.

A call is recorded from its first event on, or not at all: what began before cannot be replayed. Frames may
overtake that event, so what comes of an unknown call is held back for a moment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg

from contracts.channels import CALL_ENDED, CALL_REJECTED, CALL_STARTED
from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import NumberSnapshot
from contracts.streams import ASSISTANTS_BUCKET
from contracts.wire import call_in, decode_event, event_name, every_frame
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.errors import BusUnavailable
from runtime.storage import Bucket
from runtime.tasks import TaskOwner
from trunkline.recording.consent import Consent, without_words
from trunkline.recording.file_format import Recorded
from trunkline.recording.writer import BLOCK_BYTES, RecordingWriter
from trunkline.watching import hear_all

_WRITE_EVERY_S: Final = 0.5
_HOLD_S: Final = 5.0
_KNOWN_WITHIN_S: Final = 10.0
_PENDING_MESSAGES: Final = 1_000_000
_PENDING_BYTES: Final = 512 * 1024 * 1024
_FIRST: Final = frozenset({CALL_STARTED.name, CALL_REJECTED.name})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls to record: those that fit every list that is not empty."""

    tenants: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    audio: bool = True

    def call(self, ref: CallRef, called: str) -> bool:
        """Whether this call is to be recorded."""
        return self.may_be(ref) and (not self.numbers or called in self.numbers)

    def may_be(self, ref: CallRef) -> bool:
        """Whether it is, as far as can be told without the number that was called."""
        return (not self.tenants or ref.tenant in self.tenants) and (not self.calls or ref.call in self.calls)


@dataclass(slots=True)
class _Held:
    """What came of a call that has not said yet who it is."""

    since_s: float
    messages: list[Recorded]


class Recorder:
    """Records for the time between `start` and `stop`; `ended` counts the recorded calls that are over."""

    def __init__(self, bus: Bus, writer: RecordingWriter, wanted: Wanted, clock: Clock) -> None:
        self.ended = 0
        self.withheld_tenants: set[str] = set()
        self._bus = bus
        self._writer = writer
        self._wanted = wanted
        self._clock = clock
        self._consent = Consent()
        self._began_us = clock.now_us()
        self._tasks = TaskOwner("recorder", on_failure=self._broke)
        self._fault: BaseException | None = None
        self._chosen: dict[CallRef, bool] = {}
        self._held: dict[CallRef, _Held] = {}
        self._stopping = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    @property
    def running(self) -> int:
        """Recorded calls that are not over."""
        calls = self._writer.index.calls
        return sum(not entry.rejected for entry in calls) - self.ended

    @property
    def messages(self) -> int:
        """How many messages were recorded."""
        return sum(entry.messages for entry in self._writer.index.calls)

    async def start(self) -> None:
        """Learn who allows recording, then listen; raises BusUnavailable."""
        numbers = await Bucket.open(self._bus, ASSISTANTS_BUCKET, NumberSnapshot)
        known = asyncio.Event()
        self._tasks.spawn(numbers.watch(self._consent.on_number, known.set), "consent")
        try:
            await asyncio.wait_for(known.wait(), _KNOWN_WITHIN_S)
        except TimeoutError as error:
            raise BusUnavailable(
                "the tenants' numbers were not read in time", mend="see to nats-server"
            ) from error
        self._bus.client.when_dropped.append(self._lost)
        if self._wanted.audio:
            await self._bus.client.subscribe(
                every_frame(),
                cb=self._on_frame,
                pending_msgs_limit=_PENDING_MESSAGES,
                pending_bytes_limit=_PENDING_BYTES,
            )
        await hear_all(self._bus, self._on_event)
        self._writing = self._tasks.spawn(self._write(), "write")

    async def stop(self) -> None:
        """Write the rest, the index and the end.

        Raises what broke the recorder; the file then has no end, and what is whole in it can be recovered.
        """
        self._stopping.set()
        if self._writing is not None:
            await asyncio.wait({self._writing})
        await self._tasks.close()
        self.check()
        self._let_go(before_s=float("inf"))
        await asyncio.to_thread(self._writer.finish)

    def check(self) -> None:
        """Raise what broke the recorder, if anything did."""
        if self._fault is not None:
            raise self._fault

    # -- what comes over the bus -----------------------------------------------------------------------

    async def _on_frame(self, msg: Msg) -> None:
        try:
            ref = call_in(msg.subject)
        except TrunklineError as error:
            self._bus.reject("recording", error)
            return
        chosen = self._chosen.get(ref)
        if chosen:
            self._add_frame(ref, self._stamped(msg))
        elif chosen is None:
            self._hold(ref, self._stamped(msg))

    async def _on_event(self, msg: Msg) -> None:
        try:
            ref = call_in(msg.subject)
            if ref not in self._chosen:
                self._choose(ref, msg)
        except TrunklineError as error:
            self._bus.reject("recording", error)
            return
        if not self._chosen[ref]:
            return
        name = event_name(msg.subject)
        message = self._stamped(msg)
        if not self._allowed(ref):
            payload = without_words(name, msg.data)
            if payload is None:
                return
            message = message._replace(payload=payload)
        self._writer.add(message)
        self._release(ref)
        self.ended += name == CALL_ENDED.name

    def _choose(self, ref: CallRef, msg: Msg) -> None:
        """By its first event: whether the call is recorded. What comes later first is of an older call."""
        if event_name(msg.subject) in _FIRST:
            body = decode_event(msg.subject, msg.data).body
            self._chosen[ref] = self._wanted.call(ref, body.called)
        else:
            self._miss(ref)

    def _miss(self, ref: CallRef) -> None:
        self._chosen[ref] = False
        self._writer.index.late += self._wanted.may_be(ref)
        self._held.pop(ref, None)

    def _release(self, ref: CallRef) -> None:
        held = self._held.pop(ref, None)
        for message in held.messages if held else ():
            self._add_frame(ref, message)

    def _hold(self, ref: CallRef, message: Recorded) -> None:
        held = self._held.setdefault(ref, _Held(self._clock.monotonic_s(), []))
        held.messages.append(message)

    def _add_frame(self, ref: CallRef, message: Recorded) -> None:
        if self._allowed(ref):
            self._writer.add(message)

    def _allowed(self, ref: CallRef) -> bool:
        allowed = self._consent.allows(ref.tenant)
        if not allowed:
            self.withheld_tenants.add(ref.tenant)
        return allowed

    def _stamped(self, msg: Msg) -> Recorded:
        return Recorded(max(0, self._clock.now_us() - self._began_us), msg.subject, msg.data)

    def _lost(self, _: str) -> None:
        self._writer.index.lost += 1

    def _broke(self, fault: BaseException) -> None:
        self._fault = fault

    # -- to the file -----------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Blocks go out when they are full, and whatever waits twice a second: a crash loses no more."""
        while not self._stopping.is_set():
            if self._writer.waiting_bytes < BLOCK_BYTES:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _WRITE_EVERY_S)
            self._let_go(before_s=self._clock.monotonic_s() - _HOLD_S)
            block = self._writer.take()
            if block is not None:
                self._writer.placed(block, await asyncio.to_thread(self._writer.write, block))

    def _let_go(self, before_s: float) -> None:
        """Calls whose first event did not come began before the recording."""
        for ref in [ref for ref, held in self._held.items() if held.since_s < before_s]:
            self._miss(ref)
