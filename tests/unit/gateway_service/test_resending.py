"""Kept audio goes out in turns, and never fills the queue that live frames need."""

from dataclasses import dataclass, field

import pytest

from contracts.frames import Codec, Frame
from gateway_service.dispatch import Dispatch
from gateway_service.resending import FRAMES_A_CALL, FRAMES_IN_ALL, Resending


@dataclass(eq=False)
class Kept:
    """A call with so many frames left to send."""

    left: int
    dispatch: Dispatch
    sent: list[int] = field(default_factory=list)

    def resend(self, frames):
        sending = min(frames, self.left)
        self.left -= sending
        self.sent.append(sending)
        for _ in range(sending):
            self.dispatch.frame("s", Frame(Codec.MULAW, 8_000, 1, 0, b""))
        return sending == frames


@pytest.fixture
async def dispatch():
    return Dispatch(None, 2_000, dropped=pytest.fail)


def emptied(dispatch):
    dispatch._frames.clear()


async def test_a_call_gets_so_much_a_tick_until_it_is_done(dispatch):
    resending, kept = Resending(dispatch), Kept(FRAMES_A_CALL + 5, dispatch)
    resending.begin(kept)
    resending.begin(kept)
    for _ in range(4):
        resending.tick()
    assert kept.sent == [FRAMES_A_CALL, 5]


async def test_many_calls_take_turns(dispatch):
    resending = Resending(dispatch)
    calls = [Kept(FRAMES_A_CALL, dispatch) for _ in range(60)]
    for kept in calls:
        resending.begin(kept)
    resending.tick()
    assert 2_000 - dispatch.room == FRAMES_IN_ALL
    for _ in range(10):
        emptied(dispatch)
        resending.tick()
    assert not any(kept.left for kept in calls)


async def test_a_queue_that_is_half_full_gets_nothing_more(dispatch):
    resending, kept = Resending(dispatch), Kept(5_000, dispatch)
    resending.begin(kept)
    for _ in range(200):
        resending.tick()
    assert dispatch.room == 1_000
    emptied(dispatch)
    resending.tick()
    assert dispatch.room == 2_000 - FRAMES_A_CALL
