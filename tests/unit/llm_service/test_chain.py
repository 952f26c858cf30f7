from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ErrorCode
from contracts.messages import EngineFailed
from llm_service.chain import Answered, Asked, Chain, Part, Sentence, Unanswered
from llm_service.errors import EngineGarbled, EngineRejected, EngineUnavailable, NoAnswer
from llm_service.ports import Delta, Line, Prompt, Speaker
from tests.unit.llm_service.scripted import ScriptedEngine, assistant

PROMPT = Prompt(assistant(), (Line(Speaker.CALLER, "Hello?"),))


async def parts(**engines: ScriptedEngine) -> list[Part]:
    return [part async for part in Chain(engines).answer(PROMPT)]


async def test_the_first_engine_that_answers_is_the_only_one_asked() -> None:
    second = ScriptedEngine(["No."])
    first = ScriptedEngine(["Yes. ", "We ", "are.", Delta(prompt_tokens=7, completion_tokens=4)])
    assert await parts(first=first, second=second) == [
        Asked("first"),
        Sentence("Yes.", "first"),
        Sentence("We are.", "first"),
        Answered("first", 7, 4),
    ]
    assert second.prompts == []


async def test_no_answer_falls_through_without_a_word_of_failure() -> None:
    found = await parts(faq=ScriptedEngine([NoAnswer("far off")]), model=ScriptedEngine(["Yes."]))
    assert found == [Asked("faq"), Asked("model"), Sentence("Yes.", "model"), Answered("model")]


async def test_an_engine_without_a_word_knew_no_answer() -> None:
    found = await parts(one=ScriptedEngine(["  \n"]), two=ScriptedEngine(["Yes."]))
    assert found == [Asked("one"), Asked("two"), Sentence("Yes.", "two"), Answered("two")]


async def test_a_failure_names_the_engine_that_takes_over() -> None:
    broken = ScriptedEngine([EngineUnavailable("it is down", mend="start it")])
    found = await parts(one=broken, two=ScriptedEngine(["Yes."]))
    failure = found[1]
    assert isinstance(failure, EngineFailed)
    assert (failure.engine, failure.next_engine) == ("one", "two")
    assert (failure.code, failure.retryable) == (ErrorCode.ENGINE_UNAVAILABLE, True)
    assert failure.detail == "it is down (start it)"
    assert found[-1] == Answered("two")


async def test_after_the_last_failure_nobody_is_left() -> None:
    one, two = ScriptedEngine([EngineRejected("no")]), ScriptedEngine([EngineGarbled("junk")])
    found = await parts(one=one, two=two)
    assert [part.next_engine for part in found if isinstance(part, EngineFailed)] == ["two", None]
    assert found[-1] == Unanswered(failed=True)


async def test_when_nobody_knows_nothing_has_failed() -> None:
    assert (await parts(faq=ScriptedEngine([NoAnswer("far off")])))[-1] == Unanswered(failed=False)


async def test_the_next_engine_goes_on_from_what_was_said() -> None:
    breaking = ScriptedEngine(["We open at nine. We close at", EngineUnavailable("broke off")])
    going_on = ScriptedEngine(["At six we close."])
    found = await parts(one=breaking, two=going_on)
    assert [part.text for part in found if isinstance(part, Sentence)] == [
        "We open at nine.",
        "At six we close.",
    ]
    assert going_on.prompts[0].said_pii == "We open at nine."


async def test_having_gone_on_without_a_word_is_an_answer() -> None:
    breaking = ScriptedEngine(["We open at nine. W", EngineUnavailable("broke off")])
    assert (await parts(one=breaking, two=ScriptedEngine([])))[-1] == Answered("two")


async def test_an_engine_that_crashes_costs_no_more_than_itself(caplog: pytest.LogCaptureFixture) -> None:
    found = await parts(one=ScriptedEngine([ZeroDivisionError("oops")]), two=ScriptedEngine(["Yes."]))
    failure = found[1]
    assert isinstance(failure, EngineFailed)
    assert failure.code is ErrorCode.INTERNAL
    assert "ZeroDivisionError" in failure.detail
    assert "oops" in caplog.text
    assert found[-1] == Answered("two")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("We are open. And then there", ["We are open."]),
        ("We are open. And then.", ["We are open.", "And then."]),
        ("There is only thi", ["There is only thi"]),
    ],
)
async def test_a_torso_is_not_spoken_unless_it_is_all(text: str, spoken: list[str]) -> None:
    found = await parts(one=ScriptedEngine([text, Delta(cut_short=True)]))
    assert [part.text for part in found if isinstance(part, Sentence)] == spoken


async def test_closing_the_answer_stops_the_engine() -> None:
    engine = ScriptedEngine(["Yes. ", "And", asyncio.Event()])
    async with aclosing(Chain({"one": engine}).answer(PROMPT)) as answer:
        async for part in answer:
            if isinstance(part, Sentence):
                break
    assert engine.ended == 1


async def test_preparing_goes_on_past_an_engine_that_cannot(caplog: pytest.LogCaptureFixture) -> None:
    class Unprepared(ScriptedEngine):
        async def prepare(self, assistant: object) -> None:
            raise EngineUnavailable("it is down")

    second = ScriptedEngine([])
    await Chain({"one": Unprepared([]), "two": second}).prepare(assistant())
    assert second.prepared == ["front-desk"]
    assert "one could not prepare" in caplog.text


FAULTS = (EngineUnavailable("down"), EngineRejected("no"), EngineGarbled("junk"), ZeroDivisionError("oops"))
FAULT_KINDS = tuple(type(fault) for fault in FAULTS)
SCRIPTS = st.lists(
    st.one_of(
        st.just((0, NoAnswer("far off"))),
        st.tuples(st.integers(0, 3), st.sampled_from([None, *FAULTS])),
    ),
    min_size=1,
    max_size=5,
)
"""How many sentences each engine says, and what it raises then, if anything."""


def scripted(at: int, sentences: int, error: Exception | None) -> ScriptedEngine:
    told = [f"Engine {'abcde'[at]} says {'xyz'[index]} here. " for index in range(sentences)]
    return ScriptedEngine([*told, "And then", error] if error else [*told])


@settings(max_examples=150, deadline=None)
@given(SCRIPTS)
async def test_property_3_another_language_model_goes_on(scripts: list[tuple[int, Exception | None]]) -> None:
    """Feature: ai-voice-agent, Property 3: Provider Fallback Resilience: whichever engines fail, and wherever
    in an answer, the next one goes on after the last whole sentence, and the failure names it.
    """
    engines = {f"e{at}": scripted(at, *script) for at, script in enumerate(scripts)}
    found = await parts(**engines)
    said: list[str] = []
    failed: list[tuple[str, str | None]] = []
    for at, (count, error) in enumerate(scripts):
        said += [f"Engine {'abcde'[at]} says {'xyz'[index]} here." for index in range(count)]
        if error is None and said:
            break
        if isinstance(error, FAULT_KINDS):
            failed.append((f"e{at}", f"e{at + 1}" if at + 1 < len(scripts) else None))
    answered = scripts[at][1] is None and bool(said)
    assert [part.text for part in found if isinstance(part, Sentence)] == said
    assert [(part.engine, part.next_engine) for part in found if isinstance(part, EngineFailed)] == failed
    assert [part.engine for part in found if isinstance(part, Asked)] == list(engines)[: at + 1]
    assert found[-1] == (Answered(f"e{at}") if answered else Unanswered(bool(failed)))
