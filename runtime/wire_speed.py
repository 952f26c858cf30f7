"""What makes nats-py fast enough for audio: fewer writes, fewer messages, and a parser that reads it once.

Fifty frames a second of every call go through here, both ways. nats-py wakes a task for nearly every publish,
and takes each message through several regular expressions, an object, a queue and a task. Both are right for
a client of everything. Here frames that come within a few milliseconds leave in one write, those of one call
in one message, and messages of a subscription that asked for it go from the socket's bytes to its handler.
All else, and whatever is rare, is left to nats-py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser
from typing_extensions import override

Direct = Callable[[bytes, bytes], None]
"""Takes subject and payload of a message; must neither block nor raise."""

Headed = Callable[[bytes, bytes], None]
"""Takes headers and payload of a message that has headers; must neither block nor raise."""

_LINE_END: Final = b"\r\n"
_MSG: Final = b"MSG "
_HMSG: Final = b"HMSG "


class _Reader(Protocol):
    """What the parser needs of the client beside what nats-py's own needs."""

    direct: dict[int, Direct]
    headed: dict[int, Headed]

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None: ...


class QuickParser(Parser):
    """nats-py's parser, behind one that takes whole messages out of what was read without a search."""

    def __init__(self, client: _Reader) -> None:
        super().__init__(client)
        self._direct = client.direct
        self._headed = client.headed
        self._hand_on = client._process_msg  # noqa: SLF001 - what nats-py's own parser calls

    @override
    async def parse(self, data: bytes = b"") -> None:
        """Hand on every message in `data`; what is not whole waits for the next read."""
        if self.state != AWAITING_CONTROL_LINE:
            await super().parse(data)
            return
        if self.buf:
            data = bytes(self.buf) + data
            self.buf.clear()
        at = 0
        while True:
            at = await self._take_messages(data, at)
            if at == len(data):
                return
            line_end = data.find(_LINE_END, at)
            if line_end < 0 or data.startswith((_MSG, _HMSG), at):
                self.buf.extend(data[at:])
                return
            end = line_end + len(_LINE_END)
            await super().parse(data[at:end])
            at = end

    async def _take_messages(self, data: bytes, at: int) -> int:
        """Hand on the whole messages that begin at `at`; where the last of them ends."""
        try:
            while True:
                if data.startswith(_MSG, at):
                    ends = await self._take_message(data, at)
                elif data.startswith(_HMSG, at):
                    ends = await self._take_message_with_headers(data, at)
                else:
                    return at
                if ends == at:
                    return at
                at = ends
        except (ValueError, IndexError) as error:
            raise ProtocolError("nats: malformed message") from error

    async def _take_message(self, data: bytes, at: int) -> int:
        """`MSG <subject> <sid> [reply] <bytes>`: where it ends, or `at` when it is not whole yet."""
        line_end = data.find(_LINE_END, at)
        if line_end < 0:
            return at
        words = data[at + 4 : line_end].split()
        begins = line_end + 2
        ends = begins + int(words[-1])
        if ends + 2 > len(data):
            return at
        sid = int(words[1])
        handle = self._direct.get(sid)
        if handle is not None:
            handle(words[0], data[begins:ends])
        else:
            reply = words[2] if len(words) == 4 else b""
            await self._hand_on(sid, words[0], reply, data[begins:ends], b"")
        return ends + 2

    async def _take_message_with_headers(self, data: bytes, at: int) -> int:
        """`HMSG <subject> <sid> [reply] <bytes of headers> <bytes in all>`; as above."""
        line_end = data.find(_LINE_END, at)
        if line_end < 0:
            return at
        words = data[at + 5 : line_end].split()
        begins = line_end + 2
        body, ends = begins + int(words[-2]), begins + int(words[-1])
        if ends + 2 > len(data):
            return at
        sid = int(words[1])
        if (handle := self._direct.get(sid)) is not None:
            handle(words[0], data[body:ends])
        elif (take := self._headed.get(sid)) is not None:
            take(data[begins:body], data[body:ends])
        else:
            reply = words[2] if len(words) == 5 else b""
            await self._hand_on(sid, words[0], reply, data[body:ends], data[begins:body])
        return ends + 2


class Writer(Protocol):
    """Where gathered messages go."""

    @property
    def refuses(self) -> str:
        """Why nothing can be written for now; empty where it can."""
        ...

    @property
    def busy(self) -> bool:
        """Whether so much waits to be written that more of it is better kept back."""
        ...

    def write_now(self, commands: bytes) -> None:
        """Write, behind all that waits to be written."""
        ...


class Gatherer:
    """Small messages on their way out: what comes within `gather_s` leaves together, in order.

    The first after a pause leaves at once; while it is `held` none leaves but by `flush`, with something
    urgent or when many wait. Messages of one subject are joined up to `most_bytes`: for those
    whose receivers can tell them apart. At most `limit` wait; when more come the oldest go. What is dropped
    is told to `dropped`, with the reason.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        dropped: Callable[[str], None],
        gather_s: float = 0.003,
        limit: int = 4_000,
        most_bytes: int = 16_384,
    ) -> None:
        self.limit = limit
        self.held = False
        self._writer = writer
        self._dropped = dropped
        self._gather_s = gather_s
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._urgent: list[bytes] = []
        self._gathering = False
        self._left_s = 0.0

    @property
    def room(self) -> int:
        """How many can wait without pushing others out."""
        return self.limit - len(self._waiting)

    def put(self, subject: str, payload: bytes) -> None:
        """Send soon."""
        if len(self._waiting) >= self.limit:
            self._waiting.popleft()
            self._dropped("bus_queue")
        self._waiting.append((subject, payload))
        if self.held:
            if len(self._waiting) >= self.limit // 2:
                self.flush()
        elif not self._gathering:
            self._gathering = True
            self._ring_soon()

    def put_urgent(self, command: bytes) -> None:
        """Write a whole command of the protocol at the end of this turn of the loop, behind what waits; what
        follows within `gather_s` leaves together, as a rule the rest of what the first began.

        It is not sent again where it cannot be written.
        """
        if not self._urgent and self.held:
            asyncio.get_running_loop().call_soon(self._ring)
        elif not self._urgent:
            self._ring_soon()
        self._urgent.append(command)

    def flush(self) -> None:
        """Write all that waits; where the writer has enough to do, soon."""
        if why := self._writer.refuses:
            for _ in range(len(self._waiting)):
                self._dropped(why)
            self._waiting.clear()
            self._urgent.clear()
        elif (self._waiting or self._urgent) and not self._writer.busy:
            self._left_s = asyncio.get_running_loop().time()
            commands = _commands(self._waiting, self._most_bytes)
            self._waiting.clear()
            urgent, self._urgent = self._urgent, []
            self._writer.write_now(b"".join((commands, *urgent)) if urgent else commands)

    def _ring_soon(self) -> None:
        """After a pause at once, else when what left last has been gone for `gather_s`."""
        loop = asyncio.get_running_loop()
        wait_s = self._left_s + self._gather_s - loop.time()
        if wait_s > 0:
            loop.call_later(wait_s, self._ring)
        else:
            loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._gathering = False
        if self.held and not self._urgent:
            return
        self.flush()
        if self._waiting or self._urgent:
            self._gathering = True
            asyncio.get_running_loop().call_later(self._gather_s, self._ring)


def event_command(subject: str, reply: str, event_id: str, payload: bytes) -> bytes:
    """A publication under an id that the stream knows it by when it comes again."""
    headers = b"NATS/1.0\r\nNats-Msg-Id: %b\r\n\r\n" % event_id.encode()
    line = f"HPUB {subject} {reply} {len(headers)} {len(headers) + len(payload)}\r\n"
    return b"%b%b%b\r\n" % (line.encode(), headers, payload)


def _commands(messages: deque[tuple[str, bytes]], most_bytes: int) -> bytes:
    """One PUB for each run of messages of a subject, in the order in which subjects first came."""
    runs: dict[str, list[bytes]] = {}
    sizes: dict[str, int] = {}
    commands: list[bytes] = []
    for subject, payload in messages:
        run = runs.get(subject)
        if run is None:
            runs[subject] = [payload]
            sizes[subject] = len(payload)
        elif sizes[subject] + len(payload) <= most_bytes:
            run.append(payload)
            sizes[subject] += len(payload)
        else:
            commands.append(_pub(subject, run))
            runs[subject] = [payload]
            sizes[subject] = len(payload)
    commands.extend(_pub(subject, run) for subject, run in runs.items())
    return b"".join(commands)


def _pub(subject: str, run: list[bytes]) -> bytes:
    payload = run[0] if len(run) == 1 else b"".join(run)
    return b"PUB %b %d\r\n%b\r\n" % (subject.encode(), len(payload), payload)
