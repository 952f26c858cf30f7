"""A short chaos run on the whole platform: processes are killed, frozen and restarted under real callers.

The long one is `make chaos`. What was promised is judged by the stream, and by what reached the callers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos.verdict import Outcome, judged
from bench.density import make_room
from bench.failover import SCENE, Trial, run

_KEPT = {
    "calls_dropped": 0,
    "turns_unanswered": 0,
    "answers_too_long": 0,
    "faults": [],
    "slots_held_at_the_end": 0,
}


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    make_room(monkeypatch.setenv)


def kept(outcome: Outcome) -> dict[str, object]:
    figures = judged(outcome, SCENE)
    return {name: figures[name] for name in _KEPT}


async def test_calls_outlive_what_is_killed_and_frozen(tmp_path: Path) -> None:
    outcome = await run(Trial(calls=6, talk_s=60.0, strikes=10), tmp_path)
    assert len(outcome.strikes) >= 6
    assert kept(outcome) == _KEPT


async def test_a_rolling_restart_loses_no_call(tmp_path: Path) -> None:
    services = ("stt", "llm", "tts", "session", "router", "analytics", "gateway")
    outcome = await run(Trial(calls=4, talk_s=75.0, strikes=0, services=services, rolling=True), tmp_path)
    assert len(outcome.strikes) >= len(services)
    assert kept(outcome) == _KEPT
