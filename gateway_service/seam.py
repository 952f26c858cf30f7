"""Where the frames of one tts worker end and those of its replacement begin: no word twice, and no gap.

A replacement says a sentence from its beginning, in a newer epoch, whatever the one before it got to. What
was received of the sentence already is skipped, and what follows joins it. A worker that stays with the call
keeps its epoch: a newer one always means that somebody began anew. It may begin anew in its own, too, where
frames were lost with the bus; it asks what is here before it does.
"""

from __future__ import annotations

from contracts.frames import Frame, FrameFlag


class Seam:
    """How far the newest reply of one call has been received, in mu-law at 8 kHz: a byte is a sample."""

    def __init__(self) -> None:
        self.reply = 0
        self.whole = 0
        """So many sentences of `reply`, by their index, were received whole, or will never be."""
        self._all = False
        self._epoch = 0
        self._sentence = -1
        self._received = 0
        self._said = 0

    def begin_again(self) -> None:
        """Whoever speaks says the sentence that is not whole from its beginning, also in the same epoch."""
        self._said = 0

    def join(self, frame: Frame) -> Frame | None:
        """What is new in `frame`: all of it, its end, its flags alone, or None.

        Frames come in order within an epoch, in no epoch older than one before, and of no older reply.
        """
        if frame.reply != self.reply:
            self.reply, self.whole, self._all, self._sentence = frame.reply, 0, False, -1
        if self._all:
            return None
        if frame.epoch != self._epoch:
            self._epoch, self._said = frame.epoch, 0
        if frame.sentence < self.whole:
            return self._flags_alone(frame)
        if frame.sentence != self._sentence:
            self.whole = self._sentence = frame.sentence
            self._received = self._said = 0
        return self._new_part(frame)

    def _flags_alone(self, frame: Frame) -> Frame | None:
        if not frame.flags & FrameFlag.REPLY_END:
            return None
        self._all = True
        return frame._replace(payload=b"", flags=FrameFlag.REPLY_END)

    def _new_part(self, frame: Frame) -> Frame | None:
        known = max(0, self._received - self._said)
        self._said += len(frame.payload)
        self._received = max(self._received, self._said)
        if frame.flags:
            if frame.flags & FrameFlag.SENTENCE_END:
                self.whole = self._sentence + 1
            if frame.flags & FrameFlag.REPLY_END:
                self._all = True
        if not known:
            return frame
        payload = frame.payload[known:]
        return frame._replace(payload=payload) if payload or frame.flags else None
