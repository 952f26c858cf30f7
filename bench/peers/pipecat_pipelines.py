"""Pipecat under the density workload: a `Pipeline` for each call, all in one process.

Engines and transports are plugged in through the framework's public classes; the output paces its writes as
Pipecat's own WebSocket transport does. Run by `bench.peers.table` in an environment of its own, or directly:
`python pipecat_pipelines.py --calls 25`. `--tuned` turns off audio passthrough, turn tracking and idle watch.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    OutputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner
from workload import (
    ANSWER,
    ANSWER_RATE_HZ,
    RATE_HZ,
    SENTENCE_PCM,
    TRANSCRIPT,
    Caller,
    EnergyDetector,
    Options,
    main,
)

_READY_WITHIN_S = 40


class CallerInput(BaseInputTransport):
    """A caller's frames, from memory."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.ready = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def push(self, pcm: bytes) -> None:
        await self.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE_HZ, num_channels=1))


class CallerOutput(BaseOutputTransport):
    """Writes at the pace of a telephone."""

    def __init__(self, params: TransportParams, caller: Caller) -> None:
        super().__init__(params)
        self.ready = asyncio.Event()
        self._caller = caller
        self._next_s = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._caller.heard(len(frame.audio) / 2 / frame.sample_rate)
        interval_s = self.audio_chunk_size / self.sample_rate / 2
        wait_s = max(0.0, self._next_s - time.monotonic())
        await asyncio.sleep(wait_s)
        self._next_s = (self._next_s if wait_s else time.monotonic()) + interval_s
        return True


class SyntheticStt(STTService):
    """The same words after every 300 ms of quiet."""

    def __init__(self, *, audio_passthrough: bool) -> None:
        settings = STTSettings(model="synthetic", language=None)
        super().__init__(
            sample_rate=RATE_HZ, ttfs_p99_latency=0.0, audio_passthrough=audio_passthrough, settings=settings
        )
        self._detector = EnergyDetector()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        match self._detector.feed(audio):
            case "start":
                await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
            case "end":  # transcript first, as Pipecat's own service with turn detection does it
                said = TranscriptionFrame(TRANSCRIPT, self._user_id, time_now_iso8601(), finalized=True)
                await self.push_frame(said)
                await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)
        yield None


class SyntheticLlm(LLMService):
    """Twelve words at once, to everything."""

    def __init__(self) -> None:
        unset = dict.fromkeys(
            (
                "system_instruction",
                "temperature",
                "max_tokens",
                "top_p",
                "top_k",
                "frequency_penalty",
                "presence_penalty",
                "seed",
                "filter_incomplete_user_turns",
                "user_turn_completion_config",
            )
        )
        super().__init__(settings=LLMSettings(model="synthetic", **unset))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        for word in ANSWER:
            await self._push_llm_text(word)
        await self.push_frame(LLMFullResponseEndFrame())


class SyntheticTts(TTSService):
    """A second of noise a sentence, at once."""

    def __init__(self) -> None:
        settings = TTSSettings(model="synthetic", voice="synthetic", language=None)
        super().__init__(
            sample_rate=ANSWER_RATE_HZ, push_start_frame=True, push_stop_frames=True, settings=settings
        )

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:  # noqa: ARG002
        yield TTSAudioRawFrame(SENTENCE_PCM, ANSWER_RATE_HZ, 1, context_id=context_id)


class Pipecat:
    """A pipeline for each caller."""

    version = importlib.metadata.version("pipecat-ai")

    def __init__(self, *, tuned: bool) -> None:
        self.name = "Pipecat, tuned" if tuned else "Pipecat"
        self._tuned = tuned
        self._workers: list[PipelineWorker] = []
        self._running: list[asyncio.Task[None]] = []

    async def start(self, callers: Sequence[Caller]) -> None:
        ready = []
        for caller in callers:
            source, sink = await self._start_one(caller)
            ready += [source.ready.wait(), sink.ready.wait()]
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*ready), _READY_WITHIN_S)

    async def _start_one(self, caller: Caller) -> tuple[CallerInput, CallerOutput]:
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_in_sample_rate=RATE_HZ,
            audio_out_sample_rate=ANSWER_RATE_HZ,
        )
        source, sink = CallerInput(params), CallerOutput(params, caller)
        context = LLMContext([{"role": "system", "content": "You are a helpful receptionist."}])
        turns = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        user, assistant = LLMContextAggregatorPair(context, user_params=turns)
        speech = SyntheticStt(audio_passthrough=not self._tuned)
        pipeline = Pipeline([source, speech, user, SyntheticLlm(), SyntheticTts(), sink, assistant])
        rates = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=ANSWER_RATE_HZ)
        spare: dict[str, Any] = (
            {"enable_turn_tracking": False, "idle_timeout_secs": None} if self._tuned else {}
        )
        worker = PipelineWorker(pipeline, params=rates, enable_rtvi=False, **spare)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        self._workers.append(worker)
        self._running.append(asyncio.create_task(runner.run()))
        caller.push = source.push
        return source, sink

    async def stop(self) -> None:
        await asyncio.gather(*(worker.cancel() for worker in self._workers), return_exceptions=True)


def _peer(options: Options) -> Pipecat:
    return Pipecat(tuned=options.tuned)


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    main(_peer)
