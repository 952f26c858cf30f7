from __future__ import annotations

import pytest

from stt_service.engines.echoes import Utterance, first_telling, utterances

END, BEGIN = 1_000, 2_000
WORDS = ["", " I", " broke", " a", " tooth", ".", " No", ",", " no", " It", " hurt", "s", " It", " hurts"]


def spell(tokens: list[int]) -> str:
    return "".join(WORDS[token] for token in tokens)


def at(seconds: float) -> int:
    return BEGIN + round(seconds / 0.02)


def said(*tokens: int, duration_s: float = 2.0, cut_off: bool = False) -> str:
    return spell(first_telling(utterances(tokens, END, BEGIN, 0.02), spell, duration_s, cut_off=cut_off))


def test_tokens_are_cut_at_their_timestamps() -> None:
    tokens = [at(0), 1, 2, at(1.2), at(1.2), 3, 4, at(2.0), END]
    assert utterances(tokens, END, BEGIN, 0.02) == [Utterance(0.0, (1, 2)), Utterance(1.2, (3, 4))]


def test_tokens_without_a_last_timestamp_are_an_utterance_too() -> None:
    assert utterances([at(0), 1, 2], END, BEGIN, 0.02) == [Utterance(0.0, (1, 2))]
    assert utterances([1, 2], END, BEGIN, 0.02) == [Utterance(0.0, (1, 2))]
    assert utterances([at(0), at(1)], END, BEGIN, 0.02) == []


def test_two_sentences_stay_two() -> None:
    assert said(at(0), 1, 2, 3, 4, 5, at(1), at(1), 9, 13, 5, at(1.9)) == " I broke a tooth. It hurts."


def test_what_is_said_again_at_the_end_of_the_audio_is_dropped() -> None:
    assert said(at(0), 1, 2, 3, 4, 5, at(1.8), at(1.8), 1, 2, at(3)) == " I broke a tooth."


def test_what_is_said_after_the_end_of_the_audio_is_dropped() -> None:
    assert said(at(0), 1, 2, 3, 4, 5, at(2), at(2), 9, 13, at(3)) == " I broke a tooth."


def test_something_new_close_to_the_end_is_kept() -> None:
    assert said(at(0), 1, 2, 3, 4, 5, at(1.8), at(1.8), 6, 5, at(2)) == " I broke a tooth. No."


def test_the_same_again_in_the_middle_is_kept() -> None:
    assert said(at(0), 6, 5, at(0.5), at(0.5), 6, 5, at(1)) == " No. No."


def test_a_first_utterance_is_kept_whatever_its_time() -> None:
    assert said(at(2.5), 6, 5, at(3)) == " No."


@pytest.mark.parametrize(
    "tokens",
    [
        [1, 2, 3, 4, 5, 1, 2, 3],
        [1, 2, 3, 4, 5, 1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2],
    ],
)
def test_a_telling_that_was_cut_off_ends_where_it_began_again(tokens: list[int]) -> None:
    assert said(at(0), *tokens, cut_off=True) == " I broke a tooth."
    assert said(at(0), *tokens) == spell(tokens)


def test_the_last_word_of_a_cut_telling_may_be_a_torso() -> None:
    assert said(at(0), 9, 13, 3, 4, 5, 12, 10, cut_off=True) == " It hurts a tooth."


def test_one_word_over_and_over_is_one_word() -> None:
    assert said(at(0), 6, 7, 8, 7, 8, 7, 8, cut_off=True) == " No,"


def test_a_cut_telling_without_an_echo_is_kept() -> None:
    assert said(at(0), 1, 2, 3, 4, cut_off=True) == " I broke a tooth"
    assert said(at(0), 6, cut_off=True) == " No"


def test_nothing_is_nothing() -> None:
    assert said(at(0), at(1)) == ""
    assert said(cut_off=True) == ""
