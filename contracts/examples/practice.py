"""The business of the examples: Bright Smile, a dental practice, its number, its assistant and its calls."""

from __future__ import annotations

from random import Random
from typing import Final

from contracts import messages as m
from contracts.identities import CallRef, uuid7

BEGUN_MS: Final = 1_767_258_000_000  # 2026-01-01 09:00:00 UTC
TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TENANT: Final = "bright-smile"
NUMBER: Final = "+15550100"
CALLER: Final = "+15550142"
CARRIER_CALL: Final = "CA6f1b2c3d4e5f60718293a4b5c6d7e8f9"
WORKERS: Final = {m.Role.STT: "stt-1", m.Role.LLM: "llm-1", m.Role.TTS: "tts-1"}

CALL: Final = CallRef(TENANT, uuid7(BEGUN_MS, Random(1)))
REFUSED_CALL: Final = CallRef(TENANT, uuid7(BEGUN_MS + 260, Random(2)))
QUIET_CALL: Final = CallRef(TENANT, uuid7(BEGUN_MS - 60_000, Random(3)))

SHARE: Final = 2
PRICE: Final = m.Price(per_minute_micros=90_000, currency="USD")

RECEPTION: Final = m.AssistantSnapshot(
    id="reception",
    name="Reception",
    greeting="Bright Smile dental practice, good morning. How can I help you?",
    prompt="You answer the phone of Bright Smile, a dental practice. Answer in one or two short sentences.",
    voice=m.Voice(name="joe"),
    knowledge=(
        m.KnowledgeItem(
            questions=("What are your opening hours on Saturday?", "Are you open at the weekend?"),
            answer="On Saturday we are open from nine to one. On Sunday we are closed.",
        ),
        m.KnowledgeItem(
            questions=("How much does a cleaning cost?",),
            answer="A cleaning costs ninety dollars and takes forty minutes.",
        ),
    ),
)

ACTIVE_CALL: Final = m.ActiveCall(
    call=CALL.call,
    tenant=CALL.tenant,
    number=NUMBER,
    caller=CALLER,
    carrier_call_id=CARRIER_CALL,
    started_us=BEGUN_MS * 1000,
    epoch=1,
    gateway="gateway-1",
    workers=WORKERS,
    assistant=RECEPTION,
    price=PRICE,
    share=SHARE,
)
