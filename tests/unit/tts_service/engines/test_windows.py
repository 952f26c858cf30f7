"""The windows cover everything once, whatever the length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tts_service.engines.windows import Window, windows


@given(st.integers(0, 3000), st.integers(1, 60), st.integers(1, 200), st.integers(0, 40))
def test_every_frame_is_kept_once_and_seen_with_its_context(
    frames: int, first: int, largest: int, context: int
) -> None:
    found = list(windows(frames, first=first, largest=largest, context=context))
    assert [frame for window in found for frame in range(window.begin, window.end)] == list(range(frames))
    for window in found:
        assert window.start == max(0, window.begin - context)
        assert window.stop == min(frames, window.end + context)


def test_they_grow_up_to_the_largest_and_leave_no_crumb() -> None:
    found = list(windows(250, first=24, largest=96, context=10))
    assert found == [
        Window(0, 34, 0, 24),
        Window(14, 82, 24, 72),
        Window(62, 178, 72, 168),
        Window(158, 250, 168, 250),
    ]
    kept = [window.end - window.begin for window in windows(190, first=24, largest=96, context=10)]
    assert kept == [24, 48, 118]
