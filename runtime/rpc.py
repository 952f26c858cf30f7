"""Request handlers that run a few times a call, on FastStream: queue groups, lifecycle, one place to look."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from faststream.nats import NatsBroker, NatsMessage
from faststream.security import SASLPlaintext

from contracts.channels import Channel
from contracts.errors import TrunklineError
from contracts.messages import Message, Reply
from runtime.bus import answer_request, connection_options
from runtime.settings import ProcessSettings

RequestT = TypeVar("RequestT", bound=Message)
ReplyT = TypeVar("ReplyT", bound=Reply)


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
            **options, security=security, decoder=_body, apply_types=False, log_level=logging.DEBUG
        )
        self._service = service
        self._reject = reject

    def serve(
        self, channel: Channel[RequestT], reply: type[ReplyT], answer: Callable[[RequestT], Awaitable[ReplyT]]
    ) -> None:
        """Answer `channel` with `answer`; to be called before `start`."""

        @self._broker.subscriber(channel.wildcard(), queue=self._service)
        async def endpoint(body: bytes) -> bytes:
            return await answer_request(
                body, channel.message, reply, answer, reject=self._reject, where=channel.name
            )

    async def start(self) -> None:
        """Connect and begin to answer."""
        await self._broker.start()

    async def stop(self) -> None:
        """Finish what is being answered and disconnect."""
        await self._broker.stop()
