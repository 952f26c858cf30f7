"""What the engines on onnxruntime share: sessions, and one loudness."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tts_service.errors import EngineMissing, VoiceUnusable

Device: TypeAlias = Literal["cpu", "cuda"]

_PROVIDERS: Final[dict[Device, list[str]]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
}
_SPEECH_LEVEL: Final = 0.1  # RMS of what is spoken, pauses left out: -20 dB below full scale
_LOUD: Final = 0.1  # of the loudest 10 ms: quieter ones are pauses


def open_session(model: Path | bytes, threads: int, device: Device = "cpu") -> onnxruntime.InferenceSession:
    """A session with so many threads of the CPU; raises VoiceUnusable for what is not a model, EngineMissing
    where onnxruntime was built for no such device.

    Threads that wait do not spin: that would take the cores from the calls being listened to.
    """
    if _PROVIDERS[device][0] not in onnxruntime.get_available_providers():
        raise EngineMissing(
            f"this onnxruntime has nothing for the device {device}",
            mend="install onnxruntime-gpu in place of onnxruntime, or set the engine's device to cpu",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=_PROVIDERS[device])
    except Exception as error:  # onnxruntime's own errors have no common base
        name = "the voice model" if isinstance(model, bytes) else model
        raise VoiceUnusable(
            f"{name} cannot be opened: {' '.join(str(error).split())}", mend="install the model again"
        ) from error


def gain_to_speech_level(samples: NDArray[np.float32], rate_hz: int) -> float:
    """What to multiply `samples` of speech with, so that all voices are equally loud."""
    size = rate_hz // 100
    stretches = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.square(stretches).mean(axis=1)
    loud = power[power > power.max(initial=0.0) * _LOUD**2]
    return _SPEECH_LEVEL / float(np.sqrt(loud.mean())) if len(loud) else 1.0
