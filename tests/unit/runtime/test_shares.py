"""A tenant's share is what its newest call said, and two shares part an engine as they say."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.identities import CallRef, uuid7
from runtime.fair_queue import FairQueue
from runtime.shares import TenantShares

_RNG = Random(3)
_COSTS = st.lists(st.floats(0.01, 5.0), min_size=1, max_size=40)


def _call(at: int, tenant: str = "acme") -> CallRef:
    """The `at`-th call to begin."""
    return CallRef(tenant, uuid7(1_767_225_600_000 + at, _RNG))


def test_a_tenant_has_the_share_of_its_calls_and_is_forgotten_with_the_last() -> None:
    shares = TenantShares()
    one, two = _call(1), _call(2)
    assert (shares("acme"), len(shares)) == (1.0, 0)
    shares.take(one, 3)
    shares.take(one, 3)
    shares.take(two, 3)
    shares.drop(one)
    assert (shares("acme"), shares("other"), len(shares)) == (3.0, 1.0, 1)
    shares.drop(two)
    shares.drop(two)
    assert (shares("acme"), len(shares)) == (1.0, 0)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_call_that_began_last_is_right_in_whatever_order_they_come(order: tuple[int, int]) -> None:
    shares = TenantShares()
    share = {1: 2, 2: 5}
    calls = {at: _call(at) for at in order}
    for at in order:
        shares.take(calls[at], share[at])
    assert shares("acme") == 5.0
    shares.drop(calls[2])
    assert shares("acme") == 5.0, "what was said last holds until the tenant has no call here"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"), st.integers(0, 5)), max_size=60))
def test_it_knows_those_who_have_calls_and_nobody_else(steps: list[tuple[bool, str, int]]) -> None:
    shares = TenantShares()
    held: set[CallRef] = set()
    for takes, tenant, at in steps:
        ref = CallRef(tenant, f"call-{at}")
        if takes:
            shares.take(ref, 7)
            held.add(ref)
        else:
            shares.drop(ref)
            held.discard(ref)
        tenants = {ref.tenant for ref in held}
        assert len(shares) == len(tenants)
        assert [shares(tenant) for tenant in "abc"] == [7.0 if tenant in tenants else 1.0 for tenant in "abc"]


@given(st.sampled_from([(1, 3), (1, 1), (2, 5), (1, 100)]), _COSTS, _COSTS, st.floats(0.0, 5.0))
def test_engine_time_goes_by_the_shares_within_one_job(
    parts: tuple[int, int], small: list[float], big: list[float], guess: float
) -> None:
    """What work costs is known once it is done; until then `guess` is charged."""
    shares = TenantShares()
    costs = {"small": small, "big": big}
    queue: FairQueue[float] = FairQueue(shares)
    for tenant, share in zip(costs, parts, strict=True):
        shares.take(_call(1, tenant), share)
        for cost in costs[tenant]:
            queue.push(tenant, cost, guess)
    left = Counter({tenant: len(each) for tenant, each in costs.items()})
    given_s = dict.fromkeys(costs, 0.0)
    one_job = max(max(costs[tenant]) / shares(tenant) for tenant in costs)
    while all(left.values()) and (entry := queue.pop()) is not None:
        queue.correct(entry.tenant, entry.item - guess)
        given_s[entry.tenant] += entry.item
        left[entry.tenant] -= 1
        apart = given_s["small"] / shares("small") - given_s["big"] / shares("big")
        assert abs(apart) <= one_job + 1e-6
