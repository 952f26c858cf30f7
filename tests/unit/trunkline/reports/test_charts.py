from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from trunkline.reports.charts import Line, histogram, plot


def test_a_plot_is_well_formed_and_holds_its_lines() -> None:
    figure = ET.fromstring(plot("A < B", "s", "ms", [Line("x&y", [(0, 0), (10, 97)]), Line("z", [])]))
    assert figure.findtext("figcaption") == "A < B"
    lines = figure.findall(".//polyline")
    assert [line.findtext("title") for line in lines] == ["x&y"]
    points = [tuple(map(float, point.split(","))) for point in lines[0].attrib["points"].split()]
    assert points[0][0] < points[1][0]
    assert points[0][1] > points[1][1]
    assert "100" in [text.text for text in figure.iter("text")]


def test_a_plot_of_nothing_says_so() -> None:
    assert "nothing was measured" in plot("CPU", "s", "cores", [Line("stt", [])])


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 2.0, 9.0], [3.0, 3.0]])
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    outline = histogram(values)
    assert sum(count for _, count in outline[1:-1:2]) == len(values)
    assert outline[0][1] == outline[-1][1] == 0


def test_a_histogram_of_nothing_is_empty() -> None:
    assert histogram([]) == []
