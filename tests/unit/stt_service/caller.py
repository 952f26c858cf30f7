"""A caller for `Recognition`: says things in frames, and answers its decodes as an engine would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from audio.codec import decode_float, encode, to_pcm16
from contracts.frames import Codec, Frame
from contracts.messages import Message, PartialTranscript
from stt_service.actions import Abandon, Action, Decode, Publish, Purpose, Understood
from stt_service.edges import levels
from stt_service.engines.energy import EnergyDetector
from stt_service.ports import Samples, Transcript
from stt_service.recognition import Recognition, Rules
from stt_service.resuming import Resumption
from tests.unit.stt_service.speech import silence, voice

FRAME = 160
START_US = 1_767_225_600_000_000

Answer = Callable[[Decode], Transcript | Exception | None]
"""What an engine makes of a decode: a transcript, an exception for a failure, or None for not yet."""


def saying(text: str, confidence: float = 0.9) -> Answer:
    return lambda _decode: Transcript(text, "en", confidence)


def frame(sequence: int, samples: Samples, at_us: int | None = None, epoch: int = 1) -> Frame:
    at = START_US + (sequence + 1) * 20_000 if at_us is None else at_us
    return Frame(Codec.PCM16, 8_000, sequence, at, encode(Codec.PCM16, to_pcm16(samples)), epoch=epoch)


class Caller:
    """Feeds a Recognition through a real energy detector; `answer` stands for the engine."""

    def __init__(
        self, rules: Rules | None = None, answer: Answer | None = None, resumption: Resumption | None = None
    ) -> None:
        self.detector = EnergyDetector(-40.0)
        self.recognition = Recognition(
            "en-US", rules or Rules(partial_ms=None), self.detector.window_samples, resumption
        )
        self.answer = answer or saying("Hello.")
        self.sequence = 0
        self.published: list[Message] = []
        self.decodes: dict[int, Decode] = {}
        self.open: dict[int, Decode] = {}
        self.abandoned: list[int] = []
        self._rest = np.empty(0, np.float32)

    def say(self, ms: int, level: float = 0.1) -> None:
        self.sound(voice(ms, level))

    def wait(self, ms: int) -> None:
        self.sound(silence(ms))

    def sound(self, samples: Samples) -> None:
        self._rest = np.concatenate((self._rest, samples))
        while len(self._rest) >= FRAME:
            self.send(self._rest[:FRAME])
            self._rest = self._rest[FRAME:]

    def send(self, samples: Samples) -> None:
        self.recognition.hear(frame(self.sequence, samples))
        self.sequence += 1
        self.judge()

    def judge(self) -> None:
        while (window := self.recognition.next_window()) is not None:
            samples = decode_float(*window)[None]
            verdict, _ = self.detector.detect(samples, np.empty((1, 0), np.float32))
            self.do(self.recognition.judge(float(verdict[0]), *levels(samples)))

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Publish(body):
                    self.published.append(body)
                case Abandon(decode):
                    self.abandoned.append(decode)
                    self.open.pop(decode, None)
                case Decode():
                    self.decodes[action.id] = self.open[action.id] = action
                    self.settle(action.id, self.answer(action))

    def settle(self, decode: int, answer: Transcript | Exception | None) -> None:
        """An engine answers now."""
        if answer is None:
            return
        self.open.pop(decode, None)
        if isinstance(answer, Exception):
            self.do(self.recognition.failed(decode))
        else:
            self.do(self.recognition.understood(decode, Understood(answer, "fake", 80.0)))

    def events(self) -> list[Message]:
        """What was published but partial transcripts."""
        return [body for body in self.published if not isinstance(body, PartialTranscript)]

    def partials(self) -> list[str]:
        return [body.text_pii for body in self.published if isinstance(body, PartialTranscript)]

    def asked(self, purpose: Purpose) -> list[Decode]:
        return [decode for decode in self.decodes.values() if decode.purpose is purpose]
