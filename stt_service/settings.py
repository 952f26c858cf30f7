"""What an operator can set about recognition."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from contracts.messages.config import EngineName
from runtime.settings import ProcessSettings


def _words(value: object) -> object:
    """`a, b` as an environment variable says it."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


class Settings(ProcessSettings):
    """Settings of the speech recognition service; lists are written `a,b`."""

    stt_capacity: Annotated[int, Field(ge=1, description="calls held at once")] = 40
    stt_preload: Annotated[
        tuple[EngineName, ...],
        NoDecode,
        BeforeValidator(_words),
        Field(description="loaded before this process says that it is ready; others when first assigned"),
    ] = ("whisper",)
    stt_engine_threads: Annotated[
        int, Field(ge=1, le=64, description="threads to one decode; two on two cores were slower than one")
    ] = 1
    stt_engine_timeout_s: Annotated[float, Field(gt=0, description="for one batch")] = 10.0
    stt_engine_rest_s: Annotated[
        float, Field(ge=0, description="how long an engine that failed is asked last")
    ] = 10.0
    stt_wait_budget_s: Annotated[
        float, Field(gt=0, description="who waits longer for the engine: there is no room for calls")
    ] = 0.4
    stt_batch_limit: Annotated[int, Field(ge=1, description="segments decoded at once")] = 8

    stt_voice_from: Annotated[float, Field(gt=0, lt=1, description="probability at which voice begins")] = 0.5
    stt_voice_until: Annotated[float, Field(gt=0, lt=1, description="probability below which it ends")] = 0.35
    stt_onset_windows: Annotated[int, Field(ge=1, description="windows of 32 ms before it counts")] = 2
    stt_preroll_ms: Annotated[int, Field(ge=0, le=600, description="decoded from before the onset")] = 300
    stt_pause_ms: Annotated[
        int,
        Field(ge=30, le=1000, description="quiet after which the turn so far is decoded, in case it is over"),
    ] = 100
    stt_min_speech_ms: Annotated[int, Field(ge=0, description="less than this is dismissed undecoded")] = 100
    stt_partials: Annotated[bool, Field(description="partial transcripts while the engine is idle")] = True
    stt_partial_every_ms: Annotated[int, Field(ge=100, description="speech between two of them")] = 700
    stt_queue_frames: Annotated[int, Field(ge=2, description="frames a call may have waiting")] = 50
    stt_starved_ms: Annotated[
        int, Field(ge=100, description="no frames for this long, within a turn, is heard as silence")
    ] = 300
    stt_gather_ms: Annotated[
        float, Field(ge=0, le=20, description="least time between two detector runs, for windows to gather")
    ] = 5.0

    stt_silero_model: str = "silero-vad"
    stt_whisper_model: str = "whisper-base"
    stt_whisper_device: Literal["auto", "cpu", "cuda"] = "auto"
    stt_whisper_compute: Annotated[
        str, Field(description="a CTranslate2 compute type; auto: int8 on a CPU, float16 on a GPU")
    ] = "auto"
    stt_whisper_beam: Annotated[int, Field(ge=1, le=10)] = 1
    stt_whisper_words: Annotated[bool, Field(description="word times, at the price of an alignment")] = False

    stt_energy_dbfs: Annotated[float, Field(lt=0, description="loud enough for the energy detector")] = -40.0
    stt_synthetic_text: Annotated[str, Field(min_length=1)] = "What are your opening hours?"
    stt_synthetic_delay_ms: Annotated[int, Field(ge=0)] = 0
    stt_synthetic_detector: Annotated[
        Literal["energy", "silero"], Field(description="of calls whose first engine is the synthetic one")
    ] = "energy"
