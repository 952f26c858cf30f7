"""VITS models (what Piper voices are) made window by window.

Such a model works in two steps: the first decides what sounds when, for the whole sentence; the second, three
quarters of the work, turns that into a waveform and looks only a tenth of a second to either side. So the
model is cut between the two and the second step runs in windows: the first audio leaves when a quarter of a
second of it is made, and the melody is that of the whole sentence. Both steps take several sentences in one
run: the first masks what pads the shorter ones, the second gets windows of one length.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from tts_service.engines.graph import cut_before
from tts_service.engines.inference import Device, open_session
from tts_service.engines.windows import Window, windows
from tts_service.errors import VoiceUnusable

log = logging.getLogger(__name__)

_WAVEFORM_NODES: Final = "/dec/"
_FIRST_FRAMES: Final = 24  # 279 ms at 22,050 Hz
_LARGEST_FRAMES: Final = 96  # 1.1 s, 35 ms of work: what another call may have to wait for
_REACHES: Final = (10, 16, 24, 40)  # frames that the second step may look to either side; 10 in medium voices
_INAUDIBLE: Final = 1e-4  # of full scale, where two windows join


class Scales(NamedTuple):
    """How a sentence is spoken: variation of sound, length, and variation of rhythm."""

    noise: float
    length: float
    rhythm: float


class Plan:
    """A sentence of which is decided what sounds when, and how much of it has been made audible."""

    def __init__(self, frames: NDArray[np.float32], parts: Iterator[Window]) -> None:
        """`frames` are (channels, frames)."""
        self._frames = frames
        self._parts = parts
        self._window = next(parts, None)

    @property
    def next_frames(self) -> int:
        """How many frames go in next; 0 when all of it was made."""
        return self._window.stop - self._window.start if self._window is not None else 0

    def part(self) -> NDArray[np.float32]:
        """What goes in next, (channels, `next_frames`)."""
        assert self._window is not None
        return self._frames[:, self._window.start : self._window.stop]

    def take(self, samples: NDArray[np.float32], hop: int) -> NDArray[np.float32]:
        """What is to be heard of the samples that came of that part; then it is the next one's turn."""
        window = self._window
        assert window is not None
        self._window = next(self._parts, None)
        return samples[(window.begin - window.start) * hop : (window.end - window.start) * hop]


class Vits:
    """One model, opened. `incremental` says whether it could be cut in two; only then can it take batches."""

    def __init__(self, path: Path, hop: int, threads: int, device: Device = "cpu") -> None:
        model = path.read_bytes()
        try:
            halves = cut_before(model, _WAVEFORM_NODES)
        except ValueError as error:
            raise VoiceUnusable(
                f"{path} is not a voice model: {error}", mend="install the voice again"
            ) from error
        self.incremental = halves is not None and len(halves.between) == 1
        if halves is None or not self.incremental:
            log.warning("%s cannot be cut in two: its sentences are made whole before they are heard", path)
            self._front, self._waveform = open_session(model, threads, device), None
        else:
            self._front = open_session(halves.front, threads, device)
            self._waveform = _Waveform(open_session(halves.back, threads, device), halves.between[0], hop)

    def plan(self, sentences: Sequence[Sequence[int]], scales: Scales) -> list[Plan]:
        """Sentences of phoneme ids, in one run; shorter ones are padded, which changes nothing of them."""
        lengths = [len(ids) for ids in sentences]
        padded = np.zeros((len(sentences), max(lengths)), np.int64)
        for row, ids in zip(padded, sentences, strict=True):
            row[: len(ids)] = ids
        made: NDArray[np.float32] = self._front.run(
            None,
            {
                "input": padded,
                "input_lengths": np.array(lengths, np.int64),
                "scales": np.array(scales, np.float32),
            },
        )[0]
        if self._waveform is not None:
            return [self._waveform.plan(frames[:, : _length(frames)]) for frames in made]
        whole = made.reshape(len(sentences), 1, -1)
        return [Plan(samples, iter([Window(0, len(samples[0]), 0, len(samples[0]))])) for samples in whole]

    def speak(self, plans: Sequence[Plan]) -> list[NDArray[np.float32]]:
        """The next samples of each; those whose next parts are equally long are made in one run."""
        if self._waveform is None:
            return [plan.take(plan.part().reshape(-1), 1) for plan in plans]
        return self._waveform.speak(plans)


class _Waveform:
    """The second step: from a plan (channels, frames) to `hop` samples a frame."""

    def __init__(self, session: InferenceSession, takes: str, hop: int) -> None:
        self._session = session
        self._takes = takes
        self._hop = hop
        self._reach: int | None = None

    def plan(self, frames: NDArray[np.float32]) -> Plan:
        """What is to be made of these frames, window by window."""
        if self._reach is None:
            self._reach = self._measured_reach(len(frames))
        parts = windows(frames.shape[1], first=_FIRST_FRAMES, largest=_LARGEST_FRAMES, context=self._reach)
        return Plan(frames, parts)

    def speak(self, plans: Sequence[Plan]) -> list[NDArray[np.float32]]:
        """The next window of each plan."""
        made: dict[Plan, NDArray[np.float32]] = {}
        ordered = sorted(plans, key=attrgetter("next_frames"))
        for _, alike in groupby(ordered, key=attrgetter("next_frames")):
            group = list(alike)
            made.update(zip(group, self._run(np.stack([plan.part() for plan in group])), strict=True))
        return [plan.take(made[plan], self._hop) for plan in plans]

    def _run(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = self._session.run(None, {self._takes: frames})[0]
        return samples.reshape(len(frames), -1)

    def _measured_reach(self, channels: int) -> int:
        """How far this model really looks: what is further away must not change the sound."""
        longest = _REACHES[-1]
        plan = np.random.default_rng(0).standard_normal((1, channels, 2 * longest + 8), np.float32)
        middle = slice(longest * self._hop, (longest + 8) * self._hop)
        whole = self._run(plan)[0, middle]
        for reach in _REACHES[:-1]:
            part = self._run(np.ascontiguousarray(plan[..., longest - reach : longest + 8 + reach]))[0]
            if abs(part[reach * self._hop : (reach + 8) * self._hop] - whole).max() < _INAUDIBLE:
                return reach
        return longest


def _length(frames: NDArray[np.float32]) -> int:
    """How many of the frames are the sentence's own: what pads it is masked with zeros."""
    own = np.flatnonzero(frames.any(axis=0))
    return int(own[-1]) + 1 if len(own) else 0
