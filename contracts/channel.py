"""What a channel is: one row of the table, and the way from its pattern to a subject."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar

from contracts import messages as m
from contracts.errors import SubjectError
from contracts.identities import check_token

MessageT = TypeVar("MessageT")


class Plane(StrEnum):
    """How a channel travels: what a listener may expect of delivery."""

    AUDIO = "core NATS, binary frames"
    RECORD = "core NATS for latency, JetStream for truth"
    LIVE = "core NATS, for eyes"
    COMMAND = "request/reply to one call"
    WORKER = "core NATS, to and from one process"
    RPC = "request/reply, queue group"
    KV = "JetStream KV"
    ALERT = "JetStream, for operators"


_TOKEN: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Channel(Generic[MessageT]):
    """One row of the table: `pattern` holds its tokens in braces, `reply` is what answers a request."""

    name: str
    pattern: str
    message: type[MessageT]
    plane: Plane
    retention: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    summary: str
    reply: type[m.Reply] | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """The kinds of token in the pattern, in order."""
        return tuple(_TOKEN.findall(self.pattern))

    def subject(self, **tokens: str) -> str:
        """The subject with its tokens filled in; SubjectError for one missing, malformed or unknown."""
        checked = self._checked(tokens)
        for kind in self.tokens:
            if kind not in checked:
                raise SubjectError(f"{self.pattern} needs a token {kind!r}", mend="pass it by name")
        return self.pattern.format_map(checked)

    def wildcard(self, **tokens: str) -> str:
        """The subject to subscribe to: `*` for each token that is not given."""
        checked = self._checked(tokens)
        return _TOKEN.sub(lambda match: checked.get(match[1], "*"), self.pattern)

    def _checked(self, tokens: dict[str, str]) -> dict[str, str]:
        for kind in tokens:
            if kind not in self.tokens:
                raise SubjectError(
                    f"{self.pattern} has no token {kind!r}",
                    mend=f"its tokens: {', '.join(self.tokens) or 'none'}",
                )
        return {kind: check_token(kind, value) for kind, value in tokens.items()}
