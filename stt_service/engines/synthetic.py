"""The same words whatever was said, after a configured delay: for load tests of all but recognition."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.clock import Clock
from stt_service.ports import Segment, Transcript


class SyntheticTranscriber:
    """Says `text` of every segment, a batch at a time, after `delay_ms`."""

    def __init__(self, text: str, delay_ms: int, clock: Clock) -> None:
        self._text = text
        self._delay_s = delay_ms / 1000
        self._clock = clock

    async def transcribe(self, batch: Sequence[Segment]) -> list[Transcript]:
        """The configured text, as often as there are segments."""
        if self._delay_s:
            await self._clock.sleep(self._delay_s)
        return [
            Transcript(self._text, segment.language.partition("-")[0], confidence=1.0) for segment in batch
        ]

    async def close(self) -> None:
        """Nothing is held."""
