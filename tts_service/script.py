"""What is to be said in one call, and in which order: sentences by reply and index, each exactly once.

No I/O and no time. Sentences come in any order and more than once; out they go by reply and index. A reply
ends when its text is known to be complete and every sentence of it was given out. What is cancelled stays
cancelled, also when it comes late. What was given out is kept until it was heard, for it may have to be said
again: to another gateway, or, by another worker, from where the gateway has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

_KEPT: Final = 8
"""So many replies that ended and that nobody says were heard; the gateway tells of each."""

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
    items: dict[int, Item] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    following: int = 0  # the index that is said next
    total: int | None = None

    @property
    def waiting(self) -> list[int]:
        return sorted(index for index in self.items if index >= self.following)

    def pass_lost(self) -> None:
        while self.following in self.lost:
            self.following += 1

    @property
    def complete(self) -> bool:
        return self.total is not None and self.following >= self.total


class Script(Generic[Item]):
    """The sentences of one call. What comes of a reply that is over, or of one before it, is late."""

    def __init__(self) -> None:
        self._replies: dict[int, _Reply[Item]] = {}
        self._ended: dict[int, _Reply[Item]] = {}
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
        entry.items[index] = item
        return True

    def complete(self, reply: int, turn: int | None, sentences: int) -> list[Say[Item]]:
        """A reply's text is over; returns sentences that are beyond its end and will not be said.

        The first word on that counts.
        """
        if reply <= self._floor:
            return []
        entry = self._replies.setdefault(reply, _Reply())
        if entry.total is not None:
            return []
        entry.turn, entry.total = turn, sentences
        beyond = [index for index in entry.waiting if index >= sentences]
        return [Say(reply, index, entry.items.pop(index)) for index in beyond]

    def cancel(self, through: int) -> list[Say[Item]]:
        """Every reply up to `through` is over; returns the sentences of them that were not given out."""
        dropped = [
            Say(number, index, self._replies[number].items[index])
            for number in sorted(self._replies)
            if number <= through
            for index in self._replies[number].waiting
        ]
        self._forget(through)
        return dropped

    def waits(self, reply: int, index: int) -> bool:
        """Whether this sentence is still, or again, to be given out."""
        entry = self._replies.get(reply)
        return entry is not None and index in entry.items and index >= entry.following

    def skip(self, reply: int, sentences: int) -> None:
        """All before `reply`, and its first `sentences` sentences, need not be said."""
        self._forget(reply - 1)
        entry = self._replies.get(reply)
        if entry is not None:
            entry.following = max(entry.following, sentences)

    def rewind(self, heard: Callable[[Item], bool]) -> None:
        """Give out again what was given out, from the first sentence on that was not heard."""
        entries = dict(sorted({**self._ended, **self._replies}.items()))
        for number, entry in entries.items():
            unheard = next((index for index in sorted(entry.items) if not heard(entry.items[index])), None)
            if unheard is None and number != max(entries):
                continue
            entry.following = entry.following if unheard is None else min(entry.following, unheard)
            later = {after: entries[after] for after in entries if after > number}
            for after in later.values():
                after.following = 0
            self._replies, self._ended = {number: entry, **later}, {}
            self._floor = number - 1
            return

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say, and nothing that was given out and may not have been heard."""
        return not self._replies and not self._ended

    def before_turn(self, turn: int) -> int:
        """The last reply that does not answer `turn` or a later one of the caller; 0 where there is none."""
        known = (*self._ended.items(), *self._replies.items())
        return max(
            (number for number, entry in known if entry.turn is None or entry.turn < turn),
            default=0,
        )

    def next(self) -> Say[Item] | EndReply | None:
        """What is to be done now; None while the next sentence, or word that there is none, is awaited."""
        if not self._replies:
            return None
        number = min(self._replies)
        entry = self._replies[number]
        entry.pass_lost()
        if entry.complete:
            return self._end(number, entry)
        if entry.following not in entry.items:
            return None
        index, entry.following = entry.following, entry.following + 1
        self._floor = max(self._floor, number - 1)  # nobody goes back to an earlier reply
        return Say(number, index, entry.items[index])

    @property
    def overtaken(self) -> bool:
        """Whether `next` waits for something that later messages have overtaken."""
        if not self._replies:
            return False
        number = min(self._replies)
        entry = self._replies[number]
        blocked = not entry.complete and entry.following not in entry.items
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
        entry.lost.add(entry.following)
        entry.pass_lost()
        return lost

    def drain(self) -> Iterator[Say[Item]]:
        """Everything that was not given out; nothing is said after this."""
        yield from self.cancel(max(self._replies, default=0))

    def _end(self, number: int, entry: _Reply[Item]) -> EndReply:
        self._ended[number] = self._replies.pop(number)
        entry.total = entry.following
        if len(self._ended) > _KEPT:
            del self._ended[min(self._ended)]
        self._floor = max(self._floor, number)
        return EndReply(number, entry.following)

    def _forget(self, through: int) -> None:
        self._replies = {number: entry for number, entry in self._replies.items() if number > through}
        self._ended = {number: entry for number, entry in self._ended.items() if number > through}
        self._floor = max(self._floor, through)
