from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import Next, Outcome, PlayoutEnded
from llm_service.errors import OutOfOrder
from llm_service.replies import Plan, Reply, Words

FIRST = "On Saturday we are open."
SECOND = "From nine in the morning to one."
THIRD = "On Sunday we are closed."


def report(outcome: Outcome, sentences: int, partial_ms: float = 0.0) -> PlayoutEnded:
    return PlayoutEnded(
        reply=2,
        outcome=outcome,
        heard_ms=sentences * 1000 + partial_ms,
        heard_sentences=sentences,
        partial_ms=partial_ms,
        ended_us=0,
    )


def spoken(*texts: str, plan: Plan | None = None, whole: bool = True) -> Reply:
    reply = Reply(2, plan or Plan(turn=1, ask=True), "faq", now_s=10.0)
    for text in texts:
        reply.say(Words(text, "faq"), now_s=10.25)
    if whole:
        reply.complete(Outcome.DONE, now_s=10.5)
    return reply


def test_sentences_are_numbered_and_timed_from_the_beginning() -> None:
    reply = Reply(2, Plan(turn=1, ask=True), "faq", now_s=10.0)
    first = reply.say(Words(FIRST, "faq"), now_s=10.25)
    second = reply.say(Words(SECOND, "openai"), now_s=10.75)
    assert (first.reply, first.turn, first.index, first.text_pii, first.engine) == (2, 1, 0, FIRST, "faq")
    assert (second.index, second.engine) == (1, "openai")
    done = reply.complete(Outcome.DONE, now_s=11.0, prompt_tokens=5, completion_tokens=6)
    assert (done.sentences, done.engine, done.then) == (2, "openai", Next.LISTEN)
    assert (done.first_sentence_ms, done.total_ms) == (250.0, 1000.0)
    assert (done.prompt_tokens, done.completion_tokens) == (5, 6)


def test_a_reply_is_completed_once() -> None:
    reply = spoken(FIRST)
    assert reply.cut(11.0) is None
    with pytest.raises(OutOfOrder):
        reply.complete(Outcome.DONE, 11.0)


def test_a_cut_reply_never_hangs_up() -> None:
    reply = Reply(2, Plan(turn=1, then=Next.HANG_UP), "script", now_s=10.0)
    cut = reply.cut(10.1)
    assert cut is not None
    assert (cut.outcome, cut.then, cut.sentences) == (Outcome.CANCELLED, Next.LISTEN, 0)
    assert cut.first_sentence_ms == cut.total_ms


def test_all_counts_as_heard_until_something_says_otherwise() -> None:
    assert spoken(FIRST, SECOND).heard == f"{FIRST} {SECOND}"


def test_a_reply_that_was_talked_over_waits_for_the_report() -> None:
    reply = spoken(FIRST, SECOND)
    reply.talked_over()
    assert reply.heard == ""
    reply.played(report(Outcome.CANCELLED, 1))
    assert reply.heard == FIRST


def test_what_was_played_to_its_end_was_heard() -> None:
    reply = spoken(FIRST, SECOND)
    reply.talked_over()
    reply.played(report(Outcome.DONE, 1))  # a frame that marked a sentence's end was lost
    assert reply.heard == f"{FIRST} {SECOND}"


def test_a_second_report_is_refused() -> None:
    reply = spoken(FIRST)
    reply.played(report(Outcome.DONE, 1))
    with pytest.raises(OutOfOrder):
        reply.played(report(Outcome.CANCELLED, 0))


@pytest.mark.parametrize(
    ("partial_ms", "heard"),
    [(0, ""), (100, ""), (600, "From nine"), (1000, "From nine in the"), (2000, SECOND), (9000, SECOND)],
)
def test_the_part_that_was_heard_is_whole_words_by_time(partial_ms: float, heard: str) -> None:
    reply = spoken(FIRST, SECOND)
    reply.sounds(1, 2000.0)
    reply.played(report(Outcome.CANCELLED, 1, partial_ms))
    assert reply.heard == f"{FIRST} {heard}".rstrip()


def test_without_its_length_a_sentence_is_taken_at_a_common_pace() -> None:
    reply = spoken(FIRST, SECOND)
    reply.played(report(Outcome.CANCELLED, 1, len("From nine in") * 65 + 80))
    assert reply.heard == f"{FIRST} From nine in"


@given(st.integers(0, 3), st.floats(0, 20_000), st.floats(1, 10_000))
def test_what_was_heard_is_a_beginning_of_what_was_said(sentences: int, partial: float, audio: float) -> None:
    reply = spoken(FIRST, SECOND, THIRD)
    for index in range(3):
        reply.sounds(index, audio)
    reply.played(report(Outcome.CANCELLED, sentences, partial))
    assert reply.said.startswith(reply.heard)
    assert reply.heard.startswith(" ".join([FIRST, SECOND, THIRD][:sentences]))


def test_resuming_begins_with_the_sentence_that_was_not_heard_whole() -> None:
    reply = spoken(FIRST, SECOND, THIRD)
    reply.talked_over()
    reply.sounds(1, 2000.0)
    reply.played(report(Outcome.CANCELLED, 1, 1000.0))
    plan = reply.resumption()
    assert plan is not None
    assert [words.text for words in plan.script] == [SECOND, THIRD]
    assert (plan.turn, plan.ask, plan.said_before) == (1, False, FIRST)
    assert reply.heard == FIRST, "the part is said again, so it is not remembered twice"


def test_resuming_what_was_cut_in_the_making_asks_for_the_rest() -> None:
    reply = spoken(FIRST, whole=False)
    reply.talked_over()
    reply.cut(11.0)
    plan = reply.resumption()
    assert plan is not None
    assert [words.text for words in plan.script] == [FIRST]
    assert plan.ask


def test_resuming_includes_the_script_that_was_not_begun() -> None:
    plan = Plan(turn=None, script=(Words(FIRST), Words(SECOND)))
    reply = Reply(1, plan, "script", now_s=0.0)
    reply.say(plan.script[0], 0.0)
    reply.talked_over()
    reply.cut(0.1)
    resumed = reply.resumption()
    assert resumed is not None
    assert [words.text for words in resumed.script] == [FIRST, SECOND]
    assert not resumed.ask


def test_there_is_nothing_to_resume_when_all_was_heard() -> None:
    reply = spoken(FIRST)
    reply.talked_over()
    reply.played(report(Outcome.CANCELLED, 1))
    assert reply.resumption() is None


def test_a_farewell_heard_to_its_last_word_is_said_again_to_end_the_call() -> None:
    reply = spoken(FIRST, SECOND, plan=Plan(turn=3, then=Next.HANG_UP))
    reply.talked_over()
    reply.played(report(Outcome.CANCELLED, 2))
    plan = reply.resumption()
    assert plan is not None
    assert [words.text for words in plan.script] == [SECOND]
    assert plan.then is Next.HANG_UP
