"""Whole calls told in events, with figures that a test can add up."""

from __future__ import annotations

from random import Random
from typing import Any

from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.examples.story import Example, Story
from contracts.identities import CallRef, uuid7

TENANT = "bright-smile"
BEGUN_US = 1_767_258_000_000_000  # 2026-01-01 09:00:00 UTC, a Thursday
TURNS_TOLD = 2
COST = m.CallCost(amount_micros=28_500, currency="USD", billed_s=19)
EVENTS_TOLD = 27


def call_ref(number: int = 0, tenant: str = TENANT) -> CallRef:
    return CallRef(tenant, uuid7(BEGUN_US // 1000 + number, Random(number)))


class CallStory(Story):
    """A story of one call; `event` needs no ref."""

    def __init__(self, ref: CallRef | None = None) -> None:
        super().__init__(now_us=BEGUN_US)
        self.ref = ref or call_ref()
        self._rng = Random(self.ref.call)

    def tell(self, body: m.Message, *, cause: m.Event[Any] | None = None, epoch: int = 1) -> m.Event[Any]:
        event = self.event(body, "", cause=cause, epoch=epoch, ref=self.ref)
        # Story numbers its ids by place; calls told at the same moment must not share them.
        renamed = event.model_copy(update={"id": uuid7(event.at_us // 1000, self._rng)})
        last = self.told.pop()
        self.told.append(Example(last.name, last.channel, last.subject, renamed, ""))
        return renamed

    def start(self) -> m.Event[Any]:
        self.wait(40)
        return self.tell(
            m.CallStarted(
                called="+15550100",
                caller="+15550142",
                carrier_call_id="CA6f1b2c3d",
                protocol="twilio",
                gateway="gateway-1",
                assistant="reception",
                language="en-US",
            ),
            epoch=0,
        )

    def speech(self, turn: int) -> m.Event[Any]:
        onset_us = self.now_us
        return self.tell(m.SpeechStarted(turn=turn, started_us=onset_us, detected_us=self.wait(96)))

    def turn(
        self, turn: int, text: str, *, cause: m.Event[Any] | None = None, epoch: int = 1
    ) -> m.Event[Any]:
        """Speech of two seconds that ended 352 ms ago."""
        started_us, ended_us, decided_us = self.now_us, self.wait(2_000), self.wait(352)
        return self.tell(
            m.TurnEnded(
                turn=turn,
                text_pii=text,
                language="en",
                confidence=0.9,
                speech_started_us=started_us,
                speech_ended_us=ended_us,
                decided_us=decided_us,
                audio_ms=2_000.0,
                decode_ms=280.0,
                engine="whisper",
                speculative=True,
            ),
            cause=cause,
            epoch=epoch,
        )

    def respond(
        self, reply: int, turn: m.Event[Any] | None, *sentences: str, engine: str = "faq", epoch: int = 1
    ) -> None:
        """Text and sound of a reply: 10 ms to its first sentence, 120 ms to that one's first sound."""
        number = turn.body.turn if turn else None
        for index, text in enumerate(sentences):
            self.wait(10 if index == 0 else 1)
            sentence = self.tell(
                m.ReplySentence(reply=reply, turn=number, index=index, text_pii=text, engine=engine),
                cause=turn,
                epoch=epoch,
            )
            self.tell(
                m.SentenceSynthesized(
                    reply=reply,
                    index=index,
                    outcome=m.Outcome.DONE,
                    audio_ms=2_000.0,
                    first_audio_ms=120.0 + 300.0 * index,
                    synthesis_ms=200.0,
                    cached=False,
                    engine="piper",
                    voice="joe",
                ),
                cause=sentence,
                epoch=epoch,
            )
        self.tell(
            m.ReplyCompleted(
                reply=reply,
                turn=number,
                outcome=m.Outcome.DONE,
                sentences=len(sentences),
                engine=engine,
                first_sentence_ms=10.0,
                total_ms=12.0,
                prompt_tokens=100,
                completion_tokens=20,
            ),
            cause=turn,
            epoch=epoch,
        )

    def play(self, reply: int) -> None:
        self.tell(m.PlayoutStarted(reply=reply, first_frame_us=self.wait(150)), epoch=0)

    def hear(self, reply: int, heard_ms: float, *, cut_by: m.Event[Any] | None = None) -> None:
        self.tell(
            m.PlayoutEnded(
                reply=reply,
                outcome=m.Outcome.CANCELLED if cut_by else m.Outcome.DONE,
                heard_ms=heard_ms,
                heard_sentences=0 if cut_by else 1,
                partial_ms=heard_ms if cut_by else 0.0,
                ended_us=self.wait(heard_ms),
            ),
            cause=cut_by,
            epoch=0,
        )

    def fail(self, engine: str, next_engine: str | None) -> None:
        self.tell(
            m.EngineFailed(
                stage=m.Stage.LLM,
                engine=engine,
                code=ErrorCode.ENGINE_TIMEOUT,
                detail="no first token within 2 s",
                retryable=True,
                next_engine=next_engine,
            )
        )

    def end(self, reason: m.EndReason = m.EndReason.CALLER_HUNG_UP, cost: m.CallCost | None = COST) -> None:
        gone = self.tell(
            m.LegEnded(reason=reason, detail="", frames_in=500, frames_out=400, frames_dropped=2), epoch=0
        )
        self.tell(
            m.CallEnded(
                reason=reason,
                started_us=BEGUN_US,
                ended_us=self.wait(20),
                duration_ms=(self.now_us - BEGUN_US) / 1000,
                cost=cost,
            ),
            cause=gone,
            epoch=0,
        )

    @property
    def events(self) -> list[m.Event[Any]]:
        return [one.message for one in self.told if isinstance(one.message, m.Event)]


def whole_call(ref: CallRef | None = None) -> CallStory:
    """A greeting; a question, answered in two sentences; another, whose answer the caller cuts short.

    27 events: 2 turns, 3 replies, one cough, one engine that failed.
    """
    story = CallStory(ref)
    story.start()
    story.respond(1, None, "Good morning.", engine="greeting")
    story.play(1)
    story.hear(1, 2_000.0)
    first = story.turn(1, "When are you open?", cause=story.speech(1))
    story.respond(2, first, "From nine to one.", "Not on Sunday.")
    story.play(2)
    story.hear(2, 4_000.0)
    story.fail("faq", "openai")
    second = story.turn(2, "What does it cost?", cause=story.speech(2))
    story.respond(3, second, "Ninety dollars.", engine="openai")
    story.play(3)
    story.hear(3, 700.0, cut_by=story.speech(3))
    story.tell(m.SpeechDismissed(turn=3, audio_ms=310.0))
    story.end()
    assert len(story.events) == EVENTS_TOLD, len(story.events)
    return story
