"""The state of one caller's turn, as one table. No audio, no clock, no text: those are in `recognition`.

quiet ──began──▶ speaking ──paused──▶ pausing ──understood──▶ understood ──over──▶ quiet
                    ▲                    │ │                      │
                    └──────resumed───────┘ └──failed──▶ quiet     │
                    └──────resumed────────────────────────────────┘
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from stt_service.errors import UnlistedTransition


class TurnState(StrEnum):
    """Where a call stands between silence and a turn that is over."""

    QUIET = "quiet"
    SPEAKING = "speaking"
    PAUSING = "pausing"
    UNDERSTOOD = "understood"


class TurnEvent(StrEnum):
    """What may happen to a turn.

    `UNDERSTOOD` is that all audio up to the pause is in words, or known to hold none; `OVER` that it is and
    the pause is long enough; `FAILED` that no engine could tell.
    """

    BEGAN = "began"
    PAUSED = "paused"
    RESUMED = "resumed"
    UNDERSTOOD = "understood"
    OVER = "over"
    FAILED = "failed"


TABLE: Final[dict[tuple[TurnState, TurnEvent], TurnState]] = {
    (TurnState.QUIET, TurnEvent.BEGAN): TurnState.SPEAKING,
    (TurnState.SPEAKING, TurnEvent.PAUSED): TurnState.PAUSING,
    (TurnState.PAUSING, TurnEvent.RESUMED): TurnState.SPEAKING,
    (TurnState.PAUSING, TurnEvent.UNDERSTOOD): TurnState.UNDERSTOOD,
    (TurnState.PAUSING, TurnEvent.FAILED): TurnState.QUIET,
    (TurnState.UNDERSTOOD, TurnEvent.RESUMED): TurnState.SPEAKING,
    (TurnState.UNDERSTOOD, TurnEvent.OVER): TurnState.QUIET,
}


class TurnMachine:
    """One call's place in the table."""

    def __init__(self) -> None:
        self.state = TurnState.QUIET

    def apply(self, event: TurnEvent) -> TurnState:
        """Move to the next state and return it; raises UnlistedTransition, and then nothing has changed."""
        following = TABLE.get((self.state, event))
        if following is None:
            raise UnlistedTransition(
                f"a turn cannot be {event} while {self.state}", mend="see the table in stt_service/turns.py"
            )
        self.state = following
        return following
