"""Plots as inline SVG: no script, no font, nothing that a report would have to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

_WIDTH: Final = 720
_HEIGHT: Final = 260
_LEFT: Final = 56
_RIGHT: Final = 12
_TOP: Final = 12
_BOTTOM: Final = 40
_TICKS: Final = 5
COLOURS: Final = (
    ("#2563eb", "#60a5fa"),
    ("#dc2626", "#f87171"),
    ("#059669", "#34d399"),
    ("#b45309", "#fbbf24"),
    ("#7c3aed", "#a78bfa"),
    ("#0e7490", "#22d3ee"),
    ("#be185d", "#f472b6"),
    ("#4d7c0f", "#a3e635"),
    ("#475569", "#cbd5e1"),
)
"""Of lines, in turn: on a light page and on a dark one, which the page defines as `--line-0` and so on."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """Lines over a common axis that begins at zero, with a legend below."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return f"<figure><figcaption>{escape(title)}: nothing was measured</figcaption></figure>"
    x_top = _axis_end(max(x for line in drawn for x, _ in line.points))
    y_top = _axis_end(max(y for line in drawn for _, y in line.points))
    paths = [
        f'<polyline fill="none" style="stroke:{_colour(index)}" stroke-width="1.6" points="'
        + " ".join(f"{_x(x, x_top):.1f},{_y(y, y_top):.1f}" for x, y in line.points)
        + f'"><title>{escape(line.name)}</title></polyline>'
        for index, line in enumerate(drawn)
    ]
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{_axes(x_label, y_label, x_top, y_top)}{''.join(paths)}</svg>"
        f'<div class="legend">{_legend(drawn)}</div></figure>'
    )


def _axes(x_label: str, y_label: str, x_top: float, y_top: float) -> str:
    parts = []
    for step in range(_TICKS + 1):
        x, y = x_top * step / _TICKS, y_top * step / _TICKS
        level = _y(y, y_top)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{level:.1f}" y2="{level:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{level + 4:.1f}" text-anchor="end">{y:g}</text>'
            f'<text x="{_x(x, x_top):.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{x:g}</text>'
        )
    centre, bottom = (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text x="{centre}" y="{bottom}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _legend(lines: Sequence[Line]) -> str:
    return "".join(
        f'<span><i style="background:{_colour(index)}"></i>{escape(line.name)}</span>'
        for index, line in enumerate(lines)
    )


def _colour(index: int) -> str:
    return f"var(--line-{index % len(COLOURS)})"


def _x(value: float, top: float) -> float:
    return _LEFT + value / top * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)


def _axis_end(most: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten, or a few of them."""
    if most <= 0:
        return 1.0
    step = 10 ** floor(log10(most))
    return float(next(end for end in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if end * step >= most) * step)


def histogram(values: Sequence[float], most_bins: int = 60) -> list[tuple[float, float]]:
    """Counts of `values` as the outline of bars, from the first bin to the last."""
    if not values:
        return []
    low, high = min(values), max(values)
    bins = min(most_bins, max(1, ceil(len(values) ** 0.5) * 2))
    width = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / width), bins - 1)] += 1
    outline = [(low, 0.0)]
    for index, count in enumerate(counts):
        outline += [(low + index * width, float(count)), (low + (index + 1) * width, float(count))]
    return [*outline, (low + bins * width, 0.0)]
