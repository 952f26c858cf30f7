"""What is to be said in one call, and in which order: sentences by reply and index, each exactly once.

No I/O and no time. Sentences come in any order and more than once; out they go by reply and index. A reply
ends when its text is known to be complete and every sentence of it was given out. What is cancelled stays
cancelled, also when it comes late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Say(Generic[Item]):
    """Say this sentence now."""

    reply: int
    index: int
    item: Item


@dataclass(frozen=True, slots=True)
class Lost:
    """This sentence never came, and is no longer waited for."""

    reply: int
    index: int


@dataclass(frozen=True, slots=True)
class EndReply:
    """Every sentence of this reply was given out."""

    reply: int
    sentences: int


@dataclass(slots=True)
class _Reply(Generic[Item]):
    turn: int | None = None
    waiting: dict[int, Item] = field(default_factory=dict)
    following: int = 0  # the index that is said next
    total: int | None = None

    @property
    def complete(self) -> bool:
        return self.total is not None and self.following >= self.total


class Script(Generic[Item]):
    """The sentences of one call. What comes of a reply that is over, or of one before it, is late."""

    def __init__(self) -> None:
        self._replies: dict[int, _Reply[Item]] = {}
        self._floor = 0
        self._seen: set[tuple[int, int]] = set()

    def add(self, reply: int, turn: int | None, index: int, item: Item) -> bool | None:
        """A sentence came: True when it will be said, False when it is too late, None when it came before."""
        if (reply, index) in self._seen:
            return None
        self._seen.add((reply, index))
        if reply <= self._floor:
            return False
        entry = self._replies.setdefault(reply, _Reply())
        if index < entry.following or (entry.total is not None and index >= entry.total):
            return False
        entry.turn = turn
        entry.waiting[index] = item
        return True

    def complete(self, reply: int, turn: int | None, sentences: int) -> list[Say[Item]]:
        """A reply's text is over; returns sentences that are beyond its end and will not be said."""
        if reply <= self._floor:
            return []
        entry = self._replies.setdefault(reply, _Reply())
        entry.turn, entry.total = turn, sentences
        beyond = sorted(index for index in entry.waiting if index >= sentences)
        return [Say(reply, index, entry.waiting.pop(index)) for index in beyond]

    def cancel(self, through: int) -> list[Say[Item]]:
        """Every reply up to `through` is over; returns the sentences of them that were not given out."""
        dropped = [
            Say(number, index, self._replies[number].waiting[index])
            for number in sorted(self._replies)
            if number <= through
            for index in sorted(self._replies[number].waiting)
        ]
        self._replies = {number: entry for number, entry in self._replies.items() if number > through}
        self._floor = max(self._floor, through)
        return dropped

    def before_turn(self, turn: int) -> int:
        """The last reply that does not answer `turn` or a later one of the caller; 0 where there is none."""
        return max(
            (number for number, entry in self._replies.items() if entry.turn is None or entry.turn < turn),
            default=0,
        )

    def next(self) -> Say[Item] | EndReply | None:
        """What is to be done now; None while the next sentence, or word that there is none, is awaited."""
        if not self._replies:
            return None
        number = min(self._replies)
        entry = self._replies[number]
        if entry.complete:
            return self._end(number, entry)
        if entry.following not in entry.waiting:
            return None
        index, entry.following = entry.following, entry.following + 1
        self._floor = max(self._floor, number - 1)  # nobody goes back to an earlier reply
        return Say(number, index, entry.waiting.pop(index))

    @property
    def overtaken(self) -> bool:
        """Whether `next` waits for something that later messages have overtaken."""
        if not self._replies:
            return False
        number = min(self._replies)
        entry = self._replies[number]
        blocked = not entry.complete and entry.following not in entry.waiting
        return blocked and (bool(entry.waiting) or entry.total is not None or len(self._replies) > 1)

    def give_up(self) -> Lost | EndReply | None:
        """Wait no longer for what was overtaken: a sentence, or the word that its reply is complete."""
        if not self.overtaken:
            return None
        number = min(self._replies)
        entry = self._replies[number]
        if not entry.waiting and entry.total is None:
            return self._end(number, entry)
        lost = Lost(number, entry.following)
        self._seen.add((lost.reply, lost.index))
        entry.following += 1
        return lost

    def drain(self) -> Iterator[Say[Item]]:
        """Everything that was not given out; nothing is said after this."""
        yield from self.cancel(max(self._replies, default=0))

    def _end(self, number: int, entry: _Reply[Item]) -> EndReply:
        del self._replies[number]
        self._floor = max(self._floor, number)
        return EndReply(number, entry.following)
