"""What an operator can set about synthesis."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages.config import EngineName
from runtime.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the speech synthesis service; models are names of the manifest, paths, or hub ids."""

    tts_capacity: Annotated[int, Field(ge=1, description="calls held at once")] = 200
    tts_preload: Annotated[
        tuple[EngineName, ...],
        Field(description="loaded before this process says that it is ready; others when first assigned"),
    ] = ("piper",)
    tts_engine_threads: Annotated[int, Field(ge=1, description="threads to one chunk of one phrase")] = 1
    tts_engine_slots: Annotated[int, Field(ge=1, description="runs of engines at once")] = 2
    tts_engine_timeout_s: Annotated[float, Field(gt=0, description="for one run")] = 10.0
    tts_batch_limit: Annotated[
        int, Field(ge=1, description="sentences of different calls in one run, where the engine gains by it")
    ] = 8
    tts_wait_budget_s: Annotated[
        float,
        Field(
            gt=0,
            description="who is in a hurry waits longer than this: there is no room for calls."
            " A batch is no larger than what the engine makes in it",
        ),
    ] = 0.2
    tts_engine_rest_s: Annotated[
        float, Field(ge=0, description="how long an engine that failed is asked last")
    ] = 10.0
    tts_ahead_s: Annotated[
        float, Field(gt=0, description="how far the frames sent may be ahead of what was heard")
    ] = 20.0
    tts_gap_s: Annotated[
        float, Field(gt=0, description="how long to wait for a sentence that later ones have overtaken")
    ] = 3.0
    tts_doubt_s: Annotated[
        float,
        Field(
            ge=0,
            description="how long a lost gateway may have been lost unnoticed; what it had then is repeated",
        ),
    ] = 1.5
    tts_takeover_timeout_s: Annotated[
        float, Field(gt=0, description="for a gateway to say what it holds, each time that it is asked")
    ] = 1.0
    tts_takeover_patience_s: Annotated[
        float, Field(ge=0, description="how long it is asked, before all is said to it that it may lack")
    ] = 3.0
    tts_cache_mb: Annotated[int, Field(ge=0, description="finished phrases; 1 MB is 2 minutes")] = 64
    tts_warm_phrases: Annotated[
        int, Field(ge=0, description="how many of an assistant's set phrases are made before they are needed")
    ] = 40
    tts_warm_share: Annotated[
        float, Field(gt=0, le=1, description="of one core, for phrases that nobody waits for yet")
    ] = 0.25
    tts_piper_voices: tuple[str, ...] = ("piper-joe",)
    tts_piper_device: Annotated[
        Literal["cpu", "cuda"], Field(description="cuda needs onnxruntime-gpu; not measured yet")
    ] = "cpu"
    tts_kokoro_model: str = "kokoro-82m-int8"
    tts_kokoro_voices: tuple[str, ...] = ("kokoro-voices-ja",)
    tts_synthetic_audio_ms: Annotated[int, Field(ge=0)] = 1000
    tts_synthetic_delay_ms: Annotated[int, Field(ge=0)] = 0
    tts_synthetic_together: Annotated[int, Field(ge=1, description="phrases that share one delay")] = 1
