"""Where a reply stands: is its text still being made, and what of it reached the caller's ear.

Two questions with one table each, because their answers come from two processes and in either order: the
text from here, the hearing from the gateway.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from llm_service.errors import OutOfOrder


class Text(Enum):
    """How far the words of a reply are."""

    GROWING = auto()
    WHOLE = auto()
    CUT = auto()


class Ear(Enum):
    """What is known of the hearing. DOUBTED: the caller spoke, and the gateway has not yet said up to where
    they heard it.
    """

    EXPECTED = auto()
    DOUBTED = auto()
    HEARD = auto()
    SILENCED = auto()


class Happened(Enum):
    """What can happen to a reply."""

    LAST_WORD = auto()
    STOPPED = auto()
    TALKED_OVER = auto()
    PLAYED = auto()
    CLEARED = auto()


_TEXT: Final = {
    (Text.GROWING, Happened.LAST_WORD): Text.WHOLE,
    (Text.GROWING, Happened.STOPPED): Text.CUT,
}
_EAR: Final = {
    (Ear.EXPECTED, Happened.TALKED_OVER): Ear.DOUBTED,
    (Ear.EXPECTED, Happened.PLAYED): Ear.HEARD,
    (Ear.EXPECTED, Happened.CLEARED): Ear.SILENCED,
    (Ear.DOUBTED, Happened.PLAYED): Ear.HEARD,
    (Ear.DOUBTED, Happened.CLEARED): Ear.SILENCED,
}


def next_text(state: Text, happened: Happened) -> Text:
    """The state of the text after `happened`; raises OutOfOrder for a pair that is not listed."""
    try:
        return _TEXT[state, happened]
    except KeyError:
        raise _out_of_order(state, happened) from None


def next_ear(state: Ear, happened: Happened) -> Ear:
    """The state of the hearing after `happened`; raises OutOfOrder for a pair that is not listed."""
    try:
        return _EAR[state, happened]
    except KeyError:
        raise _out_of_order(state, happened) from None


def _out_of_order(state: Text | Ear, happened: Happened) -> OutOfOrder:
    return OutOfOrder(
        f"{happened.name} cannot happen to a reply whose {type(state).__name__.lower()} is {state.name}",
        mend="see llm_service/states.py",
    )
