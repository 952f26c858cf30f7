"""Batches: never above their limits, and one piece that fails costs the others nothing but time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ErrorCode, TrunklineError
from runtime.batches import BatchSize, outcomes


class Unbearable(TrunklineError):
    """A piece that the engine cannot bear."""

    code = ErrorCode.ENGINE_REJECTED


def _filled(size: BatchSize, works: Sequence[float]) -> list[float]:
    taken: list[float] = []
    for work in works:
        if not size.takes_more(len(taken), sum(taken)):
            break
        taken.append(work)
    return taken


def test_while_nothing_is_known_of_the_engine_only_the_limit_counts() -> None:
    assert _filled(BatchSize(3, 0.2), [1.0] * 10) == [1.0] * 3


def test_a_batch_grows_to_what_the_engine_does_in_the_budget() -> None:
    size = BatchSize(100, 0.4)
    size.worked(2.0, 0.2)
    assert len(_filled(size, [1.0] * 10)) == 4
    for _ in range(60):
        size.worked(2.0, 0.05)
    assert len(_filled(size, [1.0] * 20)) == 15, "it learned that the engine has become faster"


def test_one_piece_is_taken_whatever_it_takes() -> None:
    size = BatchSize(8, 0.1)
    size.worked(1.0, 5.0)
    assert _filled(size, [1.0] * 4) == [1.0]


def test_a_piece_below_the_least_does_not_make_the_engine_look_slow() -> None:
    size = BatchSize(100, 0.4, least=0.1)
    size.worked(0.001, 0.01)
    assert len(_filled(size, [1.0] * 10)) == 4


@given(
    st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.001, 5)), max_size=20),
    st.integers(1, 16),
    st.floats(0.01, 1),
    st.integers(1, 40),
)
def test_whatever_it_learned_it_takes_one_and_never_more_than_the_limit(
    worked: list[tuple[float, float]], limit: int, budget_s: float, waiting: int
) -> None:
    size = BatchSize(limit, budget_s)
    for work, took_s in worked:
        size.worked(work, took_s)
    assert 1 <= len(_filled(size, [1.0] * waiting)) <= min(limit, waiting)


@given(st.lists(st.booleans(), min_size=1, max_size=8))
async def test_those_that_fail_fail_alone(bearable: list[bool]) -> None:
    runs: list[int] = []

    async def run(batch: Sequence[int]) -> list[str]:
        runs.append(len(batch))
        if not all(bearable[piece] for piece in batch):
            raise Unbearable("not this one")
        return [f"{piece}!" for piece in batch]

    found = {piece: outcome async for piece, outcome in outcomes(range(len(bearable)), run)}
    assert list(found) == list(range(len(bearable)))
    for piece, outcome in found.items():
        assert outcome == f"{piece}!" if bearable[piece] else isinstance(outcome, Unbearable)
    assert len(runs) == 1 if all(bearable) or len(bearable) == 1 else len(runs) == 1 + len(bearable)


async def test_a_batch_that_fails_tells_each_as_soon_as_it_is_known() -> None:
    told: list[int] = []

    async def run(batch: Sequence[int]) -> list[int]:
        if len(batch) > 1:
            raise Unbearable("not together")
        told.append(batch[0])
        return [batch[0]]

    async for piece, _ in outcomes([1, 2, 3], run):
        assert told[-1] == piece


async def test_what_is_no_error_of_an_engine_comes_through() -> None:
    async def run(batch: Sequence[int]) -> list[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _ = [piece async for piece, _ in outcomes([1, 2], run)]
