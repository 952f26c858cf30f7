"""What a person sees while something happens: colour and a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from trunkline.narrator import Line, Who
from trunkline.supervisor import Happening, Report

_STYLES: Final = {Who.CALLER: "cyan", Who.AGENT: "green", Who.PLATFORM: "dim"}
_HAPPENED: Final = {Happening.READY: "green", Happening.LEAVING: "yellow", Happening.RESTARTED: "yellow"}
_METER: Final = "▁▂▃▄▅▆▇█"
_WIDTH_ELSEWHERE: Final = 120
_NAME_WIDTH: Final = 20
_QUIETEST_DB: Final = -50.0


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints what it is given: brackets in an error or a transcript are no markup."""
    console = Console(stderr=stderr, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH_ELSEWHERE
    return console


def process_line(report: Report) -> Text:
    """One line about a process."""
    took = f"{report.ms:7.0f} ms" if report.ms else ""
    style = _HAPPENED.get(report.happened, "red")
    parts = [
        (f"  {report.name:<{_NAME_WIDTH}} ", ""),
        (f"{report.happened:<10}", style),
        (took, "dim"),
        (report.detail, ""),
    ]
    return Text.assemble(*((text, how) for text, how in parts if text))


def story_line(line: Line) -> Text:
    """One line of a call's story."""
    note = f"  ({line.note})" if line.note else ""
    return Text.assemble(
        (f"{line.at_s:7.2f} s  ", "dim"),
        (f"{line.who:<7} ", f"bold {_STYLES[line.who]}"),
        (line.text, _STYLES[line.who]),
        (note, "dim"),
    )


def meter(level_db: float) -> str:
    """A level between silence and full scale (0 dB) as one block."""
    share = min(max(1 - level_db / _QUIETEST_DB, 0.0), 1.0)
    return _METER[round(share * (len(_METER) - 1))]


class CallView:
    """Shows a call as it goes on: finished lines, and below them, on a terminal, what is not finished yet."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False, redirect_stderr=False)

    def add(self, line: Line) -> None:
        """A finished line."""
        self._console.print(story_line(line), soft_wrap=True)

    def status(self, caller_db: float, agent_db: float, partial: str) -> None:
        """How loud both are now, and what the caller is understood to be saying."""
        if not self._console.is_terminal:
            return
        said = f" … {partial}" if partial else ""
        text = Text.assemble(
            (f"  caller {meter(caller_db)}  agent {meter(agent_db)}", "dim"), (said, "italic cyan")
        )
        text.truncate(self._console.width, overflow="ellipsis")
        self._live.update(text, refresh=True)

    def __enter__(self) -> CallView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
