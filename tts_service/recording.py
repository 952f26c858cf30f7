"""Makes one phrase with one engine: waits for its turns with the other calls, and fits the line."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator

from runtime.clock import Clock
from tts_service.cache import Stretch
from tts_service.lanes import Lane
from tts_service.line import LineEncoder
from tts_service.ports import Due, Pcm, Phrase, Synthesizer
from tts_service.scheduling import Turns


class Recorder:
    """What stands between every engine of the process and the calls.

    `timeout_s` is for one run of an engine. Up to `batch_limit` phrases are made in one, as many as it makes
    in `budget_s`, where the engine gains by it.
    """

    def __init__(
        self,
        turns: Turns,
        clock: Clock,
        *,
        timeout_s: float = 10.0,
        batch_limit: int = 8,
        budget_s: float = 0.2,
    ) -> None:
        self._turns = turns
        self._clock = clock
        self._timeout_s = timeout_s
        self._batch_limit = batch_limit
        self._budget_s = budget_s
        self._lanes: dict[str, Lane] = {}

    async def record(
        self, name: str, engine: Synthesizer, phrase: Phrase, due: Due, *, tenant: str = ""
    ) -> AsyncGenerator[Stretch, None]:
        """The phrase as frames for the line, chunk by chunk, at the expense of `tenant`.

        Raises EngineTimeout when one chunk takes too long, EngineFault for what an engine should not raise,
        and the engine's own errors.
        """
        lane, line = self._lane(name, engine), LineEncoder()
        utterance = engine.begin(phrase)
        lasts_until_s = -math.inf

        def needed_s() -> float:
            return max(due(), lasts_until_s)  # who listens does not know yet of what was made a moment ago

        while (run := utterance.run) is not None:
            pcm, took_s = await self._turns.step(lane, utterance, run, needed_s, tenant)
            for second, part in enumerate(_by_the_second(pcm)):
                if second:  # what comes of a long chunk must not hold up other calls' frames
                    await asyncio.sleep(0)
                lasts_until_s = max(lasts_until_s, self._clock.monotonic_s()) + part.seconds
                yield Stretch(line.push(part), 0.0 if second else took_s * 1000)
        yield Stretch(line.flush(), 0.0)

    def _lane(self, name: str, engine: Synthesizer) -> Lane:
        lane = self._lanes.get(name)
        if lane is None or lane.engine is not engine:
            lane = self._lanes[name] = Lane(
                name,
                engine,
                batch_limit=self._batch_limit,
                budget_s=self._budget_s,
                timeout_s=self._timeout_s,
            )
        return lane


def _by_the_second(pcm: Pcm | None) -> Iterator[Pcm]:
    if pcm is not None:
        for at in range(0, len(pcm.samples), pcm.rate_hz):
            yield Pcm(pcm.samples[at : at + pcm.rate_hz], pcm.rate_hz)
