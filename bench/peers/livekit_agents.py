"""LiveKit Agents under the density workload: an `AgentSession` for each call, all in one process.

Engines, input and output are plugged in through the framework's public classes. Run by `bench.peers.table`
in an environment of its own, or directly: `python livekit_agents.py --calls 100`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from livekit import agents, rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts
from livekit.agents.language import LanguageCode
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io
from workload import (
    ANSWER,
    ANSWER_RATE_HZ,
    FRAME_SAMPLES,
    RATE_HZ,
    SENTENCE_PCM,
    TRANSCRIPT,
    Caller,
    EnergyDetector,
    Options,
    main,
)

_TURNS: dict[str, Any] = {"turn_detection": "stt", "endpointing": {"min_delay": 0.0, "max_delay": 0.0}}


class CallerInput(io.AudioInput):
    """A caller's frames, from memory."""

    def __init__(self) -> None:
        super().__init__(label="caller")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    async def push(self, pcm: bytes) -> None:
        self._frames.put_nowait(rtc.AudioFrame(pcm, RATE_HZ, 1, FRAME_SAMPLES))


class CallerOutput(io.AudioOutput):
    """Takes agent audio as fast as it comes and plays it in real time, on a timer."""

    def __init__(self, caller: Caller) -> None:
        super().__init__(
            label="caller", sample_rate=None, capabilities=io.AudioOutputCapabilities(pause=True)
        )
        self._caller = caller
        self._queued_s = 0.0
        self._began_s: float | None = None
        self._ends: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._caller.heard(frame.duration)
        if self._began_s is None:
            self._began_s = time.perf_counter()
            self.on_playback_started(created_at=time.time())
        self._queued_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._began_s is None:
            return
        left_s = max(0.0, self._began_s + self._queued_s - time.perf_counter())
        self._ends = asyncio.get_running_loop().call_later(left_s, self._done, self._queued_s, False)
        self._queued_s, self._began_s = 0.0, None

    def clear_buffer(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._done(0.0, interrupted=True)
        elif self._began_s is not None:
            played_s = min(self._queued_s, time.perf_counter() - self._began_s)
            self._queued_s, self._began_s = 0.0, None
            self._done(played_s, interrupted=True)

    def _done(self, played_s: float, interrupted: bool) -> None:
        self._ends = None
        self.on_playback_finished(playback_position=played_s, interrupted=interrupted)


class SyntheticStream(stt.RecognizeStream):
    """The same words after every 300 ms of quiet."""

    async def _run(self) -> None:
        detector = EnergyDetector()
        async for frame in self._input_ch:
            if isinstance(frame, self._FlushSentinel):
                continue
            match detector.feed(frame.data):
                case "start":
                    self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.START_OF_SPEECH))
                case "end":
                    said = stt.SpeechData(language=LanguageCode("en"), text=TRANSCRIPT, confidence=1.0)
                    final = stt.SpeechEventType.FINAL_TRANSCRIPT
                    self._event_ch.send_nowait(stt.SpeechEvent(type=final, alternatives=[said]))
                    self._event_ch.send_nowait(stt.SpeechEvent(type=stt.SpeechEventType.END_OF_SPEECH))


class SyntheticStt(stt.STT):
    """Recognition that costs nothing but its loudness."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise RuntimeError("this recognizer only streams")

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> stt.RecognizeStream:
        return SyntheticStream(stt=self, conn_options=conn_options)


class SyntheticAnswer(llm.LLMStream):
    """Twelve words at once."""

    async def _run(self) -> None:
        for word in ANSWER:
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id="answer", delta=delta))


class SyntheticLlm(llm.LLM):
    """The same answer to everything."""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: Any = None,
        conn_options: Any = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        return SyntheticAnswer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class SyntheticSpeech(tts.ChunkedStream):
    """One second of audio at once."""

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id="sentence", sample_rate=ANSWER_RATE_HZ, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(SENTENCE_PCM)
        output_emitter.flush()


class SyntheticTts(tts.TTS):
    """A second of noise a sentence."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=ANSWER_RATE_HZ, num_channels=1
        )

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.ChunkedStream:
        return SyntheticSpeech(tts=self, input_text=text, conn_options=conn_options)


class LiveKitAgents:
    """A session for each caller."""

    name = "LiveKit Agents"
    version = agents.__version__

    def __init__(self) -> None:
        self._sessions: list[AgentSession[Any]] = []

    async def start(self, callers: Sequence[Caller]) -> None:
        for caller in callers:
            session: AgentSession[Any] = AgentSession(
                stt=SyntheticStt(), llm=SyntheticLlm(), tts=SyntheticTts(), vad=None, turn_handling=_TURNS
            )
            source = CallerInput()
            session.input.audio = source
            session.output.audio = CallerOutput(caller)
            caller.push = source.push
            await session.start(Agent(instructions="You are a helpful receptionist."))
            self._sessions.append(session)

    async def stop(self) -> None:
        await asyncio.gather(*(session.aclose() for session in self._sessions), return_exceptions=True)


def _peer(_: Options) -> LiveKitAgents:
    return LiveKitAgents()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main(_peer)
