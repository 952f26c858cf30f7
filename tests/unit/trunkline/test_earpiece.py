from __future__ import annotations

import numpy as np

from audio.g711 import decode_mulaw, encode_mulaw
from trunkline.earpiece import Earpiece, is_loud

LOUD = encode_mulaw((np.sin(np.arange(160) / 3) * 8_000).astype(np.int16))
HISS = encode_mulaw((np.sin(np.arange(160) / 3) * 50).astype(np.int16))


def test_audio_is_heard_when_it_comes_with_silence_before_it() -> None:
    ear = Earpiece()
    ear.play(LOUD, 1_000)
    heard = ear.heard()
    assert len(heard) == 1_160
    assert not heard[:1_000].any()
    assert (heard[1_000:] == decode_mulaw(LOUD)).all()


def test_audio_that_comes_early_waits_for_what_is_playing() -> None:
    ear = Earpiece()
    for now in (0, 10, 20):
        ear.play(LOUD, now)
    assert (ear.heard() == decode_mulaw(LOUD * 3)).all()
    assert len(ear.spurts) == 1


def test_a_mark_is_passed_when_what_came_before_it_was_played() -> None:
    ear = Earpiece()
    ear.play(LOUD, 0)
    ear.mark("one", 5)
    ear.play(LOUD, 10)
    ear.mark("two", 15)
    assert ear.passed(159) == []
    assert ear.passed(160) == ["one"]
    assert ear.passed(1_000) == ["two"]
    assert ear.passed(2_000) == []


def test_a_mark_with_nothing_before_it_is_passed_at_once() -> None:
    ear = Earpiece()
    ear.mark("now", 700)
    assert ear.passed(700) == ["now"]


def test_clear_forgets_what_was_not_played_and_its_marks_count_as_passed() -> None:
    ear = Earpiece()
    ear.play(LOUD, 0)
    ear.play(LOUD, 0)
    ear.mark("end", 0)
    assert ear.clear(200) == ["end"]
    assert ear.passed(10_000) == []
    assert len(ear.heard()) == 200
    (spurt,) = ear.spurts
    assert (spurt.cleared, spurt.heard_until) == (200, 200)


def test_what_was_audible_is_counted_without_pauses_and_without_what_was_taken_back() -> None:
    ear = Earpiece()
    for now, payload in ((0, LOUD), (160, HISS), (320, LOUD), (480, LOUD)):
        ear.play(payload, now)
    assert ear.spurts[0].audible == 480
    ear.clear(560)
    assert ear.spurts[0].audible == 400


def test_clear_when_all_was_played_keeps_all() -> None:
    ear = Earpiece()
    ear.play(LOUD, 0)
    assert ear.clear(5_000) == []
    assert len(ear.heard()) == 160
    assert ear.spurts[0].heard_until == 160


def test_what_comes_after_a_clear_is_a_new_spurt() -> None:
    ear = Earpiece()
    ear.play(LOUD, 0)
    ear.clear(50)
    ear.play(LOUD, 60)
    assert [(spurt.arrived, spurt.heard_until) for spurt in ear.spurts] == [(0, 50), (60, 220)]
    assert len(ear.heard()) == 220


def test_a_pause_between_sentences_is_not_yet_a_new_spurt() -> None:
    ear = Earpiece()
    ear.play(LOUD, 0)
    ear.play(LOUD, 160 + 2_400)
    assert len(ear.spurts) == 1
    ear.play(LOUD, 320 + 2_400 + 2_401)
    assert len(ear.spurts) == 2


def test_silence_counts_from_the_last_audible_frame() -> None:
    ear = Earpiece()
    assert ear.silent_since(0) is None
    ear.play(LOUD, 100)
    ear.play(HISS, 100)
    assert ear.silent_since(200) is None
    assert ear.silent_since(260) == 260
    assert ear.silent_since(9_000) == 260


def test_hiss_is_not_loud() -> None:
    assert is_loud(LOUD)
    assert not is_loud(HISS)
    assert not is_loud(b"\xff" * 160)
    assert not is_loud(b"")


def test_without_keeping_it_still_knows_what_it_heard() -> None:
    ear = Earpiece(keep=False)
    ear.play(LOUD, 0)
    ear.play(LOUD, 0)
    ear.clear(10)
    assert len(ear.heard()) == 0
    assert ear.frames == 2
    assert ear.spurts[0].heard_until == 10
    assert ear.latest(1_600, 100) == b""


def test_the_latest_is_what_was_played_before_now() -> None:
    ear = Earpiece()
    ear.play(LOUD, 0)
    ear.play(HISS, 0)
    assert ear.latest(100, 160) == LOUD[60:]
    assert ear.latest(10_000, 200) == LOUD + HISS[:40]


def test_frames_are_counted_not_messages() -> None:
    ear = Earpiece(keep=False)
    ear.play(LOUD, 0)
    ear.play(4 * LOUD, 160)
    ear.play(LOUD[:40], 800)
    assert ear.frames == 6
