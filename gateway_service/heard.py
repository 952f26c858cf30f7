"""What the caller has heard of one reply: from the marks that came back, or from the clock alone.

All amounts are whole microseconds. A mark says for certain that what was sent before it was played; between
two marks the clock fills in. A caller that never echoes a mark is believed to play what it gets at once.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.frames import Frame, FrameFlag
from contracts.messages import Outcome

BYTE_US = 125
"""One byte of mu-law at 8 kHz."""


class Heard(NamedTuple):
    """How much of a reply was heard: in all, in whole sentences, and of the sentence after them."""

    us: int
    sentences: int
    partial_us: int


class SpokenReply:
    """One reply on its way to the caller: what was sent, what was marked, what came back."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sent_us = 0
        self.first_left_us: int | None = None
        self.last_left_us: int | None = None
        self.sounds_until_us = 0
        self.all_sent = False
        self.upstream: Outcome | None = None
        self.promised = 0
        self.waiting_since_us = 0
        self._sentence = -1
        self._ends: list[tuple[int, int]] = []
        self._marks: dict[str, int] = {}
        self._last_mark_us = 0
        self._played_us = 0
        self._played_at_us: int | None = None

    @property
    def sentences_sent(self) -> int:
        """Sentences sent whole, by the index of the last of them."""
        return self._ends[-1][0] + 1 if self._ends else 0

    def sent(self, frame: Frame, now_us: int, sounds_until_us: int) -> None:
        """`frame` has left; all that was sent will have sounded at `sounds_until_us`."""
        ends_sentence = bool(frame.flags and frame.flags & FrameFlag.SENTENCE_END)
        if frame.sentence != self._sentence and (frame.payload or ends_sentence):
            self._end_sentence()  # its own last frame may have been lost
            self._sentence = frame.sentence
        if frame.payload:
            if self.first_left_us is None:
                self.first_left_us = now_us
            self.last_left_us = now_us
            self.sent_us += len(frame.payload) * BYTE_US
            self.sounds_until_us = sounds_until_us
        if ends_sentence:
            self._end_sentence()

    def all_sent_now(self) -> None:
        """Nothing more comes of this reply."""
        self._end_sentence()
        self.all_sent = True

    def promise(self, outcome: Outcome, sentences: int, now_us: int) -> None:
        """Its text is complete: so many sentences, done or failed. Said again, it is as it was."""
        if self.upstream is not None:
            return
        self.upstream, self.promised, self.waiting_since_us = outcome, sentences, now_us
        if self.sentences_sent >= sentences:
            self.all_sent_now()

    def wait_anew(self, now_us: int) -> None:
        """Its audio, or its text, comes from another process from now on."""
        self.waiting_since_us = now_us

    def _end_sentence(self) -> None:
        if self._sentence >= 0 and (not self._ends or self._ends[-1][0] != self._sentence):
            self._ends.append((self._sentence, self.sent_us))
            if self.upstream is not None and self.sentences_sent >= self.promised:
                self.all_sent = True

    # -- marks ---------------------------------------------------------------------------------------

    def mark_after(self, every_us: int) -> str | None:
        """The name of a mark to send now: at the end of a sentence and of the reply, and every `every_us`."""
        at_end = self.all_sent or (bool(self._ends) and self._ends[-1] == (self._sentence, self.sent_us))
        if self.sent_us == self._last_mark_us or not (
            at_end or self.sent_us - self._last_mark_us >= every_us
        ):
            return None
        self._last_mark_us = self.sent_us
        name = f"{self.number}.{self._sentence}.{self.sent_us // 1000}"
        self._marks[name] = self.sent_us
        return name

    def mark_played(self, name: str, now_us: int) -> bool:
        """A mark came back; False when it is not one of this reply's that is waited for."""
        if name not in self._marks:
            return False
        self._played_us, self._played_at_us = self._marks[name], now_us
        for earlier in list(self._marks):
            del self._marks[earlier]
            if earlier == name:
                break
        return True

    # -- heard ---------------------------------------------------------------------------------------

    def heard(self, now_us: int, *, trust_marks: bool) -> Heard:
        """What the caller has heard at `now_us`; sentences by marks where the caller sends them."""
        by_clock = max(0, self.sent_us - max(0, self.sounds_until_us - now_us))
        known = heard = by_clock
        if trust_marks:
            known = min(by_clock, self._played_us)
            heard = min(by_clock, max(known, self._between_marks(by_clock, now_us)))
        ended = [(sentence, end_us) for sentence, end_us in self._ends if end_us <= known]
        sentence, end_us = ended[-1] if ended else (-1, 0)
        return Heard(heard, sentence + 1, heard - end_us)

    def _between_marks(self, by_clock: int, now_us: int) -> int:
        next_mark = next(iter(self._marks.values()), self.sent_us)
        if self._played_at_us is None:
            return min(by_clock, next_mark)
        return min(self._played_us + now_us - self._played_at_us, next_mark)

    def over(self, now_us: int, *, trust_marks: bool, grace_us: int) -> bool:
        """Whether all of it was sent and heard, or its last mark is overdue."""
        if not self.all_sent or now_us < self.sounds_until_us:
            return False
        return not trust_marks or self._played_us == self.sent_us or now_us >= self.sounds_until_us + grace_us

    def starved(self, now_us: int, limit_us: int) -> bool:
        """Whether its audio has stayed away for longer than `limit_us` since its text was complete.

        While the text is not known to be complete, a tool may be at work: then the limit is six times that.
        """
        if self.all_sent:
            return False
        if self.upstream is None:
            return 0 < max(self.sounds_until_us, self.waiting_since_us) <= now_us - 6 * limit_us
        return now_us >= max(self.sounds_until_us, self.waiting_since_us) + limit_us

    def outcome(self) -> Outcome:
        """How it ended, once it is over and was not cut."""
        if not self.all_sent or self.upstream is Outcome.FAILED:
            return Outcome.FAILED
        nothing_to_say = self.upstream is Outcome.DONE and self.promised == 0
        return Outcome.DONE if self.sent_us or nothing_to_say else Outcome.FAILED
