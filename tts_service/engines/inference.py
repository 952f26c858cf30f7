"""What the engines on onnxruntime share: sessions, work in threads, and one loudness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tts_service.errors import VoiceUnusable
from tts_service.ports import Pcm

_SPEECH_LEVEL: Final = 0.1  # RMS of what is spoken, pauses left out: -20 dB below full scale
_LOUD: Final = 0.1  # of the loudest 10 ms: quieter ones are pauses


def open_session(model: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU with so many threads; raises VoiceUnusable for what is not a model.

    Threads that wait do not spin: that would take the cores from the calls being listened to.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors have no common base
        name = "the voice model" if isinstance(model, bytes) else model
        raise VoiceUnusable(
            f"{name} cannot be opened: {' '.join(str(error).split())}", mend="install the model again"
        ) from error


async def stream(
    chunks: Iterator[NDArray[np.float32]], rate_hz: int, executor: Executor
) -> AsyncGenerator[Pcm, None]:
    """Each chunk as it is asked for, made on a thread of `executor`.

    Given out by the second: what comes of a chunk on the event loop must not hold up other calls' frames.
    """
    loop = asyncio.get_running_loop()
    while (samples := await loop.run_in_executor(executor, next, chunks, None)) is not None:
        for at in range(0, len(samples), rate_hz):
            yield Pcm(samples[at : at + rate_hz], rate_hz)


def gain_to_speech_level(samples: NDArray[np.float32], rate_hz: int) -> float:
    """What to multiply `samples` of speech with, so that all voices are equally loud."""
    size = rate_hz // 100
    stretches = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.square(stretches).mean(axis=1)
    loud = power[power > power.max(initial=0.0) * _LOUD**2]
    return _SPEECH_LEVEL / float(np.sqrt(loud.mean())) if len(loud) else 1.0
