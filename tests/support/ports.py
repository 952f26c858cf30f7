"""Successive ports for a test: below those that the system gives to whoever asks for any, so that none of the
programs that run beside takes one between the choice and the start."""

from __future__ import annotations

import random

from trunkline.ports import is_free

_FROM = 20_000
_TO = 32_000
_TRIES = 100


def free_run(count: int) -> tuple[int, ...]:
    """`count` ports in a row on which nobody listens, another run at every call."""
    for _ in range(_TRIES):
        start = random.randrange(_FROM, _TO - count)
        run = tuple(range(start, start + count))
        if all(is_free(port) for port in run):
            return run
    raise AssertionError(f"no {count} free ports in a row from {_FROM} to {_TO}")
