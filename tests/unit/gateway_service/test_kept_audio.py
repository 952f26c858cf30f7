"""The ring of a caller's last seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_service.kept_audio import FRAME_BYTES, KeptAudio
from tests.unit.gateway_service.agent_audio import FRAME_US, payload


def filled(frames: int, count: int) -> KeptAudio:
    ring = KeptAudio(frames)
    for number in range(1, count + 1):
        assert ring.keep(payload(number), number * FRAME_US) == number
    return ring


def drained(ring: KeptAudio) -> list[tuple[int, bytes, int]]:
    frames = []
    while (frame := ring.next_again()) is not None:
        frames.append(frame)
    return frames


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60))
def test_what_came_after_is_given_again_as_far_as_it_is_kept(frames: int, count: int, after: int) -> None:
    ring = filled(frames, count)
    expected = [n for n in range(1, count + 1) if n > after and n > count - frames]
    assert ring.begin_again(after * FRAME_US) == len(expected)
    assert drained(ring) == [(n, payload(n), n * FRAME_US) for n in expected]
    assert not ring.again


def test_what_comes_meanwhile_follows() -> None:
    ring = filled(10, 5)
    ring.begin_again(3 * FRAME_US)
    assert ring.next_again() == (4, payload(4), 4 * FRAME_US)
    assert ring.again
    ring.keep(payload(6), 6 * FRAME_US)
    assert [number for number, _, _ in drained(ring)] == [5, 6]
    assert not ring.again


def test_what_is_overwritten_before_its_turn_is_left_out() -> None:
    ring = filled(4, 4)
    ring.begin_again(0)
    for number in range(5, 8):
        ring.keep(payload(number), number * FRAME_US)
    assert [number for number, _, _ in drained(ring)] == [4, 5, 6, 7]


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="assign"):
        KeptAudio(4).keep(bytes(FRAME_BYTES + 1), 0)


def test_nothing_is_given_again_unasked() -> None:
    assert filled(4, 4).next_again() is None


def test_numbers_may_go_on_from_those_of_another_ring() -> None:
    ring = KeptAudio(4, before=100)
    assert ring.begin_again(0) == 0
    assert [ring.keep(payload(n), n * FRAME_US) for n in (1, 2)] == [101, 102]
    assert ring.begin_again(FRAME_US) == 1
    assert [number for number, _, _ in drained(ring)] == [102]
