"""Events on their way to the stream: sent without waiting, and sent again until the stream has them.

Every event goes out once on core NATS with a reply subject of ours; JetStream's acknowledgement comes back
there. What is not acknowledged in time is published again under the same id, which the stream stores once
and receivers recognize.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from runtime.clock import Clock

log = logging.getLogger(__name__)

Send = Callable[[str, bytes, str], Awaitable[bool]]


@dataclass(slots=True)
class _Pending:
    subject: str
    data: bytes
    sent_s: float = 0.0
    tries: int = 0


class Outbox:
    """Keeps each published event until the stream acknowledges it.

    `send(subject, data, event_id)` puts one on the wire, or returns False while the bus is away: what was
    not sent is not a try. Bounded: beyond `limit` unacknowledged events the oldest is given up and counted,
    because a publisher must not grow without end while NATS is away.
    """

    def __init__(
        self,
        send: Send,
        clock: Clock,
        *,
        on_retry: Callable[[], None],
        on_lost: Callable[[], None],
        ack_timeout_s: float = 2.0,
        tries: int = 8,
        limit: int = 20_000,
    ) -> None:
        self._send = send
        self._clock = clock
        self._on_retry = on_retry
        self._on_lost = on_lost
        self._ack_timeout_s = ack_timeout_s
        self._tries = tries
        self._limit = limit
        self._pending: dict[str, _Pending] = {}
        self._unsent: deque[str] = deque()
        self._held = False

    def __len__(self) -> int:
        return len(self._pending)

    async def put(self, event_id: str, subject: str, data: bytes) -> None:
        """Send an event, behind all that could not be sent yet, and remember it until `acknowledged`."""
        if len(self._pending) >= self._limit:
            self._give_up(next(iter(self._pending)), "the outbox is full")
        waiting = self._pending[event_id] = _Pending(subject, data)
        if self._held or self._unsent or not await self._try(event_id, waiting):
            self._unsent.append(event_id)

    def acknowledged(self, event_id: str, error: str | None) -> None:
        """The stream answered for `event_id`: stored, or refused with `error` and to be sent again."""
        if error is None:
            self._pending.pop(event_id, None)
        elif event_id in self._pending:
            log.warning("the stream refused %s: %s", self._pending[event_id].subject, error)

    async def sweep(self) -> None:
        """Send again what has waited too long; give up what was tried too often."""
        if self._held:
            await self.resend()
            return
        if not await self._send_the_unsent():
            return
        now_s = self._clock.monotonic_s()
        for event_id, waiting in list(self._pending.items()):
            if now_s - waiting.sent_s < self._ack_timeout_s * waiting.tries or event_id not in self._pending:
                continue
            if waiting.tries >= self._tries:
                self._give_up(event_id, f"no acknowledgement after {waiting.tries} tries")
            elif not await self._try(event_id, waiting):
                return

    def hold(self) -> None:
        """The bus is lost: what is put in waits for `resend`, so that it overtakes nothing."""
        self._held = True

    async def resend(self) -> None:
        """The bus is back: send everything again, in order. What it swallowed was not the stream's fault."""
        self._held = True
        for event_id, waiting in list(self._pending.items()):
            waiting.tries = min(waiting.tries, 1)
            if event_id in self._pending and not await self._try(event_id, waiting):
                return
        self._held = not await self._send_the_unsent()

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self._clock.sleep(self._ack_timeout_s / 2)
            await self.sweep()

    async def _send_the_unsent(self) -> bool:
        """Send what was never sent, in order, also what is put in meanwhile; whether all of it was."""
        while self._unsent:
            event_id = self._unsent[0]
            waiting = self._pending.get(event_id)
            if waiting is not None and not waiting.tries and not await self._try(event_id, waiting):
                return False
            if self._unsent and self._unsent[0] == event_id:  # nobody else has done it meanwhile
                self._unsent.popleft()
        return True

    async def _try(self, event_id: str, waiting: _Pending) -> bool:
        if not await self._send(waiting.subject, waiting.data, event_id):
            return False
        if waiting.tries:
            self._on_retry()
        waiting.tries += 1
        waiting.sent_s = self._clock.monotonic_s()
        return True

    def _give_up(self, event_id: str, why: str) -> None:
        lost = self._pending.pop(event_id)
        self._on_lost()
        log.error("lost event %s on %s: %s", event_id, lost.subject, why)
