"""The turn ledger of one call, as analytics has it: what was said, and where the silence went."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from contracts.identities import CallRef, check_token
from contracts.messages import SqlResult
from runtime.bus import Bus
from runtime.errors import RequestTimeout
from trunkline.bus_client import ask_analytics

_MAX_ROWS: Final = 1_000
_ASK_EVERY_S: Final = 0.3


class LedgerTurn(BaseModel):
    """One turn of the caller and its answer, by the view `turns`; times are the gateway's clock."""

    model_config = ConfigDict(frozen=True)

    turn: int
    reply: int | None
    text_pii: str
    answer_pii: str | None
    confidence: float
    speech_ended_at: datetime
    stt_engine: str
    llm_engine: str | None
    tts_engine: str | None
    tts_cached: bool | None
    decode_ms: float
    endpoint_ms: float
    llm_first_sentence_ms: float | None
    tts_first_audio_ms: float | None
    voice_to_voice_ms: float | None
    unexplained_ms: float | None
    playout_outcome: str | None
    interrupted: bool | None
    heard_ms: float | None


_TURNS: Final = "SELECT {columns} FROM turns WHERE tenant = '{tenant}' AND call = '{call}' ORDER BY turn"
_ENDED: Final = (
    "SELECT count() FROM events WHERE tenant = '{tenant}' AND call = '{call}' AND event = 'call.ended'"
)


async def read_ledger(bus: Bus, ref: CallRef, within_s: float) -> tuple[LedgerTurn, ...]:
    """The turns of a call that is over, once analytics has its end; what there is after `within_s`.

    Raises QueryFailed with what the store said.
    """
    deadline_s = time.monotonic() + within_s
    while not await _recorded(bus, ref):
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(_ASK_EVERY_S)
    columns = ", ".join(LedgerTurn.model_fields)
    result = await ask_analytics(bus, _for_call(_TURNS, ref, columns=columns), _MAX_ROWS)
    return tuple(LedgerTurn.model_validate(row) for row in as_objects(result))


def as_objects(result: SqlResult) -> list[dict[str, Any]]:
    """Each row by the names of its columns."""
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


async def _recorded(bus: Bus, ref: CallRef) -> bool:
    try:
        result = await ask_analytics(bus, _for_call(_ENDED, ref), 1)
    except RequestTimeout:  # analytics may be starting anew
        return False
    return bool(result.rows and result.rows[0][0])


def _for_call(sql: str, ref: CallRef, **parts: str) -> str:
    """Both are checked to be tokens of a subject, so neither can end a string."""
    return sql.format(tenant=check_token("tenant", ref.tenant), call=check_token("call", ref.call), **parts)
