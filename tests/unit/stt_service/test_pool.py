from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from models.errors import HubUnavailable, ModelMissing
from models.store import ModelStore
from runtime.clock import SystemClock
from runtime.tasks import TaskOwner
from stt_service.engines import DETECTORS, ENGINES, Ground
from stt_service.errors import EngineMissing, UnknownEngine
from stt_service.pool import DetectorPool, EnginePool
from stt_service.ports import Transcriber
from stt_service.settings import Settings
from tests.unit.stt_service.engines_under_test import EagerEngine, segment

Factory = Callable[[Ground], Transcriber]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(Settings(home=tmp_path), ModelStore(tmp_path), SystemClock())


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.close()


def raising(error: Exception) -> Factory:
    def build(_ground: Ground) -> Transcriber:
        raise error

    return build


async def test_an_engine_is_built_once_however_many_ask(ground: Ground, tasks: TaskOwner) -> None:
    built: list[EagerEngine] = []

    def build(_ground: Ground) -> Transcriber:
        built.append(EagerEngine())
        return built[-1]

    engines = EnginePool({"one": build}, ground, tasks)
    batchers = await asyncio.gather(*(engines.get("one") for _ in range(5)))
    assert len(set(map(id, batchers))) == 1
    assert (await batchers[0].decode(segment())).transcript.text == "Yes."
    await engines.close()
    assert [engine.closed for engine in built] == [1]


async def test_an_unknown_name_is_answered_with_the_known_ones(ground: Ground, tasks: TaskOwner) -> None:
    with pytest.raises(UnknownEngine, match=r"no speech engine 'vosk'.*whisper, synthetic"):
        await EnginePool(ENGINES, ground, tasks).get("vosk")
    with pytest.raises(UnknownEngine, match=r"no voice detector 'rnn'.*silero, energy"):
        await DetectorPool(DETECTORS, ground, tasks).get("rnn")


async def test_a_missing_package_names_the_extra(ground: Ground, tasks: TaskOwner) -> None:
    engines = EnginePool({"one": raising(ImportError("no", name="ctranslate2"))}, ground, tasks)
    for _ in range(2):
        with pytest.raises(EngineMissing, match=r"ctranslate2.*trunkline\[stt\]"):
            await engines.get("one")


async def test_what_may_come_back_is_built_again_when_it_is_wanted_again(
    ground: Ground, tasks: TaskOwner
) -> None:
    tries: list[int] = []

    def build(_ground: Ground) -> Transcriber:
        tries.append(1)
        if len(tries) == 1:
            raise HubUnavailable("the hub is away", retryable=True)
        return EagerEngine()

    engines = EnginePool({"one": build}, ground, tasks)
    with pytest.raises(HubUnavailable):
        await engines.get("one")
    await engines.get("one")
    await engines.close()


async def test_one_engine_is_enough_and_none_is_refused(ground: Ground, tasks: TaskOwner) -> None:
    engines = EnginePool(
        {"one": raising(ModelMissing("no model")), "two": lambda _ground: EagerEngine()}, ground, tasks
    )
    await engines.require_one_of(("one", "two"))
    await engines.require_one_of(("three", "two"))
    with pytest.raises(ModelMissing, match="no model"):
        await engines.require_one_of(("one", "three"))
    with pytest.raises(UnknownEngine, match="'three'"):
        await engines.require_one_of(("three",))
    await engines.close()


@pytest.mark.parametrize(("name", "samples"), [("silero", 256), ("energy", 160)])
async def test_a_detector_has_one_loop(name: str, samples: int, ground: Ground, tasks: TaskOwner) -> None:
    detectors = DetectorPool(DETECTORS, ground, tasks)
    loop = await detectors.get(name)
    assert set(DETECTORS) == {"silero", "energy"}
    assert loop.window_samples == samples
    assert await detectors.get(name) is loop
    detectors.close()
