"""No task is lost, none fails in silence."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from runtime.tasks import TaskOwner, heeding
from tests.support.waiting import eventually


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise RuntimeError("the wheel came off")


async def test_a_task_that_ends_is_forgotten() -> None:
    owner = TaskOwner("probe")
    task = owner.spawn(asyncio.sleep(0), "short")
    assert (len(owner), task.get_name()) == (1, "probe:short")
    await task
    await eventually(lambda: not len(owner), "it is forgotten")


async def test_a_failure_is_logged_with_its_traceback_and_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[BaseException] = []
    owner = TaskOwner("probe", told.append)
    owner.spawn(_fail(), "wheel")
    await eventually(lambda: told, "it is told")
    assert str(told[0]) == "the wheel came off"
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "task probe:wheel failed: the wheel came off")
    assert record.exc_info is not None


async def test_close_cancels_all_and_waits_for_what_they_still_do() -> None:
    done: list[str] = []

    async def tidy_up() -> None:
        try:
            await _for_ever()
        finally:
            await asyncio.sleep(0)
            done.append("tidied up")

    told: list[BaseException] = []
    owner = TaskOwner("probe", told.append)
    owner.spawn(tidy_up(), "tidy")
    owner.spawn(_for_ever(), "other")
    await asyncio.sleep(0)
    await owner.close()
    assert (done, len(owner), told) == (["tidied up"], 0, [])


async def test_close_ends_also_what_a_task_begins_on_its_way_out() -> None:
    owner = TaskOwner("probe")
    late: list[asyncio.Task[None]] = []

    async def begin_another() -> None:
        try:
            await _for_ever()
        finally:
            late.append(owner.spawn(_for_ever(), "late"))

    owner.spawn(begin_another(), "first")
    await asyncio.sleep(0)
    await owner.close()
    assert late[0].cancelled()


async def test_a_task_may_close_its_own_owner() -> None:
    owner = TaskOwner("probe")
    other = owner.spawn(_for_ever(), "other")
    await owner.spawn(owner.close(), "closing")
    assert other.cancelled()


async def test_a_failure_while_closing_is_told_too() -> None:
    told: list[BaseException] = []
    owner = TaskOwner("probe", told.append)

    async def fail_on_the_way_out() -> None:
        try:
            await _for_ever()
        finally:
            await _fail()

    owner.spawn(fail_on_the_way_out(), "wheel")
    await asyncio.sleep(0)
    await owner.close()
    assert [str(error) for error in told] == ["the wheel came off"]


async def test_a_cancellation_that_was_swallowed_ends_the_task_all_the_same() -> None:
    began = asyncio.Event()

    async def deaf() -> str:
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "an answer"

    async def asks_for_ever() -> None:
        while True:
            await heeding(deaf())

    asking = asyncio.create_task(asks_for_ever())
    await began.wait()
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()


async def test_what_was_cancelled_may_still_ask_while_it_cleans_up() -> None:
    async def answer() -> str:
        await asyncio.sleep(0)
        return "an answer"

    said: list[str] = []

    async def asks_at_its_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            said.append(await heeding(answer()))

    asking = asyncio.create_task(asks_at_its_end())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert said == ["an answer"]


async def test_who_swallows_that_he_is_to_end_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.tasks._TOLD_AGAIN_S", 0.01)
    told: list[bool] = []
    begun = asyncio.Event()

    async def deaf_once() -> None:
        while len(told) < 2:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(True)

    owner = TaskOwner("here")
    task = owner.spawn(deaf_once(), "deaf")
    await begun.wait()
    await owner.close()
    assert task.done()
    assert told == [True, True]


@pytest.mark.timeout(20)
async def test_the_owner_of_a_task_that_is_over_and_not_struck_off_yet_can_close() -> None:
    owner = TaskOwner("here")
    over = asyncio.get_running_loop().create_future()
    task = owner.spawn(_returns(over), "done")
    await over
    await asyncio.wait({task})
    owner._tasks.add(task)
    asyncio.get_running_loop().call_soon(owner._tasks.discard, task)
    await owner.close()
    assert len(owner) == 0


async def _returns(over: asyncio.Future[None]) -> None:
    over.set_result(None)
