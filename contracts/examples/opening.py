"""What is known before a call, and how one is opened, assigned and refused."""

from __future__ import annotations

from contracts import channels as ch
from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.examples.practice import (
    ACTIVE_CALL,
    CALL,
    CALLER,
    CARRIER_CALL,
    NUMBER,
    QUIET_CALL,
    RECEPTION,
    REFUSED_CALL,
    SHARE,
    WORKERS,
)
from contracts.examples.story import Story
from contracts.identities import CallRef, number_key


def before_answer(story: Story) -> None:
    """What is known before any call: the number's configuration, and who is alive."""
    story.say(
        ch.NUMBER_SNAPSHOT,
        m.NumberSnapshot(
            number=NUMBER,
            tenant=CALL.tenant,
            tenant_name="Bright Smile",
            max_concurrent_calls=2,
            recording_allowed=True,
            revision=7,
            assistant=RECEPTION,
        ),
        "The practice's number, its limits and who answers.",
        number=number_key(NUMBER),
    )
    story.say(
        ch.HEARTBEAT,
        m.Heartbeat(role=m.Role.STT, process="stt-1", at_us=story.now_us, calls=1, capacity=40),
        "A worker with room for more.",
        role="stt",
        process="stt-1",
    )
    story.say(
        ch.HEARTBEAT,
        m.Heartbeat(
            role=m.Role.GATEWAY,
            process="gateway-1",
            at_us=story.wait(250),
            calls=3,
            capacity=300,
            quiet_ms={QUIET_CALL.call: 12_400},
        ),
        "A gateway that hears nothing more of one call.",
        name="heartbeat.quiet",
        role="gateway",
        process="gateway-1",
    )


def opening(story: Story) -> None:
    """The gateway asks; session gives the call to workers and keeps it, then answers."""
    assign = m.Assign(
        call=CALL.call,
        tenant=CALL.tenant,
        epoch=1,
        gateway="gateway-1",
        workers=WORKERS,
        assistant=RECEPTION,
        share=SHARE,
    )
    story.say(ch.ASSIGN, assign, "A worker is given the call.", role="stt", process="stt-1")
    story.answer(m.Assigned(), "It has the call and hears its events.")
    story.say(
        ch.ASSIGN, assign, "Another worker is asked.", name="assign.draining", role="stt", process="stt-2"
    )
    story.answer(
        m.Assigned(
            error=m.WireError(
                code=ErrorCode.NO_WORKER,
                message="stt-2 is draining",
                mend="choose another",
                retryable=True,
                status=503,
            )
        ),
        "It takes no more calls.",
        name="assign.refused",
    )
    story.say(ch.SESSION_LEASE, m.LeaderLease(holder="session-1", term=3), "The third leader's lease.")
    story.say(ch.SESSION_TERM, m.LeaderTerm(holder="session-1", term=3), "Only it writes call records now.")
    story.say(ch.ACTIVE_CALL, ACTIVE_CALL, "The call holds a slot, and who carries it.", call=CALL.call)
    story.say(ch.SESSION_OPEN, _open_call(CALL), "The gateway asks before it answers.")
    story.answer(
        m.OpenCallReply(tenant=CALL.tenant, number=NUMBER, workers=WORKERS, assistant=RECEPTION),
        "Accepted, and whom to talk to.",
    )


def refusal(story: Story) -> None:
    """A call that is not answered."""
    story.wait(20)
    story.say(ch.SESSION_OPEN, _open_call(REFUSED_CALL), "A third call at once.", name="session.open.full")
    story.answer(
        m.OpenCallReply(
            error=m.WireError(
                code=ErrorCode.NUMBER_FULL,
                message="+15550100 holds 2 of 2 calls",
                mend="raise the number's max_concurrent_calls, or try again later",
                retryable=True,
                status=486,
            )
        ),
        "Rejected: the number is full.",
        name="session.open.rejected",
    )
    story.event(
        m.CallRejected(
            called=NUMBER,
            caller=CALLER,
            carrier_call_id=CARRIER_CALL,
            code=ErrorCode.NUMBER_FULL,
            status=486,
            message="+15550100 holds 2 of 2 calls",
        ),
        "The call that was refused, for the record.",
        ref=REFUSED_CALL,
    )


def _open_call(ref: CallRef) -> m.OpenCall:
    return m.OpenCall(
        call=ref.call, called=NUMBER, caller=CALLER, carrier_call_id=CARRIER_CALL, gateway="gateway-1"
    )
