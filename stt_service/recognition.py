"""The core: from a caller's frames and a detector's verdicts to turns. One object a call; no bus, no engine,
no clock but the gateway's, which is on the frames.

What is to be done in the world comes back as actions: publish this, write that down, never mind that one.
Time is position in the audio, so a second of audio handed in at once gives what it gives in a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from contracts.frames import Frame
from contracts.messages import (
    Endpointing,
    Message,
    PartialTranscript,
    SpeechDismissed,
    SpeechStarted,
    TurnEnded,
    Word,
)
from stt_service.actions import Abandon, Action, Decode, Publish, Purpose, Understood
from stt_service.edges import Levels, Line, loudness
from stt_service.finished import looks_finished
from stt_service.hearing import Arrival, CallerAudio, Window
from stt_service.ports import RATE_HZ, Segment, Transcript
from stt_service.resuming import Resumption
from stt_service.turns import TurnEvent, TurnMachine, TurnState

_PER_MS: Final = RATE_HZ // 1000
_LONGEST_WAIT_MS: Final = 1_500
_NOISE_BELOW: Final = 0.1  # a verdict this low is of a window that tells how loud the line is by itself
_LOOK_BACK: Final = 320 * _PER_MS  # how far before a verdict the edge of speech may lie
_LOOK_AHEAD: Final = 96 * _PER_MS  # how far after the last voice a faint end ("s", "f") may lie
_KEPT: Final = 1_000 * _PER_MS
_FORGETS_EVERY: Final = 500 * _PER_MS
_CUT_WITHIN: Final = 5_000 * _PER_MS
_SAME_SPEECH: Final = 1_000 * _PER_MS  # within this, what is heard again is what was announced before
_SAME_SPEECH_US: Final = 1_000_000
_PARTIAL_SHARE: Final = 4  # the longer a turn, the dearer a partial: at most one in a quarter of its length


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides where turns begin and end. Probabilities of voice; milliseconds.

    Voice begins with `onset_windows` windows in a row at `voice_from` or above and lasts until one is below
    `voice_until`. `partial_ms` is how much speech lies between two partial transcripts; None for none.
    """

    voice_from: float = 0.5
    voice_until: float = 0.35
    onset_windows: int = 2
    preroll_ms: int = 300
    pause_ms: int = 100
    min_speech_ms: int = 100
    partial_ms: int | None = 700
    piece_ms: int = 25_000
    endpointing: Endpointing = field(default_factory=Endpointing)


@dataclass(slots=True)
class _Piece:
    """A stretch of a turn, from a position on, and what was said in it once that is known."""

    start: int
    decode: int | None = None
    heard: Understood | None = None
    failed: bool = False


@dataclass(slots=True)
class _Turn:
    number: int
    started: int
    started_us: int
    pieces: list[_Piece]
    recent: deque[tuple[int, float]]  # the verdicts of the last seconds, with the position after each
    voiced_until: int
    ended: int = 0
    asked: int = 0  # the position at which the decode of this pause was asked for
    partial: int | None = None
    partial_at: int = 0
    wait: int = 0  # how long a pause ends it, once it is understood

    @property
    def tail(self) -> _Piece:
        """The stretch that still grows."""
        return self.pieces[-1]

    def heard(self) -> list[tuple[_Piece, Understood]]:
        """The pieces that are in words."""
        return [(one, one.heard) for one in self.pieces if one.heard and _has_words(one.heard.transcript)]


class Recognition:
    """Turns one call's frames and verdicts into actions.

    A call that has gone on before is heard again from the end of its last turn, by `resumption`. A turn that
    was announced keeps its number and its start, and is not announced again; where nothing is heard of it any
    more it is dismissed.
    """

    def __init__(
        self, language: str, rules: Rules, window_samples: int, resumption: Resumption | None = None
    ) -> None:
        resumption = resumption or Resumption()
        self._language = language
        self._rules = rules
        self._window = window_samples
        self._audio = CallerAudio(window_samples)
        self.windows: Sized = self._audio.windows
        """Those that are complete and were not handed out yet."""
        self.hear: Callable[[Frame], Arrival] = self._audio.add
        """Take in a frame; raises AudioError for a payload that is not its codec's."""
        self.next_window: Callable[[], Window | None] = self._audio.next_window
        """The next window to be judged, if one is complete; each is to be judged, in order."""
        self._line = Line()
        self._machine = TurnMachine()
        self._position = 0  # up to where there is a verdict
        self._voiced = 0  # windows with voice in a row
        self._forgets_at = 0
        self._said_until = 0  # where the speech of the last turn ended
        self._turn: _Turn | None = None
        self._turns = resumption.decided
        self._announced = resumption.open.body if resumption.open else None
        self._decodes = count(1)

    @property
    def state(self) -> TurnState:
        """Where the turn stands."""
        return self._machine.state

    @property
    def awaits_words(self) -> bool:
        """Whether the pause may have ended the turn, and only what was said in it is not known yet."""
        if self._turn is None or self._machine.state is not TurnState.PAUSING:
            return False
        return self._position >= self._turn.ended + self._rules.endpointing.finished_ms * _PER_MS

    # -- audio ---------------------------------------------------------------------------------------

    def starve(self, ms: int) -> None:
        """No frame has come for a while: let silence pass instead, so that a turn does not stay open."""
        self._audio.fill(ms)

    def renumber(self) -> None:
        """The frames that follow are counted anew."""
        self._audio.renumber()

    # -- verdicts ------------------------------------------------------------------------------------

    def judge(self, probability: float, levels: Levels) -> list[Action]:
        """The oldest window without a verdict holds voice with this probability, and is that loud."""
        self._position += self._window
        turn = self._turn
        if turn is None:
            return self._listen(probability, levels)
        turn.recent.append((self._position, probability))
        threshold = self._rules.voice_until if self._voiced else self._rules.voice_from
        if probability >= threshold:
            self._voiced += 1
            return self._go_on(turn, levels)
        self._voiced = 0
        if probability < _NOISE_BELOW:
            self._line.hear_noise(levels.whole)
        return self._wait(turn)

    def _listen(self, probability: float, levels: Levels) -> list[Action]:
        if probability >= self._rules.voice_from:
            self._voiced += 1
            if self._voiced >= self._rules.onset_windows:
                return self._begin()
            return []
        self._voiced = 0
        if probability < _NOISE_BELOW:
            self._line.hear_noise(levels.whole)
        if self._position >= self._forgets_at:
            self._audio.forget(self._position - _KEPT)
            self._forgets_at = self._position + _FORGETS_EVERY
        return self._maybe_unheard() if self._announced else []

    def _maybe_unheard(self) -> list[Action]:
        """A turn was announced before we came, and there is nothing to be heard of it."""
        turn = self._announced
        if turn is None or self._position < _SAME_SPEECH:
            return []
        if self._audio.time_us(self._position) < turn.detected_us + _SAME_SPEECH_US:
            return []
        self._announced = None
        self._turns = turn.turn
        return [Publish(SpeechDismissed(turn=turn.turn, audio_ms=0.0))]

    def _begin(self) -> list[Action]:
        """Enough windows with voice: the turn began where the sound did."""
        since = self._position - self._voiced * self._window
        self._line.forget_voice()
        self._line.hear_voice(float(loudness(self._audio.between(since, self._position)).max()))
        before = self._audio.between(max(self._said_until, since - _LOOK_BACK), since + self._window)
        started = since + self._window - len(before) + self._line.first_sound(before)
        self._machine.apply(TurnEvent.BEGAN)
        self._turns += 1
        self._turn = turn = _Turn(
            number=self._turns,
            started=started,
            started_us=self._audio.time_us(started),
            pieces=[_Piece(max(self._said_until, started - self._rules.preroll_ms * _PER_MS))],
            recent=deque(maxlen=_CUT_WITHIN // self._window),
            voiced_until=self._position,
            partial_at=self._position,
        )
        announced, self._announced = self._announced, None
        if announced is not None and turn.started_us <= announced.started_us + _SAME_SPEECH_US:
            turn.started_us = announced.started_us
            return []
        detected_us = self._audio.time_us(self._position)
        body = SpeechStarted(turn=turn.number, started_us=turn.started_us, detected_us=detected_us)
        return [Publish(body)]

    def _go_on(self, turn: _Turn, levels: Levels) -> list[Action]:
        """The caller speaks."""
        turn.voiced_until = self._position
        self._line.hear_voice(levels.loudest)
        if self._machine.state is not TurnState.SPEAKING:
            self._machine.apply(TurnEvent.RESUMED)
            return self._take_back(turn.tail)
        if self._position - turn.tail.start >= self._rules.piece_ms * _PER_MS:
            return [self._cut(turn)]
        return self._maybe_partial(turn)

    def _wait(self, turn: _Turn) -> list[Action]:
        """The caller does not speak now."""
        if self._machine.state is not TurnState.SPEAKING:
            return self._maybe_over(turn)
        turn.ended = self._end_of_speech(turn)
        if self._position - turn.ended < self._rules.pause_ms * _PER_MS:
            return []
        self._machine.apply(TurnEvent.PAUSED)
        abandoned: list[Action] = [] if turn.partial is None else [Abandon(turn.partial)]
        turn.partial = None
        turn.asked = self._position
        if turn.ended - turn.started < self._rules.min_speech_ms * _PER_MS:
            return abandoned + self._maybe_understood(turn)
        decode = self._decode(Purpose.PAUSE, turn, turn.tail.start, self._position)
        turn.tail.decode = decode.id
        return [*abandoned, decode]

    def _end_of_speech(self, turn: _Turn) -> int:
        """Where the sound stopped; where the voice did, on a line as loud as the voice."""
        looked_from = max(turn.started, turn.voiced_until - _LOOK_BACK)
        looked_to = min(self._position, turn.voiced_until + _LOOK_AHEAD)
        after = self._line.last_sound(self._audio.between(looked_from, looked_to))
        return looked_from + after if after else turn.voiced_until

    def _take_back(self, piece: _Piece) -> list[Action]:
        """What was said in a piece is not known after all, because it goes on."""
        abandoned: list[Action] = [] if piece.decode is None else [Abandon(piece.decode)]
        piece.decode = piece.heard = None
        piece.failed = False
        return abandoned

    def _cut(self, turn: _Turn) -> Decode:
        """The turn is too long for one decode: close a piece where the voice was weakest of late."""
        until, _ = min(turn.recent, key=lambda verdict: verdict[1])
        at = until - self._window // 2
        decode = self._decode(Purpose.PIECE, turn, turn.tail.start, at)
        turn.tail.decode = decode.id
        turn.pieces.append(_Piece(at))
        self._audio.forget(at)
        return decode

    def _maybe_partial(self, turn: _Turn) -> list[Action]:
        if self._rules.partial_ms is None or turn.partial is not None:
            return []
        length = self._position - turn.tail.start
        due = turn.partial_at + max(self._rules.partial_ms * _PER_MS, length // _PARTIAL_SHARE)
        if self._position < due:
            return []
        decode = self._decode(Purpose.PARTIAL, turn, turn.tail.start, self._position)
        turn.partial, turn.partial_at = decode.id, self._position
        return [decode]

    def _decode(self, purpose: Purpose, turn: _Turn, start: int, end: int) -> Decode:
        segment = Segment(self._audio.between(start, end), self._language)
        return Decode(next(self._decodes), purpose, turn.number, segment)

    # -- what the engines say ------------------------------------------------------------------------

    def understood(self, decode: int, result: Understood) -> list[Action]:
        """A decode is done; nothing follows from one that nobody waits for any more."""
        turn = self._turn
        if turn is None:
            return []
        if decode == turn.partial:
            turn.partial = None
            return self._say_partial(turn, result.transcript.text)
        piece = next((piece for piece in turn.pieces if piece.decode == decode), None)
        if piece is None:
            return []
        piece.decode, piece.heard = None, result
        said = self._say_partial(turn)
        return said + self._maybe_understood(turn)

    def failed(self, decode: int) -> list[Action]:
        """No engine could write this down, or, for a partial, none was idle."""
        turn = self._turn
        if turn is None:
            return []
        if decode == turn.partial:
            turn.partial = None
            return []
        piece = next((piece for piece in turn.pieces if piece.decode == decode), None)
        if piece is None:
            return []
        piece.decode, piece.failed = None, True
        return self._maybe_understood(turn)

    def _say_partial(self, turn: _Turn, text: str = "") -> list[Action]:
        if self._rules.partial_ms is None:
            return []
        so_far = _joined([*(heard.transcript.text for _, heard in turn.heard()), text])
        return [Publish(PartialTranscript(turn=turn.number, text_pii=so_far))] if so_far else []

    # -- the end of a turn ---------------------------------------------------------------------------

    def _maybe_understood(self, turn: _Turn) -> list[Action]:
        if self._machine.state is not TurnState.PAUSING or any(piece.decode for piece in turn.pieces):
            return []
        if not turn.heard() and any(piece.failed for piece in turn.pieces):
            self._machine.apply(TurnEvent.FAILED)
            return self._dismiss(turn)
        self._machine.apply(TurnEvent.UNDERSTOOD)
        turn.wait = self._wait_ms(turn.heard()) * _PER_MS
        return self._maybe_over(turn)

    def _maybe_over(self, turn: _Turn) -> list[Action]:
        """End the turn at the window that is nearest to the wait it deserves."""
        if self._machine.state is not TurnState.UNDERSTOOD:
            return []
        if self._position + self._window // 2 < turn.ended + turn.wait:
            return []
        self._machine.apply(TurnEvent.OVER)
        heard = turn.heard()
        if not heard:
            return self._dismiss(turn)
        speculative = turn.asked < turn.ended + turn.wait
        return self._close(turn, self._turn_ended(turn, heard, speculative=speculative))

    def _wait_ms(self, heard: list[tuple[_Piece, Understood]]) -> int:
        """How long a pause ends the turn. Nothing goes on after no words."""
        endpointing = self._rules.endpointing
        text = heard[-1][1].transcript.text if heard else ""
        finished = not heard or looks_finished(text, self._language)
        return min(endpointing.finished_ms if finished else endpointing.unfinished_ms, _LONGEST_WAIT_MS)

    def _turn_ended(
        self, turn: _Turn, heard: list[tuple[_Piece, Understood]], *, speculative: bool
    ) -> TurnEnded:
        transcripts = [one.transcript for _, one in heard]
        words = [
            word
            for piece, one in heard
            for word in _words(one.transcript, (piece.start - turn.started) / _PER_MS)
        ]
        return TurnEnded(
            turn=turn.number,
            text_pii=_joined(transcript.text for transcript in transcripts),
            language=transcripts[-1].language,
            confidence=sum(transcript.confidence for transcript in transcripts) / len(transcripts),
            words_pii=tuple(words),
            speech_started_us=turn.started_us,
            speech_ended_us=self._audio.time_us(turn.ended),
            decided_us=self._audio.arrived_us(self._position),
            audio_ms=(turn.ended - turn.started) / _PER_MS,
            decode_ms=sum(one.decode_ms for _, one in heard),
            engine=heard[-1][1].engine,
            speculative=speculative,
        )

    def _dismiss(self, turn: _Turn) -> list[Action]:
        audio_ms = (turn.ended - turn.started) / _PER_MS
        return self._close(turn, SpeechDismissed(turn=turn.number, audio_ms=audio_ms))

    def _close(self, turn: _Turn, body: Message) -> list[Action]:
        self._turn = None
        self._said_until = turn.ended
        return [Publish(body)]


def _has_words(transcript: Transcript) -> bool:
    return any(character.isalnum() for character in transcript.text)


def _joined(texts: Iterable[str]) -> str:
    return " ".join(text.strip() for text in texts if text.strip())


def _words(transcript: Transcript, offset_ms: float) -> list[Word]:
    """The words of a piece, counted from the start of the turn's speech."""
    return [
        Word(
            text_pii=word.text,
            start_ms=max(0.0, word.start_ms + offset_ms),
            end_ms=max(0.0, word.end_ms + offset_ms),
            probability=word.probability,
        )
        for word in transcript.words
    ]
