"""A report on the terminal: its figures, two of them side by side, and whether thresholds hold."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from trunkline.reports.comparison import Change
from trunkline.reports.report import RunReport
from trunkline.reports.samples import Spread
from trunkline.reports.thresholds import FIGURES, SUMMED_UP, Threshold


def show_report(console: Console, report: RunReport) -> None:
    """What a run found, as tables."""
    figures = report.figures()
    table = Table("figure", "found", "what it is", box=None)
    for name, found in figures.items():
        if name in SUMMED_UP:
            table.add_row(name, number(found), FIGURES[name])
    console.print(table)
    _show_stages(console, report)
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


def _show_stages(console: Console, report: RunReport) -> None:
    then, now = report.earlier_stages(), report.stages()
    if not now:
        return
    table = Table("stage, ms", "turns", "p50", "p95", "p99", "at most", box=None)
    for stage, found in now.items():
        table.add_row(stage, *_cells(found))
        if stage in then:
            table.add_row("  in the recording", *_cells(then[stage]), style="dim")
    console.print(table)


def _cells(spread: Spread) -> tuple[str, ...]:
    return (str(spread.count), *map(number, (spread.p50, spread.p95, spread.p99, spread.max)))


def show_changes(console: Console, changes: Sequence[Change]) -> None:
    """Two runs, as a table."""
    table = Table("figure", "before", "after", "change", "what it is", box=None)
    for one in changes:
        percent = "-" if one.percent is None else f"{one.percent:+.1f} %"
        table.add_row(one.figure, number(one.before), number(one.after), percent, FIGURES[one.figure])
    console.print(table)


def judge(console: Console, thresholds: Sequence[Threshold], report: RunReport) -> bool:
    """Say of each threshold whether it held; whether all did."""
    figures = report.figures()
    for one in thresholds:
        held = one.holds(figures)
        mark, style = ("ok  ", "green") if held else ("FAIL", "bold red")
        console.print(f"{mark} {one}: found {number(figures.get(one.figure))}", style=style)
    return all(one.holds(figures) for one in thresholds)


def number(value: float | None) -> str:
    """Four digits of it, a hyphen for none."""
    return "-" if value is None else f"{value:.4g}"
