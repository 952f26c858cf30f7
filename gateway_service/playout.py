"""One call's agent audio: queued by reply and sentence, sent in real time, accounted for as heard.

No I/O and no clock: whoever ticks passes the time in. Sending keeps `lead_us`, and at most a frame more,
ahead of what sounds: enough for a late tick, and so little that an interruption has not much to take back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from contracts.frames import FRAME_MS, Codec, Frame, FrameFlag
from contracts.messages import Message, Outcome, PlayoutEnded, PlayoutStarted
from gateway_service.heard import BYTE_US, Heard, SpokenReply
from gateway_service.seam import Seam

CODEC: Final = Codec.MULAW
RATE_HZ: Final = 8_000
_FRAME_US: Final = FRAME_MS * 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """How playout is timed; all in microseconds."""

    lead_us: int = 60_000
    limit_us: int = 30_000_000
    mark_every_us: int = 300_000
    mark_grace_us: int = 2_000_000
    starved_after_us: int = 5_000_000


class Sound(NamedTuple):
    """What to send now: audio (empty for a mark alone) and the mark to send after it."""

    payload: bytes
    mark: str | None


class Playout:
    """The agent's side of one call. Frames of an epoch below `since` are refused, and so are replies that
    are over.
    """

    def __init__(self, pace: Pace, since: int) -> None:
        self._pace = pace
        self._since = since
        self._seam = Seam()
        self._queue: deque[Frame] = deque()
        self._queued_us = 0
        self._sounds_until_us = 0
        self._replies: dict[int, SpokenReply] = {}
        self._sending = 0
        self._over = 0
        self._marks_echo = False
        self._news: list[Message] = []

    @property
    def idle(self) -> bool:
        """Nothing is queued, playing, or waited for."""
        return not self._replies and not self._news

    @property
    def hungry(self) -> bool:
        """The queue is empty: the next frame may be due at once."""
        return not self._queue

    @property
    def held(self) -> tuple[int, int]:
        """Of which reply speech is held or was played, and how many of its first sentences wholly.

        Replies before it need no audio any more; 0 where there was none.
        """
        if self._seam.reply <= self._over:
            return (self._over + 1, 0) if self._over else (0, 0)
        return self._seam.reply, self._seam.whole

    def replaced(self, since: int, now_us: int) -> None:
        """Another process speaks from the epoch `since`. What was received goes on being played, and its
        rest is waited for anew.
        """
        self._since = max(self._since, since)
        for reply in self._replies.values():
            reply.wait_anew(now_us)

    def said_anew(self, since: int, now_us: int) -> None:
        """As `replaced`; or the same process begins anew, because frames of it were lost on the way."""
        self.replaced(since, now_us)
        self._seam.begin_again()

    def put(self, frame: Frame) -> str | None:
        """Queue what is new in a frame from the bus; returns why it was dropped, None when it was not.

        What was received in an older epoch and is said again is no news, and not counted as dropped.
        """
        if frame.epoch < self._since:
            return "stale_epoch"
        if frame.reply <= self._over or frame.reply < self._seam.reply:
            return "stale_reply"
        if frame.codec is not CODEC or frame.rate_hz != RATE_HZ:
            return "codec"
        self._since = frame.epoch
        news = self._seam.join(frame)
        return self._queue_up(news) if news is not None else None

    def _queue_up(self, frame: Frame) -> str | None:
        self._reply(frame.reply)
        sounds_us = len(frame.payload) * BYTE_US
        if self._queued_us + sounds_us > self._pace.limit_us:
            if frame.flags:  # what the frame means must not be lost with its sound
                self._queue.append(frame._replace(payload=b""))
            return "playout_full"
        self._queued_us += sounds_us
        self._queue.append(frame)
        return None

    def go_on_after(self, reply: int) -> None:
        """Another gateway saw replies up to this one end."""
        self._over = max(self._over, reply)

    def complete(self, reply: int, outcome: Outcome, sentences: int, now_us: int) -> bool:
        """The reply's text is complete. A cancelled one is cut, with all before it: True when the caller may
        hold audio that is to be cleared.
        """
        if reply <= self._over:
            return False
        self._reply(reply).promise(outcome, sentences, now_us)
        return outcome is Outcome.CANCELLED and self.clear(now_us, up_to=reply)

    def due(self, now_us: int) -> list[Sound]:
        """What is to be sent at `now_us`, in order; it counts as sent from here on.

        One frame a tick while less than the lead is out, and more only up to the lead: with one limit for
        both, ticks that are early or late by a little would send none and then two.
        """
        sounds: list[Sound] = []
        horizon_us = now_us + self._pace.lead_us
        while self._queue and self._sounds_until_us < horizon_us:
            horizon_us = now_us + self._pace.lead_us - _FRAME_US + 1
            frame = self._queue.popleft()
            self._queued_us -= len(frame.payload) * BYTE_US
            if frame.reply >= self._sending and frame.reply in self._replies:
                self._send(frame, now_us, sounds)
        return sounds

    def mark_played(self, name: str, now_us: int) -> None:
        """A mark came back from the caller; one that is not waited for says nothing."""
        for reply in self._replies.values():
            if reply.mark_played(name, now_us):
                self._marks_echo = True

    def news(self, now_us: int) -> list[Message]:
        """What began or ended since the last time, as events to publish."""
        while self._replies:
            reply = self._replies[min(self._replies)]
            starved = not self._queue and reply.starved(now_us, self._pace.starved_after_us)
            grace_us = self._pace.mark_grace_us
            if not starved and not reply.over(now_us, trust_marks=self._marks_echo, grace_us=grace_us):
                break
            heard = self._heard(reply, now_us) if starved else Heard(reply.sent_us, reply.sentences_sent, 0)
            self._end(reply, reply.outcome(), heard, now_us)
        told, self._news = self._news, []
        return told

    def clear(self, now_us: int, up_to: int | None = None) -> bool:
        """Cut every reply, or those up to a number, and refuse their frames from now on.

        True when some of it was sent, so that the caller may hold audio that is to be cleared there too.
        """
        cut = sorted(number for number in self._replies if up_to is None or number <= up_to)
        sent = any(self._replies[number].sent_us for number in cut)
        for number in cut:
            reply = self._replies[number]
            self._end(reply, Outcome.CANCELLED, self._heard(reply, now_us), now_us)
        self._queue = deque(frame for frame in self._queue if frame.reply > self._over)
        self._queued_us = sum(len(frame.payload) for frame in self._queue) * BYTE_US
        if sent:
            self._sounds_until_us = now_us
        return sent

    # -- inside --------------------------------------------------------------------------------------

    def _reply(self, number: int) -> SpokenReply:
        if number not in self._replies:
            self._replies[number] = SpokenReply(number)
        return self._replies[number]

    def _send(self, frame: Frame, now_us: int, sounds: list[Sound]) -> None:
        if frame.reply > self._sending:
            self._sending = frame.reply
            self._finish_before(frame.reply, sounds)
        reply = self._replies[frame.reply]
        begun = reply.first_left_us is not None
        self._sounds_until_us = max(self._sounds_until_us, now_us) + len(frame.payload) * BYTE_US
        reply.sent(frame, now_us, self._sounds_until_us)
        if not begun and frame.payload:
            self._news.append(PlayoutStarted(reply=reply.number, first_frame_us=now_us))
        if frame.flags and frame.flags & FrameFlag.REPLY_END:
            reply.all_sent_now()
        mark = reply.mark_after(self._pace.mark_every_us)
        if frame.payload or mark is not None:
            sounds.append(Sound(frame.payload, mark))

    def _finish_before(self, number: int, sounds: list[Sound]) -> None:
        """A newer reply is being sent: what came before it is all that will come of the older ones."""
        for older in self._replies.values():
            if older.number < number and not older.all_sent:
                older.all_sent_now()
                mark = older.mark_after(self._pace.mark_every_us)
                if mark is not None:
                    sounds.append(Sound(b"", mark))

    def _heard(self, reply: SpokenReply, now_us: int) -> Heard:
        return reply.heard(now_us, trust_marks=self._marks_echo)

    def _end(self, reply: SpokenReply, outcome: Outcome, heard: Heard, now_us: int) -> None:
        del self._replies[reply.number]
        self._over = max(self._over, reply.number)
        self._news.append(
            PlayoutEnded(
                reply=reply.number,
                outcome=outcome,
                heard_ms=heard.us / 1000,
                heard_sentences=heard.sentences,
                partial_ms=heard.partial_us / 1000,
                ended_us=reply.last_left_us or now_us,
            )
        )
