"""Silero VAD through onnxruntime, at 8 kHz: 32 ms a window, all calls in one run, on one thread.

The model keeps a recurrent state and looks at the last 4 ms before each window; both are the vector that a
call carries: [2, 128] of state, then 32 samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stt_service.errors import EngineMissing
from stt_service.ports import RATE_HZ

_LAYERS, _UNITS = 2, 128
_RECURRENT: Final = _LAYERS * _UNITS
_CONTEXT: Final = 32


class SileroDetector:
    """The ONNX model of Silero VAD version 5 or 6; raises EngineMissing for a file that is not one."""

    window_samples = 256

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no public base for its own
            raise EngineMissing(
                f"{model} cannot be opened as an ONNX model: {str(error).splitlines()[0]}",
                mend="set TRUNKLINE_STT_SILERO_MODEL to silero_vad.onnx of version 5 or 6",
            ) from error
        if {one.name for one in session.get_inputs()} != {"input", "state", "sr"}:
            raise EngineMissing(
                f"{model} is not Silero VAD version 5 or 6",
                mend="set TRUNKLINE_STT_SILERO_MODEL to its silero_vad.onnx",
            )
        self._session: Any = session
        self._rate = np.array(RATE_HZ, np.int64)
        self.detect(np.zeros((1, self.window_samples), np.float32), self.initial_state()[None])

    def initial_state(self) -> NDArray[np.float32]:
        """Silence before the call."""
        return np.zeros(_RECURRENT + _CONTEXT, np.float32)

    def detect(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities [B] and next states [B, 288] of windows [B, 256]."""
        calls = len(windows)
        recurrent = states[:, :_RECURRENT].reshape(calls, _LAYERS, _UNITS).transpose(1, 0, 2)
        heard = np.concatenate((states[:, _RECURRENT:], windows), axis=1)
        inputs = {"input": heard, "state": np.ascontiguousarray(recurrent), "sr": self._rate}
        probabilities, following = self._session.run(None, inputs)
        carried = following.transpose(1, 0, 2).reshape(calls, _RECURRENT)
        return probabilities[:, 0], np.concatenate((carried, windows[:, -_CONTEXT:]), axis=1)
