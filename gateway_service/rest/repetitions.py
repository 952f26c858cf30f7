"""A POST that router has no part in, repeated with its Idempotency-Key, is answered as the first time.

What router answers, router keeps itself, beside what it changed. The others' answers are kept in a bucket
for a day, so that every process of REST has them, whatever becomes of SQL. Refusals are not kept: what was
wrong may be right later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pydantic import BaseModel

from contracts.messages import KeptAnswer, Principal
from contracts.streams import ANSWERS_BUCKET
from gateway_service.rest.errors import KeyReused
from runtime.bus import Bus
from runtime.errors import Conflict
from runtime.storage import Bucket

AnswerT = TypeVar("AnswerT", bound=BaseModel)

_PATIENCE_S: Final = 2.0


class Repetitions:
    """Looks for an earlier answer, and keeps the one of now."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket: Bucket[KeptAnswer] | None = None

    async def once(
        self,
        who: Principal,
        key: str | None,
        asked: tuple[str, ...],
        model: type[AnswerT],
        answer: Callable[[], Awaitable[AnswerT]],
    ) -> AnswerT:
        """The answer of the first time, or of now. `asked` is all that the answer depends on, as text.

        Of requests that come at once each may be worked on, and one's answer is everybody's: `answer` does
        nothing that may not be done twice. Raises KeyReused, and BusUnavailable for a request with a key.
        """
        if key is None:
            return await answer()
        bucket = await self._opened()
        place = _digest(who.subject, who.tenant or "", key)
        mark = _digest(*asked)
        kept, revision = await bucket.entry(place)
        if kept is None:
            given = await answer()
            try:
                fresh = KeptAnswer(mark=mark, answer=given.model_dump(mode="json"))
                await bucket.replace(place, fresh, revision)
            except Conflict:
                kept = await bucket.get(place)
            if kept is None:
                return given
        if kept.mark != mark:
            raise KeyReused
        return model.model_validate(kept.answer)

    async def _opened(self) -> Bucket[KeptAnswer]:
        if self._bucket is None:
            self._bucket = await Bucket.open(self._bus, ANSWERS_BUCKET, KeptAnswer, _PATIENCE_S)
        return self._bucket


def _digest(*parts: str) -> str:
    """Of the parts, each with its length: no two lists of parts read the same."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()
