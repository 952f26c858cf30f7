"""Racing admissions and releases on a real bus, with the leading session killed in their midst.

The same race at its full length of 10,000 is `python -m bench.admission --race 10000`.
"""

from __future__ import annotations

from bench.admission import measure
from bench.admission_race import PLATFORM_LIMIT, race
from trunkline.nats_server import NatsServer


async def test_no_limit_is_exceeded_by_one_call_while_the_leader_is_killed(nats_url: str) -> None:
    """Feature: ai-voice-agent, Property 4: Multi-Tenant Data Isolation: no tenant takes another's slots."""
    outcome = await race(nats_url, 1200, kills=1)
    assert outcome.book.excesses == outcome.recorded.excesses == []
    assert outcome.book.most == PLATFORM_LIMIT, "the limits were reached, or nothing was shown"
    assert set(outcome.refused) == {"number_full", "tenant_full", "platform_full"}
    assert outcome.ends.keys() == outcome.accepted.keys()
    assert set(outcome.ends.values()) == {1}, "each accepted call has ended once"
    assert (outcome.left_in_kv, outcome.left_held) == ([], 0), "every slot is free"
    assert outcome.asked == len(outcome.accepted) + outcome.refused.total()


async def test_the_bench_of_admissions_measures(nats_server: NatsServer) -> None:
    report = await measure(nats_server, 0.5, 20.0)
    for figures in (report["most"], report["at_rate"]):
        assert isinstance(figures, dict)
        assert figures["calls"] > 0
        assert figures["refused"] == 0
