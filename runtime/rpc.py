"""Request handlers that run a few times a call, on FastStream: queue groups, lifecycle, one place to look."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from faststream.nats import NatsBroker, NatsMessage
from faststream.security import SASLPlaintext

from contracts.channel import Channel
from contracts.errors import TrunklineError
from contracts.messages import Message, Reply
from runtime.bus import answer_request
from runtime.connection import connection_options, taken_in
from runtime.settings import ProcessSettings

log = logging.getLogger(__name__)

RequestT = TypeVar("RequestT", bound=Message)
ReplyT = TypeVar("ReplyT", bound=Reply)

_AT_ONCE = 256


async def _body(message: NatsMessage) -> bytes:
    """The bytes as they came: parsing is ours, because a requester must be told what was wrong with them."""
    return message.body


class RpcServer:
    """Answers the `rpc.*` channels of a service; replicas share the work through a queue group."""

    def __init__(
        self, settings: ProcessSettings, service: str, reject: Callable[[str, TrunklineError], None]
    ) -> None:
        options = connection_options(settings, f"{service}-rpc")
        user, password = options.pop("user", ""), options.pop("password", "")
        security = SASLPlaintext(username=user, password=password) if user else None
        self._broker = NatsBroker(
            **options,
            security=security,
            decoder=_body,
            apply_types=False,
            logger=log,
            log_level=logging.DEBUG,
        )
        self._service = service
        self._reject = reject
        self._serves = False
        self._started = False

    def serve(
        self, channel: Channel[RequestT], reply: type[ReplyT], answer: Callable[[RequestT], Awaitable[ReplyT]]
    ) -> None:
        """Answer `channel` with `answer`, many requests at once; to be called before `start`."""
        self._serves = True

        @self._broker.subscriber(channel.wildcard(), queue=self._service, max_workers=_AT_ONCE)
        async def endpoint(body: bytes) -> bytes:
            return await answer_request(
                body, channel.message, reply, answer, reject=self._reject, where=channel.name
            )

    async def start(self) -> None:
        """Connect and begin to answer; a service that serves nothing opens no connection.

        Returns once NATS knows who answers, so that a request that follows does not find nobody.
        """
        if self._serves:
            await self._broker.start()
            self._started = True
            await taken_in(await self._broker.connect())

    async def stop(self) -> None:
        """Finish what is being answered and disconnect."""
        if self._started:
            self._started = False
            await self._broker.stop()
