from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.codec import decode_float
from contracts.messages import Endpointing, SpeechDismissed, SpeechStarted, TurnEnded
from stt_service.actions import Decode, Purpose
from stt_service.edges import Levels, levels
from stt_service.ports import RATE_HZ, SpokenWord, Transcript
from stt_service.recognition import Rules
from stt_service.turns import TurnState
from tests.unit.stt_service.caller import FRAME, START_US, Caller, frame, saying
from tests.unit.stt_service.speech import silence, voice

MS = 1_000
WINDOW_MS = 20
NEVER = lambda _decode: None  # noqa: E731 - an engine that is still at it


def a_turn(caller: Caller, speech_ms: int = 1_000, quiet_ms: int = 1_000) -> list[TurnEnded]:
    caller.wait(500)
    caller.say(speech_ms)
    caller.wait(quiet_ms)
    return [body for body in caller.published if isinstance(body, TurnEnded)]


def test_a_turn_from_its_first_sample_to_its_last() -> None:
    caller = Caller(answer=saying("What are your opening hours?"))
    (ended,) = a_turn(caller)
    started = caller.events()[0]
    assert isinstance(started, SpeechStarted)
    assert started.turn == ended.turn == 1
    assert abs(started.started_us - (START_US + 500 * MS)) <= 20 * MS
    assert ended.speech_started_us == started.started_us
    assert abs(ended.speech_ended_us - (START_US + 1_500 * MS)) <= 20 * MS
    assert ended.audio_ms == pytest.approx(1_000, abs=30)
    assert (ended.text_pii, ended.language, ended.engine) == ("What are your opening hours?", "en", "fake")
    assert (ended.confidence, ended.decode_ms, ended.speculative) == (0.9, 80.0, True)


def test_speech_is_announced_after_two_windows() -> None:
    caller = Caller()
    caller.wait(500)
    caller.say(600)
    (started,) = caller.events()
    assert isinstance(started, SpeechStarted)
    assert started.detected_us - started.started_us <= (2 * WINDOW_MS + 20) * MS


def test_one_loud_window_is_no_speech() -> None:
    caller = Caller()
    caller.wait(500)
    caller.say(20)
    caller.wait(1_000)
    assert caller.published == []


@pytest.mark.parametrize(
    ("text", "quiet_ms"), [("I am done.", 450), ("I am not", 800), ("and the", 800), ("Yes", 450)]
)
def test_the_pause_that_ends_a_turn_depends_on_its_words(text: str, quiet_ms: int) -> None:
    caller = Caller(answer=saying(text))
    (ended,) = a_turn(caller, quiet_ms=1_200)
    assert abs(ended.decided_us - ended.speech_ended_us - quiet_ms * MS) <= (WINDOW_MS // 2 + 25) * MS


def test_the_waits_are_the_assistants_own() -> None:
    caller = Caller(Rules(partial_ms=None, endpointing=Endpointing(finished_ms=600, unfinished_ms=1_500)))
    (ended,) = a_turn(caller)
    assert abs(ended.decided_us - ended.speech_ended_us - 600 * MS) <= 45 * MS


def test_the_turn_is_decoded_with_its_preroll_once_the_caller_pauses() -> None:
    caller = Caller()
    a_turn(caller)
    (decode,) = caller.asked(Purpose.PAUSE)
    assert decode.segment.language == "en-US"
    assert 1_400 <= decode.segment.duration_s * 1000 <= 1_000 + 300 + 100 + 2 * WINDOW_MS + 40
    loud = np.flatnonzero(np.abs(decode.segment.samples) > 0.05)
    assert abs(loud[0] / RATE_HZ - 0.3) < 0.02


def test_a_turn_waits_for_a_slow_engine_and_ends_with_its_answer() -> None:
    caller = Caller(answer=NEVER)
    a_turn(caller, quiet_ms=1_400)
    assert len(caller.events()) == 1
    (waiting,) = caller.open
    caller.settle(waiting, Transcript("At last.", "en", 0.5))
    ended = caller.events()[-1]
    assert isinstance(ended, TurnEnded)
    assert ended.decided_us - ended.speech_ended_us >= 1_300 * MS
    assert ended.speculative


def test_who_goes_on_takes_the_decode_back() -> None:
    caller = Caller(answer=NEVER)
    caller.wait(500)
    caller.say(600)
    caller.wait(250)
    (first,) = caller.open
    caller.say(600)
    assert caller.abandoned == [first]
    caller.settle(first, Transcript("Too early.", "en", 1.0))
    caller.answer = saying("Now it is whole.")
    caller.wait(800)
    (ended,) = [body for body in caller.published if isinstance(body, TurnEnded)]
    assert ended.text_pii == "Now it is whole."
    second = caller.asked(Purpose.PAUSE)[1]
    assert second.segment.duration_s > 1.7


def test_a_finished_decode_is_taken_back_too() -> None:
    caller = Caller(answer=saying("I want to"))
    caller.wait(500)
    caller.say(600)
    caller.wait(300)
    states = [caller.recognition.state]
    caller.answer = saying("I want to cancel.")
    caller.say(600)
    states.append(caller.recognition.state)
    caller.wait(800)
    assert states == [TurnState.UNDERSTOOD, TurnState.SPEAKING]
    assert [body.text_pii for body in caller.published if isinstance(body, TurnEnded)] == [
        "I want to cancel."
    ]


@pytest.mark.parametrize("text", ["", " ", " . . .", "!?"])
def test_speech_without_words_is_dismissed(text: str) -> None:
    caller = Caller(answer=saying(text))
    assert a_turn(caller) == []
    _, dismissed = caller.events()
    assert isinstance(dismissed, SpeechDismissed)
    assert dismissed.turn == 1
    assert dismissed.audio_ms == pytest.approx(1_000, abs=30)


def test_a_sound_too_short_for_a_word_is_dismissed_undecoded() -> None:
    caller = Caller(Rules(partial_ms=None, min_speech_ms=200))
    a_turn(caller, speech_ms=120)
    assert [type(body) for body in caller.events()] == [SpeechStarted, SpeechDismissed]
    assert caller.decodes == {}


def test_a_short_word_is_decoded() -> None:
    caller = Caller(answer=saying("No"))
    (ended,) = a_turn(caller, speech_ms=130)
    assert ended.text_pii == "No"


def test_where_every_engine_fails_the_turn_is_dismissed_at_once() -> None:
    caller = Caller(answer=lambda _decode: RuntimeError())
    caller.wait(500)
    caller.say(600)
    caller.wait(200)
    assert [type(body) for body in caller.events()] == [SpeechStarted, SpeechDismissed]
    caller.answer = saying("Once more.")
    (ended,) = a_turn(caller)
    assert (ended.turn, ended.text_pii) == (2, "Once more.")


def test_turns_follow_each_other() -> None:
    caller = Caller()
    first = a_turn(caller)
    assert [body.turn for body in a_turn(caller)] == [1, 2]
    second = caller.asked(Purpose.PAUSE)[1].segment
    assert first[0].turn == 1
    assert second.duration_s < 1.5  # nothing of the first turn is in the second


def test_the_preroll_of_a_turn_does_not_reach_into_the_last_one() -> None:
    caller = Caller(Rules(partial_ms=None, endpointing=Endpointing(finished_ms=100), preroll_ms=600))
    caller.wait(500)
    caller.say(600)
    caller.wait(200)
    caller.say(600)
    caller.wait(500)
    second = caller.asked(Purpose.PAUSE)[1].segment.samples
    assert not (np.abs(second[: RATE_HZ // 10]) > 0.05).any()


# -- partial transcripts -----------------------------------------------------------------------------


def test_partials_come_while_the_caller_speaks() -> None:
    caller = Caller(Rules(partial_ms=700), answer=saying("So far."))
    caller.wait(500)
    caller.say(3_000)
    assert 3 <= len(caller.asked(Purpose.PARTIAL)) <= 4
    assert set(caller.partials()) == {"So far."}
    lengths = [decode.segment.duration_s for decode in caller.asked(Purpose.PARTIAL)]
    assert lengths == sorted(lengths)


def test_there_is_one_partial_in_hand_at_a_time_and_none_in_the_pause() -> None:
    caller = Caller(Rules(partial_ms=700), answer=NEVER)
    caller.wait(500)
    caller.say(3_000)
    (partial,) = caller.asked(Purpose.PARTIAL)
    caller.wait(200)
    assert caller.abandoned == [partial.id]
    assert [decode.purpose for decode in caller.open.values()] == [Purpose.PAUSE]


def test_a_partial_that_could_not_be_had_costs_nothing() -> None:
    def answer(decode: Decode) -> Transcript | Exception:
        return RuntimeError() if decode.purpose is Purpose.PARTIAL else Transcript("Whole.", "en", 1.0)

    caller = Caller(Rules(partial_ms=300), answer)
    (ended,) = a_turn(caller)
    assert ended.text_pii == "Whole."
    assert len(caller.asked(Purpose.PARTIAL)) >= 2


def test_partials_can_be_turned_off() -> None:
    caller = Caller(Rules(partial_ms=None))
    a_turn(caller, speech_ms=3_000)
    assert caller.asked(Purpose.PARTIAL) == []
    assert caller.partials() == []


# -- long turns --------------------------------------------------------------------------------------


def in_pieces(decode: Decode) -> Transcript:
    """Says how many seconds it heard, and when."""
    seconds = round(decode.segment.duration_s)
    return Transcript(f"{seconds} s.", "en", 0.5, (SpokenWord(str(seconds), 300.0, 800.0, 1.0),))


def long_turn(caller: Caller) -> None:
    """8.4 s of speech with a dip at 4 s that is too short for a pause."""
    caller.wait(500)
    caller.say(4_000)
    caller.wait(64)
    caller.say(4_400)


def test_a_long_turn_is_decoded_in_pieces_cut_where_the_voice_is_weakest() -> None:
    caller = Caller(Rules(partial_ms=None, piece_ms=6_000), in_pieces)
    long_turn(caller)
    (piece,) = caller.asked(Purpose.PIECE)
    assert piece.segment.duration_s == pytest.approx(4.3, abs=0.08)
    caller.wait(800)
    (ended,) = [body for body in caller.published if isinstance(body, TurnEnded)]
    assert ended.text_pii == "4 s. 5 s."
    assert ended.audio_ms == pytest.approx(8_464, abs=40)
    assert ended.decode_ms == 160.0
    assert [round(word.start_ms, -2) for word in ended.words_pii] == [0, 4_300]


def test_a_long_turn_waits_for_all_its_pieces() -> None:
    caller = Caller(Rules(partial_ms=None, piece_ms=6_000), NEVER)
    long_turn(caller)
    caller.wait(1_000)
    piece, rest = caller.open
    caller.settle(rest, Transcript("the rest.", "en", 1.0))
    assert caller.recognition.state is TurnState.PAUSING
    caller.settle(piece, Transcript("The first piece and", "en", 1.0))
    (ended,) = [body for body in caller.published if isinstance(body, TurnEnded)]
    assert ended.text_pii == "The first piece and the rest."


def test_what_was_understood_of_a_long_turn_outlives_a_failure() -> None:
    caller = Caller(Rules(partial_ms=None, piece_ms=6_000), NEVER)
    long_turn(caller)
    caller.wait(1_000)
    piece, rest = caller.open
    caller.settle(piece, RuntimeError())
    caller.settle(rest, Transcript("The rest.", "en", 1.0))
    (ended,) = [body for body in caller.published if isinstance(body, TurnEnded)]
    assert ended.text_pii == "The rest."


def test_the_audio_of_a_long_call_is_not_kept() -> None:
    caller = Caller(Rules(partial_ms=None))
    caller.wait(30_000)
    kept = caller.recognition._audio._payloads
    assert len(kept) <= 77  # 1 s, and what came in the 0.5 s since the last look


# -- frames ------------------------------------------------------------------------------------------


def test_lost_frames_are_silence_in_the_turn() -> None:
    caller = Caller()
    caller.wait(500)
    caller.say(500)
    caller.sequence += 2
    caller.say(500)
    caller.wait(800)
    (ended,) = [body for body in caller.published if isinstance(body, TurnEnded)]
    assert ended.audio_ms == pytest.approx(1_040, abs=30)


def test_a_turn_ends_where_frames_stop_coming() -> None:
    caller = Caller()
    caller.wait(500)
    caller.say(500)
    for _ in range(3):
        caller.recognition.starve(300)
        caller.judge()
    assert isinstance(caller.events()[-1], TurnEnded)


def test_a_line_as_loud_as_the_voice_is_left_to_the_detector() -> None:
    caller = Caller()
    turn = caller.recognition
    for sequence in range(100):
        turn.hear(frame(sequence, silence(20, 0.02)))
    verdicts = [0.0] * 20 + [0.9] * 30 + [0.0] * 40
    for verdict in verdicts:
        assert turn.next_window() is not None
        caller.do(turn.judge(verdict, Levels(0.02, 0.02)))
    assert [type(body) for body in caller.events()] == [SpeechStarted, TurnEnded]


# -- whatever happens --------------------------------------------------------------------------------

TEXTS = st.sampled_from(["", "Yes.", "I want to", "Goodbye."])
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("window"), st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.integers(1, 12)),
        st.tuples(st.just("answer"), TEXTS, st.integers(0, 5)),
        st.tuples(st.just("fail"), st.just(""), st.integers(0, 5)),
    ),
    max_size=60,
)


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_every_start_has_exactly_one_end(happenings: list[tuple[str, float | str, int]]) -> None:
    caller = Caller(Rules(partial_ms=200, piece_ms=2_000), NEVER)
    for kind, what, number in [*happenings, ("window", 0.0, 60)]:
        if isinstance(what, float):
            give_windows(caller, what, number)
        elif caller.open:
            asked = list(caller.open)[number % len(caller.open)]
            caller.settle(asked, Transcript(what, "en", 1.0) if kind == "answer" else RuntimeError())
    while caller.open:
        caller.settle(next(iter(caller.open)), Transcript("Done.", "en", 1.0))
    give_windows(caller, 0.0, 60)
    assert caller.recognition.state is TurnState.QUIET
    events = caller.events()
    numbers = [body.turn for body in events if isinstance(body, SpeechStarted | SpeechDismissed | TurnEnded)]
    turns = len(events) // 2
    assert numbers == [turn for turn in range(1, turns + 1) for _ in range(2)]
    assert all(isinstance(body, SpeechStarted) for body in events[::2])
    assert all(isinstance(body, SpeechDismissed | TurnEnded) for body in events[1::2])
    for body in events:
        if isinstance(body, TurnEnded):
            assert body.speech_started_us <= body.speech_ended_us <= body.decided_us


def give_windows(caller: Caller, verdict: float, count: int) -> None:
    """Windows with this verdict, whatever sounds in them: loud ones where it is high."""
    left = count
    while left:
        samples = voice(20) if verdict >= 0.35 else silence(20)
        caller.recognition.hear(frame(caller.sequence, samples[:FRAME]))
        caller.sequence += 1
        while left and (window := caller.recognition.next_window()) is not None:
            caller.do(caller.recognition.judge(verdict, *levels(decode_float(*window)[None])))
            left -= 1
