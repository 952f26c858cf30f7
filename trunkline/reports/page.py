"""A run, or two of them side by side, as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from trunkline.reports.charts import Line, histogram, plot
from trunkline.reports.comparison import Change, differing_plan
from trunkline.reports.document import document, heading, listed, table
from trunkline.reports.report import STAGES, RunReport
from trunkline.reports.samples import Sample, Spread
from trunkline.reports.thresholds import FIGURES, SUMMED_UP, Threshold

_MOST_DIFFERENCES: Final = 200
_WORDS: Final = {
    "endpoint": "end of speech to the decision",
    "stt_decode": "speech to text",
    "llm_first_sentence": "first sentence of the answer",
    "tts_first_audio": "first audio of it",
    "voice_to_voice": "end of speech to the first frame of the answer",
}


def page(report: RunReport, thresholds: Sequence[Threshold] = ()) -> str:
    """The page of one run."""
    figures = report.figures()
    title = f"{report.title} of {report.at}"
    return document(
        title,
        [
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(_plan_line(report))}</p>",
            _verdicts(thresholds, figures),
            table(
                ("figure", "found", ""),
                ((name, _number(found), FIGURES[name]) for name, found in figures.items()),
            ),
            listed((f"{count} calls: {why}" for why, count in report.broken.items()), "bad"),
            heading("What is not as it was", _differences(report)),
            heading("Latency", _stage_table(report), *_latency_plots(report)),
            heading("Calls and drops", *_call_plots(report), _dropped(report)),
            heading("What it cost", *_cost_plots(report), _costs(report)),
            _machine(report),
        ],
    )


def comparison_page(before: RunReport, after: RunReport, changes: Iterable[Change]) -> str:
    """The page of two runs."""
    rows = ((one.figure, _number(one.before), _number(one.after), _percent(one.percent)) for one in changes)
    both = (("before", before), ("after", after))
    differing = differing_plan(before, after)
    return document(
        "Two runs",
        [
            "<h1>Two runs</h1>",
            *(f"<p>{name}: {escape(f'{one.title} of {one.at}')}</p>" for name, one in both),
            table(("figure", "before", "after", "change"), rows),
            f"<p>The runs were not alike:</p>{listed(differing)}"
            if differing
            else "<p>Both had the same plan.</p>",
            heading(
                "Latency",
                _share_plot("Share of turns answered within", {name: one.waits_ms for name, one in both}),
                *_stage_comparison(before, after),
            ),
            heading(
                "Calls and drops",
                plot("Calls", "seconds", "calls up", [Line(name, _calls(one.samples)) for name, one in both]),
                plot("Drops", "seconds", "frames", [Line(name, _frames_dropped(one)) for name, one in both]),
            ),
            heading(
                "What it cost",
                plot("CPU", "seconds", "cores", [Line(name, _all_cores(one.samples)) for name, one in both]),
                plot("Memory", "seconds", "MB", [Line(name, _all_memory(one.samples)) for name, one in both]),
            ),
            *(_machine(one) for _, one in both),
        ],
    )


def _figure_rows(figures: dict[str, float | None]) -> list[tuple[str, ...]]:
    return [(name, _number(found), FIGURES[name]) for name, found in figures.items() if name in SUMMED_UP]


# -- latency -----------------------------------------------------------------------------------------


def _latency_plots(report: RunReport) -> list[str]:
    plots = [
        plot("How long callers waited", "ms", "turns", [Line("turns", histogram(report.waits_ms))]),
        _share_plot("Share of turns answered within", _then_and_now(report)),
    ]
    if report.stages_ms:
        times = {name: report.stages_ms.get(name, ()) for name in STAGES}
        plots.append(_share_plot("Share of turns whose stage took at most", times))
    return plots


def _then_and_now(report: RunReport) -> dict[str, Sequence[float]]:
    then = report.earlier_ms.get("voice_to_voice")
    return {"turns": report.waits_ms, **({"in the recording": then} if then else {})}


def _stage_table(report: RunReport) -> str:
    then, now = report.earlier_stages(), report.stages()
    rows = []
    for stage, found in now.items():
        rows.append((stage, _WORDS[stage], *_spread_cells(found)))
        if stage in then:
            rows.append(("", "in the recording", *_spread_cells(then[stage])))
    return table(("stage", "", "turns", "p50", "p95", "p99", "most, ms"), rows)


def _spread_cells(spread: Spread) -> tuple[str, ...]:
    return (str(spread.count), *map(_number, (spread.p50, spread.p95, spread.p99, spread.max)))


def _stage_comparison(before: RunReport, after: RunReport) -> list[str]:
    """A plot for each stage that both have."""
    old, new = before.stages_ms or {}, after.stages_ms or {}
    return [
        _share_plot(f"{stage}: {_WORDS[stage]}", {"before": old[stage], "after": new[stage]})
        for stage in STAGES
        if old.get(stage) and new.get(stage)
    ]


def _share_plot(title: str, times: Mapping[str, Sequence[float]]) -> str:
    return plot(title, "ms", "%", [Line(name, _share_below(values)) for name, values in times.items()])


def _share_below(values: Sequence[float]) -> list[tuple[float, float]]:
    if not values:
        return []
    shares = np.linspace(0, 100, 101)
    return [(float(x), float(share)) for x, share in zip(np.percentile(values, shares), shares, strict=True)]


# -- calls and drops ---------------------------------------------------------------------------------


def _call_plots(report: RunReport) -> list[str]:
    samples = report.samples
    plots = [
        plot("Calls", "seconds", "calls", [Line("up", _calls(samples)), Line("broken", _broken(samples))])
    ]
    if report.leg_drops is not None:
        plots.append(
            plot("Drops", "seconds", "frames", [Line("frames dropped by gateways", _frames_dropped(report))])
        )
    return plots


def _dropped(report: RunReport) -> str:
    rows = ((one.process, one.why, str(one.frames)) for one in report.dropped)
    return table(("process", "frames dropped because", "frames"), rows)


def _calls(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(sample.at_s, float(sample.calls)) for sample in samples]


def _broken(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(sample.at_s, float(sample.broken)) for sample in samples]


def _frames_dropped(report: RunReport) -> list[tuple[float, float]]:
    """All that was dropped so far, where a leg ended."""
    legs = report.leg_drops or ()
    return [
        (0.0, 0.0),
        *(
            (leg.at_s, float(frames))
            for leg, frames in zip(legs, accumulate(one.frames for one in legs), strict=True)
        ),
    ]


# -- cost --------------------------------------------------------------------------------------------


def _cost_plots(report: RunReport) -> list[str]:
    samples = report.samples
    return [
        plot("CPU", "seconds", "cores", [Line(name, _cores(samples, name)) for name in _names(samples)]),
        plot("Memory", "seconds", "MB", [Line(name, _memory(samples, name)) for name in _names(samples)]),
    ]


def _cores(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    alive = [sample for sample in samples if name in sample.cpu_s]
    return [
        (b.at_s, max(0.0, b.cpu_s[name] - a.cpu_s[name]) / (b.at_s - a.at_s))
        for a, b in pairwise(alive)
        if b.at_s - a.at_s > 0.1
    ]


def _memory(samples: Sequence[Sample], name: str) -> list[tuple[float, float]]:
    return [(sample.at_s, sample.memory_mb[name]) for sample in samples if name in sample.memory_mb]


def _all_cores(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Of all processes together; one that is gone, or came, between two looks does not count there."""
    return [
        (
            b.at_s,
            sum(max(0.0, b.cpu_s[name] - a.cpu_s[name]) for name in a.cpu_s.keys() & b.cpu_s.keys())
            / (b.at_s - a.at_s),
        )
        for a, b in pairwise(samples)
        if b.at_s - a.at_s > 0.1
    ]


def _all_memory(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(sample.at_s, sum(sample.memory_mb.values())) for sample in samples]


def _names(samples: Sequence[Sample]) -> list[str]:
    return sorted({name for sample in samples for name in sample.cpu_s})


def _costs(report: RunReport) -> str:
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
    return table(("process", "CPU-s per call-minute", "MB before", "MB at most", "MB per call"), rows)


# -- lines of text -----------------------------------------------------------------------------------


def _plan_line(report: RunReport) -> str:
    return ", ".join(f"{key} {value}" for key, value in report.plan.items() if value not in (None, {}))


def _differences(report: RunReport) -> str:
    found = report.differences()
    more = len(found) - _MOST_DIFFERENCES
    rest = f'<p class="faint">and {more} more, which the JSON has</p>' if more > 0 else ""
    return table(("turn", "then", "now"), found[:_MOST_DIFFERENCES], words=True) + rest


def _verdicts(thresholds: Sequence[Threshold], figures: dict[str, float | None]) -> str:
    return "".join(
        listed(
            [f"{'held' if held else 'missed'}: {one} (found {_number(figures.get(one.figure))})"],
            "good" if held else "bad",
        )
        for one in thresholds
        for held in (one.holds(figures),)
    )


def _machine(report: RunReport) -> str:
    machine, load_after = report.machine_before, report.machine_after.get("load_average")
    facts = ", ".join(f"{key} {value}" for key, value in machine.items())
    text = escape(f"{facts}; load average after: {load_after}; trunkline {report.version}")
    return f'<p class="faint">{text}</p>'


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} %"
