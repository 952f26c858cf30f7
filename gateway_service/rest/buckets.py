"""Token buckets: how much one may still ask, or try, before being told to wait. In this process alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_MOST: Final = 50_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Level:
    """How full a bucket is: `after_s` until the next request is allowed, `full_s` until it is full."""

    allowed: bool
    capacity: int
    left: int
    after_s: float
    full_s: float


class Buckets:
    """One bucket a name. The longest unused are forgotten, and are full when they come again."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def look(self, name: str, capacity: int, per_s: float) -> Level:
        """Whether there is a token; takes none."""
        return self._draw(name, capacity, per_s, 0)

    def take(self, name: str, capacity: int, per_s: float) -> Level:
        """Take one token if there is one."""
        return self._draw(name, capacity, per_s, 1)

    def give_back(self, name: str) -> None:
        """What was taken did not count."""
        if name in self._buckets:
            self._buckets[name].tokens += 1

    def _draw(self, name: str, capacity: int, per_s: float, tokens: int) -> Level:
        now_s = self._monotonic_s()
        bucket = self._buckets.pop(name, None) or _Bucket(capacity, now_s)
        bucket.tokens = min(capacity, bucket.tokens + (now_s - bucket.at_s) * per_s)
        bucket.at_s = now_s
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= tokens
        self._buckets[name] = bucket
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return Level(
            allowed=allowed,
            capacity=capacity,
            left=int(bucket.tokens),
            after_s=max(0.0, (1 - bucket.tokens) / per_s),
            full_s=(capacity - bucket.tokens) / per_s,
        )
