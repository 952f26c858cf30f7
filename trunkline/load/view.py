"""A load run on the terminal: a live line while it goes on, a table when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from trunkline.load.comparison import Change
from trunkline.load.report import LoadReport, Sample
from trunkline.load.thresholds import FIGURES, Threshold

_PLAIN_EVERY_S: Final = 5.0


class LoadView:
    """Shows samples as they come: in place on a terminal, a line every five seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False, redirect_stderr=False)
        self._shown_s = -_PLAIN_EVERY_S
        self._before: Sample | None = None

    def add(self, sample: Sample) -> None:
        """One more sample."""
        line = self._line(sample)
        self._before = sample
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif sample.at_s - self._shown_s >= _PLAIN_EVERY_S:
            self._shown_s = sample.at_s
            self._console.print(line, soft_wrap=True)

    def _line(self, sample: Sample) -> str:
        line = f"{sample.at_s:7.1f} s  {sample.calls:4} calls  {sample.spurts:6} times answered"
        if sample.broken:
            line += f"  {sample.broken} broken"
        before = self._before
        if before is not None and sample.cpu_s and sample.at_s > before.at_s:
            used_s = sum(sample.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in sample.cpu_s)
            line += f"  {used_s / (sample.at_s - before.at_s):.2f} cores"
            line += f"  {sum(sample.memory_mb.values()):,.0f} MB"
        return line

    def __enter__(self) -> LoadView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def show_report(console: Console, report: LoadReport) -> None:
    """What a run found, as two tables."""
    figures = report.figures()
    table = Table("figure", "found", "what it is", box=None)
    for name, what in FIGURES.items():
        table.add_row(name, number(figures[name]), what)
    console.print(table)
    for why, count in report.broken.items():
        console.print(f"{count} calls {why}", style="red")
    costs = report.costs()
    if costs:
        table = Table("process", "CPU-s per call-minute", "MB at most", "MB per call", box=None)
        for name, cost in costs.items():
            table.add_row(
                name,
                number(cost.cpu_s_per_call_minute),
                number(cost.memory_mb_most),
                number(cost.memory_mb_per_call),
            )
        console.print(table)


def show_changes(console: Console, changes: Sequence[Change]) -> None:
    """Two runs, as a table."""
    table = Table("figure", "before", "after", "change", "what it is", box=None)
    for one in changes:
        percent = "-" if one.percent is None else f"{one.percent:+.1f} %"
        table.add_row(one.figure, number(one.before), number(one.after), percent, FIGURES[one.figure])
    console.print(table)


def judge(console: Console, thresholds: Sequence[Threshold], report: LoadReport) -> bool:
    """Say of each threshold whether it held; whether all did."""
    figures = report.figures()
    for one in thresholds:
        held = one.holds(figures)
        mark, style = ("ok  ", "green") if held else ("FAIL", "bold red")
        console.print(f"{mark} {one}: found {number(figures[one.figure])}", style=style)
    return all(one.holds(figures) for one in thresholds)


def number(value: float | None) -> str:
    """Four digits of it, a hyphen for none."""
    return "-" if value is None else f"{value:.4g}"
