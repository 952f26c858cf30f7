"""JetStream's streams and buckets: created when missing, and KV values as typed messages.

Whatever JetStream fails with comes out as BusUnavailable, which is retryable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import DeliverPolicy, DiscardPolicy, Header, KeyValueConfig, StreamConfig
from nats.js.kv import KV_DEL, KV_OP, KV_PURGE, MSG_ROLLUP_SUBJECT, KeyValue

from contracts.errors import TrunklineError
from contracts.messages import Event, Message
from contracts.streams import BucketSpec, StreamSpec
from contracts.wire import decode_event
from runtime.bus import Bus, parse
from runtime.connection import leave
from runtime.errors import BusUnavailable, Conflict, MessageTooLarge
from runtime.patience import PATIENCE_S, patiently
from runtime.tasks import ended

log = logging.getLogger(__name__)

MessageT = TypeVar("MessageT", bound=Message)
OnChange = Callable[[str, MessageT | None], Awaitable[None]]

_READ_ALL_S: Final = 30.0
_SIGN_OF_LIFE_S: Final = 1.0
_WATCH_KEPT_S: Final = 60.0
_GUARD_SUBJECT: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
_WRONG_REVISION: Final = (10071, 10164)
_EXISTS_OTHERWISE: Final = 10058


@dataclass(frozen=True, slots=True)
class Guard:
    """What a write depends on: that `key` of the same bucket is at `revision` still."""

    key: str
    revision: int


@contextmanager
def _speaking_of(what: str) -> Iterator[None]:
    try:
        yield
    except nats.errors.Error as error:
        if isinstance(error, nats.js.errors.APIError) and error.err_code in _WRONG_REVISION:
            raise Conflict(f"{what}: another write came first", mend="read it again") from error
        reason = str(error) or type(error).__name__
        raise BusUnavailable(
            f"{what}: {reason}", mend="does nats-server run with JetStream (-js)?"
        ) from error


async def ensure_stream(
    jetstream: JetStreamContext, spec: StreamSpec, replicas: int = 1, patience_s: float = PATIENCE_S
) -> None:
    """Create the stream, or bring an existing one to its specification; raises BusUnavailable.

    Where JetStream cannot serve now it is asked again for `patience_s`.

    To change it is for one service only (`contracts.permissions.RECORD_KEEPER`): NATS leaves the request of
    another without an answer, and by then the stream should be as it is to be.
    """
    config = StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        max_age=spec.max_age_s,
        duplicate_window=spec.dedupe_window_s,
        max_msg_size=spec.max_message_bytes,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
        num_replicas=replicas,
    )

    async def make() -> None:
        try:
            await jetstream.add_stream(config)
        except nats.js.errors.BadRequestError as error:
            if error.err_code != _EXISTS_OTHERWISE:
                raise
            try:
                await jetstream.update_stream(config)
            except nats.errors.TimeoutError:
                await jetstream.add_stream(config)

    with _speaking_of(f"stream {spec.name} cannot be made"):
        await patiently(f"stream {spec.name}", make, patience_s)


async def last_event(jetstream: JetStreamContext, spec: StreamSpec, subject: str) -> Event[Any] | None:
    """The newest event that the stream holds on `subject`, or None; junk is logged and counts as none."""
    with _speaking_of(f"stream {spec.name} cannot be read"):
        try:
            found = await jetstream.get_last_msg(spec.name, subject, direct=True)
        except nats.js.errors.NotFoundError:
            return None
    try:
        return decode_event(subject, found.data or b"")
    except TrunklineError as error:
        log.error("stream %s, %s: %s", spec.name, subject, error)
        return None


class Bucket(Generic[MessageT]):
    """A KV bucket whose values are messages of one model. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus, store: KeyValue, spec: BucketSpec, model: type[MessageT]) -> None:
        self._bus = bus
        self._store = store
        self._spec = spec
        self._model = model

    @classmethod
    async def open(
        cls, bus: Bus, spec: BucketSpec, model: type[MessageT], patience_s: float = PATIENCE_S
    ) -> Bucket[MessageT]:
        """The bucket, created when missing; where JetStream cannot serve now it is asked for `patience_s`."""
        config = KeyValueConfig(
            bucket=spec.name,
            history=spec.history,
            max_value_size=spec.max_value_bytes,
            ttl=spec.max_age_s,
            replicas=bus.client.replicas,
        )

        async def make() -> KeyValue:
            try:
                return await bus.jetstream.create_key_value(config)
            except nats.js.errors.BadRequestError as error:
                if error.err_code != _EXISTS_OTHERWISE:
                    raise
                return await bus.jetstream.key_value(spec.name)

        with _speaking_of(f"bucket {spec.name} cannot be opened"):
            store = await patiently(f"bucket {spec.name}", make, patience_s)
        return cls(bus, store, spec, model)

    async def put(self, key: str, value: MessageT, guard: Guard | None = None) -> None:
        """Write and wait until it is stored.

        Raises MessageTooLarge for a value that the bucket refuses, Conflict where `guard` has moved on.
        """
        await self._write(key, value, guard)

    async def replace(self, key: str, value: MessageT, revision: int) -> int:
        """Write `key` if it is at `revision` still (0: never written) and return its new revision.

        Raises Conflict where it is not.
        """
        return await self._write(key, value, Guard(key, revision))

    async def _write(self, key: str, value: MessageT, guard: Guard | None) -> int:
        data = value.model_dump_json().encode()
        if len(data) > self._spec.max_value_bytes:
            raise MessageTooLarge(
                f"{key}: {len(data)} bytes; bucket {self._spec.name} takes {self._spec.max_value_bytes}",
                mend="make it smaller",
            )
        with _speaking_of(f"{key} cannot be written to bucket {self._spec.name}"):
            stored = await self._bus.jetstream.publish(self._subject(key), data, headers=self._only_if(guard))
        return stored.seq

    async def entry(self, key: str) -> tuple[MessageT | None, int]:
        """The value of `key` and its revision; None and 0 where it was never written."""
        with _speaking_of(f"{key} cannot be read from bucket {self._spec.name}"):
            try:
                entry = await self._store.get(key)
            except nats.js.errors.KeyNotFoundError:
                return None, 0
        return parse(self._model, entry.value or b""), entry.revision or 0

    async def get(self, key: str) -> MessageT | None:
        """The value of `key`, or None; raises MessageError for junk."""
        return (await self.entry(key))[0]

    async def delete(self, key: str, guard: Guard | None = None) -> None:
        """Remove `key`, if it is there. Watchers are told; later no trace of it is left.

        Raises Conflict where `guard` has moved on.
        """
        headers = {KV_OP: KV_PURGE, Header.ROLLUP.value: MSG_ROLLUP_SUBJECT, **(self._only_if(guard) or {})}
        with _speaking_of(f"{key} cannot be removed from bucket {self._spec.name}"):
            await self._bus.jetstream.publish(
                self._subject(key), headers=headers, msg_ttl=self._spec.marker_ttl_s
            )

    def _subject(self, key: str) -> str:
        return self._spec.subject(key)

    def _only_if(self, guard: Guard | None) -> dict[str, str] | None:
        if guard is None:
            return None
        return {
            Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(guard.revision),
            _GUARD_SUBJECT: self._subject(guard.key),
        }

    async def all(self, guard: Guard | None = None) -> dict[str, MessageT]:
        """Every key and value now; what does not fit the model is logged and left out.

        Raises Conflict where `guard` has moved on, or is not seen yet by the replica that is read.
        """
        found: dict[str, MessageT] = {}
        guarded_by = 0

        async def keep(key: str, value: MessageT | None) -> None:
            if value is not None:
                found[key] = value

        try:
            async with asyncio.timeout(_READ_ALL_S), aclosing(self._entries()) as entries:
                async for entry in entries:
                    if entry is None:
                        break
                    if guard is not None and entry.key == guard.key:
                        guarded_by = entry.revision or 0
                    await self._hand_over(entry, keep)
        except TimeoutError as error:
            raise BusUnavailable(
                f"bucket {self._spec.name} was not read within {_READ_ALL_S:g} s", mend="see to nats-server"
            ) from error
        if guard is not None and guarded_by != guard.revision:
            raise Conflict(
                f"bucket {self._spec.name}: {guard.key} is at another revision", mend="read it again"
            )
        return found

    async def watch(self, on_change: OnChange[MessageT], on_caught_up: Callable[[], None]) -> None:
        """Hand over every value, then every change (None for a removed key), until cancelled.

        After a reconnection it begins anew, so that nothing is missed: every value is handed over again,
        and None for each key that went while the bus was away.
        """
        known: set[str] = set()
        while True:
            following = asyncio.ensure_future(
                self._bus.until_done(lambda: self._follow(known, on_change, on_caught_up))
            )
            back = asyncio.ensure_future(self._bus.reconnected())
            try:
                await asyncio.wait({following, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                back.cancel()
                await ended({following})
            if not following.cancelled():
                following.result()

    async def _follow(
        self, known: set[str], on_change: OnChange[MessageT], on_caught_up: Callable[[], None]
    ) -> None:
        """One watch, on one connection. `known` are the keys that the receiver has a value of."""
        unseen = set(known)

        async def pass_on(key: str, value: MessageT | None) -> None:
            await on_change(key, value)
            if value is None:
                known.discard(key)
            else:
                known.add(key)

        async with aclosing(self._entries()) as entries:
            async for entry in entries:
                if entry is not None:
                    unseen.discard(entry.key)
                    await self._hand_over(entry, pass_on)
                    continue
                for key in unseen:
                    await pass_on(key, None)
                unseen.clear()
                on_caught_up()

    async def _entries(self) -> AsyncGenerator[KeyValue.Entry | None, None]:
        """Every entry, None once those of now are out, then each new one.

        nats-py's own watch takes a bucket for empty when its entries were sent and not handled yet, and
        notices only after 10 to 20 s that the server of a cluster is gone which had the watch.
        """
        with _speaking_of(f"bucket {self._spec.name} cannot be watched"):
            watch = await self._bus.jetstream.subscribe(
                self._subject(">"),
                stream=f"KV_{self._spec.name}",
                ordered_consumer=True,
                deliver_policy=DeliverPolicy.LAST_PER_SUBJECT,
                idle_heartbeat=_SIGN_OF_LIFE_S,
                inactive_threshold=_WATCH_KEPT_S,
            )
            try:
                begun = await watch.consumer_info()
                behind = bool(begun.num_pending or (begun.delivered and begun.delivered.consumer_seq))
                if not behind:
                    yield None
                while True:
                    entry = self._entry(await watch.next_msg(timeout=None))
                    yield entry
                    if behind and not entry.delta:
                        behind = False
                        yield None
            finally:
                await leave(watch)

    def _entry(self, message: Msg) -> KeyValue.Entry:
        found = message.metadata
        return KeyValue.Entry(
            bucket=self._spec.name,
            key=message.subject.removeprefix(self._subject("")),
            value=message.data,
            revision=found.sequence.stream,
            delta=found.num_pending,
            created=None,
            operation=(message.headers or {}).get(KV_OP),
        )

    async def _hand_over(self, entry: KeyValue.Entry, receive: OnChange[MessageT]) -> None:
        if entry.key in self._spec.guards:
            return
        gone = entry.operation in (KV_DEL, KV_PURGE)
        try:
            value = None if gone else parse(self._model, entry.value or b"")
        except TrunklineError as error:
            log.error("bucket %s, key %s: %s", entry.bucket, entry.key, error)
            return
        await receive(entry.key, value)
