"""What the session and the stream answer before a call is; faults that a leg sees are in test_handlers."""

from collections.abc import AsyncIterator

import pytest

from contracts.channels import SESSION_OPEN
from contracts.errors import ErrorCode
from contracts.examples.practice import CALL
from contracts.messages import OpenCall, OpenCallReply, Role, WireError
from gateway_service.errors import AlreadyAttached, CallRefused, GatewayError, SessionUnavailable
from gateway_service.history import History
from gateway_service.questions import Questions
from gateway_service.settings import Settings
from runtime.process import Context
from tests.support.context import service_context
from tests.unit.gateway_service.stand import accepted

REQUEST = OpenCall(call=CALL.call, called="+1", caller="+2", carrier_call_id="CA1", gateway="gateway-1")


@pytest.fixture
async def context(nats_url: str) -> AsyncIterator[Context]:
    async with service_context(Settings(nats_url=nats_url), "gateway") as context:
        yield context


async def asked(context: Context, *replies: OpenCallReply) -> OpenCallReply:
    """Ask a session that gives these answers in turn."""
    waiting = list(replies)

    async def answer(_: OpenCall) -> OpenCallReply:
        return waiting.pop(0)

    await context.bus.respond(SESSION_OPEN.subject(), OpenCall, OpenCallReply, answer)
    return await Questions(context.bus, Settings(gateway_open_timeout_s=1), context.clock).may_open(REQUEST)


async def test_a_yes_is_handed_on(context: Context) -> None:
    assert (await asked(context, accepted(epoch=3))).epoch == 3


@pytest.mark.parametrize(
    ("code", "raises"), [(ErrorCode.TENANT_FULL, CallRefused), (AlreadyAttached.code, AlreadyAttached)]
)
async def test_a_no_says_why(context: Context, code: ErrorCode, raises: type[GatewayError]) -> None:
    error = WireError(code=code, message="not today", mend="tomorrow", status=486)
    with pytest.raises(raises, match="not today"):
        await asked(context, OpenCallReply(error=error))


async def test_a_yes_without_an_stt_worker_is_none(context: Context) -> None:
    with pytest.raises(SessionUnavailable, match="no stt worker"):
        await asked(context, accepted(workers={Role.TTS: "tts-1"}))


async def test_a_call_of_which_the_stream_knows_nothing_has_an_empty_history(context: Context) -> None:
    assert await Questions(context.bus, Settings(), context.clock).past_of(CALL) == History()
