"""What a running `trunkline up` can be asked by other commands of its user: a rolling restart.

A request is one line of JSON on a port of the loopback interface, the answer a line for each step. The bus
will not do for this: it may be what is restarted. Who may ask is who can read the secret in `up.json`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.errors import TrunklineError
from trunkline.errors import CommandError, NotRunning
from trunkline.ports import LOOPBACK
from trunkline.state import RunningPlatform

_SECRET_BYTES: Final = 24
_REQUEST_WITHIN_S: Final = 5.0


class RestartRequest(BaseModel):
    """Restart these, one after the other; none named: every process of services."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: str = Field(repr=False)
    names: tuple[str, ...] = ()


class Step(BaseModel):
    """One process is back, or, with `error`, it ends here; the last line of an answer has `done`."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    ms: float = 0.0
    error: str = ""
    mend: str = ""
    done: bool = False


Rolling = Callable[[Sequence[str]], AsyncIterator[tuple[str, float]]]
"""Restarts processes one after the other; each name and the milliseconds until it was ready."""


class Control:
    """Listens for requests while the `async with` block lasts."""

    def __init__(self, rolling: Rolling) -> None:
        self.secret = secrets.token_urlsafe(_SECRET_BYTES)
        self._rolling = rolling
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "it does not listen yet"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Control:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(reader, writer), name="control")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_WITHIN_S):
                request = RestartRequest.model_validate_json(await reader.readline())
            if not secrets.compare_digest(request.secret.encode(), self.secret.encode()):
                await _say(writer, Step(error="the secret is wrong", mend="it is in up.json"))
                return
            await self._restart(request, reader, writer)
        except (ValidationError, ValueError, TimeoutError):
            await _say(writer, Step(error="that is no request", mend="use trunkline restart"))
        except ConnectionError:
            return  # nobody hears it any more
        finally:
            writer.close()

    async def _restart(
        self, request: RestartRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Goes no further than the process in hand once nobody listens."""
        try:
            async for name, ms in self._rolling(request.names):
                await _say(writer, Step(name=name, ms=ms))
                if reader.at_eof():
                    return
        except TrunklineError as error:
            await _say(writer, Step(error=error.message, mend=error.mend))
        else:
            await _say(writer, Step(done=True))


async def _say(writer: asyncio.StreamWriter, step: Step) -> None:
    writer.write(step.model_dump_json().encode() + b"\n")
    await writer.drain()


async def ask_restart(state: RunningPlatform, names: Sequence[str]) -> AsyncIterator[tuple[str, float]]:
    """Each process that the running platform restarted, and the milliseconds until it was ready.

    Raises NotRunning where it does not answer, and CommandError with its own words where it stops.
    """
    request = RestartRequest(secret=state.control_secret, names=tuple(names))
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, state.control_port)
    except OSError as error:
        raise NotRunning(
            f"the platform (process {state.pid}) takes no requests: {error.strerror}", mend="is it stopping?"
        ) from error
    try:
        writer.write(request.model_dump_json().encode() + b"\n")
        while line := await reader.readline():
            step = Step.model_validate_json(line)
            if step.done:
                return
            if step.error:
                raise CommandError(step.error, mend=step.mend)
            yield step.name, step.ms
        raise NotRunning("the platform went away before all was restarted", mend="trunkline doctor says more")
    finally:
        writer.close()
