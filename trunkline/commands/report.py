"""`trunkline report`: the report of a load run or a replay again, or two of them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.commands.options import writable_folder_of
from trunkline.reports.comparison import compare, differing_plan
from trunkline.reports.page import comparison_page, page
from trunkline.reports.reading import read_report
from trunkline.reports.thresholds import parse_threshold
from trunkline.reports.view import judge, show_changes, show_report
from trunkline.view import plain_console


def report(
    before: Annotated[Path, typer.Argument(help="The JSON of a load run or a replay.")],
    after: Annotated[Path | None, typer.Argument(help="A later one, to compare with.")] = None,
    *,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page, too.")] = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", help="What the last run must reach, such as p95<=650; else exit status 1."),
    ] = None,
) -> None:
    """Show the report of a load run or a replay, or compare two."""
    thresholds = [parse_threshold(text) for text in require or []]
    console = plain_console()
    first = read_report(before)
    last = first
    if after is None:
        show_report(console, first)
        document = page(first, thresholds)
    else:
        last = read_report(after)
        changes = compare(first, last)
        show_changes(console, changes)
        for line in differing_plan(first, last):
            console.print(f"not alike: {line}", style="yellow", soft_wrap=True)
        document = comparison_page(first, last, changes)
    if html is not None:
        writable_folder_of(html, "--html").write_text(document, encoding="utf-8")
        console.print(f"The page: {html}", soft_wrap=True)
    raise typer.Exit(0 if judge(console, thresholds, last) else 1)
