from __future__ import annotations

import io

from rich.console import Console

from tests.unit.trunkline.load.reports import samples
from trunkline.load.view import LoadView


def console() -> Console:
    return Console(file=io.StringIO(), width=120, markup=False, highlight=False)


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_elsewhere_than_on_a_terminal_progress_is_a_line_now_and_then() -> None:
    shown = console()
    with LoadView(shown) as view:
        for sample in samples():
            view.add(sample)
            view.add(sample.model_copy(update={"at_s": sample.at_s + 1}))
    lines = text_of(shown).splitlines()
    assert len(lines) == 4
    assert "10 calls" in lines[-1]
    assert "115 MB" in lines[-1]


def test_on_a_terminal_progress_is_one_line_that_goes_away() -> None:
    shown = Console(file=io.StringIO(), force_terminal=True, width=120, markup=False, highlight=False)
    with LoadView(shown) as view:
        view.add(samples()[0])
    assert "0 calls" in text_of(shown)
