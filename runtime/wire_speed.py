"""What makes nats-py fast enough for audio: fewer writes, and a parser that does one thing at a time.

Fifty frames a second of every call go through here, both ways. nats-py wakes a task and writes to the socket
for nearly every publish, and takes each message through three regular expressions, an object, a queue and a
task. Both are right for a client of everything. Here frames that come within a few milliseconds leave in one
write, and messages of a subscription that asked for it go straight from the socket's bytes to its handler.
All else, and whatever is rare, is left to nats-py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser
from typing_extensions import override

Direct = Callable[[bytes, bytes], None]
"""Takes subject and payload of a message; must neither block nor raise."""

_LINE_END: Final = b"\r\n"
_MSG: Final = b"MSG "
_HMSG: Final = b"HMSG "


class _Client(Protocol):
    direct: dict[int, Direct]

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None: ...


class QuickParser(Parser):
    """nats-py's parser behind one that takes whole messages out of what was read, without copying the rest."""

    def __init__(self, client: _Client) -> None:
        super().__init__(client)
        self._client = client

    @override
    async def parse(self, data: bytes = b"") -> None:
        """Hand on every message in `data`; what is left over waits for the next read."""
        if self.state != AWAITING_CONTROL_LINE:
            await super().parse(data)
            if self.state != AWAITING_CONTROL_LINE or not self.buf:
                return
            data = b""
        if self.buf:
            data = bytes(self.buf) + data
            self.buf.clear()
        while data:
            done = await self._take_messages(data)
            data = data[done:] if done else data
            if not data:
                return
            if data.startswith((_MSG, _HMSG)) or _LINE_END not in data:
                self.buf.extend(data)  # not whole yet
                return
            end = data.index(_LINE_END) + len(_LINE_END)
            await super().parse(data[:end])
            data = data[end:]

    async def _take_messages(self, data: bytes) -> int:
        """How many bytes of `data` were whole messages, one after the other from its start."""
        client, direct, at, length = self._client, self._client.direct, 0, len(data)
        while True:
            if data.startswith(_MSG, at):
                line_end = data.find(_LINE_END, at)
                if line_end < 0:
                    return at
                words = data[at + 4 : line_end].split()
                begins = line_end + 2
                ends = begins + int(words[-1])
                if ends + 2 > length:
                    return at
                at = ends + 2
                sid = int(words[1])
                handle = direct.get(sid)
                if handle is not None:
                    handle(words[0], data[begins:ends])
                else:
                    reply = words[2] if len(words) == 4 else b""
                    await client._process_msg(sid, words[0], reply, data[begins:ends], None)
            elif data.startswith(_HMSG, at):
                line_end = data.find(_LINE_END, at)
                if line_end < 0:
                    return at
                words = data[at + 5 : line_end].split()
                begins = line_end + 2
                body, ends = begins + int(words[-2]), begins + int(words[-1])
                if ends + 2 > length:
                    return at
                at = ends + 2
                reply = words[2] if len(words) == 5 else b""
                await client._process_msg(
                    int(words[1]), words[0], reply, data[body:ends], data[begins:body]
                )
            else:
                return at
