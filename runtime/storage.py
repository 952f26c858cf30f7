"""JetStream's streams and buckets: created when missing, and KV values as typed messages."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, KeyValueConfig, StreamConfig
from nats.js.kv import KV_DEL, KV_PURGE, KeyValue

from contracts.channels import decode_event
from contracts.errors import TrunklineError
from contracts.messages import Event, Message
from contracts.streams import BucketSpec, StreamSpec
from runtime.bus import parse
from runtime.errors import BusUnavailable

log = logging.getLogger(__name__)

MessageT = TypeVar("MessageT", bound=Message)


async def ensure_stream(jetstream: JetStreamContext, spec: StreamSpec) -> None:
    """Create the stream, or bring an existing one to its specification."""
    config = StreamConfig(
        name=spec.name,
        subjects=list(spec.subjects),
        max_age=spec.max_age_s,
        duplicate_window=spec.dedupe_window_s,
        max_msg_size=spec.max_message_bytes,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
    )
    try:
        await jetstream.add_stream(config)
    except nats.js.errors.BadRequestError:
        await jetstream.update_stream(config)
    except nats.errors.Error as error:
        raise BusUnavailable(
            f"stream {spec.name} cannot be made: {error}", mend="run nats-server with JetStream enabled (-js)"
        ) from error


async def last_event(jetstream: JetStreamContext, spec: StreamSpec, subject: str) -> Event[Any] | None:
    """The newest event that the stream holds on `subject`, or None."""
    try:
        found = await jetstream.get_last_msg(spec.name, subject)
    except nats.js.errors.NotFoundError:
        return None
    return decode_event(subject, found.data or b"")


class Bucket(Generic[MessageT]):
    """A KV bucket whose values are messages of one model."""

    def __init__(self, store: KeyValue, model: type[MessageT]) -> None:
        self._store = store
        self._model = model

    @classmethod
    async def open(
        cls, jetstream: JetStreamContext, spec: BucketSpec, model: type[MessageT]
    ) -> Bucket[MessageT]:
        """The bucket, created when missing."""
        config = KeyValueConfig(bucket=spec.name, history=spec.history, max_value_size=spec.max_value_bytes)
        try:
            store = await jetstream.create_key_value(config)
        except nats.js.errors.BadRequestError:
            store = await jetstream.key_value(spec.name)
        return cls(store, model)

    async def put(self, key: str, value: MessageT) -> None:
        """Write and wait until it is stored; raises BusUnavailable where it is not."""
        try:
            await self._store.put(key, value.model_dump_json().encode())
        except nats.errors.Error as error:
            raise self._unavailable(key, error) from error

    async def get(self, key: str) -> MessageT | None:
        """The value of `key`, or None."""
        try:
            entry = await self._store.get(key)
        except nats.js.errors.KeyNotFoundError:
            return None
        return parse(self._model, entry.value or b"")

    async def delete(self, key: str) -> None:
        """Remove `key`; removing what is not there is no error. Raises BusUnavailable where it stays."""
        try:
            await self._store.delete(key)
        except nats.errors.Error as error:
            raise self._unavailable(key, error) from error

    async def all(self) -> dict[str, MessageT]:
        """Every key and value now; what does not fit the model is logged and left out."""
        found: dict[str, MessageT] = {}

        async def keep(key: str, value: MessageT | None) -> None:
            if value is not None:
                found[key] = value

        watcher = await self._store.watchall()
        try:
            async for entry in watcher:
                if entry is None:
                    break
                await self._hand_over(entry, keep)
        finally:
            await watcher.stop()
        return found

    async def watch(
        self, on_change: Callable[[str, MessageT | None], Awaitable[None]], on_caught_up: Callable[[], None]
    ) -> None:
        """Hand over every value, then every change (None for a removed key), until cancelled."""
        watcher = await self._store.watchall()
        try:
            async for entry in watcher:
                if entry is None:
                    on_caught_up()
                else:
                    await self._hand_over(entry, on_change)
        finally:
            await watcher.stop()

    def _unavailable(self, key: str, error: nats.errors.Error) -> BusUnavailable:
        return BusUnavailable(f"{key} cannot be written: {error}", mend="is NATS running, with JetStream?")

    async def _hand_over(
        self, entry: KeyValue.Entry, receive: Callable[[str, MessageT | None], Awaitable[None]]
    ) -> None:
        gone = entry.operation in (KV_DEL, KV_PURGE)
        try:
            value = None if gone else parse(self._model, entry.value or b"")
        except TrunklineError as error:
            log.error("bucket %s, key %s: %s", entry.bucket, entry.key, error)
            return
        await receive(entry.key, value)
