"""What the demo proves, in three forms: verdicts, a table for people, and `report.json` for programs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten
from typing import Any, Final

from rich import box
from rich.table import Table

from trunkline.ledger import LedgerTurn
from trunkline.turn_taking import Exchange
from trunkline.utterance import LINE_RATE_HZ

_SAME_TURN_S: Final = 1.0
"""How far the platform's end of a turn may lie from the caller's own and still be that turn."""

_TEXT_WIDTH: Final = 32
_CAPTION: Final = (
    "silence = turn over + llm + tts + rest, on the gateway's clock, from where voice was last detected.\n"
    "by ear: the caller's own measurement, from where the recording was last audible."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that must hold, and what was found."""

    what: str
    holds: bool
    found: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call as both sides saw it. `began_us`: the caller's zero, in microseconds since the Unix epoch."""

    exchanges: tuple[Exchange, ...]
    turns: tuple[LedgerTurn, ...]
    began_us: int
    expected: int

    def turn_of(self, exchange: Exchange) -> LedgerTurn | None:
        """The ledger's turn that ended when this was said."""
        ended = exchange.said.speech_ended
        if ended is None:
            return None
        at_s = self.began_us / 1e6 + ended / LINE_RATE_HZ
        near = [turn for turn in self.turns if abs(turn.speech_ended_at.timestamp() - at_s) <= _SAME_TURN_S]
        return min(near, key=lambda turn: abs(turn.speech_ended_at.timestamp() - at_s), default=None)


def judge(conversation: Conversation, broke_off: str = "") -> list[Verdict]:
    """Every question answered, and the interruption heard; `broke_off` says why the call ended early."""
    verdicts = [_answered(conversation, exchange) for exchange in conversation.exchanges]
    verdicts += [_stopped(conversation, one) for one in conversation.exchanges if one.interrupts]
    missing = conversation.expected - len(conversation.exchanges)
    if missing or broke_off:
        found = broke_off or "the call ended early"
        verdicts.append(Verdict("everything was said", holds=False, found=f"{missing} lines left: {found}"))
    return verdicts


def _answered(conversation: Conversation, exchange: Exchange) -> Verdict:
    what = f"{exchange.said.utterance.name} is answered"
    turn = conversation.turn_of(exchange)
    if turn is None:
        return Verdict(what, holds=False, found="the ledger has no turn that ended with it")
    if not turn.text_pii.strip():
        return Verdict(what, holds=False, found="nothing was understood")
    if not (turn.answer_pii or "").strip():
        return Verdict(what, holds=False, found=f"understood {turn.text_pii!r}, and nothing was answered")
    if not exchange.answered:
        return Verdict(what, holds=False, found="the caller did not hear an answer to its end")
    return Verdict(what, holds=True, found=f"{turn.text_pii!r}")


def _stopped(conversation: Conversation, exchange: Exchange) -> Verdict:
    what = "the interruption stops the agent"
    cut = [turn for turn in conversation.turns if turn.interrupted]
    if exchange.stopped_ms is None:
        return Verdict(what, holds=False, found="the caller heard the agent go on")
    if not cut:
        return Verdict(what, holds=False, found="no reply is recorded as interrupted")
    heard_ms = cut[0].heard_ms or 0.0
    found = f"{exchange.stopped_ms:.0f} ms after the caller began; {heard_ms / 1000:.1f} s had been heard"
    return Verdict(what, holds=True, found=found)


# -- for people ------------------------------------------------------------------------------------------


def latency_table(conversation: Conversation) -> Table:
    """One row per turn: where the silence before the answer went, and what the caller measured himself."""
    table = Table(
        title="Milliseconds from the caller's last word to the agent's first",
        title_justify="left",
        caption=_CAPTION,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("caller")
    table.add_column("agent")
    for name in ("turn over", "llm", "tts", "rest", "silence", "by ear"):
        table.add_column(name, justify="right", no_wrap=True)
    for exchange in conversation.exchanges:
        turn = conversation.turn_of(exchange)
        if turn is None:
            table.add_row(exchange.said.utterance.name, "", *[""] * 5, _ms(exchange.waited_ms))
            continue
        cut = "(interrupted) " if turn.interrupted else ""
        table.add_row(
            shorten(turn.text_pii, _TEXT_WIDTH, placeholder="…"),
            shorten(f"{cut}{turn.answer_pii or ''}", _TEXT_WIDTH, placeholder="…"),
            _ms(turn.endpoint_ms),
            _ms(turn.llm_first_sentence_ms),
            _ms(turn.tts_first_audio_ms),
            _ms(turn.unexplained_ms),
            _ms(turn.voice_to_voice_ms),
            _ms(exchange.waited_ms),
        )
    return table


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


# -- for programs ----------------------------------------------------------------------------------------


def report(
    conversation: Conversation, verdicts: Sequence[Verdict], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `report.json`; `facts` are those about the machine, the start and the call."""
    silences = [turn.voice_to_voice_ms for turn in conversation.turns if turn.voice_to_voice_ms is not None]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "ok": all(verdict.holds for verdict in verdicts),
        "checks": [
            {"what": verdict.what, "holds": verdict.holds, "found": verdict.found} for verdict in verdicts
        ],
        "voice_to_voice_ms": _spread(silences),
        "barge_in_ms": [one.stopped_ms for one in conversation.exchanges if one.interrupts],
        "exchanges": [_exchange(conversation, exchange) for exchange in conversation.exchanges],
        "turns": [turn.model_dump(mode="json") for turn in conversation.turns],
        **facts,
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {"median": round(statistics.median(values), 1), "max": round(max(values), 1), "turns": len(values)}


def _exchange(conversation: Conversation, exchange: Exchange) -> dict[str, Any]:
    turn = conversation.turn_of(exchange)
    ended = exchange.said.speech_ended
    return {
        "said": exchange.said.utterance.name,
        "turn": turn.turn if turn else None,
        "answered": exchange.answered,
        "speech_ended_s": None if ended is None else round(ended / LINE_RATE_HZ, 3),
        "waited_ms_by_ear": exchange.waited_ms,
        "stopped_ms_by_ear": exchange.stopped_ms,
    }
