from __future__ import annotations

import numpy as np
import pytest

from audio.codec import decode_float, encode, to_pcm16
from contracts.frames import Codec, Frame
from stt_service.hearing import Arrival, CallerAudio
from tests.unit.stt_service.caller import FRAME, START_US, frame
from tests.unit.stt_service.speech import voice

WINDOW = 256


def loud(sequence: int) -> Frame:
    return frame(sequence, voice(20))


def heard(*sequences: int) -> tuple[CallerAudio, list[Arrival]]:
    audio = CallerAudio(WINDOW)
    return audio, [audio.add(loud(sequence)) for sequence in sequences]


def test_frames_in_order_are_one_line_of_samples() -> None:
    audio, arrivals = heard(7, 8, 9)
    assert arrivals == [Arrival()] * 3
    assert audio.end == 3 * FRAME
    np.testing.assert_allclose(audio.between(FRAME, 2 * FRAME), voice(20), atol=1e-4)


def test_silence_stands_where_frames_are_missing() -> None:
    audio, arrivals = heard(0, 3)
    assert arrivals[1] == Arrival(lost=2)
    assert audio.end == 4 * FRAME
    assert not audio.between(FRAME, 3 * FRAME).any()
    assert audio.between(3 * FRAME, 4 * FRAME).any()
    assert audio.time_us(audio.end) == START_US + 4 * 20_000
    assert audio.time_us(3 * FRAME) == START_US + 3 * 20_000


def test_a_long_gap_is_cut_to_a_second() -> None:
    audio, arrivals = heard(0, 1_000)
    assert arrivals[1].lost == 999
    assert audio.end == (1 + 50 + 1) * FRAME


@pytest.mark.parametrize("sequence", [0, 1, 2])
def test_a_frame_that_was_overtaken_or_came_twice_is_left_out(sequence: int) -> None:
    audio, arrivals = heard(0, 1, 2, sequence)
    assert arrivals[-1] == Arrival(late=True)
    assert audio.end == 3 * FRAME


def test_the_count_goes_on_beyond_32_bits() -> None:
    audio = CallerAudio(WINDOW)
    assert audio.add(loud((1 << 32) - 1)) == Arrival()
    assert audio.add(loud(0)) == Arrival()
    assert audio.add(loud((1 << 32) - 1)).late


def test_a_count_that_begins_anew_is_followed() -> None:
    _, arrivals = heard(50_000, 0, 1)
    assert arrivals == [Arrival()] * 3
    audio, _ = heard(*range(100))
    audio.renumber()
    assert audio.add(loud(5)) == Arrival()


def test_a_count_that_begins_anew_just_behind_is_followed_within_a_second() -> None:
    audio, _ = heard(*range(200))
    anew = [frame(sequence, voice(20), START_US + (201 + sequence) * 20_000) for sequence in range(100)]
    assert [audio.add(one).late for one in anew] == [True] * 50 + [False] * 50


def test_frames_that_come_a_second_time_are_no_new_count_however_many_they_are() -> None:
    audio, arrivals = heard(*range(200), *range(100))
    assert all(arrival.late for arrival in arrivals[200:])
    assert audio.end == 200 * FRAME
    assert audio.add(loud(200)) == Arrival()


def test_a_position_arrived_with_the_frame_that_holds_it() -> None:
    audio, _ = heard(0, 1)
    assert audio.arrived_us(FRAME - 1) == audio.arrived_us(FRAME) == START_US + 20_000
    assert audio.arrived_us(FRAME + 1) == START_US + 40_000


def test_positions_have_the_gateway_clock_of_their_frame() -> None:
    audio = CallerAudio(WINDOW)
    audio.add(frame(0, voice(20), at_us=START_US))
    audio.add(frame(1, voice(20), at_us=START_US + 35_000))  # late on the way to the gateway
    assert audio.time_us(FRAME) == START_US
    assert audio.time_us(FRAME // 2) == START_US - 10_000
    assert audio.time_us(FRAME + FRAME // 2) == START_US + 25_000
    assert audio.latest_us == START_US + 35_000


def test_windows_come_out_whole_and_in_order() -> None:
    audio, _ = heard(0)
    assert audio.next_window() is None
    audio.add(loud(1))
    window = audio.next_window()
    assert window is not None
    np.testing.assert_array_equal(decode_float(*window), audio.between(0, WINDOW))
    assert audio.next_window() is None


def test_what_is_forgotten_is_gone_and_the_rest_stays() -> None:
    audio, _ = heard(*range(10))
    whole = audio.between(0, audio.end)
    audio.forget(5 * FRAME + 10)
    assert len(audio.between(0, audio.end)) == 5 * FRAME
    np.testing.assert_array_equal(audio.between(6 * FRAME, 8 * FRAME), whole[6 * FRAME : 8 * FRAME])
    assert audio.time_us(0) == START_US


def test_a_stretch_may_begin_and_end_anywhere() -> None:
    audio, _ = heard(*range(4))
    whole = audio.between(0, audio.end)
    for start in (0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME + 7):
        for end in (start, start + 1, start + FRAME, audio.end, audio.end + FRAME):
            np.testing.assert_array_equal(audio.between(start, end), whole[start:end])
    assert len(audio.between(audio.end, audio.end + 1)) == 0


def test_silence_passes_where_nothing_comes() -> None:
    audio, _ = heard(0)
    audio.fill(300)
    assert audio.end == FRAME + 2_400
    assert audio.latest_us == START_US + 320_000
    assert audio.add(loud(1)) == Arrival()


def test_before_the_first_frame_no_silence_passes() -> None:
    audio = CallerAudio(WINDOW)
    audio.fill(300)
    assert audio.end == 0
    assert audio.next_window() is None


@pytest.mark.parametrize("codec", Codec)
def test_windows_of_any_length_are_cut_from_frames_of_any_codec(codec: Codec) -> None:
    sound = np.concatenate([voice(20)] * 6)
    payloads = [encode(codec, to_pcm16(sound[at : at + FRAME])) for at in range(0, len(sound), FRAME)]
    for size in (FRAME, WINDOW, 80, 900):
        audio = CallerAudio(size)
        cut = []
        for at, payload in enumerate(payloads):
            audio.add(Frame(codec, 8_000, at, START_US + at, payload))
            while audio.windows and (window := audio.next_window()) is not None:
                assert window.codec is codec
                cut.append(decode_float(*window))
        assert [len(one) for one in cut] == [size] * (len(sound) // size)
        whole = np.concatenate([decode_float(codec, payload) for payload in payloads])
        np.testing.assert_array_equal(np.concatenate(cut), whole[: len(sound) // size * size])
        np.testing.assert_array_equal(audio.between(100, 500), whole[100:500])


def test_a_leg_that_comes_back_in_another_codec_is_heard_on() -> None:
    audio = CallerAudio(WINDOW)
    audio.add(Frame(Codec.MULAW, 8_000, 0, START_US, encode(Codec.MULAW, to_pcm16(voice(20)))))
    audio.add(Frame(Codec.ALAW, 8_000, 1, START_US + 1, encode(Codec.ALAW, to_pcm16(voice(20)))))
    audio.add(Frame(Codec.MULAW, 8_000, 4, START_US + 2, encode(Codec.MULAW, to_pcm16(voice(20)))))
    for start in (0, FRAME, 4 * FRAME):
        np.testing.assert_allclose(audio.between(start, start + FRAME), voice(20), atol=3e-2)
    assert not audio.between(2 * FRAME, 4 * FRAME).any()


def test_other_rates_and_codecs_are_heard_at_ours() -> None:
    audio = CallerAudio(WINDOW)
    second = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32) * 0.5
    for at in range(50):
        pcm = to_pcm16(second[at * 320 : (at + 1) * 320])
        audio.add(Frame(Codec.PCM16, 16_000, at, START_US + at, encode(Codec.PCM16, pcm)))
    expected = np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000).astype(np.float32) * 0.5
    np.testing.assert_allclose(audio.between(1_000, 7_000), expected[1_000:7_000], atol=5e-3)
    mulaw = CallerAudio(WINDOW)
    mulaw.add(Frame(Codec.MULAW, 8_000, 0, START_US, encode(Codec.MULAW, to_pcm16(voice(20)))))
    np.testing.assert_allclose(mulaw.between(0, FRAME), voice(20), atol=2e-2)
