"""The connection to NATS: how every client of a process opens one, and who is told what becomes of it."""

from __future__ import annotations

import asyncio
import logging
import re
import select
from asyncio.trsock import TransportSocket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import Transport
from typing_extensions import override

from contracts.permissions import inbox_prefix
from runtime.errors import BusUnavailable, SettingsError
from runtime.settings import ProcessSettings
from runtime.tasks import heeding
from runtime.wire_speed import Direct, Headed, QuickParser

log = logging.getLogger(__name__)

_HandlerT = TypeVar("_HandlerT", Direct, Headed)

_DROPS_A_LINE = 1000
_UNSENT_BYTES = 256 * 1024


def connection_options(settings: ProcessSettings, name: str) -> dict[str, Any]:
    """The connection settings that every client of this process uses, raw or FastStream."""
    options: dict[str, Any] = {
        "servers": [url.strip() for url in settings.nats_url.split(",")],
        "name": name,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.2,
        "ping_interval": 5,
        "max_outstanding_pings": 2,
        "connect_timeout": 2,
    }
    if settings.nats_user:
        options |= {"user": settings.nats_user, "password": settings.nats_password}
    if user := _user(settings):
        options["inbox_prefix"] = inbox_prefix(user)
    return options


def _user(settings: ProcessSettings) -> str:
    """Who we are to NATS: named on its own, or within the address as in `nats://user:password@host`."""
    return settings.nats_user or urlsplit(settings.nats_url.split(",")[0].strip()).username or ""


class Connection(Client):
    """nats-py's client, which tells those who asked that it is lost, back, closed, or dropping messages.

    Each complaint of the client is logged once, however often it is repeated. `replicas` is how many copies
    there are to be of what is made through it in JetStream.
    """

    def __init__(self, replicas: int = 1) -> None:
        super().__init__()
        self.replicas = replicas
        self.when_lost: list[Callable[[], None]] = []
        self.when_reconnected: list[Callable[[], None]] = []
        self.when_closed: list[Callable[[], None]] = []
        self.when_dropped: list[Callable[[str], None]] = []
        self.direct: dict[int, Direct] = {}
        self.headed: dict[int, Headed] = {}
        self._ps = QuickParser(self)
        self.last_complaint = ""
        self._drops = 0
        self._opened = False

    async def open(self, options: dict[str, Any], user: str) -> None:
        """Connect, however long it takes; raises SettingsError where the server refuses `user`."""
        self._user = user
        await self.connect(
            **options,
            allow_reconnect=True,
            error_cb=self._complain,
            disconnected_cb=self._tell_lost,
            reconnected_cb=self._tell_reconnected,
            closed_cb=self._tell_closed,
        )
        self._opened = True

    @override
    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """As nats-py's, JetStream's too; who is cancelled while the answer comes is told so all the same."""
        return await heeding(super().request(subject, payload, timeout, old_style, headers))

    @override
    async def flush(self, timeout: int = 10) -> None:
        """As nats-py's; who is cancelled while the answer comes is told so all the same."""
        await heeding(super().flush(timeout))

    async def subscribe_directly(self, subject: str, handle: Direct) -> Subscription:
        """Hear a subject with nothing between the socket and `handle`, which must neither block nor raise."""
        return await self._subscribe_past_nats_py(subject, self.direct, handle)

    async def subscribe_with_headers(self, subject: str, handle: Headed) -> Subscription:
        """As `subscribe_directly`, where every message has headers and they are wanted, as they came."""
        return await self._subscribe_past_nats_py(subject, self.headed, handle)

    async def _subscribe_past_nats_py(
        self, subject: str, handlers: dict[int, _HandlerT], handle: _HandlerT
    ) -> Subscription:
        sid = self._sid + 1  # nothing is awaited before the subscription has its number
        handlers[sid] = handle
        try:
            return await self.subscribe(subject)
        except BaseException:
            handlers.pop(sid, None)
            raise

    @override
    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self.direct.pop(sid, None)
        self.headed.pop(sid, None)
        super()._remove_sub(sid, max_msgs)

    @property
    def refuses(self) -> str:
        """Why nothing can be written now: NATS is away, or the connection is being closed; else empty."""
        if self.is_draining:
            return "bus_refused"
        return "" if self.is_connected else "bus_away"

    @property
    def busy(self) -> bool:
        """Whether much of what was written has not left this process yet."""
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.transport.get_write_buffer_size() >= _UNSENT_BYTES

    def await_arrival(self, timeout_s: float) -> bool:
        """Block this thread, and the loop with it, until something can be read: False when nothing can be
        within `timeout_s`.
        """
        waiting = select.poll()
        sock = None if self._transport is None else _socket_of(self._transport)
        if sock is not None and sock.fileno() >= 0:
            waiting.register(sock.fileno(), select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))

    def write_now(self, commands: bytes) -> None:
        """Write commands of the protocol, behind what waits in nats-py's buffer."""
        assert self._transport is not None
        self._transport.writelines([*self._pending, commands])
        self._pending = []
        self._pending_data_size = 0

    async def _complain(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if isinstance(error, nats.errors.SlowConsumerError):
            self.dropped(error.subject)
        elif text != self.last_complaint:
            self.last_complaint = text
            log.warning("NATS: %s", text)
        if not self._opened and "authorization" in text.lower():
            raise SettingsError(
                f"NATS refuses user {self._user!r}: {text}",
                mend="correct TRUNKLINE_NATS_USER and TRUNKLINE_NATS_PASSWORD",
            )

    def dropped(self, subject: str) -> None:
        """A message was dropped, because those before it take too long: logged now and then."""
        if self._drops % _DROPS_A_LINE == 0:
            log.error("messages come in faster than they are handled; dropped one on %s", subject)
        self._drops += 1
        for tell in self.when_dropped:
            tell(subject)

    async def _tell_lost(self) -> None:
        for tell in self.when_lost:
            tell()

    async def _tell_reconnected(self) -> None:
        self.last_complaint = ""
        log.warning("connected to NATS again")
        for tell in self.when_reconnected:
            tell()

    async def _tell_closed(self) -> None:
        for tell in self.when_closed:
            tell()


async def connect(settings: ProcessSettings, name: str) -> Connection:
    """A connection to NATS, tried until `nats_connect_timeout_s`.

    Raises BusUnavailable after that, and SettingsError at once for an address that is none and for
    credentials that are refused.
    """
    connection = Connection(settings.nats_replicas)
    where = _without_password(settings.nats_url)
    try:
        async with asyncio.timeout(settings.nats_connect_timeout_s):
            await heeding(connection.open(connection_options(settings, name), _user(settings)))
    except TimeoutError as error:
        await _abandon(connection)
        raise BusUnavailable(
            f"no NATS server answers at {where} within {settings.nats_connect_timeout_s:g} s"
            f" ({connection.last_complaint or 'it says nothing'})",
            mend="start it, or set TRUNKLINE_NATS_URL",
        ) from error
    except nats.errors.Error as error:
        raise SettingsError(f"TRUNKLINE_NATS_URL={where!r}: {error}", mend="use nats://host:port") from error
    except BaseException:
        await _abandon(connection)
        raise
    return connection


class _Left(Protocol):
    async def unsubscribe(self) -> None: ...


async def leave(*subscriptions: _Left) -> None:
    """Unsubscribe from each; where the connection is gone, its subscriptions went with it."""
    for subscription in subscriptions:
        with suppress(nats.errors.Error, OSError):
            await subscription.unsubscribe()


async def taken_in(client: Client) -> None:
    """Return once the server has taken in all that was sent and subscribed to; raises BusUnavailable.

    nats-py sends the ping of a flush ahead of what waits in its buffer; that of a second one follows it.
    """
    try:
        await client.flush()
        await client.flush()
    except nats.errors.Error as error:
        raise BusUnavailable(f"NATS does not answer: {error}", mend="is NATS running?") from error


def _socket_of(transport: Transport) -> TransportSocket | None:
    writer = getattr(transport, "_io_writer", None)
    return writer.get_extra_info("socket") if writer is not None else None


async def _abandon(connection: Connection) -> None:
    with suppress(nats.errors.Error, OSError):
        await connection.close()


def _without_password(url: str) -> str:
    return re.sub(r"//[^@/,]*@", "//", url)
