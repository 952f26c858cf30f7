"""The session over a real nats-server, with workers and a gateway that answer on the bus."""

from __future__ import annotations

import asyncio
import signal

import pytest

from contracts.advisories import CLIENT_DISCONNECTED, SERVER_STOPPED, ClientDisconnected, ClientInfo
from contracts.channels import HEARTBEAT, SESSION_OPEN
from contracts.errors import ErrorCode, TrunklineError
from contracts.identities import PLATFORM_TENANT, CallRef
from contracts.messages import Direction, EndReason, OpenCallReply, Role
from contracts.telemetry import (
    CALLS_DETACHED,
    CALLS_ENDED,
    CALLS_OPENED,
    CALLS_REASSIGNED,
    MESSAGES_REJECTED,
)
from tests.support.child import child
from tests.support.waiting import eventually
from tests.unit.session_service.stage import NUMBER, TENANT, a_number, a_request
from tests.unit.session_service.town import FAST, Town, session, town
from trunkline.nats_server import NatsServer


async def test_a_call_is_opened_listed_and_ended_once(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url) as context:
        ref = await there.opened()
        assert there.holders(ref) == ["llm-1", "stt-1", "tts-1"], "they have it when the gateway is answered"
        assert (await there.active(), await there.active(TENANT)) == ([ref.call], [ref.call])
        assert await there.active("another") == []
        record = await there.calls.get(ref.call)
        assert record is not None
        assert (record.gateway, record.workers[Role.TTS], record.epoch) == ("gateway-1", "tts-1", 1)
        for _ in range(3):
            await there.leg_ends(ref)
        await there.ends(ref, EndReason.CALLER_HUNG_UP)
        assert await there.active() == []
        again = await there.open(a_request(call=ref.call))
        assert again.error is not None
        assert again.error.status == 481
        assert len(there.said_of(ref, "CallEnded")) == 1
        assert context.metrics.counter(CALLS_OPENED).counts["accepted",] == 1
        assert context.metrics.counter(CALLS_ENDED).counts == {("caller_hung_up",): 1}


async def test_refusals_are_answered_and_in_the_record(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url, session_max_calls=1):
        await there.publish(a_number("+15550101", active=False))
        await there.publish(a_number("+15550102", subscription_active=False))
        await there.publish(a_number("+15550103", max_concurrent_calls=0))
        await there.publish(a_number("+15550104", tenant_max_concurrent_calls=0))

        async def known() -> bool:
            reply = await there.open(a_request("+15550104"))
            return reply.error is not None and reply.error.code is ErrorCode.TENANT_FULL

        await there.until(known, "the session knows the last number")
        await there.opened()
        for called, code, status, tenant in (
            ("+15550999", ErrorCode.UNKNOWN_NUMBER, 404, PLATFORM_TENANT),
            ("nonsense", ErrorCode.UNKNOWN_NUMBER, 404, PLATFORM_TENANT),
            ("+15550101", ErrorCode.NUMBER_INACTIVE, 404, TENANT),
            ("+15550102", ErrorCode.SUBSCRIPTION_INACTIVE, 402, TENANT),
            ("+15550103", ErrorCode.NUMBER_FULL, 486, TENANT),
            ("+15550104", ErrorCode.TENANT_FULL, 486, TENANT),
            (NUMBER, ErrorCode.PLATFORM_FULL, 503, TENANT),
        ):
            request = a_request(called)
            reply = await there.open(request)
            assert reply.error is not None
            assert (reply.error.code, reply.error.status) == (code, status)
            assert reply.error.mend
            ref = CallRef(tenant, request.call)
            await eventually(lambda ref=ref: there.said_of(ref, "CallRejected"), f"{called} is on record")  # type: ignore[misc]
            (body,) = there.said_of(ref, "CallRejected")
            assert (body.called, body.code, body.status) == (called, code, status)


async def test_outbound_calls_leave_the_reserves_to_callers(nats_url: str) -> None:
    limits = {"session_max_calls": 4, "session_inbound_reserve": 1, "session_ghost_after_s": 60.0}
    async with town(nats_url) as there, session(nats_url, **limits):
        await there.publish(a_number(tenant_max_concurrent_calls=3, tenant_inbound_reserve=2))
        await there.publish(a_number("+15550105", "another"))

        async def asked(direction: Direction, called: str = NUMBER) -> ErrorCode | None:
            request = a_request(called).model_copy(update={"direction": direction})
            reply = await there.open(request)
            return reply.error.code if reply.error else None

        async def known() -> bool:
            return await asked(Direction.INBOUND, "+15550105") is None

        await there.until(known, "the session knows the numbers")
        assert await asked(Direction.OUTBOUND) is None
        assert await asked(Direction.OUTBOUND) is ErrorCode.TENANT_FULL
        assert await asked(Direction.INBOUND) is None
        assert await asked(Direction.OUTBOUND, "+15550105") is ErrorCode.PLATFORM_FULL
        assert await asked(Direction.INBOUND) is None
        assert await asked(Direction.INBOUND) is ErrorCode.TENANT_FULL
        assert await asked(Direction.INBOUND, "+15550105") is ErrorCode.PLATFORM_FULL


async def test_a_hundred_at_once_for_a_limit_of_seven(nats_url: str) -> None:
    async with town(nats_url, each=2) as there, session(nats_url):
        await there.met()
        await there.publish(a_number("+15550107", max_concurrent_calls=7))

        async def known() -> bool:
            reply = await there.open(a_request("+15550107"))
            return reply.error is None

        await there.until(known, "the session knows the number")
        (first,) = await there.active()
        await there.leg_ends(CallRef(TENANT, first))
        await there.ends(CallRef(TENANT, first), EndReason.CALLER_HUNG_UP)
        requests = [a_request("+15550107") for _ in range(100)]
        replies = await asyncio.gather(*(there.open(request) for request in requests))
        accepted = [request.call for request, reply in zip(requests, replies, strict=True) if not reply.error]
        assert len(accepted) == 7
        assert await there.active() == sorted(accepted)
        assert {reply.error.code for reply in replies if reply.error} == {ErrorCode.NUMBER_FULL}
        for role in ("stt", "llm", "tts"):
            held = [there.keeper(f"{role}-{index}").held for index in (1, 2)]
            assert sorted(ref.call for refs in held for ref in refs) == sorted(accepted)
            assert [len(refs) for refs in held] == [4, 3], "they share the load"
        await eventually(
            lambda: sum(type(event.body).__name__ == "CallRejected" for event in there.said) >= 93,
            "the others are on record",
        )


async def test_a_slow_worker_holds_up_nobody_else_and_is_let_go_of(nats_url: str) -> None:
    async with town(nats_url, each=2) as there, session(nats_url):
        await there.met()
        slow = there.keeper("llm-1")
        slow.gate.clear()
        slow.story.clear()
        first = asyncio.create_task(there.open())
        await eventually(lambda: slow.story, "the slow worker is asked")
        assert (await there.open()).workers[Role.LLM] == "llm-2", "a second call is opened beside it"
        reply = await first
        assert (reply.error, reply.workers[Role.LLM], reply.epoch) == (None, "llm-2", 2)
        slow.gate.set()
        await eventually(lambda: "dropped" in slow.story and not slow.held, "it lets go of what it took late")
        assert all("llm-1" not in there.holders(CallRef(TENANT, call)) for call in await there.active())


async def test_a_worker_that_is_gone_is_replaced_at_once(nats_url: str) -> None:
    async with town(nats_url, each=2) as there, session(nats_url):
        await there.met()
        await there.crews["stt-1"].context.bus.client.close()
        reply = await there.open()
        assert (reply.error, reply.workers[Role.STT]) == (None, "stt-2")


async def test_an_engine_that_no_worker_knows_is_told_to_the_caller(
    nats_url: str,
) -> None:
    async with town(nats_url) as there, session(nats_url):
        there.keeper("tts-1").refusal = TrunklineError(
            "engine 'harp' is not known", mend="use one of: synthetic"
        )
        reply = await there.open()
        assert reply.error is not None
        assert (reply.error.code, reply.error.status) == (ErrorCode.NO_WORKER, 503)
        assert reply.error.message == "no tts worker took the call: engine 'harp' is not known"
        assert reply.error.mend == "use one of: synthetic"
        assert not reply.error.retryable
        await eventually(
            lambda: not any(crew.keeper.held for crew in there.crews.values()), "those who took it let go"
        )
        there.keeper("tts-1").refusal = None
        await there.opened()


async def test_a_number_that_changes_or_goes_is_followed(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url):

        async def refused_with(code: ErrorCode) -> bool:
            reply = await there.open()
            return reply.error is not None and reply.error.code is code

        await there.publish(a_number(subscription_active=False))
        await there.until(lambda: refused_with(ErrorCode.SUBSCRIPTION_INACTIVE), "the change is known")
        await there.numbers.delete("15550100")
        await there.until(lambda: refused_with(ErrorCode.UNKNOWN_NUMBER), "the withdrawal is known")


async def test_a_ghost_is_hung_up_by_its_gateway(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url):
        ref = await there.opened()
        await there.answer_hang_ups(ref)
        there.quiet_ms[ref.call] = 1000
        await there.ends(ref, EndReason.GHOST)
        assert {command.reason for command in there.hung_up} == {EndReason.GHOST}


async def test_a_ghost_whose_gateway_does_not_answer_is_ended_without_it(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url):
        ref = await there.opened()
        there.quiet_ms[ref.call] = 1000
        await there.ends(ref, EndReason.GHOST)
        assert there.said_of(ref, "CallEnded")[0].detail == "the gateway did not answer"


async def test_the_calls_of_a_gateway_that_is_lost_wait_for_their_legs(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url, session_reattach_s=3) as context:
        comes, stays_away = await there.opened(), await there.opened()
        there.gateway_lives = False
        await eventually(lambda: there.said_of(comes, "CallDetached"), "the call waits for its leg")
        there.gateway = "gateway-2"
        there.gateway_lives = True
        reply = await there.open(a_request(call=comes.call, gateway="gateway-2"))
        assert (reply.error, reply.call, reply.resumed, reply.epoch) == (None, comes.call, True, 2)
        record = await there.calls.get(comes.call)
        assert record is not None
        assert (record.gateway, record.detached_us, record.moving) == ("gateway-2", None, ())
        (said,) = there.said_of(comes, "CallReassigned")
        assert (said.role, said.process, said.epoch) == (Role.GATEWAY, "gateway-2", 2)
        await there.ends(stays_away, EndReason.GATEWAY_LOST)
        assert await there.active() == [comes.call]
        assert context.metrics.counter(CALLS_DETACHED).total() == 2
        assert context.metrics.counter(CALLS_REASSIGNED).counts == {("gateway", "lost"): 1}


async def test_the_calls_of_a_worker_that_is_lost_go_on_with_another(nats_url: str) -> None:
    async with town(nats_url, each=2) as there, session(nats_url) as context:
        refs = [await there.opened() for _ in range(6)]
        moved = [ref for ref in refs if "llm-1" in there.holders(ref)]
        await there.crews["llm-1"].context.bus.client.close()
        await eventually(
            lambda: all(ref in there.keeper("llm-2").held for ref in refs), "the other has all of them"
        )
        for ref in moved:
            (said,) = there.said_of(ref, "CallReassigned")
            assert (said.process, said.before, said.epoch) == ("llm-2", "llm-1", 2)
        assert sum(len(there.said_of(ref, "CallReassigned")) for ref in refs) == len(moved) == 3
        assert context.metrics.counter(CALLS_REASSIGNED).counts == {("llm", "lost"): 3}
        assert await there.active() == sorted(ref.call for ref in refs)


async def test_a_worker_that_nats_says_is_gone_is_lost_long_before_it_would_be_missed(nats_url: str) -> None:
    async with town(nats_url, each=2) as there, session(nats_url, session_lost_after_s=60):

        async def say(client: str, reason: str = "Client Closed") -> None:
            advisory = ClientDisconnected(client=ClientInfo(name=client), reason=reason)
            subject = CLIENT_DISCONNECTED.replace("*", "APP")
            await there.bus.client.publish(subject, advisory.model_dump_json().encode())

        ref = await there.opened()
        await there.crews["llm-1"].context.bus.client.close()
        await say("stt-1")  # it lives, and is heard again
        await say("tts-1", SERVER_STOPPED)
        await say("")
        await say("router+session+llm-1")
        await eventually(lambda: there.said_of(ref, "CallReassigned"), "its call is another's")
        await eventually(lambda: ref in there.keeper("llm-2").held, "who has it")
        assert [body.role for body in there.said_of(ref, "CallReassigned")] == [Role.LLM]


async def test_a_worker_that_drains_is_left_by_its_calls(nats_url: str) -> None:
    async with town(nats_url, each=2) as there, session(nats_url):
        refs = [await there.opened() for _ in range(6)]
        assert there.keeper("stt-1").held
        await asyncio.wait_for(there.crews["stt-1"].worker.drain(), 20)
        await eventually(
            lambda: all(ref in there.keeper("stt-2").held for ref in refs), "the other has all of them"
        )
        assert await there.active() == sorted(ref.call for ref in refs)


async def test_a_call_that_its_gateway_never_answered_is_ended(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url):
        answered, lost = await there.opened(), await there.opened(answered=False)
        await there.ends(lost, EndReason.GHOST)
        assert await there.active() == [answered.call]


async def test_junk_is_counted_and_disturbs_no_call(nats_url: str) -> None:
    async with town(nats_url) as there, session(nats_url) as context:
        ref = await there.opened()
        await there.bus.client.publish(HEARTBEAT.subject(role="stt", process="stt-1"), b"{broken")
        rejected = context.metrics.counter(MESSAGES_REJECTED)
        await eventually(
            lambda: rejected.counts[HEARTBEAT.wildcard(), ErrorCode.BAD_MESSAGE] == 1, "the junk is counted"
        )
        junk = await there.bus.client.request(SESSION_OPEN.subject(), b'{"call": 7}', timeout=20)
        reply = OpenCallReply.model_validate_json(junk.data)
        assert reply.error is not None
        assert reply.error.code is ErrorCode.BAD_MESSAGE
        assert await there.active() == [ref.call]


async def test_a_restart_of_nats_ends_no_call_and_misses_no_end(nats_server: NatsServer) -> None:
    async with town(nats_server.url) as there, session(nats_server.url) as context:
        stays, leaves = await there.opened(), await there.opened()
        assert await there.bus.settle(5)
        nats_server.stop()
        await eventually(lambda: not context.bus.connected and not there.bus.connected, "it is noticed")
        await there.leg_ends(leaves)
        await asyncio.sleep(2 * FAST["session_lost_after_s"])  # long enough to seem lost
        nats_server.start()
        await there.ends(leaves, EndReason.CALLER_HUNG_UP)
        assert await there.active() == [stays.call]
        again: list[CallRef] = []

        async def open_another() -> bool:
            reply = await there.open(request := a_request())
            again.extend([] if reply.error else [CallRef(TENANT, request.call)])
            return reply.error is None

        await there.until(open_another, "calls are answered again")
        assert await there.active() == sorted([stays.call, again[0].call])
        await there.leg_ends(stays)
        await there.ends(stays, EndReason.CALLER_HUNG_UP)


async def test_an_end_missed_by_the_session_alone_is_found(
    nats_server: NatsServer,
) -> None:
    async with town(nats_server.url) as there, session(nats_server.url, session_ghost_after_s=60) as context:
        ref = await there.opened()
        client = context.bus.client
        subscriptions = dict(client._subs)
        for sid in [sid for sid, sub in subscriptions.items() if "leg.ended" in sub.subject]:
            await client._send_unsubscribe(sid)
        await context.bus.flush()
        await there.leg_ends(ref)
        assert await there.bus.settle(5)
        assert there.said_of(ref, "CallEnded") == []
        await client.force_reconnect()
        await there.ends(ref, EndReason.CALLER_HUNG_UP)


async def test_a_session_that_starts_first_meets_the_workers_before_it_answers(nats_url: str) -> None:
    async with session(nats_url, heartbeat_s=0.2), town(nats_url) as there:
        await there.until(lambda: _accepts(there), "calls are accepted soon")
    async with town(nats_url) as there:
        for _ in range(3):
            async with session(nats_url):
                assert (await there.open()).error is None, "no call is refused for workers that are there"


async def _accepts(there: Town) -> bool:
    return (await there.open()).error is None


async def test_a_killed_session_is_followed_by_one_that_knows_what_it_knew(nats_url: str) -> None:
    env = {"TRUNKLINE_NATS_URL": nats_url} | {
        f"TRUNKLINE_{name.upper()}": str(value) for name, value in FAST.items()
    }
    async with town(nats_url) as there:
        await there.publish(a_number(max_concurrent_calls=2))
        async with child("-m", "session_service", env=env) as first:
            await first.says("ready")
            stays, leaves = await there.opened(), await there.opened()
            first.send(signal.SIGKILL)
            await first.exits()
        await there.leg_ends(leaves)
        assert await there.bus.settle(5)
        async with child("-m", "session_service", env=env) as second:
            await second.says("ready")
            await there.ends(leaves, EndReason.CALLER_HUNG_UP)
            assert await there.active() == [stays.call]
            third = await there.opened()
            full = await there.open()
            assert full.error is not None
            assert full.error.code is ErrorCode.NUMBER_FULL
            for ref in (stays, third):
                await there.leg_ends(ref)
                await there.ends(ref, EndReason.CALLER_HUNG_UP)
            second.send(signal.SIGTERM)
            assert await second.exits() == 0
        assert len(there.said_of(leaves, "CallEnded")) == 1


@pytest.mark.parametrize("key", ["15550100", "junk"])
async def test_junk_in_the_directory_costs_no_other_number(nats_url: str, key: str) -> None:
    async with town(nats_url) as there:
        store = await there.bus.jetstream.key_value("assistants")
        await there.publish(a_number("+15550105"))
        await store.put(key, b"{broken")
        async with session(nats_url):
            assert (await there.open(a_request("+15550105"))).error is None
