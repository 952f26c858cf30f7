"""The bus for audio and hot events: raw nats-py on uvloop, subjects and messages from the contracts only.

FastStream costs 70 to 340 µs a message, raw nats-py 5 to 14: so audio and call events go through here, and
request handlers that run a few times a call through `runtime.rpc`, on the same connection settings.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from pydantic import ValidationError

from contracts.channel import Channel
from contracts.channels import TRANSCRIPT_PARTIAL
from contracts.errors import MessageError, TrunklineError
from contracts.frames import Frame, decode_frames, encode_frame
from contracts.identities import CallRef, uuid7
from contracts.messages import Event, Message, Reply, WireError
from contracts.streams import CALLS
from contracts.telemetry import (
    EVENT_ACKS_FAILED,
    EVENTS_LOST,
    EVENTS_PUBLISHED,
    FRAMES_DROPPED,
    HANDLER_ERRORS,
    MESSAGES_REJECTED,
)
from contracts.wire import (
    call_in,
    channel_of,
    decode_event,
    event_class,
    events_of,
    every_eye_on,
    every_frame_to,
)
from runtime.clock import Clock
from runtime.connection import Connection, taken_in
from runtime.errors import BusUnavailable, MessageTooLarge, RequestTimeout, Unanswered
from runtime.listening import Listening
from runtime.outbox import Outbox
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics
from runtime.wire_speed import Gatherer, event_command

log = logging.getLogger(__name__)

MessageT = TypeVar("MessageT", bound=Message)
RequestT = TypeVar("RequestT", bound=Message)
ReplyT = TypeVar("ReplyT", bound=Reply)
EventHandler = Callable[[Event[Any]], Awaitable[None]]
FrameHandler = Callable[[CallRef, Frame], None]
RunHandler = Callable[[CallRef, list[Frame]], None]

_HEADER_ROOM_BYTES = 256
_TRY_AGAIN_S = 1.0
_OTHERS_BACK_S = 0.5  # a client tries every 0.2 s
_REMEMBERED_SUBJECTS = 4096


class Bus:
    """One process's hold on NATS: frames, events, requests. Built on an open connection."""

    def __init__(
        self, client: Connection, clock: Clock, rng: random.Random, metrics: Metrics, tasks: TaskOwner
    ) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream()
        self._clock = clock
        self._rng = rng
        self._published = metrics.counter(EVENTS_PUBLISHED)
        self._rejected = metrics.counter(MESSAGES_REJECTED)
        self._handler_errors = metrics.counter(HANDLER_ERRORS)
        self._frames_dropped = metrics.counter(FRAMES_DROPPED)
        self.frames = Gatherer(client, dropped=self._frames_dropped.add)
        self._tasks = tasks
        self._came_back = asyncio.Event()
        self._others_back_s = -math.inf
        self._ack_prefix = client.new_inbox()
        retried, lost = metrics.counter(EVENT_ACKS_FAILED), metrics.counter(EVENTS_LOST)
        self._outbox = Outbox(self._send_event, clock, on_retry=retried.add, on_lost=lost.add)

    async def start(self) -> None:
        """Listen for the stream's acknowledgements and retry what it misses."""
        await self.client.subscribe_directly(f"{self._ack_prefix}.*", self._on_ack)
        self._tasks.spawn(self._outbox.run(), "outbox")
        self.on_lost(self._outbox.hold)
        self.client.when_reconnected.append(self._on_reconnected)
        self.on_reconnected(self._outbox.resend)

    @property
    def connected(self) -> bool:
        """Whether NATS can be reached now."""
        return bool(self.client.is_connected)

    @property
    def unacknowledged(self) -> int:
        """Events that the stream has not acknowledged yet."""
        return len(self._outbox)

    def on_reconnected(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Run `catch_up` after each reconnection, until it succeeds: core NATS kept nothing meanwhile."""

        def begin() -> None:
            self._tasks.spawn(self.until_done(catch_up), "catch up")

        self.client.when_reconnected.append(begin)

    def on_lost(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever the connection is lost, as soon as that shows."""
        self.client.when_lost.append(tell)

    async def reachable(self) -> None:
        """Return once NATS can be reached: at once, as a rule.

        Where it was away, a little later: others come back one by one, and who is not back hears no audio.
        """
        while not self.connected:
            await self._came_back.wait()
        early_s = self._others_back_s - self._clock.monotonic_s()
        if early_s > 0:
            await self._clock.sleep(early_s)

    async def reconnected(self) -> None:
        """Return after the next reconnection."""
        await self._came_back.wait()

    async def until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`; where the bus fails it, try again a little later, until it succeeds."""
        while True:
            try:
                return await work()
            except BusUnavailable as error:
                log.warning("will be tried again: %s", error)
                await self._clock.sleep(_TRY_AGAIN_S)

    def _on_reconnected(self) -> None:
        self._others_back_s = self._clock.monotonic_s() + _OTHERS_BACK_S
        self._came_back.set()
        self._came_back = asyncio.Event()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until the stream has acknowledged everything; False when `timeout_s` was not enough."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        while len(self._outbox) and self._clock.monotonic_s() < deadline_s:
            await self._clock.sleep(0.02)
        return not len(self._outbox)

    async def flush(self) -> None:
        """Return once NATS has taken in all that was sent and subscribed to; raises BusUnavailable."""
        self.frames.flush()
        await taken_in(self.client)

    # -- call events ---------------------------------------------------------------------------------

    async def publish_event(
        self,
        ref: CallRef,
        body: MessageT,
        *,
        cause: Event[Any] | None = None,
        epoch: int = 0,
        trace: str | None = None,
        event_id: str | None = None,
    ) -> Event[MessageT]:
        """Stamp a body and publish it as an event of `ref`; returns once it is sent, not once stored.

        `event_id` is for who might say the same twice, or two of whom might say it: it counts once.
        Sent again until the stream has it, also when NATS is away now. Raises MessageTooLarge.
        """
        channel = channel_of(body)
        now_us = self._clock.now_us()
        event = event_class(channel)(
            id=event_id or uuid7(now_us // 1000, self._rng),
            v=body.version,
            at_us=now_us,
            tenant=ref.tenant,
            call=ref.call,
            epoch=epoch,
            cause=cause.id if cause else None,
            trace=trace or (cause.trace if cause else None),
            body=body,
        )
        subject = channel.subject(tenant=ref.tenant, call=ref.call)
        data = event.model_dump_json().encode()
        if len(data) > CALLS.max_message_bytes - _HEADER_ROOM_BYTES:
            raise MessageTooLarge(
                f"{channel.name} of {len(data)} bytes; {CALLS.name} keeps up to {CALLS.max_message_bytes}",
                mend="say less in one event",
            )
        self._published.add(channel.name)
        if channel is not TRANSCRIPT_PARTIAL:
            await self._outbox.put(event.id, subject, data)
        elif self.connected:  # a partial that waits is replaced by the next one
            await self.client.publish(subject, data)
        return event

    async def on_events(
        self, ref: CallRef, handle: EventHandler, names: frozenset[str] | None = None
    ) -> Listening:
        """Hear the recorded events of one call in order; with `names`, only those."""
        return await self._listen(events_of(ref, names), handle, names)

    async def on_every_call(self, handle: EventHandler, *channels: Channel[Any]) -> list[Listening]:
        """Hear these events of every call."""
        return [await self._listen([channel.wildcard()], handle) for channel in channels]

    async def on_live(self, ref: CallRef, handle: EventHandler) -> Listening:
        """Watch what is live about one call."""
        return await self._listen([every_eye_on(ref)], handle)

    async def _listen(
        self, subjects: Iterable[str], handle: EventHandler, names: frozenset[str] | None = None
    ) -> Listening:
        async def decode_and_handle(subject: str, data: bytes) -> None:
            await handle(decode_event(subject, data))

        async def receive(subject: str, data: bytes) -> None:
            await self.guard(subject.split(".", 3)[-1], decode_and_handle(subject, data))

        listening = Listening(self.client, receive, self._tasks, names)
        await listening.begin(subjects)
        return listening

    async def guard(self, where: str, handling: Awaitable[None]) -> None:
        """Let no handler end what calls it: neither by what it raises, nor by what it had cancelled."""
        try:
            await handling
        except TrunklineError as error:
            self.reject(where, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._broken(where, error)
        except Exception as error:  # noqa: BLE001 - what a handler raises must not reach the next message
            self._broken(where, error)

    def _broken(self, where: str, error: BaseException) -> None:
        self._handler_errors.add(where)
        log.error("handling %s failed", where, exc_info=error)

    async def _send_event(self, subject: str, data: bytes, event_id: str) -> bool:
        if not self.connected:
            return False
        self.frames.put_urgent(event_command(subject, f"{self._ack_prefix}.{event_id}", event_id, data))
        return True

    def _on_ack(self, subject: bytes, data: bytes) -> None:
        refused = b'"error"' in data or not data
        text = (data.decode(errors="replace") or "no stream listens") if refused else None
        self._outbox.acknowledged(subject.rsplit(b".", 1)[1].decode(), text)

    # -- audio ---------------------------------------------------------------------------------------

    def send_frame(self, subject: str, frame: Frame) -> None:
        """Send one frame within a few milliseconds; `subject` was built once for the assignment.

        Dropped and counted while NATS is away: late audio is worse than lost audio.
        """
        self.frames.put(subject, encode_frame(frame))

    async def on_frames(self, process: str, handle: FrameHandler) -> Subscription:
        """The one audio subscription of a process. `handle` must not block: nothing queues before it."""

        def each(ref: CallRef, frames: list[Frame]) -> None:
            for frame in frames:
                handle(ref, frame)

        return await self.on_runs_of_frames(process, each)

    async def on_runs_of_frames(self, process: str, handle: RunHandler) -> Subscription:
        """As `on_frames`, for who is quicker with the frames of a call that came together."""
        calls: dict[bytes, CallRef] = {}

        def call_on(subject: bytes) -> CallRef:
            if len(calls) >= _REMEMBERED_SUBJECTS:
                calls.clear()
            ref = calls[subject] = call_in(subject.decode())
            return ref

        def receive(subject: bytes, data: bytes) -> None:
            try:
                ref = calls.get(subject) or call_on(subject)
                handle(ref, decode_frames(data))
            except TrunklineError as error:
                self.reject("audio", error)
            except Exception as error:  # noqa: BLE001 - as in `guard`, which would cost a coroutine a frame
                self._broken("audio", error)

        return await self.client.subscribe_directly(every_frame_to(process), receive)

    # -- everything else -----------------------------------------------------------------------------

    async def publish(self, subject: str, message: Message) -> None:
        """Send a message that nobody answers and no stream keeps (heartbeats, releases).

        While NATS is away it waits in the client's buffer, behind the requests that went before; when that
        is full it is dropped.
        """
        self.frames.flush()  # what was said before is heard before
        try:
            await self.client.publish(subject, message.model_dump_json().encode())
        except nats.errors.Error as error:
            log.warning("%s was not sent: %s", subject, error)

    async def on_messages(
        self, subject: str, model: type[MessageT], handle: Callable[[MessageT], Awaitable[None]]
    ) -> Subscription:
        """Hear messages of one model that nobody answers."""

        async def parse_and_handle(msg: Msg) -> None:
            await handle(parse(model, msg.data))

        async def receive(msg: Msg) -> None:
            await self.guard(subject, parse_and_handle(msg))

        return await self.client.subscribe(subject, cb=receive)

    async def request(
        self,
        channel: Channel[RequestT],
        message: RequestT,
        reply: type[ReplyT],
        *,
        timeout_s: float,
        **tokens: str,
    ) -> ReplyT:
        """Ask and wait.

        Raises RequestTimeout when nobody answers in time, BusUnavailable when the question cannot be sent,
        MessageTooLarge for one that NATS does not carry, MessageError for a junk answer.
        """
        subject = channel.subject(**tokens)
        self.frames.flush()
        try:
            question = message.model_dump_json().encode()
            answer = await self.client.request(subject, question, timeout=timeout_s)
        except nats.errors.NoRespondersError as error:
            raise RequestTimeout(f"nobody listens to {subject}", mend="is the service running?") from error
        except nats.errors.TimeoutError as error:
            raise RequestTimeout(
                f"nobody answered {subject} within {timeout_s:g} s", mend="is the service running?"
            ) from error
        except nats.errors.MaxPayloadError as error:
            raise MessageTooLarge(
                f"{subject}: NATS carries up to {self.client.max_payload} bytes",
                mend="say less",
            ) from error
        except nats.errors.Error as error:
            raise BusUnavailable(f"{subject} could not be asked: {error}", mend="is NATS running?") from error
        return parse(reply, answer.data)

    async def respond(
        self,
        subject: str,
        model: type[RequestT],
        reply: type[ReplyT],
        answer: Callable[[RequestT], Awaitable[ReplyT]],
    ) -> Subscription:
        """Answer requests, each in a task of its own; a TrunklineError becomes the reply's `error`.

        Who raises Unanswered leaves the request to somebody else.
        """

        async def reply_to(msg: Msg) -> None:
            try:
                result = await answer_request(
                    msg.data, model, reply, answer, reject=self.reject, where=subject
                )
            except Unanswered as error:
                log.info("left unanswered on %s: %s", subject, error)
                return
            self.frames.flush()
            try:
                await msg.respond(result)
            except nats.errors.Error as error:
                log.warning("the answer on %s was not sent: %s", subject, error)

        async def receive(msg: Msg) -> None:
            self._tasks.spawn(reply_to(msg), "reply")

        return await self.client.subscribe(subject, cb=receive)

    def reject(self, where: str, error: TrunklineError) -> None:
        """Count and log what was refused."""
        self._rejected.add(where, error.code)
        log.warning("rejected on %s: %s", where, error)


async def answer_request(
    data: bytes,
    model: type[RequestT],
    reply: type[ReplyT],
    answer: Callable[[RequestT], Awaitable[ReplyT]],
    *,
    reject: Callable[[str, TrunklineError], None],
    where: str,
) -> bytes:
    """Parse, answer, encode: a requester gets a reply whatever happens here."""
    try:
        result = await answer(parse(model, data))
    except Unanswered:
        raise
    except TrunklineError as error:
        reject(where, error)
        result = reply(error=WireError.of(error))
    except Exception as fault:
        log.exception("answering %s failed", where)
        unexpected = TrunklineError(f"{where} failed: {type(fault).__name__}", mend="see the service's log")
        reject(where, unexpected)
        result = reply(error=WireError.of(unexpected))
    return result.model_dump_json().encode()


def parse(model: type[MessageT], data: bytes) -> MessageT:
    """A message from its bytes; raises MessageError that names the field at fault."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "message"
        raise MessageError(
            f"{model.__name__}: {where}: {fault['msg']}", mend="see docs/channels.md"
        ) from error
