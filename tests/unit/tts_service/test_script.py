"""Whatever the order in which things come: sentences go out in order and once, and replies end once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tts_service.script import EndReply, Lost, Say, Script


def _all(script: Script[str]) -> list[Say[str] | EndReply]:
    steps: list[Say[str] | EndReply] = []
    while (step := script.next()) is not None:
        steps.append(step)
    return steps


def test_sentences_go_out_by_index_and_the_reply_ends_after_the_last() -> None:
    script: Script[str] = Script()
    assert script.add(1, None, 1, "b")
    assert script.next() is None
    assert script.add(1, None, 0, "a")
    assert _all(script) == [Say(1, 0, "a"), Say(1, 1, "b")]
    script.complete(1, None, 3)
    assert script.next() is None
    script.add(1, None, 2, "c")
    assert _all(script) == [Say(1, 2, "c"), EndReply(1, 3)]


def test_a_repeated_sentence_is_ignored_whenever_it_comes() -> None:
    script: Script[str] = Script()
    assert script.add(1, None, 0, "a") is True
    assert script.add(1, None, 0, "a") is None
    assert _all(script) == [Say(1, 0, "a")]
    assert script.add(1, None, 0, "a") is None
    script.complete(1, None, 1)
    assert _all(script) == [EndReply(1, 1)]
    assert script.add(1, None, 0, "a") is None


def test_a_reply_without_sentences_ends_at_once_and_once() -> None:
    script: Script[str] = Script()
    script.complete(1, 1, 0)
    script.complete(1, 1, 0)
    assert _all(script) == [EndReply(1, 0)]
    script.complete(1, 1, 0)
    assert _all(script) == []


def test_a_cancelled_reply_is_over_for_what_comes_late() -> None:
    script: Script[str] = Script()
    for index, text in enumerate("abc"):
        script.add(2, 1, index, text)
    assert script.next() == Say(2, 0, "a")
    assert script.cancel(2) == [Say(2, 1, "b"), Say(2, 2, "c")]
    assert script.add(2, 1, 3, "d") is False
    assert script.add(1, None, 0, "older") is False
    script.complete(2, 1, 4)
    assert _all(script) == []
    assert script.add(3, 2, 0, "new") is True
    assert _all(script) == [Say(3, 0, "new")]


def test_once_a_reply_is_being_said_nobody_goes_back_to_an_earlier_one() -> None:
    script: Script[str] = Script()
    script.add(2, 1, 0, "a")
    assert _all(script) == [Say(2, 0, "a")]
    assert script.add(1, None, 0, "older") is False
    script.add(2, 1, 1, "b")
    assert _all(script) == [Say(2, 1, "b")]


def test_only_what_answers_an_earlier_turn_is_before_a_turn() -> None:
    script: Script[str] = Script()
    assert script.before_turn(9) == 0
    script.add(1, None, 0, "greeting")
    script.add(2, 1, 0, "answer to 1")
    script.add(3, 2, 0, "answer to 2")
    assert [script.before_turn(turn) for turn in (1, 2, 3)] == [1, 2, 3]


def test_sentences_beyond_the_end_of_their_reply_are_given_back() -> None:
    script: Script[str] = Script()
    script.add(1, None, 0, "a")
    script.add(1, None, 2, "c")
    assert script.complete(1, None, 1) == [Say(1, 2, "c")]
    assert script.add(1, None, 1, "b") is False
    assert _all(script) == [Say(1, 0, "a"), EndReply(1, 1)]


def test_what_was_overtaken_can_be_given_up() -> None:
    script: Script[str] = Script()

    def overtaken() -> bool:
        return script.overtaken

    assert not overtaken()
    script.add(1, None, 1, "b")
    assert overtaken()
    assert script.give_up() == Lost(1, 0)
    assert script.add(1, None, 0, "a") is None, "it was reported as lost"
    assert _all(script) == [Say(1, 1, "b")]
    assert not overtaken(), "nothing has come since"
    assert script.give_up() is None
    script.add(2, 1, 0, "next reply")
    assert overtaken()
    assert script.give_up() == EndReply(1, 2)
    assert _all(script) == [Say(2, 0, "next reply")]


def _two_replies() -> Script[str]:
    script: Script[str] = Script()
    for reply, texts in ((1, "ab"), (2, "cd")):
        for index, text in enumerate(texts):
            script.add(reply, reply - 1, index, text)
    script.complete(1, 0, 2)
    return script


_ALL = [Say(1, 0, "a"), Say(1, 1, "b"), EndReply(1, 2), Say(2, 0, "c"), Say(2, 1, "d")]


@pytest.mark.parametrize(
    ("heard", "left"),
    [("", _ALL), ("a", _ALL[1:]), ("ab", _ALL[3:]), ("abc", _ALL[4:]), ("abcd", []), ("b", _ALL)],
)
def test_what_was_not_heard_is_said_again_and_the_rest_after_it(
    heard: str, left: list[Say[str] | EndReply]
) -> None:
    script = _two_replies()
    assert _all(script) == _ALL
    script.rewind(lambda item: item in heard)
    assert _all(script) == left
    script.add(2, 1, 2, "e")
    script.complete(2, 1, 3)
    assert _all(script) == [Say(2, 2, "e"), EndReply(2, 3)]


def test_a_reply_that_ended_and_was_heard_ends_again_for_who_has_nothing_of_it() -> None:
    script = _two_replies()
    script.complete(2, 1, 2)
    _all(script)
    script.rewind(lambda _: True)
    assert _all(script) == [EndReply(2, 2)]


def test_what_is_over_is_not_said_again() -> None:
    script = _two_replies()
    _all(script)
    assert script.cancel(1) == []
    script.rewind(lambda _: False)
    assert _all(script) == _ALL[3:]


def test_a_sentence_that_was_given_up_is_not_waited_for_again() -> None:
    script: Script[str] = Script()
    script.add(1, None, 1, "b")
    assert script.give_up() == Lost(1, 0)
    assert _all(script) == [Say(1, 1, "b")]
    script.rewind(lambda _: False)
    assert _all(script) == [Say(1, 1, "b")]


def test_a_reply_that_nobody_confirms_is_forgotten_after_eight_more() -> None:
    script: Script[str] = Script()
    for reply in range(1, 12):
        script.add(reply, reply, 0, str(reply))
        script.complete(reply, reply, 1)
        _all(script)
    script.rewind(lambda _: False)
    assert [say.reply for say in _all(script) if isinstance(say, Say)] == list(range(4, 12))


@pytest.mark.parametrize(("reply", "sentences", "left"), [(0, 0, _ALL), (1, 1, _ALL[1:]), (2, 1, _ALL[4:])])
def test_what_the_gateway_holds_is_skipped(
    reply: int, sentences: int, left: list[Say[str] | EndReply]
) -> None:
    script = _two_replies()
    script.skip(reply, sentences)
    assert _all(script) == left


@given(st.permutations(range(6)), st.integers(0, 6))
def test_any_order_of_arrival_gives_one_order_of_speech(order: list[int], completed_after: int) -> None:
    script: Script[str] = Script()
    said: list[Say[str] | EndReply] = []
    for position, index in enumerate(order):
        if position == completed_after:
            script.complete(1, None, 6)
        script.add(1, None, index, str(index))
        said += _all(script)
    script.complete(1, None, 6)
    said += _all(script)
    assert said == [*(Say(1, index, str(index)) for index in range(6)), EndReply(1, 6)]


_REPLIES = st.integers(1, 4)
_INDEXES = st.integers(0, 4)


class ScriptMachine(RuleBasedStateMachine):
    """Anything in any order, and the promises after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.script: Script[tuple[int, int]] = Script()
        self.added: set[tuple[int, int]] = set()
        self.ended: list[tuple[int, int]] = []  # said, cancelled or refused
        self.lost: list[tuple[int, int]] = []
        self.said: list[tuple[int, int]] = []
        self.replies_ended: list[int] = []
        self.cancelled = 0

    @rule(reply=_REPLIES, index=_INDEXES)
    def add(self, reply: int, index: int) -> None:
        verdict = self.script.add(reply, reply - 1, index, (reply, index))
        repeated = (reply, index) in self.added or (reply, index) in self.lost
        assert (verdict is None) == repeated
        if not repeated:
            self.added.add((reply, index))
        if verdict is False:
            self.ended.append((reply, index))

    @rule(reply=_REPLIES, sentences=st.integers(0, 5))
    def complete(self, reply: int, sentences: int) -> None:
        self.ended += [say.item for say in self.script.complete(reply, reply - 1, sentences)]

    @rule(through=_REPLIES)
    def cancel(self, through: int) -> None:
        self.ended += [say.item for say in self.script.cancel(through)]
        self.cancelled = max(self.cancelled, through)

    @rule(turn=st.integers(1, 4))
    def interrupt(self, turn: int) -> None:
        self.cancel(self.script.before_turn(turn))

    @rule()
    def step(self) -> None:
        self._take(self.script.next())

    @rule()
    def give_up(self) -> None:
        self._take(self.script.give_up())

    def _take(self, step: Say[tuple[int, int]] | EndReply | Lost | None) -> None:
        match step:
            case Say(reply, index, item):
                assert item == (reply, index)
                assert reply > self.cancelled
                self.said.append(item)
                self.ended.append(item)
            case EndReply(reply, _):
                assert reply > self.cancelled
                self.replies_ended.append(reply)
            case Lost(reply, index):
                self.lost.append((reply, index))

    @invariant()
    def goes_out_in_order(self) -> None:
        assert self.said == sorted(self.said)
        assert self.replies_ended == sorted(set(self.replies_ended))

    @invariant()
    def nothing_ends_twice(self) -> None:
        assert len(set(self.ended)) == len(self.ended)
        assert not set(self.lost) & set(self.ended)

    def teardown(self) -> None:
        self.ended += [say.item for say in self.script.drain()]
        assert sorted(self.ended) == sorted(self.added)
        assert self.script.next() is None


TestScript = ScriptMachine.TestCase
