"""The curve of cost over calls: ratios to the largest number, and the fixed part."""

from bench.growth import CPU, MEMORY, fitted, growth


def test_the_line_through_whole_costs_tells_fixed_and_per_call_apart() -> None:
    line = fitted([25, 100, 300], [(6 + 0.2 * n) / n for n in (25, 100, 300)])

    assert line is not None
    assert (round(line.fixed, 3), round(line.per_call, 3)) == (6.0, 0.2)


def test_one_number_of_calls_has_no_line() -> None:
    assert fitted([25], [0.4]) is None


def test_each_cost_is_compared_with_that_at_the_most_calls() -> None:
    rows = [{"calls": 25, CPU: 0.4, MEMORY: 1.5}, {"calls": 200, CPU: 0.2, MEMORY: 1.0}]

    curve = growth(rows)

    assert curve[CPU]["to_largest"] == [2.0, 1.0]
    assert curve[MEMORY]["to_largest"] == [1.5, 1.0]


def test_no_cost_at_the_most_calls_is_no_ratio() -> None:
    assert growth([{"calls": 25, CPU: 0.4, MEMORY: 0.0}])[MEMORY]["to_largest"] == [None]
