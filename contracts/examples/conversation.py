"""A greeting, a question, an answer that the caller cuts short, and what else a call sees."""

from __future__ import annotations

from typing import Any

from contracts import channels as ch
from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.examples.practice import (
    CALL,
    CALLER,
    CARRIER_CALL,
    NUMBER,
    RECEPTION,
)
from contracts.examples.story import Story
from contracts.frames import Codec, Frame, FrameFlag


def greeting(story: Story) -> None:
    """The leg is answered and the agent speaks first."""
    story.wait(40)
    started = story.event(
        m.CallStarted(
            called=NUMBER,
            caller=CALLER,
            carrier_call_id=CARRIER_CALL,
            protocol="twilio",
            gateway="gateway-1",
            assistant=RECEPTION.id,
            language=RECEPTION.language,
        ),
        "The leg is answered.",
    )
    story.event(
        m.ReplySentence(
            reply=1,
            turn=None,
            index=0,
            text_pii="Bright Smile dental practice, good morning.",
            engine="greeting",
        ),
        "The first sentence of the greeting, which answers no turn.",
        cause=started,
        epoch=1,
        name="reply.sentence.greeting",
    )
    story.say(
        ch.AGENT_AUDIO,
        Frame(
            Codec.MULAW,
            8_000,
            sequence=142,
            at_us=0,
            payload=_sound(160),
            epoch=1,
            reply=1,
            flags=FrameFlag.SENTENCE_END,
        ),
        "The last frame of the greeting's first sentence.",
        process="gateway-1",
        tenant=CALL.tenant,
        call=CALL.call,
    )
    story.event(
        m.PlayoutStarted(reply=1, first_frame_us=story.wait(60)),
        "The caller begins to hear it.",
        cause=started,
    )


def question(story: Story) -> None:
    """A turn of the caller."""
    story.wait(4_800)
    story.say(
        ch.CALLER_AUDIO,
        Frame(Codec.MULAW, 8_000, sequence=245, at_us=story.now_us, payload=_sound(160), epoch=1),
        "20 ms of the caller, as the carrier sent them.",
        process="stt-1",
        tenant=CALL.tenant,
        call=CALL.call,
    )
    onset_us = story.now_us
    speech = story.event(
        m.SpeechStarted(turn=1, started_us=onset_us, detected_us=story.wait(96)),
        "The caller speaks.",
        epoch=1,
    )
    story.wait(900)
    story.event(
        m.PartialTranscript(turn=1, text_pii="What are your opening"),
        "Half a question.",
        cause=speech,
        epoch=1,
    )
    ended_us = story.wait(1_010)
    decided_us = story.wait(352)
    turn = story.event(
        m.TurnEnded(
            turn=1,
            text_pii="What are your opening hours on Saturday?",
            language="en",
            confidence=0.94,
            words_pii=(
                m.Word(text_pii="What", start_ms=40.0, end_ms=210.0, probability=0.98),
                m.Word(text_pii="are", start_ms=210.0, end_ms=300.0, probability=0.97),
            ),
            speech_started_us=onset_us,
            speech_ended_us=ended_us,
            decided_us=decided_us,
            audio_ms=2006.0,
            decode_ms=284.5,
            engine="whisper",
            speculative=True,
        ),
        "The whole question (its words are cut here after two).",
        cause=speech,
        epoch=1,
    )
    _answer(story, turn)


def _answer(story: Story, turn: m.Event[Any]) -> None:
    """The agent's reply to a turn, cut short by the caller."""
    story.wait(9)
    sentence = story.event(
        m.ReplySentence(
            reply=2, turn=1, index=0, text_pii="On Saturday we are open from nine to one.", engine="faq"
        ),
        "The first sentence of the answer.",
        cause=turn,
        epoch=1,
    )
    story.event(
        m.ReplyCompleted(
            reply=2,
            turn=1,
            outcome=m.Outcome.DONE,
            sentences=2,
            engine="faq",
            first_sentence_ms=8.6,
            total_ms=9.1,
        ),
        "The answer's text is complete; the agent will listen.",
        cause=turn,
        epoch=1,
    )
    story.wait(190)
    story.event(
        m.SentenceSynthesized(
            reply=2,
            index=0,
            outcome=m.Outcome.DONE,
            audio_ms=2310.0,
            first_audio_ms=121.4,
            synthesis_ms=188.0,
            cached=False,
            engine="piper",
            voice="joe",
        ),
        "The first sentence as sound.",
        cause=sentence,
        epoch=1,
    )
    story.wait(1_700)
    barge_in = story.event(
        m.SpeechStarted(turn=2, started_us=story.now_us - 96_000, detected_us=story.now_us),
        "The caller speaks over the agent.",
        epoch=1,
        name="speech.started.barge-in",
    )
    story.event(
        m.PlayoutEnded(
            reply=2,
            outcome=m.Outcome.CANCELLED,
            heard_ms=1_640.0,
            heard_sentences=0,
            partial_ms=1_640.0,
            ended_us=story.wait(4),
        ),
        "Interrupted within its first sentence.",
        cause=barge_in,
    )


def disturbances(story: Story) -> None:
    """What a call sees beside questions and answers."""
    story.wait(300)
    story.event(m.SpeechDismissed(turn=2, audio_ms=310.0), "It was a cough.", epoch=1)
    story.wait(2_000)
    story.event(m.DtmfReceived(digit_pii="#"), "The caller pressed the hash key.")
    story.event(
        m.EngineFailed(
            stage=m.Stage.LLM,
            engine="openai",
            code=ErrorCode.ENGINE_TIMEOUT,
            detail="no first token within 2 s",
            retryable=True,
            next_engine=None,
        ),
        "The last engine of the chain gave up; the apology follows.",
        epoch=1,
    )


def _sound(size: int) -> bytes:
    """Bytes that differ from each other, so that a frame read at the wrong place is not equal by luck."""
    return bytes(7 * at % 251 for at in range(size))
