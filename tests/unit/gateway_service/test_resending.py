"""Kept audio goes out in turns, and never fills the queue that live frames need."""

from dataclasses import dataclass, field

import pytest

from gateway_service.resending import FRAMES_A_CALL, FRAMES_IN_ALL, Resending
from runtime.wire_speed import Gatherer


class Nowhere:
    """Where nothing is written: these queues fill, and are emptied by hand."""

    refuses = ""
    busy = False

    def write_now(self, commands: bytes) -> None:
        """Be told of nothing."""


@dataclass(eq=False)
class Kept:
    """A call with so many frames left to send."""

    left: int
    queue: Gatherer
    sent: list[int] = field(default_factory=list)

    def resend(self, frames: int) -> bool:
        sending = min(frames, self.left)
        self.left -= sending
        self.sent.append(sending)
        for _ in range(sending):
            self.queue.put("s", b"")
        return sending == frames


@pytest.fixture
async def queue() -> Gatherer:
    return Gatherer(Nowhere(), dropped=pytest.fail, limit=2_000)


def emptied(queue: Gatherer) -> None:
    queue._waiting.clear()


async def test_a_call_gets_so_much_a_tick_until_it_is_done(queue: Gatherer) -> None:
    resending, kept = Resending(queue), Kept(FRAMES_A_CALL + 5, queue)
    resending.begin(kept)
    resending.begin(kept)
    for _ in range(4):
        resending.tick()
    assert kept.sent == [FRAMES_A_CALL, 5]


async def test_many_calls_take_turns(queue: Gatherer) -> None:
    resending = Resending(queue)
    calls = [Kept(FRAMES_A_CALL, queue) for _ in range(60)]
    for kept in calls:
        resending.begin(kept)
    resending.tick()
    assert 2_000 - queue.room == FRAMES_IN_ALL
    for _ in range(10):
        emptied(queue)
        resending.tick()
    assert not any(kept.left for kept in calls)


async def test_a_queue_that_is_half_full_gets_nothing_more(queue: Gatherer) -> None:
    resending, kept = Resending(queue), Kept(5_000, queue)
    resending.begin(kept)
    for _ in range(200):
        resending.tick()
    assert queue.room == 1_000
    emptied(queue)
    resending.tick()
    assert queue.room == 2_000 - FRAMES_A_CALL
