"""A carrier that asks anything twice, late or at once, and a session that is busy, away or forgets."""

import asyncio
import random

import pytest

from contracts.errors import ErrorCode
from contracts.examples.practice import RECEPTION
from contracts.messages import LiveCall, OpenCallReply, Role, WireError
from gateway_service.media_tokens import MediaClaims, verify
from gateway_service.rest.carrier_calls import CarrierCalls, Instruction, Ring, Verdict
from gateway_service.rest.media_passes import Pass, Passes
from runtime.errors import RequestTimeout
from runtime.keyring import Keyring
from tests.support.clock import ManualClock

RING = Keyring({"now": b"\x01" * 32})
SID = "CA00000000000000000000000000000001"


def asks(*, answered: bool = False, repeats: str = "signed", sid: str = SID) -> Ring:
    return Ring(sid, "+1 555 0100", "+15550142", answered, repeats)


class Office:
    """A session in the test's hands."""

    def __init__(self) -> None:
        self.active: dict[str, LiveCall] = {}
        self.reserved: list[tuple[str, str, str, str]] = []
        self.refusal: WireError | None = None
        self.away = False
        self.ended: list[str] = []

    async def reserve(self, call: str, called: str, caller: str, carrier_call_id: str) -> OpenCallReply:
        await asyncio.sleep(0)
        self._answers()
        self.reserved.append((call, called, caller, carrier_call_id))
        if self.refusal is not None:
            return OpenCallReply(error=self.refusal)
        one = LiveCall(
            call=call,
            tenant="bright-smile",
            number="+15550100",
            caller=caller,
            carrier_call_id=carrier_call_id,
            started_us=1,
            gateway="rest-1",
            assistant="reception",
            language="en",
        )
        self.active[carrier_call_id] = one
        return OpenCallReply(
            tenant=one.tenant, number=one.number, workers={Role.STT: "stt-1"}, assistant=RECEPTION
        )

    async def find(self, carrier_call_id: str) -> LiveCall | None:
        await asyncio.sleep(0)
        self._answers()
        return self.active.get(carrier_call_id)

    async def end(self, call: str) -> None:
        self._answers()
        self.ended.append(call)
        self.active = {sid: one for sid, one in self.active.items() if one.call != call}

    def _answers(self) -> None:
        if self.away:
            raise RequestTimeout("nobody listens")


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def calls(office: Office, clock: ManualClock) -> CarrierCalls:
    return CarrierCalls(office, Passes(RING, "wss://media", 60, clock, random.Random(1)))


def brought(instruction: Instruction) -> Pass:
    """What lets the leg in that the carrier is to bring."""
    assert instruction.pass_ is not None
    return instruction.pass_


def said_in(instruction: Instruction, clock: ManualClock) -> MediaClaims:
    return verify(RING, brought(instruction).token, clock.now_us(), returns_s=0)


async def test_a_call_is_admitted_before_its_leg_is_wanted(
    calls: CarrierCalls, office: Office, clock: ManualClock
) -> None:
    instruction = await calls.asked(asks())
    ((call, called, caller, sid),) = office.reserved
    assert (called, caller, sid) == ("+1 555 0100", "+15550142", SID)
    claims = said_in(instruction, clock)
    assert instruction.verdict is Verdict.STREAM
    assert (claims.call, claims.called, claims.caller) == (call, "+15550100", "+15550142")
    assert claims.tenant == "bright-smile"


async def test_the_same_question_gets_the_same_answer_and_no_second_slot(
    calls: CarrierCalls, office: Office
) -> None:
    answers = await asyncio.gather(*(calls.asked(asks()) for _ in range(5)))
    assert len({brought(answer).token for answer in answers}) == 1
    assert len(office.reserved) == 1


async def test_the_pass_is_another_once_the_first_has_expired(
    calls: CarrierCalls, office: Office, clock: ManualClock
) -> None:
    first = await calls.asked(asks())
    await clock.advance(61)
    again = await calls.asked(asks())
    assert brought(again).token != brought(first).token
    assert brought(again).call == brought(first).call
    assert len(office.reserved) == 1


async def test_when_the_stream_has_ended_the_leg_of_a_call_that_goes_on_is_brought_again(
    calls: CarrierCalls, office: Office
) -> None:
    first = await calls.asked(asks())
    again = await calls.asked(asks(answered=True, repeats="other"))
    assert again.verdict is Verdict.STREAM
    assert brought(again).call == brought(first).call
    assert len(office.reserved) == 1


async def test_another_process_knows_a_call_that_goes_on_by_its_carrier_call_id(
    calls: CarrierCalls, office: Office, clock: ManualClock
) -> None:
    first = await calls.asked(asks())
    other = CarrierCalls(office, Passes(RING, "wss://media", 60, clock, random.Random(2)))
    assert brought(await other.asked(asks(answered=True))).call == brought(first).call
    assert brought(await other.asked(asks())).call == brought(first).call


@pytest.mark.parametrize("answered", [True, False])
async def test_a_call_that_is_over_is_hung_up_and_never_opened_again(
    calls: CarrierCalls, office: Office, answered: bool
) -> None:
    await calls.asked(asks())
    office.active.clear()
    for _ in range(3):
        assert (await calls.asked(asks(answered=answered))).verdict is Verdict.HANG_UP
    assert len(office.reserved) == 1


async def test_an_answered_call_that_nobody_knows_is_hung_up(calls: CarrierCalls, office: Office) -> None:
    assert (await calls.asked(asks(answered=True))).verdict is Verdict.HANG_UP
    assert office.reserved == []


@pytest.mark.parametrize("never_answered", [True, False])
async def test_a_call_that_its_carrier_has_ended_is_not_opened_any_more(
    calls: CarrierCalls, office: Office, never_answered: bool
) -> None:
    await calls.over(SID, never_answered=never_answered)
    assert (await calls.asked(asks())).verdict is Verdict.HANG_UP
    assert office.reserved == []


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(486, Verdict.BUSY), (503, Verdict.BUSY), (404, Verdict.REJECTED), (402, Verdict.REJECTED)],
)
async def test_a_refusal_is_said_as_the_carrier_says_it_and_stays(
    calls: CarrierCalls, office: Office, status: int, verdict: Verdict
) -> None:
    office.refusal = WireError(code=ErrorCode.NUMBER_FULL, message="no", mend="", status=status)
    for _ in range(2):
        assert (await calls.asked(asks())).verdict is verdict
    assert len(office.reserved) == 1
    office.refusal = None
    assert (await calls.asked(asks(sid="CA2"))).verdict is Verdict.STREAM


async def test_without_a_session_a_new_call_finds_the_line_busy(calls: CarrierCalls, office: Office) -> None:
    office.away = True
    assert (await calls.asked(asks())).verdict is Verdict.BUSY
    office.away = False
    assert (await calls.asked(asks())).verdict is Verdict.STREAM


async def test_without_a_session_a_call_that_goes_on_waits_for_a_while(
    calls: CarrierCalls, office: Office
) -> None:
    first = await calls.asked(asks())
    office.away = True
    assert [(await calls.asked(asks(answered=True))).verdict for _ in range(15)] == [Verdict.WAIT] * 15
    office.away = False
    assert brought(await calls.asked(asks(answered=True))).call == brought(first).call
    office.away = True
    verdicts = [(await calls.asked(asks(answered=True))).verdict for _ in range(16)]
    assert verdicts == [*[Verdict.WAIT] * 15, Verdict.HANG_UP]


async def test_only_the_newest_calls_are_remembered(calls: CarrierCalls, office: Office) -> None:
    office.refusal = WireError(code=ErrorCode.NUMBER_FULL, message="no", mend="", status=486)
    for number in range(10_001):
        await calls.asked(asks(sid=f"CA{number}"))
    assert len(calls._known) == 10_000


@pytest.mark.parametrize("never_answered", [True, False])
async def test_the_slot_of_a_call_that_was_never_answered_is_given_back(
    calls: CarrierCalls, office: Office, never_answered: bool
) -> None:
    """Another one has a leg, and ends with it."""
    given = brought(await calls.asked(asks()))
    await calls.over(SID, never_answered=never_answered)
    assert office.ended == ([given.call] if never_answered else [])
    assert (await calls.asked(asks())).verdict is Verdict.HANG_UP


async def test_a_slot_that_nobody_can_give_back_now_is_left_to_the_session(
    calls: CarrierCalls, office: Office
) -> None:
    await calls.asked(asks())
    office.away = True
    await calls.over(SID, never_answered=True)
    assert (await calls.asked(asks())).verdict is Verdict.HANG_UP
