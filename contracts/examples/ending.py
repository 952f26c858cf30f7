"""How a call ends, and what people ask about calls."""

from __future__ import annotations

from contracts import channels as ch
from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.examples.practice import ACTIVE_CALL, BEGUN_MS, CALL, CALLER, CARRIER_CALL, NUMBER
from contracts.examples.story import Story


def ending(story: Story) -> None:
    """How the call ends and its slot becomes free."""
    story.wait(6_000)
    tokens = {"tenant": CALL.tenant, "call": CALL.call}
    story.say(ch.HANG_UP, m.HangUp(reason=m.EndReason.COMMANDED), "End this call.", **tokens)
    story.answer(m.CommandReply(), "Done.")
    gone = story.event(
        m.LegEnded(reason=m.EndReason.COMMANDED, frames_in=812, frames_out=410, frames_dropped=0),
        "The leg is closed.",
    )
    story.event(
        m.CallEnded(
            reason=m.EndReason.COMMANDED,
            started_us=BEGUN_MS * 1000,
            ended_us=story.now_us,
            duration_ms=(story.now_us - BEGUN_MS * 1000) / 1000,
            cost=m.CallCost(amount_micros=28_500, currency="USD", billed_s=19),
        ),
        "The call is over.",
        cause=gone,
    )
    story.say(
        ch.RELEASE,
        m.Release(call=CALL.call, tenant=CALL.tenant, epoch=1),
        "The worker may forget the call.",
        role="stt",
        process="stt-1",
    )
    story.say(ch.HANG_UP, m.HangUp(reason=m.EndReason.GHOST), "Once more.", name="hangup.late", **tokens)
    story.answer(
        m.CommandReply(
            error=m.WireError(
                code=ErrorCode.UNKNOWN_CALL,
                message="gateway-1 holds no such call",
                mend="it may be over",
                status=404,
            )
        ),
        "Too late.",
        name="hangup.unknown",
    )


def replacement(story: Story) -> None:
    """A worker is lost in the middle of a call, and then the gateway: others take over."""
    story.wait(1_200)
    tokens = {"tenant": CALL.tenant, "call": CALL.call}
    story.event(
        m.CallReassigned(role=m.Role.STT, process="stt-2", epoch=2, before="stt-1", why=m.Replaced.LOST),
        "stt-1 fell silent; stt-2 speaks in its place.",
    )
    story.say(
        ch.TAKE_OVER,
        m.TakeOver(role=m.Role.STT, process="stt-2", epoch=2, after_us=story.now_us - 3_000_000),
        "Send the caller's audio here, the last three seconds first.",
        **tokens,
    )
    story.answer(m.TakenOver(reply=2, sentences=1, frames=150), "It comes.")
    story.event(
        m.CallDetached(gateway="gateway-1", wait_s=15.0), "The gateway is lost; the call waits for its leg."
    )


def questions_of_people(story: Story) -> None:
    """What the command line asks."""
    story.say(ch.SESSION_ACTIVE, m.ListActiveCalls(tenant=CALL.tenant), "Who is on the phone?")
    counts = m.CallCounts(
        tenants={CALL.tenant: m.Occupancy(held=1, limit=10, inbound_reserve=2)},
        numbers={ACTIVE_CALL.number: m.Occupancy(held=1, limit=2)},
    )
    story.answer(m.ActiveCalls(calls=(ACTIVE_CALL,), counts=counts), "One call, of two at most.")
    story.say(
        ch.ANALYTICS_QUERY,
        m.SqlQuery(sql="SELECT reason, count() FROM calls GROUP BY reason", max_rows=100),
        "How do calls end?",
    )
    story.answer(
        m.SqlResult(columns=("reason", "count()"), rows=(("caller_hung_up", 41), ("commanded", 3))),
        "Two rows.",
    )
    story.say(
        ch.ANALYTICS_QUERY,
        m.SqlQuery(sql="DROP TABLE calls"),
        "Not a question.",
        name="analytics.query.bad",
    )
    story.answer(
        m.SqlResult(
            error=m.WireError(
                code=ErrorCode.BAD_QUERY,
                message="only SELECT may be asked",
                mend="read, do not write",
                status=400,
            )
        ),
        "Refused.",
        name="analytics.query.refused",
    )


def questions_through_rest(story: Story) -> None:
    """What people ask about their calls in a browser, or a program of theirs."""
    one = m.LiveCall(
        call=CALL.call,
        tenant=CALL.tenant,
        number=NUMBER,
        caller=CALLER,
        carrier_call_id=CARRIER_CALL,
        started_us=BEGUN_MS * 1000,
        gateway="gateway-1",
        assistant="reception",
        language="en-US",
        answered_us=BEGUN_MS * 1000 + 40_000,
        cost=m.CallCost(amount_micros=9_000, currency="USD", billed_s=6),
    )
    story.say(ch.SESSION_CALLS, m.ListLiveCalls(tenant=CALL.tenant), "Who is on the phone?")
    story.answer(m.LiveCalls(items=(one,)), "One call.")
    story.say(ch.SESSION_COUNTS, m.CountCalls(tenant=CALL.tenant), "How busy are we?")
    story.answer(
        m.CountedCalls(
            counts=m.CallCounts(
                tenants={CALL.tenant: m.Occupancy(held=1, limit=10)},
                numbers={NUMBER: m.Occupancy(held=1, limit=3)},
            )
        ),
        "One of ten calls.",
    )
    story.say(ch.SESSION_END, m.EndCall(call=CALL.call, tenant=CALL.tenant), "End that one.")
    story.answer(m.EndCallReply(), "It ends.")
    _the_record(story)


def _the_record(story: Story) -> None:
    begun_us = BEGUN_MS * 1000
    story.say(ch.ANALYTICS_CALLS, m.ListCalls(tenant=CALL.tenant, limit=1), "The last call.")
    story.answer(
        m.CallRecords(
            items=(
                m.CallRecord(
                    call=CALL.call,
                    tenant=CALL.tenant,
                    outcome="completed",
                    called=NUMBER,
                    caller=CALLER,
                    carrier_call_id=CARRIER_CALL,
                    channel="phone",
                    assistant="reception",
                    language="en-US",
                    answered=True,
                    started_us=begun_us,
                    ended_us=begun_us + 16_000_000,
                    duration_ms=16_000.0,
                    reason="commanded",
                    detail="",
                    rejected_code="",
                    rejected_status=0,
                    rejected_message="",
                    turns=1,
                    replies=2,
                    interruptions=0,
                    agent_heard_ms=8_200.0,
                    mean_voice_to_voice_ms=612.0,
                    worst_voice_to_voice_ms=612.0,
                    cost_micros=24_000,
                    currency="USD",
                    billed_s=16,
                ),
            ),
            next=CALL.call,
        ),
        "And there are more.",
    )
    story.say(ch.ANALYTICS_TRANSCRIPT, m.GetTranscript(call=CALL.call, tenant=CALL.tenant), "What was said?")
    line = m.TranscriptLine(
        at_us=begun_us + 5_000_000,
        speaker="caller",
        turn=1,
        reply=None,
        text_pii="Are you open at the weekend?",
        confidence=0.93,
        heard_ms=None,
        interrupted=None,
    )
    story.answer(m.Transcript(items=(line,)), "A question.")
