"""Each turn interrupts once, whoever tells of it."""

from gateway_service.turns import Turns

SECOND_US = 1_000_000


def test_speech_and_the_end_of_its_turn_are_one_piece_of_news() -> None:
    turns = Turns()
    assert turns.started(1, 0)
    assert not turns.ended(1)
    assert turns.ended(2)
    assert not turns.started(2, 9 * SECOND_US)
    assert turns.started(3, 9 * SECOND_US)


def test_speech_that_a_replacement_hears_again_is_no_news() -> None:
    turns = Turns()
    assert turns.started(4, 10 * SECOND_US)
    assert not turns.started(4, 10 * SECOND_US + 64_000)
    assert not turns.ended(4)
    assert not turns.started(4, 20 * SECOND_US)


def test_later_speech_under_the_number_of_what_was_none_is_news() -> None:
    turns = Turns()
    assert turns.started(4, 10 * SECOND_US)
    assert turns.started(4, 14 * SECOND_US)
    assert not turns.started(4, 14 * SECOND_US)
