from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llm_service.ports import Line, Prompt, Speaker
from llm_service.prompts import chat_messages, system_text
from tests.unit.llm_service.scripted import assistant

CALLER, AGENT, KEYPAD = Speaker.CALLER, Speaker.AGENT, Speaker.KEYPAD


def test_the_system_text_holds_prompt_manners_language_and_knowledge() -> None:
    text = system_text(assistant(language="de-DE"))
    assert text.startswith("You answer the phone of a dental practice.")
    assert "one or two short sentences" in text
    assert "de-DE" in text
    assert "- How much does a cleaning cost? A cleaning costs $95." in text


def test_without_knowledge_none_is_claimed() -> None:
    assert "What you know" not in system_text(assistant(knowledge=()))


def test_the_chat_begins_with_the_caller_even_when_the_agent_greeted_first() -> None:
    prompt = Prompt(assistant(), (Line(AGENT, "Good morning."), Line(CALLER, "Hello.")))
    assert [(m.role, m.content_pii) for m in chat_messages(prompt)[1:]] == [
        ("user", "(The call is connected.)"),
        ("assistant", "Good morning."),
        ("user", "Hello."),
    ]


def test_lines_of_one_speaker_become_one_message() -> None:
    prompt = Prompt(assistant(), (Line(KEYPAD, "5#"), Line(CALLER, "I would like"), Line(CALLER, "to move.")))
    assert chat_messages(prompt)[1].content_pii == "[keypad 5#] I would like to move."


def test_an_answer_that_was_begun_is_to_be_continued() -> None:
    prompt = Prompt(assistant(), (Line(CALLER, "When?"),), said_pii="At nine.")
    assert [(m.role) for m in chat_messages(prompt)[1:]] == ["user", "assistant", "user"]
    assert chat_messages(prompt)[-2].content_pii == "At nine."
    assert "not repeat" in chat_messages(prompt)[-1].content_pii


LINES = st.lists(st.builds(Line, st.sampled_from(Speaker), st.sampled_from(["one", "two"])), max_size=8)


@given(LINES, st.sampled_from(["", "Said."]))
def test_roles_take_turns_whatever_was_said(lines: list[Line], said: str) -> None:
    roles = [message.role for message in chat_messages(Prompt(assistant(), tuple(lines), said))]
    assert roles[0] == "system"
    assert roles[1] == "user"
    assert all(one != other for one, other in pairwise(roles))


def test_the_question_is_all_that_was_said_since_the_agent_was_heard() -> None:
    lines = (
        Line(CALLER, "Hello."),
        Line(AGENT, "Yes?"),
        Line(CALLER, "I would like"),
        Line(KEYPAD, "5"),
        Line(CALLER, "to move my appointment."),
    )
    assert Prompt(assistant(), lines).question_pii == "I would like to move my appointment."
    assert Prompt(assistant(), ()).question_pii == ""
