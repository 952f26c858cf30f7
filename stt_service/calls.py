"""One call that this process holds: its frames in, what recognition makes of them out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from contracts.errors import TrunklineError
from contracts.frames import Frame
from contracts.messages import EngineFailed, Message
from runtime.tasks import TaskOwner
from stt_service.actions import Abandon, Action, Decode, Publish, Purpose, Understood
from stt_service.chain import Chain
from stt_service.edges import Levels
from stt_service.hearing import IN_ORDER, Window
from stt_service.recognition import Recognition
from stt_service.resuming import Resumption
from stt_service.turns import TurnState

log = logging.getLogger(__name__)

_MOST_AT_ONCE: Final = 1_500  # frames (30 s): more than any gateway keeps

OpenSpan = Callable[[int], AbstractContextManager[str | None]]
"""Opens the span of recognizing one turn, by its number, and yields its traceparent, if it has one."""


class Teller(Protocol):
    """Where what is to be said of a call goes; nothing here waits."""

    def publish(self, body: Message, trace: str | None) -> None:
        """An event of the call, in the order in which they are handed in."""
        ...

    def dropped(self, why: str, frames: int = 1) -> None:
        """Frames that will not be heard."""
        ...

    def rejected(self, where: str, error: TrunklineError) -> None:
        """Something that could not be used."""
        ...


class HeldCall:
    """An ear of the detection loop, and the owner of the call's decodes.

    `engines` is the assistant's chain. `accept` only appends: a frame is decoded when the detection loop
    next asks for a window. With a `resumption` the frames since then come first, many at once: until they
    are heard none gives way to a newer one, and a pause that may end the turn waits for its words, as those
    are not ready sooner because the audio is.
    """

    def __init__(
        self,
        recognition: Recognition,
        engines: Sequence[str],
        teller: Teller,
        *,
        chain: Chain,
        tasks: TaskOwner,
        open_span: OpenSpan,
        queue_frames: int,
        tenant: str = "",
        resumption: Resumption | None = None,
    ) -> None:
        self._recognition = recognition
        self._windows = recognition.windows
        self._hear = recognition.hear
        self._take_window = recognition.next_window
        self._engines = tuple(engines)
        self._teller = teller
        self._chain = chain
        self._tasks = tasks
        self._open_span = open_span
        self._queue_frames = queue_frames
        self._tenant = tenant
        self._frames: deque[Frame] = deque()
        self._decodes: dict[int, asyncio.Task[None]] = {}
        self._trace: str | None = None
        self._after_us = resumption.after_us if resumption else 0
        self._behind = resumption is not None
        self._owed: int | None = None
        self._accepted = 0

    @property
    def in_turn(self) -> bool:
        """Whether a turn is open."""
        return self._recognition.state is not TurnState.QUIET

    def accept(self, frame: Frame) -> None:
        """Put a frame where it will be heard; with the queue full the oldest one gives way."""
        if self._after_us and frame.at_us <= self._after_us:
            return
        self._accepted += 1
        if len(self._frames) >= (_MOST_AT_ONCE if self._behind else self._queue_frames):
            self._frames.popleft()
            self._teller.dropped("queue_full")
        self._frames.append(frame)

    def expect(self, frames: int) -> None:
        """So many frames of those that were missed are on their way, or have come."""
        self._owed = frames

    def starve(self, ms: int) -> None:
        """No frame has come for this long."""
        self._hear_waiting()
        self._recognition.starve(ms)

    def renumber(self) -> None:
        """Whoever sends from now on counts anew; what waits was sent before."""
        self._hear_waiting()
        self._recognition.renumber()

    def next_window(self) -> Window | None:
        """The next window to be judged, if one is complete."""
        if self._behind and self._recognition.awaits_words:
            return None
        if self._frames:
            self._hear_waiting()
        window = self._take_window()
        if window is None and self._behind:
            self._look_whether_behind()
        return window

    def judged(self, probability: float, levels: Levels) -> bool:
        """The detector's verdict on the oldest window handed out; whether there may be another window.

        Never raises: other calls come after.
        """
        try:
            if actions := self._recognition.judge(probability, levels):
                self._do(actions)
        except TrunklineError as error:
            self._teller.rejected("verdict", error)
        if self._frames or self._windows:
            return True
        if self._behind:
            self._look_whether_behind()
        return False

    def close(self) -> None:
        """Nobody waits for this call's decodes any more."""
        for decoding in self._decodes.values():
            decoding.cancel()

    def _look_whether_behind(self) -> None:
        """All that came is heard: is it all that was missed?"""
        self._behind = self._owed is None or self._accepted < self._owed

    def _hear_waiting(self) -> None:
        while self._frames:
            try:
                arrival = self._hear(self._frames.popleft())
            except TrunklineError as error:
                self._teller.rejected("audio", error)
                continue
            if arrival is IN_ORDER:
                continue
            if arrival.late:
                self._teller.dropped("late")
            if arrival.lost:
                self._teller.dropped("lost", arrival.lost)

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Publish(body):
                    self._teller.publish(body, self._trace)
                case Decode():
                    self._decodes[action.id] = self._tasks.spawn(self._write_down(action), "decode")
                case Abandon(decode):
                    if (abandoned := self._decodes.pop(decode, None)) is not None:
                        abandoned.cancel()

    async def _write_down(self, decode: Decode) -> None:
        try:
            if decode.purpose is Purpose.PARTIAL:
                understood = await self._glance(decode)
            else:
                with self._open_span(decode.turn) as self._trace:
                    understood = await self._chain.write_down(
                        decode.segment, self._engines, self._engine_failed, self._tenant
                    )
        finally:
            self._decodes.pop(decode.id, None)
        self._told(decode, understood)

    async def _glance(self, decode: Decode) -> Understood | None:
        """Nobody watches what was said a while ago, and the turn's end may wait for the engine."""
        return None if self._behind else await self._chain.glance(decode.segment, self._engines)

    def _told(self, decode: Decode, understood: Understood | None) -> None:
        try:
            if understood is None:
                self._do(self._recognition.failed(decode.id))
            else:
                self._do(self._recognition.understood(decode.id, understood))
        except TrunklineError as error:
            self._teller.rejected("transcript", error)

    def _engine_failed(self, body: EngineFailed) -> None:
        self._teller.publish(body, self._trace)
