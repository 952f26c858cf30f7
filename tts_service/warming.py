"""Makes an assistant's set phrases before they are needed, with what the machine has to spare.

The greeting comes first: it is needed as soon as the call is answered, and whoever asks for it while it is
being made gets it from there, at their own urgency.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import aclosing
from itertools import chain as join
from typing import Final

from contracts.errors import TrunklineError
from contracts.messages import AssistantSnapshot
from runtime.clock import Clock
from tts_service.casting import Cast
from tts_service.chain import Chain, Sound
from tts_service.scheduling import NEVER

log = logging.getLogger(__name__)

_REMEMBERED: Final = 10_000
_WAITING: Final = 2_000


class Warmer:
    """One text after the other, on at most `share` of a core; `limit` texts an assistant, each made once."""

    def __init__(self, chain: Chain, clock: Clock, *, share: float, limit: int) -> None:
        self._chain = chain
        self._clock = clock
        self._share = share
        self._limit = limit
        self._wishes: asyncio.PriorityQueue[tuple[int, int, str, Cast]] = asyncio.PriorityQueue(_WAITING)
        self._wished: OrderedDict[tuple[str, Cast], None] = OrderedDict()
        self._order = 0

    def wish(self, assistant: AssistantSnapshot, cast: Cast) -> None:
        """Have this assistant's set phrases ready; what does not fit the queue is left to its first use."""
        set_phrases = (*assistant.fillers, assistant.farewell, assistant.unanswered, assistant.apology)
        scripted = ((1, text) for text in set_phrases)
        answers = ((2, item.answer) for item in assistant.knowledge)
        for rank, text in list(join(((0, assistant.greeting),), scripted, answers))[: self._limit]:
            if (text, cast) in self._wished or self._wishes.full():
                continue
            self._wished[text, cast] = None
            if len(self._wished) > _REMEMBERED:
                self._wished.popitem(last=False)
            self._order += 1
            self._wishes.put_nowait((rank, self._order, text, cast))

    async def run(self) -> None:
        """Fulfil wishes until cancelled."""
        while True:
            _, _, text, cast = await self._wishes.get()
            try:
                worked_s = await self._make(text, cast)
            except TrunklineError as error:
                log.warning("a set phrase was not made: %s", error)
                continue
            await self._clock.sleep(worked_s * (1 / self._share - 1))

    async def _make(self, text: str, cast: Cast) -> float:
        async with aclosing(self._chain.speak(text, cast, lambda: NEVER)) as parts:
            return sum([part.stretch.made_ms / 1000 async for part in parts if isinstance(part, Sound)])
