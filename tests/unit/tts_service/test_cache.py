"""Finished phrases are kept within bounds, and one that is being made is made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tasks import TaskOwner
from tests.support.waiting import eventually
from tests.unit.tts_service.scripted import at, never
from tts_service.cache import Found, PhraseCache, PhraseKey, Stretch
from tts_service.errors import EngineFault, EngineTimeout
from tts_service.ports import Due

NOW = at(0.0)


def key(text: str) -> PhraseKey:
    return PhraseKey("engine", "voice", "en-US", 1.0, text)


class _Maker:
    """Makes `count` stretches of 160 bytes, each when the gate lets it."""

    def __init__(self, count: int = 3, error: BaseException | None = None) -> None:
        self.count, self.error = count, error
        self.gate = asyncio.Semaphore(0)
        self.begun = self.closed = 0
        self.due: Due | None = None

    async def __call__(self, due: Due) -> AsyncGenerator[Stretch, None]:
        self.begun += 1
        self.due = due
        try:
            for number in range(self.count):
                await self.gate.acquire()
                yield Stretch(bytes([number]) * 160, 5.0)
            if self.error is not None:
                raise self.error
        finally:
            self.closed += 1

    def open(self) -> _Maker:
        for _ in range(self.count):
            self.gate.release()
        return self


class _Stand:
    def __init__(self, max_bytes: int = 10_000) -> None:
        self.found: list[Found] = []
        self.tasks = TaskOwner("test")
        self.cache = PhraseCache(max_bytes, self.tasks, self.found.append)

    async def hear(self, text: str, make: _Maker, due: Due = NOW) -> list[Stretch]:
        async with aclosing(self.cache.phrase(key(text), make, due)) as stretches:
            return [stretch async for stretch in stretches]


@pytest.fixture
async def stand() -> AsyncIterator[_Stand]:
    made = _Stand()
    yield made
    assert len(made.tasks) == 0, "a phrase is still being made that nobody listens to"


async def until(holds: Callable[[], object]) -> None:
    await eventually(holds, "what the test waits for")


async def test_the_second_time_a_phrase_lies_ready(stand: _Stand) -> None:
    make = _Maker().open()
    first = await stand.hear("Hello.", make)
    again = await stand.hear("Hello.", make)
    assert [stretch.cached for stretch in first] == [False] * 3
    assert again == [Stretch(b"".join(stretch.frames for stretch in first), 0.0, cached=True)]
    assert make.begun == 1
    assert stand.found == [Found.MADE, Found.HIT]
    await until(lambda: len(stand.tasks) == 0)


@pytest.mark.parametrize(
    "other",
    [
        key("Hello!"),
        key("Hello.")._replace(voice="other"),
        key("Hello.")._replace(engine="other"),
        key("Hello.")._replace(speed=1.1),
        key("Hello.")._replace(language="en-GB"),
    ],
)
async def test_what_sounds_different_is_another_phrase(stand: _Stand, other: PhraseKey) -> None:
    await stand.hear("Hello.", _Maker().open())
    assert key("Hello.") in stand.cache
    assert other not in stand.cache


async def test_two_at_once_share_one_making_and_the_later_hears_it_from_the_start(stand: _Stand) -> None:
    make = _Maker()
    first = asyncio.ensure_future(stand.hear("Hello.", make))
    make.gate.release()
    await until(lambda: make.begun)
    second = asyncio.ensure_future(stand.hear("Hello.", make))
    await until(lambda: len(stand.found) == 2)
    make.open()
    assert await first == await second
    assert make.begun == 1
    assert stand.found == [Found.MADE, Found.SHARED]


async def test_it_is_made_as_urgently_as_its_most_urgent_listener_needs(stand: _Stand) -> None:
    make = _Maker()
    warm = asyncio.ensure_future(stand.hear("Hello.", make, never))
    await until(lambda: make.due)
    assert make.due is not None
    assert make.due() == float("inf")
    live = asyncio.ensure_future(stand.hear("Hello.", make, at(7.0)))
    await until(lambda: stand.found)
    assert make.due() == 7.0
    live.cancel()
    await asyncio.wait({live})
    assert make.due() == float("inf")
    make.open()
    await warm
    assert stand.found == [Found.SHARED], "who does not wait is not counted"


async def test_one_listener_who_leaves_does_not_stop_it_for_the_other(stand: _Stand) -> None:
    make = _Maker()
    leaving, staying = (asyncio.ensure_future(stand.hear("Hello.", make)) for _ in range(2))
    await until(lambda: len(stand.found) == 2)
    leaving.cancel()
    await asyncio.wait({leaving})
    make.open()
    assert len(await staying) == 3


async def test_when_the_last_listener_leaves_the_work_stops_and_nothing_is_kept(stand: _Stand) -> None:
    make = _Maker()
    listener = asyncio.ensure_future(stand.hear("Hello.", make))
    make.gate.release()
    await until(lambda: make.begun)
    listener.cancel()
    await asyncio.wait({listener})
    await until(lambda: make.closed == 1)
    assert key("Hello.") not in stand.cache
    again = _Maker().open()
    assert len(await stand.hear("Hello.", again)) == 3


@pytest.mark.parametrize(
    ("error", "raised"), [(EngineTimeout("slow"), EngineTimeout), (ZeroDivisionError("oops"), EngineFault)]
)
async def test_a_failure_reaches_every_listener_after_what_was_made_and_is_not_kept(
    stand: _Stand, error: BaseException, raised: type[Exception]
) -> None:
    make = _Maker(2, error)

    async def listen() -> list[Stretch]:
        heard: list[Stretch] = []

        async def collect() -> None:
            async for stretch in stand.cache.phrase(key("Hello."), make, at(0.0)):
                heard.append(stretch)  # noqa: PERF401  # what was heard before the error is the point

        with pytest.raises(raised):
            await collect()
        return heard

    both = asyncio.gather(listen(), listen())
    await until(lambda: len(stand.found) == 2)
    make.open()
    assert [len(heard) for heard in await both] == [2, 2]
    assert key("Hello.") not in stand.cache
    assert stand.cache.held_bytes == 0


async def test_what_was_not_wanted_for_longest_goes_first() -> None:
    stand = _Stand(max_bytes=3 * 480)
    for text in ("a", "b", "c"):
        await stand.hear(text, _Maker().open())
    await stand.hear("a", _Maker().open())
    await stand.hear("d", _Maker().open())
    assert [text for text in "abcd" if key(text) in stand.cache] == ["a", "c", "d"]
    assert stand.cache.held_bytes == 3 * 480


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 6)), max_size=30), st.integers(0, 2_000))
def test_it_never_holds_more_than_it_may(phrases: list[tuple[str, int]], max_bytes: int) -> None:
    async def run() -> None:
        stand = _Stand(max_bytes)
        sizes: dict[str, int] = {}
        for text, count in phrases:
            heard = await stand.hear(text, _Maker(count).open())
            sizes.setdefault(text, 0)
            if not heard or not heard[0].cached:
                sizes[text] = 160 * count
            assert stand.cache.held_bytes <= max_bytes
            held = sum(size for name, size in sizes.items() if key(name) in stand.cache)
            assert stand.cache.held_bytes == held

    asyncio.run(run())
