"""Which processes run the services of one machine, and how many of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.errors import BadOption

REST: Final = "rest"
HEAVY: Final = ("gateway", "stt", "tts", "analytics")
LIGHT: Final = ("router", "session", "llm")
MOST_OF_ONE: Final = 32
_ONE_ONLY: Final = {
    "analytics": "its embedded store belongs to one process at a time",
    REST: "it listens on one port",
}
_WITHIN: Final = {REST: "gateway_service.rest"}


@dataclass(frozen=True, slots=True)
class Seat:
    """One process: the services in it, its number among those that run the same, and how many those are."""

    services: tuple[str, ...]
    number: int = 1
    of: int = 1

    @property
    def name(self) -> str:
        """What it is called here: `stt`, `stt-2` of several, `router+session+llm`."""
        joined = "+".join(self.services)
        return joined if self.of == 1 else f"{joined}-{self.number}"

    @property
    def process(self) -> str:
        """What it is told to call itself: its process id, or what the ids of its several services end in."""
        return f"{self.services[0]}-{self.number}" if len(self.services) == 1 else str(self.number)


def parse_workers(text: str) -> dict[str, int]:
    """`stt=2,llm=2`: how many processes run each service that is named; raises BadOption."""
    found: dict[str, int] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        service, _, count = part.partition("=")
        if service in found:
            raise BadOption(f"--workers names {service} twice", mend="name each service once")
        if not (count.isascii() and count.isdigit()):
            raise BadOption(f"--workers {part} has no number", mend="write it as stt=2,llm=2")
        found[service] = int(count)
    return require_workers(found)


def require_workers(workers: Mapping[str, int]) -> dict[str, int]:
    """The same, or BadOption for a service that there is not or that cannot run so often."""
    for service, count in workers.items():
        if service not in (*HEAVY, REST, *LIGHT):
            known = " ".join((*HEAVY, *LIGHT))
            raise BadOption(f"--workers names {service!r}, which is no service", mend=f"use any of {known}")
        if not 1 <= count <= MOST_OF_ONE:
            raise BadOption(f"--workers {service}={count} is out of range", mend=f"use 1 to {MOST_OF_ONE}")
        if count > 1 and service in _ONE_ONLY:
            raise BadOption(
                f"{service} runs in one process: {_ONE_ONLY[service]}", mend=f"leave {service} out"
            )
    return dict(workers)


def package_of(service: str) -> str:
    """Where the code of a service lies."""
    return _WITHIN.get(service, f"{service}_service")


def seats(workers: Mapping[str, int], *, spread: bool, rest: bool = False) -> tuple[Seat, ...]:
    """Every process. Light services share one, but with `spread`, and but for those that have several."""
    apart = tuple(name for name in LIGHT if spread or workers.get(name, 1) > 1)
    together = tuple(name for name in LIGHT if name not in apart)
    groups = [(name,) for name in (*HEAVY, *((REST,) if rest else ()), *apart)] + (
        [together] if together else []
    )
    counts = [workers.get(group[0], 1) if len(group) == 1 else 1 for group in groups]
    return tuple(
        Seat(group, number, count)
        for group, count in zip(groups, counts, strict=True)
        for number in range(1, count + 1)
    )
