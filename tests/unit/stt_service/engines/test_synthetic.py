from __future__ import annotations

import asyncio

from stt_service.engines.synthetic import SyntheticTranscriber
from tests.support.clock import ManualClock
from tests.unit.stt_service.engines_under_test import segment


async def test_it_says_its_text_after_its_delay() -> None:
    clock = ManualClock()
    engine = SyntheticTranscriber("Hello.", 150, clock)
    answer = asyncio.ensure_future(engine.transcribe([segment(), segment(2.0, "de-DE")]))
    await clock.advance(0.149)
    assert not answer.done()
    await clock.advance(0.002)
    assert [(one.text, one.language) for one in await answer] == [("Hello.", "en"), ("Hello.", "de")]
