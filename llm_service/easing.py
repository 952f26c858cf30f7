"""What an engine under load is spared, before anybody waits too long or is refused.

Two steps. An engine whose slots are all taken is told only the last of the conversation: a shorter prompt is
read sooner. One at which who comes now would wait too long is asked after its relief, which is another
provider or a smaller model, as long as that has room itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from llm_service.ports import Line, Prompt, Speaker
from runtime.fair_queue import FairGate

SHARE_OF_BUDGET: Final = 0.5
"""Who would wait this part of the budget is sent to the relief; at the whole of it calls are refused."""


class Eased(StrEnum):
    """What was spared."""

    SHORTER = "shorter"
    RELIEVED = "relieved"


@dataclass(frozen=True, slots=True)
class EasingRules:
    """When, and how far: `too_long_s` in the queue of an engine asks for its relief (`reliefs`, by engine);
    of the conversation the last `exchanges` are kept.
    """

    too_long_s: float
    exchanges: int
    reliefs: Mapping[str, str]


class Easing:
    """Looks at the engines' queues at the moment at which one is to be asked.

    `gates` are those of the engines that have one, by name; each easing is told to `tell`.
    """

    def __init__(
        self, gates: Mapping[str, FairGate], rules: EasingRules, tell: Callable[[str, Eased], None]
    ) -> None:
        self._gates = gates
        self._rules = rules
        self._tell = tell

    def relief_of(self, name: str, among: Collection[str]) -> str | None:
        """Who of these to ask before this engine; None where it is quick, or its relief is as slow."""
        relief = self._rules.reliefs.get(name)
        if relief is None or relief not in among or not self._slow(name) or self._slow(relief):
            return None
        self._tell(name, Eased.RELIEVED)
        return relief

    def fitting(self, name: str, prompt: Prompt) -> Prompt:
        """The prompt for this engine: whole where it has a slot free."""
        gate = self._gates.get(name)
        if gate is None or not gate.full:
            return prompt
        lines = latest(prompt.lines, self._rules.exchanges)
        if len(lines) == len(prompt.lines):
            return prompt
        self._tell(name, Eased.SHORTER)
        return replace(prompt, lines=lines)

    def _slow(self, name: str) -> bool:
        gate = self._gates.get(name)
        return gate is not None and gate.wait_estimate_s > self._rules.too_long_s


UNEASED: Final = Easing({}, EasingRules(math.inf, 0, {}), lambda _engine, _how: None)
"""For engines without a queue."""


def latest(lines: tuple[Line, ...], exchanges: int) -> tuple[Line, ...]:
    """The end of a conversation: what is to be answered, and so many exchanges before it."""
    begins = len(lines)
    answers = 0
    for at in range(len(lines) - 1, -1, -1):
        answers += lines[at].speaker is Speaker.AGENT
        if answers > exchanges:
            break
        begins = at
    return lines[begins:]
