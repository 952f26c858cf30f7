"""The durable consumer: hands out the events of the stream in batches, and takes back acknowledgements.

JetStream keeps the consumer's place. What is not acknowledged within `ack_wait_s`, or by a process that died,
it delivers again.

Events gather in the stream, not here: nothing is asked for until a batch is due, and then all of it comes at
once. To be woken for each event cost this process and the server more than everything else it does.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header, StatusCode

from contracts.permissions import next_of
from contracts.streams import CALLS
from runtime.clock import Clock
from runtime.connection import leave
from runtime.errors import BusUnavailable

log = logging.getLogger(__name__)

_BATCHES_IN_FLIGHT = 4
_REBIND_S = 0.5
_ANSWERS_WITHIN_S = 2.0
_NO_MORE = frozenset({StatusCode.NO_MESSAGES.value, StatusCode.REQUEST_TIMEOUT.value})


@dataclass(frozen=True, slots=True)
class IntakePlan:
    """How events are gathered: at most `events` of them, for at most `wait_s`."""

    durable: str
    events: int
    wait_s: float
    ack_wait_s: float


class _Pull:
    """Messages on their way to one inbox: those that have come, and whether these are all for now."""

    def __init__(self) -> None:
        self._come: list[Msg] = []
        self._wanted = 0
        self._complete = asyncio.Event()
        self._fault = ""

    def begin(self, wanted: int) -> None:
        """So many were asked for. What came too late for the last request is the first of this one."""
        self._wanted = wanted
        self._fault = ""
        self._complete.clear()

    async def receive(self, msg: Msg) -> None:
        """A message of the stream, or the server's word that there are no more."""
        status = (msg.headers or {}).get(Header.STATUS.value)
        if status is None:
            self._come.append(msg)
        elif status not in _NO_MORE:
            self._fault = f"{status} {(msg.headers or {}).get(Header.DESCRIPTION.value, '')}".rstrip()
        if status is not None or len(self._come) >= self._wanted:
            self._complete.set()

    async def messages(self, within_s: float) -> list[Msg]:
        """All that came; raises BusUnavailable where the server said something else, and nothing came."""
        try:
            async with asyncio.timeout(within_s):
                await self._complete.wait()
        except TimeoutError:
            self._fault = f"no answer within {within_s:g} s"
        come, self._come = self._come, []
        if self._fault and not come:
            raise BusUnavailable(f"stream {CALLS.name}: {self._fault}", mend="is JetStream running?")
        return come


class Intake:
    """Pulls from stream CALLS as consumer `plan.durable`; replicas that share the name share the events."""

    def __init__(self, client: Client, jetstream: JetStreamContext, clock: Clock, plan: IntakePlan) -> None:
        self._client = client
        self._jetstream = jetstream
        self._clock = clock
        self._plan = plan
        self._pull = _Pull()
        self._subscription: Subscription | None = None
        self._due_s = clock.monotonic_s()

    async def gather(self) -> list[Msg]:
        """The next batch, perhaps empty: `wait_s` after the last one, or at once where that was full."""
        now_s = self._clock.monotonic_s()
        if self._due_s > now_s:
            await self._clock.sleep(self._due_s - now_s)
        gathered = await self.gather_rest()
        full = len(gathered) >= self._plan.events
        self._due_s = self._clock.monotonic_s() + (0.0 if full else self._plan.wait_s)
        return gathered

    async def gather_rest(self) -> list[Msg]:
        """What the stream holds for us now, as far as it fits a batch."""
        try:
            subscription = self._subscription or await self._bind()
            self._pull.begin(self._plan.events)
            await self._client.publish(
                next_of(CALLS.name, self._plan.durable),
                json.dumps({"batch": self._plan.events, "no_wait": True}).encode(),
                reply=subscription.subject,
            )
            return await self._pull.messages(_ANSWERS_WITHIN_S)
        except (BusUnavailable, nats.errors.Error) as error:
            log.warning("the stream could not be read, will be asked again: %s", error)
            await self._clock.sleep(_REBIND_S)
            await self._unbind()
            return []

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """Tell the stream that these need not come again."""
        for message in messages:
            await message.ack()

    async def close(self) -> None:
        """Ask for no more; the consumer's place is kept."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await leave(subscription)

    async def _bind(self) -> Subscription:
        await self._jetstream.add_consumer(
            CALLS.name,
            ConsumerConfig(
                durable_name=self._plan.durable,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._plan.ack_wait_s,
                max_ack_pending=_BATCHES_IN_FLIGHT * self._plan.events,
            ),
        )
        self._pull = _Pull()
        self._subscription = await self._client.subscribe(self._client.new_inbox(), cb=self._pull.receive)
        return self._subscription

    async def _unbind(self) -> None:
        try:
            await self.close()
        except nats.errors.Error as error:
            log.debug("the old subscription was gone: %s", error)
