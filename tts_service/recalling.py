"""How much of a call's record a replacement must read: all that may have to be spoken, and no more.

What the caller has heard, or never will hear, `playout.ended` says. An older reply's sentence before that is
looked for as well: llm says one reply after the other, so nothing of a later one stands further back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contracts.messages import Event, PlayoutEnded, ReplySentence, SpeechStarted


def is_enough(history: Sequence[Event[Any]]) -> bool:
    """Whether this end of a record has every word of the replies of which the gateway has not said the end,
    and the caller's last word.
    """
    heard = max((event.body.reply for event in history if isinstance(event.body, PlayoutEnded)), default=0)
    said = (event.body.reply for event in history if isinstance(event.body, ReplySentence))
    spoken = any(isinstance(event.body, SpeechStarted) for event in history)
    return spoken and next(said, heard) < heard
