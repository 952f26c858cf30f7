import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.framing import Framer


@given(st.lists(st.integers(0, 700), max_size=12))
def test_frames_joined_are_the_stream_filled_up_at_its_end(chunk_lengths: list[int]) -> None:
    stream = np.arange(sum(chunk_lengths), dtype=np.int16)
    framer: Framer[np.int16] = Framer(160)
    frames = [frame for chunk in np.split(stream, np.cumsum(chunk_lengths)) for frame in framer.push(chunk)]
    last = framer.flush()
    frames += [] if last is None else [last]

    assert all(len(frame) == 160 for frame in frames)
    assert len(frames) == -(-len(stream) // 160)
    joined = np.concatenate([*frames, np.empty(0, np.int16)])
    assert np.array_equal(joined[: len(stream)], stream)
    assert not joined[len(stream) :].any()


def test_it_starts_anew_after_a_flush() -> None:
    framer: Framer[np.float32] = Framer(4)
    framer.push(np.ones(3, np.float32))
    assert framer.flush() is not None
    assert framer.flush() is None
    assert [frame.tolist() for frame in framer.push(np.zeros(4, np.float32))] == [[0, 0, 0, 0]]


def test_a_frame_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        Framer(0)
