"""A way to nats-server, for one client, that can be cut, or stalled without anybody being told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Cuttable:
    """Forwards TCP connections on the loopback interface; use `url` in place of the server's."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._forwarding: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where a client connects."""
        assert self._server is not None
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def stall(self) -> None:
        """From here on nothing passes, and nobody is told; what is on its way is kept."""
        self._open.clear()

    def cut(self) -> None:
        """End every connection, and each new one at once."""
        self._refuses = True
        self._drop()

    def mend(self) -> None:
        """Let everything pass again, what was stalled first."""
        self._refuses = False
        self._open.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self._drop()
        for task in self._forwarding:
            task.cancel()
        if self._forwarding:
            await asyncio.wait(self._forwarding)

    def _drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers |= {writer, there_writer}
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._forward(source, sink))
            self._forwarding.add(task)
            task.add_done_callback(self._forwarding.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while piece := await source.read(65_536):
                    await self._open.wait()
                    sink.write(piece)
                    await sink.drain()
        finally:
            sink.close()
            self._writers.discard(sink)


@asynccontextmanager
async def cuttable(target_port: int) -> AsyncIterator[Cuttable]:
    """A way to the server on this port of the loopback interface."""
    way = Cuttable(target_port)
    await way.start()
    try:
        yield way
    finally:
        await way.stop()
