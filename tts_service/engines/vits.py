"""VITS models (what Piper voices are) made window by window.

Such a model works in two steps: the first decides what sounds when, for the whole sentence; the second, three
quarters of the work, turns that into a waveform and looks only a tenth of a second to either side. So the
model is cut between the two and the second step runs in windows: the first audio leaves when a quarter of a
second of it is made, and the melody is that of the whole sentence.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from tts_service.engines.graph import cut_before
from tts_service.engines.inference import open_session
from tts_service.engines.windows import windows
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


class Vits:
    """One model, opened. `incremental` says whether it could be cut in two."""

    def __init__(self, path: Path, hop: int, threads: int) -> None:
        model = path.read_bytes()
        self._hop = hop
        try:
            halves = cut_before(model, _WAVEFORM_NODES)
        except ValueError as error:
            raise VoiceUnusable(
                f"{path} is not a voice model: {error}", mend="install the voice again"
            ) from error
        self.incremental = halves is not None and len(halves.between) == 1
        if halves is None or not self.incremental:
            log.warning("%s cannot be cut in two: its sentences are made whole before they are heard", path)
            self._front, self._waveform = open_session(model, threads), None
        else:
            self._front = open_session(halves.front, threads)
            self._waveform = _Waveform(open_session(halves.back, threads), halves.between[0], hop)

    def speak(self, ids: list[int], scales: Scales) -> Iterator[NDArray[np.float32]]:
        """A sentence of phoneme ids as float32 samples, in growing stretches; every step blocks."""
        plan: NDArray[np.float32] = self._front.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array(scales, np.float32),
            },
        )[0]
        if self._waveform is None:
            yield plan.reshape(-1)
        else:
            yield from self._waveform.of(plan)


class _Waveform:
    """The second step: from a plan (1, channels, frames) to `hop` samples a frame."""

    def __init__(self, session: InferenceSession, takes: str, hop: int) -> None:
        self._session = session
        self._takes = takes
        self._hop = hop
        self._reach: int | None = None

    def of(self, plan: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """The samples of the whole plan, window by window."""
        if self._reach is None:
            self._reach = self._measured_reach(plan.shape[1])
        for window in windows(
            plan.shape[2], first=_FIRST_FRAMES, largest=_LARGEST_FRAMES, context=self._reach
        ):
            samples = self._run(plan[..., window.start : window.stop])
            yield samples[(window.begin - window.start) * self._hop : (window.end - window.start) * self._hop]

    def _run(self, plan: NDArray[np.float32]) -> NDArray[np.float32]:
        samples: NDArray[np.float32] = self._session.run(None, {self._takes: np.ascontiguousarray(plan)})[0]
        return samples.reshape(-1)

    def _measured_reach(self, channels: int) -> int:
        """How far this model really looks: what is further away must not change the sound."""
        longest = _REACHES[-1]
        plan = np.random.default_rng(0).standard_normal((1, channels, 2 * longest + 8), np.float32)
        middle = slice(longest * self._hop, (longest + 8) * self._hop)
        whole = self._run(plan)[middle]
        for reach in _REACHES[:-1]:
            part = self._run(plan[..., longest - reach : longest + 8 + reach])
            if abs(part[reach * self._hop : (reach + 8) * self._hop] - whole).max() < _INAUDIBLE:
                return reach
        return longest
