"""A run as one HTML page that needs nothing else: figures, plots, and what broke."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Final

import numpy as np

from trunkline.load.charts import Line, histogram, plot
from trunkline.load.comparison import Change, differing_plan
from trunkline.load.report import LoadReport, Sample
from trunkline.load.thresholds import FIGURES, Threshold

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:780px;margin:2rem auto;padding:0 1rem;
color:#111827;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}
td,th{text-align:right;padding:.25rem .5rem;border-bottom:1px solid #e5e7eb}
td:first-child,th:first-child{text-align:left}
figure{margin:1.5rem 0}figcaption{font-weight:600}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#6b7280}.grid{stroke:#e5e7eb}
.legend span{margin-right:1rem;white-space:nowrap;font-size:13px}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}
.bad{color:#b91c1c}.good{color:#047857}
"""


def page(report: LoadReport, thresholds: Sequence[Threshold] = ()) -> str:
    """The page of one run."""
    figures = report.figures()
    body = [
        f"<h1>Load run of {escape(report.at)}</h1>",
        f"<p>{escape(_plan_line(report))}</p>",
        _table(("figure", "found", ""), ((name, _number(figures[name]), FIGURES[name]) for name in FIGURES)),
        _verdicts(thresholds, figures),
        _broken(report),
        *_plots(report),
        _costs(report),
        _machine(report),
    ]
    return _document(f"Load run of {report.at}", body)


def comparison_page(before: LoadReport, after: LoadReport, changes: Iterable[Change]) -> str:
    """The page of two runs."""
    rows = ((one.figure, _number(one.before), _number(one.after), _percent(one.percent)) for one in changes)
    differing = "".join(f"<li>{escape(line)}</li>" for line in differing_plan(before, after))
    both = (("before", before), ("after", after))
    body = [
        "<h1>Two load runs</h1>",
        f"<p>before: {escape(before.at)}<br>after: {escape(after.at)}</p>",
        _table(("figure", "before", "after", "change"), rows),
        f"<p>The runs were not alike:</p><ul>{differing}</ul>"
        if differing
        else "<p>Both had the same plan.</p>",
        _latency_plot([Line(name, _share_below(one.waits_ms)) for name, one in both]),
        plot("Calls", "seconds", "calls up", [Line(name, _calls(one.samples)) for name, one in both]),
        *(_machine(one) for _, one in both),
    ]
    return _document("Two load runs", body)


def _plots(report: LoadReport) -> list[str]:
    samples = report.samples
    return [
        plot("How long callers waited", "ms", "turns", [Line("turns", histogram(report.waits_ms))]),
        _latency_plot([Line("turns", _share_below(report.waits_ms))]),
        plot(
            "Calls", "seconds", "calls", [Line("up", _calls(samples)), Line("broken", _broken_calls(samples))]
        ),
        plot("CPU", "seconds", "cores", [Line(name, _cores(samples, name)) for name in _names(samples)]),
        plot("Memory", "seconds", "MB", [Line(name, _memory(samples, name)) for name in _names(samples)]),
    ]


def _latency_plot(lines: list[Line]) -> str:
    return plot("Share of turns answered within", "ms", "%", lines)


def _share_below(values: Sequence[float]) -> list[tuple[float, float]]:
    if not values:
        return []
    shares = np.linspace(0, 100, 101)
    return [(float(x), float(share)) for x, share in zip(np.percentile(values, shares), shares, strict=True)]


def _calls(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(sample.at_s, float(sample.calls)) for sample in samples]


def _broken_calls(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(sample.at_s, float(sample.broken)) for sample in samples]


def _cores(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    alive = [sample for sample in samples if name in sample.cpu_s]
    return [
        (b.at_s, max(0.0, b.cpu_s[name] - a.cpu_s[name]) / (b.at_s - a.at_s))
        for a, b in pairwise(alive)
        if b.at_s - a.at_s > 0.1
    ]


def _memory(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    return [(sample.at_s, sample.memory_mb[name]) for sample in samples if name in sample.memory_mb]


def _names(samples: Sequence[Sample]) -> list[str]:
    return sorted({name for sample in samples for name in sample.cpu_s})


def _plan_line(report: LoadReport) -> str:
    return ", ".join(f"{key} {value}" for key, value in report.plan.items())


def _verdicts(thresholds: Sequence[Threshold], figures: dict[str, float | None]) -> str:
    lines = (
        f'<li class="{"good" if held else "bad"}">{"held" if held else "missed"}: {escape(str(one))}'
        f" (found {_number(figures[one.figure])})</li>"
        for one in thresholds
        for held in (one.holds(figures),)
    )
    return f"<ul>{''.join(lines)}</ul>"


def _broken(report: LoadReport) -> str:
    lines = (f'<li class="bad">{count} calls: {escape(why)}</li>' for why, count in report.broken.items())
    return f"<ul>{''.join(lines)}</ul>"


def _costs(report: LoadReport) -> str:
    rows = (
        (
            name,
            _number(cost.cpu_s_per_call_minute),
            _number(cost.memory_mb_before),
            _number(cost.memory_mb_most),
            _number(cost.memory_mb_per_call),
        )
        for name, cost in report.costs().items()
    )
    return _table(("process", "CPU-s per call-minute", "MB before", "MB at most", "MB per call"), rows)


def _machine(report: LoadReport) -> str:
    machine, load_after = report.machine_before, report.machine_after.get("load_average")
    facts = ", ".join(f"{key} {value}" for key, value in machine.items())
    return f"<p>{escape(f'{facts}; load average after: {load_after}; trunkline {report.version}')}</p>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} %"


def _document(title: str, body: Iterable[str]) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )
