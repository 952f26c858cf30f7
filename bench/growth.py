"""How cost grows with the number of calls: per call at each number, and the part that no call causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

CPU, MEMORY = "cpu_s_per_call_minute", "memory_mb_per_call"


class Line(NamedTuple):
    """What all calls together cost: `fixed` and, on top of that, `per_call` for each."""

    fixed: float
    per_call: float


def fitted(calls: Sequence[int], cost_per_call: Sequence[float]) -> Line | None:
    """The line through the whole costs, by least squares; None through fewer than two numbers of calls."""
    if len(set(calls)) < 2:
        return None
    numbers = np.asarray(calls, float)
    per_call, fixed = np.polyfit(numbers, numbers * np.asarray(cost_per_call, float), 1)
    return Line(round(float(fixed), 4), round(float(per_call), 4))


def growth(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of the rows of a density run: per figure the cost a call at each number of calls, its ratio to that at
    the largest number, and the line; fixed CPU in CPU-seconds a minute, fixed memory in MB.
    """
    calls = [row["calls"] for row in rows]
    largest = calls.index(max(calls))
    found: dict[str, Any] = {"calls": calls}
    for name in (CPU, MEMORY):
        costs = [row[name] for row in rows]
        line = fitted(calls, costs)
        found[name] = {
            "each": costs,
            "to_largest": [round(cost / costs[largest], 3) if costs[largest] else None for cost in costs],
            "fixed": line and line.fixed,
            "per_call": line and line.per_call,
        }
    return found


def show_growth(curve: dict[str, Any]) -> None:
    """Print it."""
    for name in (CPU, MEMORY):
        figures = curve[name]
        each = "  ".join(
            f"{calls}: {cost:.3f} ({ratio or 0:.2f})"
            for calls, cost, ratio in zip(curve["calls"], figures["each"], figures["to_largest"], strict=True)
        )
        print(f"{name}, and its ratio to that at the most calls: {each}", flush=True)
        if figures["fixed"] is not None:
            print(f"        fixed {figures['fixed']:.3f}, and {figures['per_call']:.4f} a call", flush=True)
