from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.messages import (
    DtmfReceived,
    EngineFailed,
    Next,
    Outcome,
    PlayoutEnded,
    ReplyCompleted,
    ReplySentence,
    SentenceSynthesized,
    SpeechDismissed,
    SpeechStarted,
)
from llm_service.chain import Chain
from llm_service.dialogue import Dialogue, Said, Step
from llm_service.errors import EngineUnavailable, NoAnswer, OutOfOrder
from llm_service.ports import Line, Speaker
from tests.support.clock import ManualClock
from tests.unit.llm_service.scripted import ScriptedEngine, assistant, turn
from tests.unit.llm_service.scripted import Step as ScriptStep

CALLER, AGENT = Speaker.CALLER, Speaker.AGENT
GREETING = "Bright Smile, good morning. How can I help you?"


@dataclass
class Talk:
    """A dialogue and all that it said; does what the handlers do, without a bus."""

    dialogue: Dialogue
    engine: ScriptedEngine
    clock: ManualClock
    said: list[Said] = field(default_factory=list)

    async def follow(self, step: Step) -> list[Said]:
        """Stop and speak as the step says, to its end; what was said."""
        before = len(self.said)
        if step.stop is not None:
            cut = self.dialogue.cut(step.stop)
            self.said.extend([cut] if cut else [])
        if step.reply is not None:
            self.said.extend([body async for body in self.dialogue.speak(step.reply)])
        return self.said[before:]

    async def follow_until(self, step: Step, sentences: int) -> None:
        """Speak until so many sentences were said, and leave the reply in the making."""
        assert step.reply is not None
        speaking = self.dialogue.speak(step.reply)
        async for body in speaking:
            self.said.append(body)
            sentences -= isinstance(body, ReplySentence)
            if not sentences:
                break
        await speaking.aclose()

    async def turn(self, number: int, text: str) -> list[str]:
        """A turn of the caller; the sentences that answer it."""
        return texts(await self.follow(self.dialogue.turn_ended(turn(number, text))))

    async def greet(self) -> None:
        await self.follow(self.dialogue.begin())
        self.dialogue.playout_ended(played(1, Outcome.DONE, 2))

    @property
    def memory(self) -> list[tuple[Speaker, str]]:
        return [(line.speaker, line.text_pii) for line in self.dialogue.lines]


def talk(*scripts: list[ScriptStep], **changes: object) -> Talk:
    engine, clock = ScriptedEngine(*(scripts or (["Yes, we are. Anything else?"],))), ManualClock()
    return Talk(Dialogue(assistant(**changes), Chain({"model": engine}), clock), engine, clock)


def texts(said: list[Said]) -> list[str]:
    return [body.text_pii for body in said if isinstance(body, ReplySentence)]


def completions(said: list[Said]) -> list[ReplyCompleted]:
    return [body for body in said if isinstance(body, ReplyCompleted)]


def speech(number: int) -> SpeechStarted:
    return SpeechStarted(turn=number, started_us=0, detected_us=1)


def dismissed(number: int) -> SpeechDismissed:
    return SpeechDismissed(turn=number, audio_ms=300.0)


def played(reply: int, outcome: Outcome, sentences: int, partial_ms: float = 0.0) -> PlayoutEnded:
    return PlayoutEnded(
        reply=reply,
        outcome=outcome,
        heard_ms=0.0,
        heard_sentences=sentences,
        partial_ms=partial_ms,
        ended_us=0,
    )


def synthesized(
    reply: int, index: int, audio_ms: float, outcome: Outcome = Outcome.DONE
) -> SentenceSynthesized:
    return SentenceSynthesized(
        reply=reply,
        index=index,
        outcome=outcome,
        audio_ms=audio_ms,
        first_audio_ms=1.0,
        synthesis_ms=1.0,
        cached=False,
        engine="piper",
        voice="joe",
    )


# -- greeting and turns ------------------------------------------------------------------------------


async def test_the_greeting_is_reply_one_and_answers_no_turn() -> None:
    call = talk()
    said = await call.follow(call.dialogue.begin())
    assert texts(said) == ["Bright Smile, good morning.", "How can I help you?"]
    assert [body.turn for body in said if isinstance(body, ReplySentence)] == [None, None]
    (done,) = completions(said)
    assert (done.reply, done.outcome, done.engine, done.then) == (1, Outcome.DONE, "script", Next.LISTEN)


async def test_the_call_is_greeted_once_and_not_after_a_turn() -> None:
    call = talk()
    await call.greet()
    assert call.dialogue.begin() == Step()
    late = talk()
    await late.turn(1, "Hello?")
    assert late.dialogue.begin() == Step()


async def test_a_turn_is_answered_in_sentences_and_one_completion() -> None:
    call = talk()
    await call.greet()
    said = await call.follow(call.dialogue.turn_ended(turn(1, "Are you open?")))
    assert texts(said) == ["Yes, we are.", "Anything else?"]
    (done,) = completions(said)
    assert (done.reply, done.turn, done.outcome, done.sentences) == (2, 1, Outcome.DONE, 2)
    assert done.engine == "model"
    assert said[-1] is done


async def test_a_turn_that_was_answered_is_ignored() -> None:
    call = talk()
    await call.turn(1, "Are you open?")
    await call.turn(2, "Really?")
    assert call.dialogue.turn_ended(turn(2, "Really?")) == Step()
    assert call.dialogue.turn_ended(turn(1, "Are you open?")) == Step()


async def test_the_engine_is_told_what_was_heard_before() -> None:
    call = talk()
    await call.greet()
    await call.turn(1, "Are you open?")
    await call.turn(2, "Until when?")
    assert call.engine.prompts[-1].lines == (
        Line(AGENT, GREETING),
        Line(CALLER, "Are you open?"),
        Line(AGENT, "Yes, we are. Anything else?"),
        Line(CALLER, "Until when?"),
    )


@pytest.mark.parametrize(("turns", "lines"), [(0, 1), (1, 3), (2, 5), (50, 18)])
async def test_memory_goes_back_as_many_turns_as_the_assistant_says(turns: int, lines: int) -> None:
    call = talk(memory_turns=turns)
    await call.greet()
    for number in range(1, 10):
        await call.turn(number, f"Question {number}?")
    assert len(call.engine.prompts[-1].lines) == lines


async def test_a_new_turn_stops_the_answer_to_the_last_one() -> None:
    call = talk(["Yes. ", "And ", asyncio.Event()], ["Sure."])
    await call.follow_until(call.dialogue.turn_ended(turn(1, "Are you open?")), 1)
    said = await call.follow(call.dialogue.turn_ended(turn(2, "Never mind, is there parking?")))
    cut, done = completions(said)
    assert (cut.reply, cut.outcome, cut.sentences) == (1, Outcome.CANCELLED, 1)
    assert (done.reply, done.outcome) == (2, Outcome.DONE)
    assert call.engine.ended == 2


async def test_keys_are_told_with_the_next_turn() -> None:
    call = talk()
    for digit in "42#":
        call.dialogue.key_pressed(DtmfReceived(digit_pii=digit))
    await call.turn(1, "My number.")
    await call.turn(2, "Did you get it?")
    assert call.engine.prompts[0].lines == (Line(Speaker.KEYPAD, "42#"), Line(CALLER, "My number."))
    assert [line.speaker for line in call.engine.prompts[1].lines].count(Speaker.KEYPAD) == 1


# -- interruptions -----------------------------------------------------------------------------------


async def test_speech_stops_the_reply_in_the_making_and_memory_keeps_what_was_heard() -> None:
    call = talk(["We open at nine. We close at six. A", asyncio.Event()], ["Yes."])
    await call.greet()
    await call.follow_until(call.dialogue.turn_ended(turn(1, "When?")), 2)
    call.dialogue.sentence_synthesized(synthesized(2, 1, 2000.0))
    step = call.dialogue.speech_started(speech(2))
    assert step.stop is call.dialogue.growing
    await call.follow(step)
    assert completions(call.said)[-1].outcome is Outcome.CANCELLED
    assert call.dialogue.playout_ended(played(2, Outcome.CANCELLED, 1, 1000.0)) == Step()
    await call.turn(2, "On Sunday too?")
    assert call.engine.prompts[-1].lines[-2] == Line(AGENT, "We open at nine. We close")


async def test_speech_over_a_reply_that_is_complete_trims_memory_only() -> None:
    call = talk()
    await call.turn(1, "Are you open?")
    assert call.dialogue.speech_started(speech(2)) == Step()
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 1))
    assert call.memory[-1] == (AGENT, "Yes, we are.")


async def test_the_gateway_may_report_before_the_speech_is_heard_of() -> None:
    call = talk(["We open at nine. W", asyncio.Event()])
    await call.follow_until(call.dialogue.turn_ended(turn(1, "When?")), 1)
    step = call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 0, 10.0))
    await call.follow(step)
    assert completions(call.said)[-1].outcome is Outcome.CANCELLED
    assert call.dialogue.speech_started(speech(2)) == Step()
    assert call.memory == [(CALLER, "When?")]


async def test_a_sentence_that_failed_in_synthesis_has_no_length() -> None:
    call = talk(["We open at nine."])
    await call.turn(1, "When?")
    call.dialogue.sentence_synthesized(synthesized(1, 0, 100.0))
    call.dialogue.sentence_synthesized(synthesized(1, 0, 0.0, Outcome.FAILED))
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 0, 100.0))
    assert call.memory[-1] == (AGENT, "We open at nine.")


async def test_two_turns_with_nothing_heard_between_are_one_question() -> None:
    call = talk()
    await call.greet()
    await call.turn(1, "I would like to move my appointment")
    call.dialogue.speech_started(speech(2))  # before any of the answer was played: no report comes
    await call.turn(2, "from March to April.")
    assert call.engine.prompts[-1].question_pii == "I would like to move my appointment from March to April."


async def test_speech_does_not_stop_an_assistant_that_may_not_be_interrupted() -> None:
    call = talk(["We open at nine. W", asyncio.Event()], barge_in=False)
    await call.follow_until(call.dialogue.turn_ended(turn(1, "When?")), 1)
    assert call.dialogue.speech_started(speech(2)) == Step()
    assert call.memory[-1] == (AGENT, "We open at nine.")


async def test_speech_of_a_turn_that_is_over_stops_nothing() -> None:
    call = talk(["We open at nine. W", asyncio.Event()])
    await call.follow_until(call.dialogue.turn_ended(turn(1, "When?")), 1)
    assert call.dialogue.speech_started(speech(1)) == Step()


async def test_speech_before_anything_was_said_stops_nothing() -> None:
    call = talk()
    assert call.dialogue.speech_started(speech(1)) == Step()
    assert call.dialogue.growing is None


async def test_a_noise_resumes_from_the_sentence_that_was_not_heard() -> None:
    call = talk(["We open at nine. We close at six. On Sunday we rest."])
    await call.turn(1, "When?")
    call.dialogue.speech_started(speech(2))
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 1, 400.0))
    said = await call.follow(call.dialogue.speech_dismissed(dismissed(2)))
    assert texts(said) == ["We close at six.", "On Sunday we rest."]
    assert {(body.reply, body.turn) for body in said if isinstance(body, ReplySentence)} == {(2, 1)}
    assert completions(said)[0].outcome is Outcome.DONE
    assert call.memory[-1] == (AGENT, "We open at nine. We close at six. On Sunday we rest.")
    assert len(call.engine.prompts) == 1


async def test_a_noise_in_the_making_lets_the_engine_go_on() -> None:
    call = talk(["We open at nine. W", asyncio.Event()], ["We close at six."])
    await call.follow_until(call.dialogue.turn_ended(turn(1, "When?")), 1)
    await call.follow(call.dialogue.speech_started(speech(2)))
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 1))
    said = await call.follow(call.dialogue.speech_dismissed(dismissed(2)))
    assert texts(said) == ["We close at six."]
    assert call.engine.prompts[-1].said_pii == "We open at nine."
    assert call.engine.prompts[-1].lines == (Line(CALLER, "When?"),)


async def test_a_turn_without_a_word_is_a_noise() -> None:
    call = talk(["We open at nine."])
    await call.turn(1, "When?")
    call.dialogue.speech_started(speech(2))
    assert await call.turn(2, "  ") == ["We open at nine."]


async def test_a_noise_that_interrupted_nothing_resumes_nothing() -> None:
    call = talk()
    assert call.dialogue.speech_dismissed(dismissed(1)) == Step()
    await call.turn(1, "Are you open?")
    call.dialogue.playout_ended(played(1, Outcome.DONE, 2))
    call.dialogue.speech_started(speech(2))
    assert call.dialogue.speech_dismissed(dismissed(2)) == Step()


async def test_only_the_noise_that_took_the_floor_gives_it_back() -> None:
    call = talk()
    await call.turn(1, "Are you open?")
    call.dialogue.speech_started(speech(2))
    assert call.dialogue.speech_dismissed(dismissed(1)) == Step()


async def test_what_was_interrupted_and_heard_to_its_end_is_not_said_again() -> None:
    call = talk(["Yes."])
    await call.turn(1, "Are you open?")
    call.dialogue.speech_started(speech(2))
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 1))
    assert call.dialogue.speech_dismissed(dismissed(2)) == Step()


async def test_reports_on_replies_that_nobody_gave_are_refused() -> None:
    call = talk()
    await call.greet()
    with pytest.raises(OutOfOrder, match="reply 7"):
        call.dialogue.playout_ended(played(7, Outcome.DONE, 1))
    with pytest.raises(OutOfOrder, match="reply 7"):
        call.dialogue.sentence_synthesized(synthesized(7, 0, 1.0))
    with pytest.raises(OutOfOrder):
        call.dialogue.playout_ended(played(1, Outcome.DONE, 2))


# -- endings -----------------------------------------------------------------------------------------


async def test_a_goodbye_is_answered_with_the_farewell_and_hangs_up() -> None:
    call = talk()
    said = await call.follow(call.dialogue.turn_ended(turn(1, "Thank you, goodbye.")))
    assert texts(said) == ["Thank you for calling.", "Goodbye."]
    (done,) = completions(said)
    assert (done.then, done.outcome, done.engine) == (Next.HANG_UP, Outcome.DONE, "script")
    assert call.engine.prompts == []


async def test_after_a_farewell_the_caller_may_go_on() -> None:
    call = talk()
    await call.turn(1, "Thank you, goodbye.")
    call.dialogue.speech_started(speech(2))
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 0, 200.0))
    assert await call.turn(2, "Wait, is there parking?") == ["Yes, we are.", "Anything else?"]
    assert completions(call.said)[-1].then is Next.LISTEN


async def test_a_noise_over_the_farewell_still_ends_the_call() -> None:
    call = talk()
    await call.turn(1, "Thank you, goodbye.")
    call.dialogue.speech_started(speech(2))
    call.dialogue.playout_ended(played(1, Outcome.CANCELLED, 1))
    said = await call.follow(call.dialogue.speech_dismissed(dismissed(2)))
    assert texts(said) == ["Goodbye."]
    assert completions(said)[0].then is Next.HANG_UP


async def test_when_every_engine_fails_the_assistant_apologizes_and_hangs_up() -> None:
    call = talk([EngineUnavailable("down")])
    said = await call.follow(call.dialogue.turn_ended(turn(1, "Are you open?")))
    assert [body.next_engine for body in said if isinstance(body, EngineFailed)] == [None]
    assert texts(said) == ["I am sorry, that does not work now.", "Goodbye."]
    (done,) = completions(said)
    assert (done.outcome, done.then, done.engine) == (Outcome.FAILED, Next.HANG_UP, "script")


async def test_when_no_engine_knows_the_assistant_says_so_and_listens() -> None:
    call = talk([NoAnswer("far off")])
    said = await call.follow(call.dialogue.turn_ended(turn(1, "What is the capital of France?")))
    assert texts(said) == ["I do not know that.", "Anything else?"]
    (done,) = completions(said)
    assert (done.outcome, done.then) == (Outcome.DONE, Next.LISTEN)


async def test_a_failure_in_the_middle_leaves_it_at_what_was_said() -> None:
    call = talk(["We open at nine. And", EngineUnavailable("broke off")])
    said = await call.follow(call.dialogue.turn_ended(turn(1, "When?")))
    assert texts(said) == ["We open at nine."]
    (done,) = completions(said)
    assert (done.outcome, done.then, done.sentences) == (Outcome.FAILED, Next.LISTEN, 1)


async def test_times_are_told_from_the_turn() -> None:
    waiting = asyncio.Event()
    call = talk(["One. T", waiting, "wo."])
    step = call.dialogue.turn_ended(turn(1, "Count."))
    task = asyncio.create_task(call.follow(step))
    await call.clock.advance(0.5)
    waiting.set()
    (done,) = completions(await task)
    assert (done.first_sentence_ms, done.total_ms) == (0.0, 500.0)


APOLOGY = ["I am sorry, that does not work now.", "Goodbye."]
ANSWERS: st.SearchStrategy[list[ScriptStep]] = st.one_of(
    st.just(["It is. ", "Anything else?"]),
    st.just([NoAnswer("far off")]),
    st.just([EngineUnavailable("it is down")]),
    st.just(["It is. ", "And it", EngineUnavailable("it broke off")]),
    st.just([ZeroDivisionError("oops")]),
    st.just(["  "]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ANSWERS, min_size=1, max_size=3), min_size=1, max_size=6))
async def test_property_10_error_recovery_graceful_degradation(turns: list[list[list[ScriptStep]]]) -> None:
    """Feature: ai-voice-agent, Property 10: Error Recovery Graceful Degradation: whatever engines do, each
    turn is answered once and with words; where all failed, by an apology, after which the call is hung up.
    """
    clock, names = ManualClock(), ("one", "two", "three")
    engines = {name: ScriptedEngine(["Yes."]) for name in names}
    dialogue = Dialogue(assistant(), Chain(engines), clock)
    one = Talk(dialogue, engines["one"], clock)
    await one.greet()
    for number, answers in enumerate(turns, 1):
        for name, engine in engines.items():
            at = names.index(name)
            engine.scripts = [answers[at]] if at < len(answers) else [[EngineUnavailable("gone")]]
            engine.prompts.clear()
        said = await one.follow(dialogue.turn_ended(turn(number, "Are you open?")))
        (completed,) = (body for body in said if isinstance(body, ReplyCompleted))
        assert completed is said[-1]
        assert completed.turn == number
        assert completed.sentences == len(texts(said)) > 0
        assert dialogue.growing is None
        gave_up = completed.outcome is Outcome.FAILED
        assert (completed.then is Next.HANG_UP) == (gave_up and "It is." not in texts(said))
        if completed.then is Next.HANG_UP:
            assert texts(said) == APOLOGY
