"""A sentence is spoken by the first engine that can, and never the same words twice."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ErrorCode
from contracts.messages import EngineFailed
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.unit.tts_service.scripted import ScriptedEngine, ScriptedUtterance, at, cast_of, engines_of
from tts_service.cache import PhraseCache
from tts_service.casting import Cast
from tts_service.chain import Chain, Sound
from tts_service.errors import EngineMissing, Unsaid
from tts_service.ports import Phrase, Synthesizer, VoiceInfo
from tts_service.recording import Recorder
from tts_service.scheduling import Turns

LONG = "If you have a toothache, please come in today at ten thirty, or call us in the afternoon."
PARTS = ["If you have a toothache,", "please come in today at ten thirty, or call us in the afternoon."]


class _Stand:
    def __init__(self, clock: Clock, **engines: Synthesizer | BaseException) -> None:
        self.tasks = TaskOwner("test")
        self.failures: list[tuple[str, str]] = []
        self.chain = Chain(
            engines_of(engines),
            Recorder(Turns(1, clock, self.tasks), clock),
            PhraseCache(1_000_000, self.tasks, lambda _: None),
            clock,
            rest_s=10.0,
            failed=lambda engine, code: self.failures.append((engine, code)),
        )
        self.sounds: list[Sound] = []
        self.failed: list[EngineFailed] = []

    async def speak(self, text: str, cast: Cast) -> None:
        self.sounds, self.failed = [], []
        async for part in self.chain.speak(text, cast, at(0.0)):
            if isinstance(part, Sound):
                self.sounds.append(part)
            else:
                self.failed.append(part)

    @property
    def spoke(self) -> list[tuple[str, str]]:
        """Who spoke, without repetition."""
        return list(dict.fromkeys((sound.engine, sound.voice) for sound in self.sounds))

    @property
    def frames(self) -> int:
        return sum(len(sound.stretch.frames) for sound in self.sounds) // 160


async def test_the_first_engine_speaks_in_the_assistants_voice() -> None:
    one, two = ScriptedEngine(), ScriptedEngine()
    stand = _Stand(ManualClock(), one=one, two=two)
    await stand.speak("It costs $95.", cast_of("one", "two", voice="boris", speed=1.5, language="en-GB"))
    (phrase,) = one.asked
    assert phrase == ("It costs 95 dollars.", "boris", 1.5, "en-GB")
    assert stand.spoke == [("one", "boris")]
    assert (stand.frames, two.asked, stand.failed) == (15, [], [])


async def test_an_engine_without_the_voice_uses_its_own_for_the_language() -> None:
    other = ScriptedEngine(voices=(VoiceInfo("dora", "de-DE"), VoiceInfo("emma", "en-US")))
    stand = _Stand(ManualClock(), one=ScriptedEngine(fails_at=0), two=other)
    await stand.speak("Hello.", cast_of("one", "two", voice="anna"))
    assert stand.spoke == [("two", "emma")]


async def test_a_failing_engine_is_reported_and_the_next_one_takes_over() -> None:
    stand = _Stand(ManualClock(), one=ScriptedEngine(fails_at=0), two=ScriptedEngine())
    await stand.speak("Hello.", cast_of("one", "two"))
    (failed,) = stand.failed
    assert (failed.stage, failed.engine, failed.next_engine) == ("tts", "one", "two")
    assert (failed.code, failed.retryable) == (ErrorCode.ENGINE_UNAVAILABLE, True)
    assert "out of breath" in failed.detail
    assert stand.failures == [("one", "engine_unavailable")]
    assert stand.frames == 15


async def test_an_engine_that_cannot_be_loaded_falls_through_too() -> None:
    stand = _Stand(
        ManualClock(), one=EngineMissing("no package", mend="pip install it"), two=ScriptedEngine()
    )
    await stand.speak("Hello.", cast_of("one", "two"))
    assert [failed.detail for failed in stand.failed] == ["no package (pip install it)"]
    assert stand.spoke == [("two", "anna")]


async def test_the_next_engine_says_only_what_is_left() -> None:
    one, two = _FailsAfter(1), ScriptedEngine(incremental=False)
    stand = _Stand(ManualClock(), one=one, two=two)
    await stand.speak(LONG, cast_of("one", "two"))
    assert one.texts == PARTS
    assert " ".join(two.texts) == PARTS[1]
    assert stand.spoke == [("one", "anna"), ("two", "anna")]


class _FailsAfter(ScriptedEngine):
    """Speaks so many phrases and then no more."""

    def __init__(self, phrases: int) -> None:
        super().__init__(incremental=False)
        self._phrases = phrases

    def begin(self, phrase: Phrase) -> ScriptedUtterance:
        self.fails_at = 0 if len(self.asked) >= self._phrases else None
        return super().begin(phrase)


async def test_a_failure_inside_a_phrase_that_is_heard_ends_the_sentence() -> None:
    two = ScriptedEngine()
    stand = _Stand(ManualClock(), one=ScriptedEngine(fails_at=2), two=two)
    with pytest.raises(Unsaid, match="one failed inside a phrase"):
        await stand.speak("Hello.", cast_of("one", "two"))
    assert stand.frames == 10
    assert [failed.next_engine for failed in stand.failed] == [None]
    assert two.asked == []


async def test_when_all_fail_nobody_takes_over() -> None:
    stand = _Stand(ManualClock(), one=ScriptedEngine(fails_at=0), two=ScriptedEngine(fails_at=0))
    with pytest.raises(Unsaid, match="none of one, two could speak"):
        await stand.speak("Hello.", cast_of("one", "two"))
    assert [(failed.engine, failed.next_engine) for failed in stand.failed] == [("one", "two"), ("two", None)]


async def test_an_engine_that_failed_is_asked_last_until_it_has_rested() -> None:
    clock = ManualClock()
    one, two = ScriptedEngine(fails_at=0), ScriptedEngine()
    stand = _Stand(clock, one=one, two=two)
    await stand.speak("First.", cast_of("one", "two"))
    await stand.speak("Second.", cast_of("one", "two"))
    assert (one.texts, stand.failed) == (["First."], [])
    clock.tick(10.0)
    one.fails_at = None
    await stand.speak("Third.", cast_of("one", "two"))
    assert one.texts == ["First.", "Third."]
    assert stand.spoke == [("one", "anna")]


async def test_a_resting_engine_is_still_asked_when_no_other_can() -> None:
    one = ScriptedEngine(fails_at=0)
    stand = _Stand(ManualClock(), one=one)
    with pytest.raises(Unsaid):
        await stand.speak("First.", cast_of("one"))
    one.fails_at = None
    await stand.speak("Second.", cast_of("one"))
    assert stand.frames == 15


@pytest.mark.parametrize("text", ["", "...", "😀", "**"])
async def test_what_has_no_sound_asks_no_engine(text: str) -> None:
    one = ScriptedEngine(fails_at=0)
    stand = _Stand(ManualClock(), one=one)
    await stand.speak(text, cast_of("one"))
    assert (stand.sounds, stand.failed, one.asked) == ([], [], [])


async def test_a_phrase_that_was_made_before_skips_the_engine() -> None:
    one = ScriptedEngine()
    stand = _Stand(ManualClock(), one=one)
    await stand.speak("Hello. How are you?", cast_of("one"))
    assert not any(sound.stretch.cached for sound in stand.sounds)
    await stand.speak("Hello.", cast_of("one"))
    assert all(sound.stretch.cached for sound in stand.sounds)
    assert one.texts == ["Hello.", "How are you?"]
    assert stand.frames == 15


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([None, 0, 1, 2]), min_size=1, max_size=4))
async def test_property_3_another_voice_speaks(fails_at: list[int | None]) -> None:
    """Feature: ai-voice-agent, Property 3: Provider Fallback Resilience: whichever engines fail, each
    sentence is spoken whole by the first that can, unless one failed when some of it was out: then nothing
    is said twice.
    """
    engines = {f"e{at}": ScriptedEngine(3, fails_at=fails) for at, fails in enumerate(fails_at)}
    stand = _Stand(ManualClock(), **engines)
    decides = next((at for at, fails in enumerate(fails_at) if fails != 0), len(fails_at) - 1)
    whole = fails_at[decides] is None
    with nullcontext() if whole else pytest.raises(Unsaid):
        await stand.speak("Hello.", cast_of(*engines))
    assert stand.frames == 5 * (3 if whole else fails_at[decides] or 0)
    assert [one.asked != [] for one in engines.values()] == [at <= decides for at in range(len(engines))]
    failed = list(engines)[: decides + (not whole)]
    following = [*list(engines)[1:], None]
    told = [(name, following[at] if fails_at[at] == 0 else None) for at, name in enumerate(failed)]
    assert [(one.engine, one.next_engine) for one in stand.failed] == told
    assert [name for name, _ in stand.failures] == failed
