from __future__ import annotations

import itertools

import pytest

from contracts.errors import ErrorCode
from llm_service.errors import OutOfOrder
from llm_service.states import Ear, Happened, Text, next_ear, next_text

LISTED_TEXT = {(Text.GROWING, Happened.LAST_WORD): Text.WHOLE, (Text.GROWING, Happened.STOPPED): Text.CUT}
LISTED_EAR = {
    (Ear.EXPECTED, Happened.TALKED_OVER): Ear.DOUBTED,
    (Ear.EXPECTED, Happened.PLAYED): Ear.HEARD,
    (Ear.EXPECTED, Happened.CLEARED): Ear.SILENCED,
    (Ear.DOUBTED, Happened.PLAYED): Ear.HEARD,
    (Ear.DOUBTED, Happened.CLEARED): Ear.SILENCED,
}


@pytest.mark.parametrize(("state", "happened"), list(itertools.product(Text, Happened)))
def test_every_pair_of_the_text(state: Text, happened: Happened) -> None:
    if (state, happened) in LISTED_TEXT:
        assert next_text(state, happened) is LISTED_TEXT[state, happened]
    else:
        with pytest.raises(OutOfOrder, match=rf"{happened.name}.*text is {state.name}") as raised:
            next_text(state, happened)
        assert raised.value.code is ErrorCode.OUT_OF_ORDER


@pytest.mark.parametrize(("state", "happened"), list(itertools.product(Ear, Happened)))
def test_every_pair_of_the_hearing(state: Ear, happened: Happened) -> None:
    if (state, happened) in LISTED_EAR:
        assert next_ear(state, happened) is LISTED_EAR[state, happened]
    else:
        with pytest.raises(OutOfOrder, match=rf"{happened.name}.*ear is {state.name}"):
            next_ear(state, happened)
