"""The gateway is asked for the caller's audio until it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts.channels import TAKE_OVER
from contracts.errors import ErrorCode
from contracts.examples.practice import CALL
from contracts.messages import Role, TakenOver, TakeOver, WireError
from runtime.process import Context
from runtime.settings import ProcessSettings
from stt_service.kept_audio import KeptAudio
from tests.support.context import service_context
from tests.support.waiting import eventually


class Gateway:
    """Answers with one of its `answers` after the other."""

    def __init__(self, *answers: TakenOver) -> None:
        self.answers = list(answers)
        self.asked: list[TakeOver] = []

    async def listen(self, context: Context) -> None:
        subject = TAKE_OVER.subject(tenant=CALL.tenant, call=CALL.call)
        await context.bus.respond(subject, TakeOver, TakenOver, self.answer)
        await context.bus.flush()

    async def answer(self, command: TakeOver) -> TakenOver:
        self.asked.append(command)
        return self.answers.pop(0)


def refusal(code: ErrorCode) -> TakenOver:
    return TakenOver(error=WireError(code=code, message="no"))


@pytest.fixture
async def context(nats_url: str) -> AsyncIterator[Context]:
    async with service_context(ProcessSettings(nats_url=nats_url), "stt", process="stt-2") as one:
        yield one


async def test_it_asks_for_what_came_after_the_last_turn(context: Context) -> None:
    gateway = Gateway(TakenOver(frames=120))
    await gateway.listen(context)
    kept = KeptAudio(context.bus, context.clock, "stt-2")
    assert await kept.ask_for(CALL, 3, 77) == 120
    assert gateway.asked == [TakeOver(role=Role.STT, process="stt-2", epoch=3, after_us=77)]


async def test_it_asks_again_until_the_gateway_is_there_and_has_the_call(context: Context) -> None:
    gateway = Gateway(refusal(ErrorCode.UNKNOWN_CALL), TakenOver(frames=5))
    kept = KeptAudio(context.bus, context.clock, "stt-2")
    asking = context.tasks.spawn(kept.ask_for(CALL, 3, 0), "asking")
    await gateway.listen(context)
    await eventually(asking.done, "it is answered")
    assert asking.result() == 5
    assert len(gateway.asked) == 2


async def test_who_was_replaced_meanwhile_asks_no_more(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(refusal(ErrorCode.CONFLICT))
    await gateway.listen(context)
    assert await KeptAudio(context.bus, context.clock, "stt-2").ask_for(CALL, 3, 0) == 0
    assert "not for us" in caplog.text


async def test_where_no_gateway_answers_it_gives_up(
    context: Context, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_service.kept_audio._TRIES", 2)
    assert await KeptAudio(context.bus, context.clock, "stt-2").ask_for(CALL, 3, 0) == 0
    assert "no gateway sends" in caplog.text
