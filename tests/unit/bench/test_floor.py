"""The benches' real session process."""

from __future__ import annotations

import pytest

from bench.floor import SessionProcess


async def test_a_session_that_does_not_start_says_why_at_once(nats_url: str) -> None:
    with pytest.raises(RuntimeError, match="must be at least three heartbeats"):
        await SessionProcess.start(nats_url, session_lost_after_s=0.1)
