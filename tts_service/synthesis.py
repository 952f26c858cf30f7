"""One call's speech: its sentences go in, frames for the gateway and one event a sentence come out.

One task speaks, sentence after sentence, so that frames leave in the order in which they are to be heard. It
runs ahead of the caller's ear, but only so far: the gateway's buffer is bounded, and an interruption would
waste the rest. Cancelling takes effect at once: not one frame of a cancelled reply leaves after it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from contracts.frames import FRAME_MS, Frame, FrameFlag
from contracts.messages import (
    EngineFailed,
    Event,
    Outcome,
    ReplyCompleted,
    ReplySentence,
    SentenceSynthesized,
)
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from tts_service.casting import Cast
from tts_service.chain import Chain, Sound
from tts_service.errors import SynthesisError
from tts_service.line import CODEC, FRAME_BYTES, RATE_HZ
from tts_service.ports import OpenSpan, Outlet
from tts_service.script import EndReply, Lost, Say, Script

log = logging.getLogger(__name__)

_FRAME_S: Final = FRAME_MS / 1000
_BURST: Final = 50  # frames sent before others get to run
_ROUNDING_S: Final = 1e-6


@dataclass(slots=True)
class _Sentence:
    """A sentence that came, and what became of it."""

    event: Event[ReplySentence]
    arrived_s: float
    engine: str
    voice: str = ""
    frames: int = 0
    first_audio_ms: float | None = None
    synthesis_ms: float = 0.0
    cached: bool = True
    heard_s: float | None = None  # when the caller will have heard it, if the gateway lives
    reported: bool = False

    def begin(self) -> None:
        """It is to be said, perhaps again."""
        self.frames, self.first_audio_ms, self.synthesis_ms = 0, None, 0.0
        self.cached, self.heard_s = True, None


class CallSynthesis:
    """Speaks for one call from `start` to `close`."""

    def __init__(
        self,
        cast: Cast,
        chain: Chain,
        outlet: Outlet,
        *,
        clock: Clock,
        tasks: TaskOwner,
        open_span: OpenSpan,
        ahead_s: float,
        gap_s: float,
        doubt_s: float,
    ) -> None:
        """`doubt_s`: a sentence that ended that short before its gateway was lost counts as unheard."""
        self._cast = cast
        self._chain = chain
        self._outlet = outlet
        self._clock = clock
        self._tasks = tasks
        self._open_span = open_span
        self._ahead_s = ahead_s
        self._gap_s = gap_s
        self._doubt_s = doubt_s
        self._script: Script[_Sentence] = Script()
        self._news = asyncio.Event()
        self._heard_until_s = 0.0  # when the caller will have heard all that was sent
        self._sequence = 0
        self._reported: frozenset[tuple[int, int]] = frozenset()
        self._last_speech = 0
        self._detached = False
        self._overtaken_s: float | None = None  # since when the next sentence has been overtaken
        self._speaking: tuple[int, asyncio.Task[Outcome]] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to speak what came and what comes."""
        self._task = self._tasks.spawn(self._run(), "speech")

    def recall(self, reported: Iterable[tuple[int, int]]) -> None:
        """Before `start`, and before the events that were recorded come in: a worker before this one has said
        how these sentences, by reply and index, ended.
        """
        self._reported = frozenset(reported)

    @property
    def at_a_gateway(self) -> bool:
        """Whether a gateway has something of it that was not heard yet, or is to get it."""
        return not self._detached and not self._script.empty

    def skip(self, reply: int, sentences: int) -> None:
        """Before `start`, or while detached: the gateway holds all before `reply`, and so many whole
        sentences of it.
        """
        self._script.skip(reply, sentences)

    async def add(self, event: Event[ReplySentence]) -> None:
        """A sentence to say. One that came before is ignored; one of a reply that is over ends at once."""
        body = event.body
        sentence = _Sentence(event, self._clock.monotonic_s(), self._cast.engines[0], self._cast.voice)
        sentence.reported = (body.reply, body.index) in self._reported
        will_be_said = self._script.add(body.reply, body.turn, body.index, sentence)
        if will_be_said is False:
            await self._report(Say(body.reply, body.index, sentence), Outcome.CANCELLED)
        self._news.set()

    async def complete(self, body: ReplyCompleted) -> None:
        """A reply's text is over. A cancelled one is not said any further."""
        if body.outcome is Outcome.CANCELLED:
            await self.cancel(body.reply)
            return
        await self._drop(self._script.complete(body.reply, body.turn, body.sentences))
        self._news.set()

    async def interrupt(self, turn: int) -> None:
        """The caller began to speak: what does not answer this turn, or a later one, is over.

        Said again for the same turn, as by a replacement of stt, it changes nothing.
        """
        if turn <= self._last_speech:
            return
        self._last_speech = turn
        await self.cancel(self._script.before_turn(turn))

    async def cancel(self, through: int) -> None:
        """Every reply up to this one is over: no frame of it leaves from here on."""
        self._heard_until_s = self._clock.monotonic_s()
        await self.heard(through)

    async def heard(self, through: int) -> None:
        """The caller has heard every reply up to this one, or what will ever be heard of it."""
        if self._speaking is not None and self._speaking[0] <= through:
            self._speaking[1].cancel()
        await self._drop(self._script.cancel(through))
        self._news.set()

    def detach(self) -> None:
        """The gateway is lost: nothing is said until there is another, and then what was not heard.

        Nobody knows what the lost one still played. A sentence said twice is better than one never heard.
        """
        if self._detached:
            return
        now_s = self._clock.monotonic_s()
        self._detached = True
        self._script.rewind(lambda sentence: _surely_heard(sentence, now_s - self._doubt_s))
        self._heard_until_s = now_s
        if self._speaking is not None:
            self._speaking[1].cancel()

    def attach(self) -> None:
        """There is another gateway, and it has nothing yet."""
        self.detach()
        self._detached = False
        self._news.set()

    async def close(self) -> None:
        """The call is gone: every sentence that was not said to its end is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._drop(list(self._script.drain()))

    # -- the one task --------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except (
                Exception
            ):  # the bus, at worst: this call goes on with what comes next, and so do the others
                log.exception("a step of synthesis failed")

    async def _step(self) -> None:
        if self._detached:
            self._news.clear()
            await self._news.wait()
            return
        match self._script.next():
            case Say() as say:
                self._overtaken_s = None
                await self._say(say)
            case EndReply() as end:
                self._overtaken_s = None
                await self._end_reply(end)
            case None:
                await self._wait()

    async def _wait(self) -> None:
        """Until something comes; what was overtaken by later messages is waited for `gap_s` in all."""
        self._news.clear()
        if not self._script.overtaken:
            await self._news.wait()
            return
        now_s = self._clock.monotonic_s()
        if self._overtaken_s is None:
            self._overtaken_s = now_s
        patience_s = self._overtaken_s + self._gap_s - now_s
        if patience_s > 0:
            await self._news_within(patience_s)
        else:
            await self._give_up()

    async def _news_within(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _give_up(self) -> None:
        self._overtaken_s = None
        given_up = self._script.give_up()
        if isinstance(given_up, EndReply):
            await self._end_reply(given_up)
        elif isinstance(given_up, Lost):
            log.warning("sentence %d of reply %d never came", given_up.index, given_up.reply)
            await self._outlet.synthesized(None, _never_came(given_up, self._cast), None)

    async def _end_reply(self, end: EndReply) -> None:
        await self._send(end.reply, end.sentences, [b""], FrameFlag.REPLY_END)

    # -- one sentence --------------------------------------------------------------------------------

    async def _say(self, say: Say[_Sentence]) -> None:
        """Speak a sentence in a task of its own, which an interruption cancels; report how it ended."""
        say.item.begin()
        with self._open_span(say.item.event.trace) as trace:
            task = self._tasks.spawn(self._speak(say), "sentence")
            self._speaking = say.reply, task
            outcome = Outcome.CANCELLED
            try:
                await asyncio.wait({task})
                outcome = Outcome.CANCELLED if task.cancelled() else task.result()
            finally:
                self._speaking = None
                task.cancel()
                if not self._script.waits(say.reply, say.index):  # else it is said again
                    await self._report(say, outcome, trace)

    async def _speak(self, say: Say[_Sentence]) -> Outcome:
        """Send the sentence's frames. The last one is held back until it is known to be the last."""
        try:
            held, outcome = b"", Outcome.DONE
            try:
                async with aclosing(self._stretches(say.item)) as stretches:
                    async for frames in stretches:
                        await self._send_audio(say, held + frames[:-FRAME_BYTES])
                        held = frames[-FRAME_BYTES:]
            except SynthesisError as error:
                log.warning("sentence %d of reply %d: %s", say.index, say.reply, error)
                outcome = Outcome.FAILED
            await self._send_audio(say, held, FrameFlag.SENTENCE_END)
            say.item.heard_s = self._heard_until_s
        except Exception:  # the bus, at worst: the sentence has failed, the call goes on
            log.exception("sentence %d of reply %d failed", say.index, say.reply)
            outcome = Outcome.FAILED
        return outcome

    async def _stretches(self, sentence: _Sentence) -> AsyncGenerator[bytes, None]:
        """The sentence in stretches of whole frames; failures of engines are told on the way."""
        parts = self._chain.speak(sentence.event.body.text_pii, self._cast, lambda: self._due_s(sentence))
        async with aclosing(parts):
            async for part in parts:
                if isinstance(part, EngineFailed):
                    await self._outlet.engine_failed(sentence.event, part)
                    continue
                _note(sentence, part)
                if part.stretch.frames:
                    yield part.stretch.frames

    def _due_s(self, sentence: _Sentence) -> float:
        return max(self._heard_until_s, sentence.arrived_s)

    async def _send_audio(
        self, say: Say[_Sentence], frames: bytes, flags: FrameFlag = FrameFlag.NONE
    ) -> None:
        """Whole frames of a sentence, not further ahead of the caller's ear than is allowed; `flags` are for
        the last of them, which is empty where there is no audio.
        """
        payloads = [frames[at : at + FRAME_BYTES] for at in range(0, len(frames), FRAME_BYTES)]
        if not payloads and flags:
            await self._send(say.reply, say.index, [b""], flags)
        while payloads:
            count = await self._may_send(len(payloads))
            if say.item.first_audio_ms is None:
                say.item.first_audio_ms = (self._clock.monotonic_s() - say.item.arrived_s) * 1000
            say.item.frames += count
            burst, payloads = payloads[:count], payloads[count:]
            await self._send(say.reply, say.index, burst, FrameFlag.NONE if payloads else flags)

    async def _may_send(self, frames: int) -> int:
        """How many of so many frames may leave together; waits until it is one at least."""
        lead_s = self._heard_until_s - self._clock.monotonic_s()
        early_s = min(lead_s, lead_s + _FRAME_S - self._ahead_s) - _ROUNDING_S
        if early_s > 0:
            await self._clock.sleep(early_s)
        now_s = self._clock.monotonic_s()
        begins_s = max(self._heard_until_s, now_s)
        fit = math.floor((self._ahead_s - (begins_s - now_s) + _ROUNDING_S) / _FRAME_S)
        count = max(1, min(frames, _BURST, fit))
        self._heard_until_s = begins_s + count * _FRAME_S
        return count

    async def _send(self, reply: int, sentence: int, payloads: list[bytes], flags: FrameFlag) -> None:
        """Frames in their order; `flags` are for the last of them. Then others get to run."""
        first, self._sequence = self._sequence, self._sequence + len(payloads)
        burst = [
            Frame(CODEC, RATE_HZ, sequence, 0, payload, reply=reply, sentence=sentence)
            for sequence, payload in enumerate(payloads, first)
        ]
        burst[-1] = burst[-1]._replace(flags=flags)
        await self._outlet.send(burst)
        await asyncio.sleep(0)

    # -- reports -------------------------------------------------------------------------------------

    async def _drop(self, dropped: list[Say[_Sentence]]) -> None:
        for say in dropped:
            await self._report(say, Outcome.CANCELLED)

    async def _report(self, say: Say[_Sentence], outcome: Outcome, trace: str | None = None) -> None:
        sentence = say.item
        if sentence.reported:
            return
        sentence.reported = True
        waited_ms = (self._clock.monotonic_s() - sentence.arrived_s) * 1000
        body = SentenceSynthesized(
            reply=say.reply,
            index=say.index,
            outcome=outcome,
            audio_ms=sentence.frames * FRAME_MS,
            first_audio_ms=waited_ms if sentence.first_audio_ms is None else sentence.first_audio_ms,
            synthesis_ms=sentence.synthesis_ms,
            cached=sentence.cached and sentence.frames > 0,
            engine=sentence.engine,
            voice=sentence.voice,
        )
        await self._outlet.synthesized(sentence.event, body, trace)


def _surely_heard(sentence: _Sentence, by_s: float) -> bool:
    return sentence.heard_s is not None and sentence.heard_s <= by_s


def _note(sentence: _Sentence, sound: Sound) -> None:
    sentence.engine, sentence.voice = sound.engine, sound.voice
    sentence.synthesis_ms += sound.stretch.made_ms
    sentence.cached = sentence.cached and sound.stretch.cached


def _never_came(lost: Lost, cast: Cast) -> SentenceSynthesized:
    return SentenceSynthesized(
        reply=lost.reply,
        index=lost.index,
        outcome=Outcome.FAILED,
        audio_ms=0,
        first_audio_ms=0,
        synthesis_ms=0,
        cached=False,
        engine=cast.engines[0],
        voice=cast.voice,
    )
