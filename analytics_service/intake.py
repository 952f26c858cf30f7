"""The durable consumer: hands out the events of the stream in batches, and takes back acknowledgements.

JetStream keeps the consumer's place. What is not acknowledged within `ack_wait_s`, or by a process that died,
it delivers again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from contracts.streams import CALLS
from runtime.clock import Clock

log = logging.getLogger(__name__)

_BATCHES_IN_FLIGHT = 4
_REBIND_S = 0.5
_REST_S = 0.5


@dataclass(frozen=True, slots=True)
class IntakePlan:
    """How events are gathered: at most `events` of them, for at most `wait_s`."""

    durable: str
    events: int
    wait_s: float
    ack_wait_s: float


class Intake:
    """Pulls from stream CALLS as consumer `plan.durable`; replicas that share the name share the events.

    `flush` returns once the server has answered everything that was sent to it.
    """

    def __init__(
        self,
        jetstream: JetStreamContext,
        flush: Callable[[], Awaitable[None]],
        clock: Clock,
        plan: IntakePlan,
    ) -> None:
        self._jetstream = jetstream
        self._flush = flush
        self._clock = clock
        self._plan = plan
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def gather(self) -> list[Msg]:
        """The next batch, perhaps empty: after `wait_s`, or sooner when it is full."""
        deadline_s = self._clock.monotonic_s() + self._plan.wait_s
        gathered: list[Msg] = []
        while len(gathered) < self._plan.events:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s < 0.01:
                break
            gathered += await self._fetch(self._plan.events - len(gathered), left_s)
        return gathered

    async def gather_rest(self) -> list[Msg]:
        """What the stream had sent when the last batch was full or due: to be called before `close`."""
        if self._subscription is None:
            return []
        await self._flush()
        waiting = self._subscription.pending_msgs
        return await self._fetch(waiting + 1, _REST_S) if waiting else []

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """Tell the stream that these need not come again."""
        for message in messages:
            await message.ack()

    async def close(self) -> None:
        """Ask for no more; the consumer's place is kept."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.unsubscribe()

    async def _fetch(self, events: int, wait_s: float) -> list[Msg]:
        try:
            subscription = self._subscription or await self._bind()
            return await subscription.fetch(events, wait_s)
        except TimeoutError:
            return []
        except nats.errors.Error as error:
            log.warning("the stream could not be read, will be asked again: %s", error)
            await self._clock.sleep(_REBIND_S)
            await self._unbind()
            return []

    async def _bind(self) -> JetStreamContext.PullSubscription:
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
        self._subscription = await self._jetstream.pull_subscribe_bind(self._plan.durable, CALLS.name)
        return self._subscription

    async def _unbind(self) -> None:
        try:
            await self.close()
        except nats.errors.Error as error:
            log.debug("the old subscription was gone: %s", error)
