from __future__ import annotations

import asyncio

from contracts.messages import EngineChain, Outcome, PlayoutEnded, ReplyCompleted, ReplySentence
from llm_service.chain import Chain
from llm_service.dialogue import Dialogue, Said
from llm_service.ports import Line, Speaker
from tests.support.clock import ManualClock
from tests.unit.llm_service.scripted import ScriptedEngine, Step, assistant, turn

_FILLERS = ("One moment.", "Let me see.")


def slow_talk(clock: ManualClock, *script: Step, fillers: tuple[str, ...] = _FILLERS) -> Dialogue:
    who = assistant(fillers=fillers, filler_after_ms=250, engines=EngineChain(llm=("synthetic",)))
    return Dialogue(who, Chain({"synthetic": ScriptedEngine(list(script))}), clock)


async def speak(dialogue: Dialogue, number: int = 1) -> tuple[list[Said], asyncio.Task[None]]:
    """Answer a turn in the background; what was said so far grows in the list."""
    said: list[Said] = []
    step = dialogue.turn_ended(turn(number, "How long does it take?"))
    assert step.reply is not None
    reply = step.reply

    async def gather() -> None:
        async for body in dialogue.speak(reply):
            said.append(body)  # noqa: PERF401  # what is said so far is looked at

    return said, asyncio.ensure_future(gather())


def texts(said: list[Said]) -> list[str]:
    return [body.text_pii for body in said if isinstance(body, ReplySentence)]


async def test_a_slow_answer_is_preceded_by_one_filler() -> None:
    clock, answer = ManualClock(), asyncio.Event()
    said, speaking = await speak(slow_talk(clock, answer, "About an hour."))
    await clock.advance(0.249)
    assert texts(said) == []
    await clock.advance(0.002)
    assert texts(said) == ["Let me see."]
    await clock.advance(5)
    assert texts(said) == ["Let me see."]
    answer.set()
    await speaking
    assert texts(said) == ["Let me see.", "About an hour."]
    completed = said[-1]
    assert isinstance(completed, ReplyCompleted)
    assert completed.sentences == 2
    assert completed.outcome is Outcome.DONE


async def test_a_quick_answer_needs_none() -> None:
    clock = ManualClock()
    said, speaking = await speak(slow_talk(clock, "About an hour. Sometimes less."))
    await speaking
    await clock.advance(1)
    assert texts(said) == ["About an hour.", "Sometimes less."]


async def test_without_fillers_the_caller_waits_in_silence() -> None:
    clock, answer = ManualClock(), asyncio.Event()
    said, speaking = await speak(slow_talk(clock, answer, "Yes.", fillers=()))
    await clock.advance(2)
    assert texts(said) == []
    answer.set()
    await speaking
    assert texts(said) == ["Yes."]


async def test_a_filler_is_neither_remembered_nor_taken_for_an_answer() -> None:
    clock, answer = ManualClock(), asyncio.Event()
    dialogue = slow_talk(clock, answer, "About an hour. Sometimes less.")
    said, speaking = await speak(dialogue)
    await clock.advance(0.3)
    answer.set()
    await speaking
    dialogue.playout_ended(
        PlayoutEnded(reply=1, outcome=Outcome.CANCELLED, heard_ms=900, heard_sentences=2, ended_us=1)
    )
    assert texts(said)[0] == "Let me see."
    assert dialogue.lines == (
        Line(Speaker.CALLER, "How long does it take?"),
        Line(Speaker.AGENT, "About an hour."),
    )


async def test_when_nothing_follows_the_filler_the_agent_apologizes() -> None:
    clock, answer = ManualClock(), asyncio.Event()
    said, speaking = await speak(slow_talk(clock, answer, ValueError("down")))
    await clock.advance(0.3)
    answer.set()
    await speaking
    assert texts(said) == ["Let me see.", "I am sorry, that does not work now.", "Goodbye."]


async def test_an_answer_that_is_stopped_while_the_caller_waits_stops_the_engine() -> None:
    clock = ManualClock()
    engine = ScriptedEngine([asyncio.Event(), "Never."])
    dialogue = Dialogue(assistant(fillers=_FILLERS), Chain({"synthetic": engine}), clock)
    said, speaking = await speak(dialogue)
    await clock.advance(0.3)
    speaking.cancel()
    await asyncio.wait({speaking})
    assert engine.ended == 1
    assert texts(said) == ["Let me see."]
