"""What a load run is to do: how many callers, when they arrive, whom they call, how long they talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from math import sqrt
from typing import Final
from urllib.parse import urlsplit

from trunkline.errors import BadOption
from trunkline.load.script import Script

MOST_CALLS: Final = 5_000
LONGEST_S: Final = 3_600.0


class Arrival(StrEnum):
    """How callers come: all at once, evenly, or ever faster."""

    BURST = "burst"
    CONSTANT = "constant"
    RAMP = "ramp"


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is called, and how often beside the others."""

    called: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One load run. `together`: nobody begins his script before all calls are up, then each at his own point
    of it, so that the load is the same from the first second to the last. `others` are further gateways of
    the same platform: callers take them in turn, and come back through any of them.
    """

    url: str
    numbers: tuple[Number, ...]
    calls: int
    arrival: Arrival
    arrive_over_s: float
    script: Script
    talk_s: float
    together: bool = False
    greeting: bool = True
    others: tuple[str, ...] = ()

    def dial(self, index: int) -> tuple[str, tuple[str, ...]]:
        """The gateway of one caller, and those through which it may come back."""
        urls = (self.url, *self.others)
        at = index % len(urls)
        return urls[at], (*urls[at + 1 :], *urls[:at])

    def describe(self) -> dict[str, str | int | float | bool]:
        """For the report."""
        return {
            "url": " ".join((self.url, *self.others)),
            "numbers": ", ".join(f"{one.called}={one.weight}" for one in self.numbers),
            "calls": self.calls,
            "arrival": self.arrival.value,
            "arrive_over_s": self.arrive_over_s,
            "script": self.script.name,
            "talk_s": self.talk_s,
            "together": self.together,
            "greeting": self.greeting,
        }


def arrivals(curve: Arrival, calls: int, over_s: float) -> tuple[float, ...]:
    """When each call arrives, in seconds from the beginning."""
    match curve:
        case Arrival.BURST:
            return (0.0,) * calls
        case Arrival.CONSTANT:
            return tuple(over_s * index / calls for index in range(calls))
        case Arrival.RAMP:
            return tuple(over_s * sqrt(index / calls) for index in range(calls))


def whom(numbers: Sequence[Number], calls: int) -> tuple[str, ...]:
    """The number that each call dials: by weight, and mixed as evenly as whole calls allow."""
    total = sum(one.weight for one in numbers)
    credit = [0] * len(numbers)
    chosen = []
    for _ in range(calls):
        for index, one in enumerate(numbers):
            credit[index] += one.weight
        best = max(range(len(numbers)), key=credit.__getitem__)
        credit[best] -= total
        chosen.append(numbers[best].called)
    return tuple(chosen)


def parse_number(text: str) -> Number:
    """`+15550199`, or with a weight `+15550199=3`; raises BadOption."""
    called, separator, weight = text.partition("=")
    if not called or (separator and not (weight.isdigit() and 0 < int(weight) <= 1_000)):
        raise BadOption(
            f"--to {text} is no number with a weight", mend="write +15550199, or +15550199=3 for three parts"
        )
    return Number(called, int(weight) if separator else 1)


def require_loopback(url: str) -> None:
    """Raise BadOption when `url` leads off this machine: load is not sent to somebody else by mistake."""
    host = urlsplit(url).hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    if not here:
        raise BadOption(f"{url} is another machine", mend="say --allow-remote if it is yours to load")
