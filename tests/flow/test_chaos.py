"""A short chaos run on the whole platform: processes are killed, frozen and restarted under real callers.

The long one is `make chaos`. What was promised is judged by the stream, and by what reached the callers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chaos.verdict import judged
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


@pytest.mark.timeout(300)
async def test_calls_outlive_what_is_killed_frozen_and_restarted(tmp_path: Path) -> None:
    victims = ("stt-1", "llm-1", "tts-1", "gateway-1", "session-1")
    restarts = ("stt-2", "tts-2", "gateway-2", "session-2")
    trial = Trial(6, 200.0, strikes=len(victims), victims=victims, frozen=0.4, restarts=restarts, seed=3)
    outcome = await run(trial, tmp_path)
    assert len(outcome.strikes) == len(victims) + len(restarts)
    figures = judged(outcome, SCENE)
    assert {name: figures[name] for name in _KEPT} == _KEPT, figures["odd_turns"]
