from __future__ import annotations

import pytest

from trunkline.errors import BadOption
from trunkline.reports.thresholds import parse_threshold


@pytest.mark.parametrize(
    ("text", "found", "holds"),
    [
        ("p95<=650", 650, True),
        ("p95<650", 650, False),
        ("answered >= 0.99", 0.98, False),
        ("most_calls>9", 10, True),
        ("p95<=650", None, False),
    ],
)
def test_a_threshold_holds_or_does_not(text: str, found: float | None, *, holds: bool) -> None:
    threshold = parse_threshold(text)
    assert threshold.holds({threshold.figure: found}) is holds


def test_a_threshold_reads_as_it_was_written() -> None:
    assert str(parse_threshold(" answered >= 0.99 ")) == "answered>=0.99"


@pytest.mark.parametrize("text", ["p95", "p95=5", "p95<=", "p95<=-1", "latency<=5"])
def test_what_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(BadOption, match="--require"):
        parse_threshold(text)
