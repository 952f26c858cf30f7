from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import EngineFailed
from llm_service.chain import Answered
from llm_service.engines import ENGINES, EngineFactory, Means
from llm_service.errors import EngineNotInstalled, UnknownEngine
from llm_service.pool import EnginePool
from llm_service.ports import LanguageModel, Prompt
from llm_service.retry import Retrying
from llm_service.settings import Settings
from models.errors import HubUnavailable, ModelMissing
from models.store import ModelStore
from runtime.clock import SystemClock
from tests.unit.llm_service.scripted import ScriptedEngine, assistant


def pool(tmp_path: Path, factories: dict[str, EngineFactory], **settings: Any) -> EnginePool:
    means = Means(ModelStore(tmp_path), SystemClock())
    return EnginePool(Settings(home=tmp_path, **settings), factories, means, random.Random(1))


def raising(error: Exception) -> EngineFactory:
    def build(settings: Settings, means: Means) -> LanguageModel:
        raise error

    return build


async def test_an_engine_is_built_once_however_many_ask(tmp_path: Path) -> None:
    built: list[ScriptedEngine] = []

    def build(settings: Settings, means: Means) -> LanguageModel:
        built.append(ScriptedEngine([]))
        return built[-1]

    engines = pool(tmp_path, {"one": build})
    assert len(set(await asyncio.gather(*(engines.get("one") for _ in range(5))))) == 1
    await engines.close()
    assert [engine.closed for engine in built] == [True]


async def test_an_unknown_engine_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UnknownEngine, match=r"no language engine 'gpt'.*faq, openai, relief, synthetic"):
        await pool(tmp_path, ENGINES).get("gpt")


async def test_a_missing_package_names_the_extra(tmp_path: Path) -> None:
    engines = pool(tmp_path, {"one": raising(ImportError("no", name="onnxruntime"))})
    for _ in range(2):
        with pytest.raises(EngineNotInstalled, match=r"onnxruntime.*trunkline\[llm\]"):
            await engines.get("one")


async def test_what_may_come_back_is_built_again_when_it_is_wanted_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def build(settings: Settings, means: Means) -> LanguageModel:
        tries.append(1)
        if len(tries) == 1:
            raise HubUnavailable("the hub is away", retryable=True)
        return ScriptedEngine([])

    engines = pool(tmp_path, {"one": build})
    with pytest.raises(HubUnavailable):
        await engines.get("one")
    assert isinstance(await engines.get("one"), Retrying)


async def test_an_engine_that_cannot_be_built_fails_in_its_place(tmp_path: Path) -> None:
    engines = pool(
        tmp_path, {"one": raising(ModelMissing("no model")), "two": lambda _s, _m: ScriptedEngine(["Yes."])}
    )
    chain = await engines.chain(("one", "two"))
    found = [part async for part in chain.answer(Prompt(assistant(), ()))]
    (failure,) = [part for part in found if isinstance(part, EngineFailed)]
    assert (failure.engine, failure.next_engine, failure.detail) == ("one", "two", "no model")
    assert found[-1] == Answered("two")


async def test_a_chain_without_any_engine_is_refused(tmp_path: Path) -> None:
    engines = pool(tmp_path, {"one": raising(ModelMissing("no model"))})
    with pytest.raises(ModelMissing):
        await engines.chain(("one", "other"))


async def test_preloading_says_what_is_missing_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    built = ScriptedEngine([])
    engines = pool(tmp_path, {"one": raising(ModelMissing("no model")), "two": lambda _s, _m: built})
    await engines.preload(("one", "two"))
    assert "engine one is not available: no model" in caplog.text
    await engines.close()
    assert built.closed


@pytest.mark.parametrize("name", ENGINES)
async def test_every_listed_engine_can_be_built(name: str, tmp_path: Path) -> None:
    engines = pool(tmp_path, ENGINES, llm_relief_model="smollm2-135m")
    assert isinstance(await engines.get(name), Retrying)
    await engines.close()


async def test_an_engine_whose_relief_cannot_be_built_is_asked_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines = pool(
        tmp_path, {"one": lambda _settings, _means: ScriptedEngine(["Yes."])}, llm_relief={"one": "two"}
    )
    chain = await engines.chain(["one"])
    assert [part async for part in chain.answer(Prompt(assistant(), ()))][-1] == Answered("one")
    assert "one has no relief: there is no language engine 'two'" in caplog.text
    await engines.close()
