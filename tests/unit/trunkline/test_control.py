"""Requests to a running platform, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from trunkline.control import Control, Step, ask_restart
from trunkline.errors import BadOption, CommandError, NotRunning
from trunkline.ports import free_ports
from trunkline.state import RunningPlatform


class Rolling:
    """Processes that restart at once, the one named `mule` never, and `broken` with an error."""

    def __init__(self) -> None:
        self.restarted: list[str] = []
        self.reached_mule = asyncio.Event()

    async def __call__(self, names: Sequence[str]) -> AsyncIterator[tuple[str, float]]:
        for name in names or ("one", "two"):
            if name == "broken":
                raise BadOption("there is no process 'broken'", mend="use any of one two")
            if name == "mule":
                self.reached_mule.set()
                await asyncio.Event().wait()
            self.restarted.append(name)
            yield name, 12.5


def state_of(control: Control, **changes: object) -> RunningPlatform:
    state = RunningPlatform(
        version="0",
        pid=1,
        started_us=1,
        nats_url="nats://x",
        media_url="ws://x",
        tenants=Path("x"),
        processes=(),
        control_port=control.port,
        control_secret=control.secret,
    )
    return state.model_copy(update=changes)


async def test_each_process_is_told_as_it_is_back() -> None:
    async with Control(Rolling()) as control:
        assert [step async for step in ask_restart(state_of(control), ["two", "one"])] == [
            ("two", 12.5),
            ("one", 12.5),
        ]
        assert [name async for name, _ in ask_restart(state_of(control), [])] == ["one", "two"]


async def test_what_stops_it_is_said_in_its_own_words() -> None:
    rolling = Rolling()
    async with Control(rolling) as control:
        with pytest.raises(CommandError, match=r"there is no process 'broken' \(use any of one two\)"):
            [one async for one in ask_restart(state_of(control), ["one", "broken", "two"])]
    assert rolling.restarted == ["one"]


async def test_nobody_without_the_secret_is_obeyed() -> None:
    rolling = Rolling()
    async with Control(rolling) as control:
        for secret in ("", "guessed", control.secret[:-1], "ä"):
            with pytest.raises(CommandError, match="the secret is wrong"):
                [one async for one in ask_restart(state_of(control, control_secret=secret), [])]
    assert rolling.restarted == []


@pytest.mark.parametrize(
    "junk", [b"hello\n", b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"\xff\xfe\n", b"x" * 200_000]
)
async def test_junk_is_answered_and_harms_nobody(junk: bytes) -> None:
    rolling = Rolling()
    async with Control(rolling) as control:
        reader, writer = await asyncio.open_connection("127.0.0.1", control.port)
        writer.write(junk)
        step = Step.model_validate_json(await reader.readline())
        writer.close()
        assert step.error == "that is no request"
        assert [name async for name, _ in ask_restart(state_of(control), [])] == ["one", "two"]


async def test_when_the_platform_ends_the_asker_hears_that() -> None:
    rolling = Rolling()
    async with Control(rolling) as control:
        asking = asyncio.ensure_future(anext(aiter(ask_restart(state_of(control), ["mule"]))))
        await rolling.reached_mule.wait()
    with pytest.raises(NotRunning, match="the platform went away"):
        await asking


async def test_where_nobody_listens_that_is_said() -> None:
    async with Control(Rolling()) as control:
        (port,) = free_ports(1)
        with pytest.raises(NotRunning, match="takes no requests"):
            [one async for one in ask_restart(state_of(control, control_port=port), [])]
