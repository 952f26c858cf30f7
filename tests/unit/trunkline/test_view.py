from __future__ import annotations

import io

import pytest
from rich.console import Console

from trunkline.narrator import Line, Who
from trunkline.supervisor import Happening, Report
from trunkline.view import CallView, meter, process_line

LINE = Line(
    1.25, Who.AGENT, "A [red] answer that is longer than the forty columns of this one", "after 500 ms"
)


def plain() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=False, width=40, highlight=False), out


def test_elsewhere_than_on_a_terminal_a_call_is_plain_lines() -> None:
    console, out = plain()
    with CallView(console) as view:
        view.status(-10, -99, "What are")
        view.add(LINE)
    assert out.getvalue() == f"   1.25 s  agent   {LINE.text}  (after 500 ms)\n"


def test_on_a_terminal_what_is_not_finished_stands_below() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None, highlight=False)
    with CallView(console) as view:
        view.status(-3, -99, "What are your")
        view.add(LINE)
    text = out.getvalue()
    assert "What are your" in text
    assert "caller █" in text
    assert "agent ▁" in text
    assert "A [red] answer" in text


@pytest.mark.parametrize(("level_db", "block"), [(-99, "▁"), (-50, "▁"), (0, "█"), (6, "█"), (-25, "▅")])
def test_the_meter_goes_from_silence_to_full_scale(level_db: float, block: str) -> None:
    assert meter(level_db) == block


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (Report("stt", Happening.READY, 812.4), ["stt", "ready", "812 ms"]),
        (Report("tts", Happening.DIED, detail="exit status 1; its log: x"), ["tts", "died", "exit status 1"]),
        (Report("tts", Happening.RESTARTED, 90), ["tts", "restarted", "90 ms"]),
    ],
)
def test_a_process_takes_one_line(report: Report, words: list[str]) -> None:
    console, out = plain()
    console.print(process_line(report), soft_wrap=True)
    assert len(out.getvalue().splitlines()) == 1
    assert all(word in out.getvalue() for word in words)
