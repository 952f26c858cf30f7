"""Makes one phrase with one engine: takes turns with the other calls, minds the time, fits the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from contracts.errors import TrunklineError
from runtime.clock import Clock
from tts_service.cache import Stretch
from tts_service.errors import EngineFault, EngineTimeout
from tts_service.line import LineEncoder
from tts_service.ports import Due, Pcm, Phrase, Synthesizer
from tts_service.scheduling import Turns


class Recorder:
    """What stands between every engine of the process and the calls."""

    def __init__(self, turns: Turns, clock: Clock, timeout_s: float) -> None:
        self._turns = turns
        self._clock = clock
        self._timeout_s = timeout_s

    async def record(
        self, name: str, engine: Synthesizer, phrase: Phrase, due: Due, *, tenant: str = ""
    ) -> AsyncGenerator[Stretch, None]:
        """The phrase as frames for the line, chunk by chunk, at the expense of `tenant`.

        Raises EngineTimeout when one chunk takes too long, EngineFault for what an engine should not raise,
        and the engine's own errors.
        """
        line = LineEncoder()
        async with aclosing(engine.synthesize(phrase)) as chunks:
            while True:
                async with self._turns.turn(due, tenant):
                    began_s = self._clock.monotonic_s()
                    chunk = await self._next(name, chunks)
                    frames = line.push(chunk) if chunk else line.flush()
                    made_ms = (self._clock.monotonic_s() - began_s) * 1000
                yield Stretch(frames, made_ms)
                if chunk is None:
                    return

    async def _next(self, name: str, chunks: AsyncGenerator[Pcm, None]) -> Pcm | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await anext(chunks, None)
        except TimeoutError as error:
            raise EngineTimeout(
                f"{name} made nothing within {self._timeout_s:g} s", mend="is the machine overloaded?"
            ) from error
        except TrunklineError:
            raise
        except Exception as error:
            raise EngineFault(f"{name} failed: {type(error).__name__}: {error}") from error
