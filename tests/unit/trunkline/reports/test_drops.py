from __future__ import annotations

from collections import Counter

from runtime.health import Health, HealthServer
from trunkline.ports import free_ports
from trunkline.reports.drops import drops_in, during, read_drops
from trunkline.reports.report import Dropped

PAGE = """\
# TYPE trunkline_frames_dropped_total counter
trunkline_frames_dropped_total{service="gateway",why="stale_reply"} 3.0
trunkline_frames_dropped_total{service="gateway",why="bus_queue"} 1e+03
trunkline_frames_dropped_created{why="stale_reply"} 5.0
trunkline_frames_in_total{service="gateway"} 77.0
"""


def test_a_page_of_metrics_is_read_by_reason() -> None:
    assert drops_in(PAGE) == {"stale_reply": 3, "bus_queue": 1000}


def test_what_was_dropped_before_does_not_count_and_who_began_anew_counts_from_there() -> None:
    before = Counter({("stt", "slow_consumer"): 5, ("gateway", "stale_reply"): 9, ("tts", "x"): 4})
    after = Counter({("stt", "slow_consumer"): 7, ("gateway", "stale_reply"): 2, ("tts", "x"): 4})
    assert during(before, after) == (
        Dropped(process="gateway", why="stale_reply", frames=2),
        Dropped(process="stt", why="slow_consumer", frames=2),
    )


async def test_who_does_not_answer_says_nothing() -> None:
    (nobody,) = free_ports(1)
    server = HealthServer(Health(lambda: 0.0), "127.0.0.1", 0)
    try:
        assert await read_drops({"stt": server.port, "gone": nobody}) == Counter()
    finally:
        server.close()
