"""Engines are loaded once, and an assistant that nobody can speak for is refused with the mend."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.errors import TrunklineError
from contracts.messages import AssistantSnapshot, EngineChain, Voice
from models.errors import ModelMissing
from runtime.clock import SystemClock
from tests.unit.tts_service.scripted import ScriptedEngine, engines_of, no_models
from tts_service.casting import Cast, Engines, choose_voice
from tts_service.engines import Means
from tts_service.errors import EngineFault, EngineMissing, UnknownEngine, UnknownVoice
from tts_service.ports import Synthesizer, VoiceInfo
from tts_service.settings import Settings

_VOICES = (VoiceInfo("anna", "en-US"), VoiceInfo("bess", "en-GB"), VoiceInfo("carl", "de-DE"))


def assistant(*tts: str, voice: str = "", language: str = "en-US", speed: float = 1.0) -> AssistantSnapshot:
    return AssistantSnapshot(
        id="reception",
        name="Reception",
        language=language,
        greeting="Hello.",
        prompt="Be brief.",
        engines=EngineChain(tts=tts),
        voice=Voice(name=voice, speed=speed),
    )


async def test_the_cast_is_the_assistants_own_order_each_engine_once() -> None:
    engines = engines_of({"one": ScriptedEngine(), "two": ScriptedEngine()})
    cast = await engines.cast(assistant("two", "one", "two", voice="anna", speed=1.2))
    assert cast == Cast(("two", "one"), "anna", 1.2, "en-US")


async def test_an_unknown_engine_is_refused_even_behind_a_good_one() -> None:
    engines = engines_of({"one": ScriptedEngine(), "two": ScriptedEngine()})
    with pytest.raises(UnknownEngine, match=r"no speech engine 'three' \(use one of one, two\)"):
        await engines.cast(assistant("one", "three"))


async def test_an_unknown_voice_is_refused_with_those_there_are() -> None:
    engines = engines_of({"one": ScriptedEngine()})
    with pytest.raises(
        UnknownVoice, match=r"engine one has no voice 'nobody' here \(use one of anna, boris\)"
    ):
        await engines.cast(assistant("one", voice="nobody"))


async def test_a_voice_that_only_the_second_engine_has_will_do() -> None:
    other = ScriptedEngine(voices=(VoiceInfo("zoe", "en-US"),))
    engines = engines_of({"one": ScriptedEngine(), "two": other})
    assert (await engines.cast(assistant("one", "two", voice="zoe"))).voice == "zoe"


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (EngineMissing("not installed"), EngineMissing),
        (ModelMissing("no model"), ModelMissing),
        (RuntimeError("no idea"), EngineFault),
    ],
)
async def test_an_engine_that_cannot_be_loaded_is_refused_unless_another_can(
    fault: Exception, raised: type[TrunklineError]
) -> None:
    engines = engines_of({"broken": fault, "good": ScriptedEngine()})
    with pytest.raises(raised):
        await engines.cast(assistant("broken"))
    assert (await engines.cast(assistant("broken", "good"))).engines == ("broken", "good")


class _Loads:
    """A factory that counts, and fails the first `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.count, self.failures = 0, failures

    def __call__(self, settings: Settings, means: Means) -> Synthesizer:
        self.count += 1
        if self.count <= self.failures:
            raise EngineMissing("not yet")
        return ScriptedEngine()


def _engines(loads: _Loads) -> Engines:
    executor = ThreadPoolExecutor(2)
    return Engines({"one": loads}, Settings(), Means(no_models, executor, SystemClock()), executor)


async def test_an_engine_is_loaded_once_however_many_want_it() -> None:
    loads = _Loads()
    engines = _engines(loads)
    got = await asyncio.gather(*(engines.get("one") for _ in range(5)))
    assert loads.count == 1
    assert len({id(engine) for engine in got}) == 1


async def test_one_who_gives_up_waiting_does_not_stop_the_loading() -> None:
    loads = _Loads()
    engines = _engines(loads)
    impatient = asyncio.ensure_future(engines.get("one"))
    await asyncio.sleep(0)
    impatient.cancel()
    await engines.get("one")
    assert loads.count == 1


async def test_a_failure_to_load_is_tried_again() -> None:
    loads = _Loads(failures=1)
    engines = _engines(loads)
    with pytest.raises(EngineMissing):
        await engines.get("one")
    await engines.get("one")
    assert loads.count == 2


@pytest.mark.parametrize(
    ("wanted", "language", "chosen"),
    [
        ("carl", "en-US", "carl"),
        ("", "en-US", "anna"),
        ("", "en-GB", "bess"),
        ("", "de-AT", "carl"),
        ("", "fr-FR", "anna"),
        ("somebody else's", "de-DE", "carl"),
    ],
)
def test_the_voice_is_the_wanted_one_or_the_one_nearest_to_the_language(
    wanted: str, language: str, chosen: str
) -> None:
    assert choose_voice(_VOICES, wanted, language).name == chosen
