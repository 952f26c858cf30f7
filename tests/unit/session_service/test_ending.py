"""What the end of a call says that it cost."""

from __future__ import annotations

from contracts.examples.practice import PRICE
from contracts.identities import CallRef
from contracts.messages import CallCost, EndReason, ListLiveCalls
from session_service.ports import Word
from session_service.pricing import charge
from tests.unit.session_service.stage import STARTED, Stage, a_number
from tests.unit.session_service.test_inquiries import inquiries

DEARER = PRICE.model_copy(update={"per_minute_micros": 10 * PRICE.per_minute_micros})
NOTHING = CallCost(amount_micros=0, currency="USD", billed_s=0)


async def priced() -> tuple[Stage, CallRef]:
    """A call at a price, not answered yet."""
    stage = Stage(a_number(price=PRICE))
    stage.staff()
    return stage, await stage.opened()


async def cost_at_the_end(stage: Stage, ref: CallRef) -> CallCost | None:
    await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
    ((told, body),) = stage.annals.ends
    assert told == ref
    return body.cost


async def cost_so_far(stage: Stage, ref: CallRef) -> CallCost | None:
    (call,) = (await inquiries(stage).calls(ListLiveCalls(call=ref.call))).items
    return call.cost


async def test_a_call_costs_more_by_the_second_and_at_its_end_what_it_cost_last() -> None:
    stage, ref = await priced()
    stage.clock.tick(3)
    assert await cost_so_far(stage, ref) == NOTHING
    stage.lifecycle.leg_answered(ref, stage.clock.now_us())
    stage.clock.tick(61.5)
    assert await cost_so_far(stage, ref) == charge(PRICE, 61_500_000)
    stage.lifecycle.leg_answered(ref, stage.clock.now_us())  # again, by a gateway that has its leg now
    assert await cost_at_the_end(stage, ref) == charge(PRICE, 61_500_000)


async def test_a_call_keeps_the_price_it_began_with_also_through_a_restart() -> None:
    stage, ref = await priced()
    stage.lifecycle.leg_answered(ref, stage.clock.now_us())
    stage.annals.known[ref.call] = [Word(STARTED, 1, stage.clock.now_us())]
    stage.numbers["15550100"] = a_number(price=DEARER)
    stage.restart()
    await stage.lifecycle.restore()
    await stage.lifecycle.catch_up()
    stage.staff()
    stage.clock.tick(60)
    assert await cost_so_far(stage, ref) == charge(PRICE, 60_000_000)
    assert await cost_at_the_end(stage, ref) == charge(PRICE, 60_000_000)
    stage.annals.ends.clear()
    stage.staff()
    following = await stage.opened()
    stage.lifecycle.leg_answered(following, stage.clock.now_us())
    stage.clock.tick(60)
    assert await cost_at_the_end(stage, following) == charge(DEARER, 60_000_000)


async def test_an_answer_that_was_not_heard_is_looked_up() -> None:
    stage, ref = await priced()
    stage.annals.known[ref.call] = [Word(STARTED, 1, stage.clock.now_us())]
    stage.clock.tick(7)
    assert await cost_at_the_end(stage, ref) == charge(PRICE, 7_000_000)


async def test_what_was_never_answered_or_cannot_be_known_to_have_been_costs_nothing() -> None:
    for away in (False, True):
        stage, ref = await priced()
        stage.clock.tick(7)
        stage.annals.away = away
        assert await cost_at_the_end(stage, ref) == NOTHING
        assert stage.nothing_is_held()


async def test_another_tenants_word_answers_nothing() -> None:
    stage, ref = await priced()
    stage.lifecycle.leg_answered(CallRef("another", ref.call), stage.clock.now_us())
    stage.clock.tick(7)
    assert await cost_at_the_end(stage, ref) == NOTHING


async def test_a_call_without_a_price_has_no_cost() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    stage.lifecycle.leg_answered(ref, stage.clock.now_us())
    assert await cost_so_far(stage, ref) is None
    assert await cost_at_the_end(stage, ref) is None
