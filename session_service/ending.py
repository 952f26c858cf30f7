"""What is said of a call that is over; for that it must be known when its leg was answered."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from contracts.errors import TrunklineError
from contracts.messages import CallEnded, CallStarted, EndReason
from session_service.call import Call
from session_service.ports import Chronicle, Word
from session_service.pricing import cost_of

log = logging.getLogger(__name__)


class Ending:
    """Says once that a call is over, and what it cost."""

    def __init__(self, chronicle: Chronicle) -> None:
        self._chronicle = chronicle

    async def say(self, call: Call, reason: EndReason, detail: str, ended_us: int) -> None:
        """Publish the end of the call; raises what the chronicle raises."""
        await self._learn_answer(call)
        body = CallEnded(
            reason=reason,
            detail=detail,
            started_us=call.started_us,
            ended_us=ended_us,
            duration_ms=max(0, ended_us - call.started_us) / 1000,
            cost=cost_of(call.record(), ended_us),
        )
        await self._chronicle.ended(call.ref, body)

    async def _learn_answer(self, call: Call) -> None:
        """Look up an answer that was not heard; where that cannot be done, nothing is charged."""
        if call.snapshot.price is None or call.answered_us is not None:
            return
        try:
            note_answer(call, await self._chronicle.words(call.ref))
        except TrunklineError as error:
            log.error("when %s was answered is not known, so that it costs nothing: %s", call.id, error)


def note_answer(call: Call, words: Sequence[Word]) -> None:
    """Take up what the record says of when the leg was answered."""
    for word in words:
        if isinstance(word.body, CallStarted):
            call.was_answered(word.at_us)
