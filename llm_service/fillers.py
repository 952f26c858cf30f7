"""A word while the caller waits: silence makes people ask whether anybody is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from llm_service.chain import Part, Sentence
from runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Waiting:
    """No sentence has come for as long as the caller is to wait in silence."""


async def noticing_silence(
    parts: AsyncGenerator[Part, None], after_s: float, clock: Clock
) -> AsyncGenerator[Part | Waiting, None]:
    """`parts` as they come, with one Waiting before the first sentence if that takes longer than `after_s`.

    Closed before its end, it leaves `parts` where it can be closed.
    """
    timer = asyncio.ensure_future(clock.sleep(after_s))
    following: asyncio.Future[Part] | None = None
    silent = True
    try:
        while True:
            following = asyncio.ensure_future(anext(parts))
            if silent:
                await asyncio.wait({following, timer}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    silent = False
                    yield Waiting()
            part = await following
            silent = silent and not isinstance(part, Sentence)
            yield part
    except StopAsyncIteration:
        return
    finally:
        timer.cancel()
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
