"""Losses, drains, new lives, legs that go and come, ends and restarts of the session, in any order.

Every accepted call ends once, and is spoken of no more; epochs only grow; and in the end nothing is held.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts.identities import CallRef
from contracts.messages import CallReassigned, EndReason, OpenCall, Replaced, Role
from session_service.roster import WORKER_ROLES
from tests.unit.session_service.stage import STARTED, TENANT, TIMEOUT, Stage, a_number, a_request

WORKERS = [(role, f"{role}-{n}") for role in WORKER_ROLES for n in (1, 2, 3)]
GATEWAYS = [(Role.GATEWAY, f"gateway-{n}") for n in (1, 2)]
STEPS = st.integers(0, 40)
PROMPT = 400
"""Steps in which all is done that needs no time to pass."""


class Failover(RuleBasedStateMachine):
    """The session's core among processes that come and go; work is left under way between the rules.

    Feature: ai-voice-agent, Property 3: Provider Fallback Resilience: whichever processes fail, the call goes
    on with others.

    Feature: ai-voice-agent, Property 10: Error Recovery Graceful Degradation: calls go on, or end once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stage = Stage(a_number(max_concurrent_calls=6), session_moves_at_once=3)
        self.lives = dict.fromkeys([*WORKERS, *GATEWAYS], 1)
        self.silent: set[tuple[Role, str]] = set()
        self.draining: set[tuple[Role, str]] = set()
        self.requests: list[OpenCall] = []
        self.accepted: set[str] = set()
        self.epochs: dict[str, int] = defaultdict(int)
        self.run(self.let_live(6), PROMPT)

    # -- the world -----------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, None], steps: int) -> None:
        """Begin it, and let everything go on for so many steps of the loop."""

        async def go() -> None:
            self.stage.spawn(work, "rule")
            for _ in range(steps):
                await asyncio.sleep(0)
                if not self.stage.tasks:
                    break

        self.loop.run_until_complete(go())

    async def let_live(self, seconds: float) -> None:
        """Let time pass in which everybody says that it lives who does."""
        for _ in range(round(seconds * 2)):
            await self.stage.clock.advance(0.5)
            for (role, process), life in self.lives.items():
                if (role, process) not in self.silent:
                    drains = (role, process) in self.draining
                    self.stage.beat(role, process, started_us=life, draining=drains)
            self.stage.watch.look()
            await self.stage.watch.sweep()

    async def open(self, request: OpenCall) -> None:
        reply = await self.stage.open(request)
        if reply.error is None:
            assert reply.call is not None
            self.accepted.add(reply.call)
            assert reply.epoch >= reply.since.get(Role.GATEWAY, 0)
            if request.attach:
                self.stage.annals.known.setdefault(reply.call, STARTED)

    # -- what happens --------------------------------------------------------------------------------

    @rule(gateway=st.sampled_from(GATEWAYS), attach=st.booleans(), steps=STEPS)
    def a_call_comes(self, gateway: tuple[Role, str], attach: bool, steps: int) -> None:
        self.requests.append(a_request(gateway=gateway[1], attach=attach))
        self.run(self.open(self.requests[-1]), steps)

    @rule(data=st.data(), gateway=st.sampled_from(GATEWAYS), by_carrier=st.booleans(), steps=STEPS)
    def a_leg_comes(
        self, data: st.DataObject, gateway: tuple[Role, str], by_carrier: bool, steps: int
    ) -> None:
        if self.requests:
            known = data.draw(st.sampled_from(self.requests))
            request = a_request(
                call=None if by_carrier else known.call, gateway=gateway[1], carrier=known.carrier_call_id
            )
            self.run(self.open(request), steps)

    @rule(data=st.data(), reason=st.sampled_from([*EndReason]), steps=STEPS)
    def a_leg_ends(self, data: st.DataObject, reason: EndReason, steps: int) -> None:
        if self.requests:
            ref = CallRef(TENANT, data.draw(st.sampled_from(self.requests)).call)
            epoch = data.draw(st.integers(0, self.epochs[ref.call]))
            self.run(self.stage.lifecycle.leg_ended(ref, reason, epoch=epoch), steps)

    @rule(data=st.data(), steps=STEPS)
    def a_call_is_ended_by_hand(self, data: st.DataObject, steps: int) -> None:
        if self.requests:
            call = data.draw(st.sampled_from(self.requests)).call
            self.run(self.stage.lifecycle.force_end(call, EndReason.COMMANDED), steps)

    @rule(who=st.sampled_from(WORKERS + GATEWAYS), holds=st.booleans())
    def one_falls_silent(self, who: tuple[Role, str], holds: bool) -> None:
        """It is killed, or only frozen and then `holds` what it held."""
        self.silent.add(who)
        self.stage.hall.faults[who[1]] = TIMEOUT
        if not holds:
            self.stage.hall.holds[who[1]].clear()

    @rule(who=st.sampled_from(WORKERS + GATEWAYS), steps=STEPS)
    def one_is_disconnected(self, who: tuple[Role, str], steps: int) -> None:
        async def say() -> None:
            self.stage.watch.disconnected([who[1]])

        self.run(say(), steps)

    @rule(who=st.sampled_from(WORKERS + GATEWAYS), anew=st.booleans())
    def one_is_there_again(self, who: tuple[Role, str], anew: bool) -> None:
        self.silent.discard(who)
        self.stage.hall.faults.pop(who[1], None)
        if anew:
            self.draining.discard(who)
            self.lives[who] += 1
            self.stage.hall.holds[who[1]].clear()

    @rule(who=st.sampled_from(WORKERS + GATEWAYS))
    def one_drains(self, who: tuple[Role, str]) -> None:
        self.draining.add(who)

    @rule(process=st.sampled_from([name for _, name in WORKERS]), late=st.booleans())
    def one_does_not_answer(self, process: str, late: bool) -> None:
        self.stage.hall.faults[process] = TIMEOUT
        (self.stage.hall.takes_it_late.add if late else self.stage.hall.takes_it_late.discard)(process)

    @rule(away=st.booleans())
    def kv_goes_or_comes(self, away: bool) -> None:
        self.stage.shelf.away = away

    @rule(seconds=st.sampled_from([0.5, 1, 2, 5]), steps=st.sampled_from([20, PROMPT, 20 * PROMPT]))
    def time_passes(self, seconds: float, steps: int) -> None:
        self.run(self.let_live(seconds), steps)

    @rule()
    def the_session_is_replaced(self) -> None:
        async def replace() -> None:
            self.stage.restart()
            await asyncio.sleep(0)
            await self.stage.lifecycle.restore()
            await self.stage.lifecycle.catch_up()

        async def settled() -> None:
            await self.let_live(1)

        self.run(settled(), 20 * PROMPT)
        self.loop.run_until_complete(replace())

    # -- what holds ----------------------------------------------------------------------------------

    @invariant()
    def nothing_failed(self) -> None:
        assert not self.stage.failures, self.stage.failures

    @invariant()
    def epochs_only_grow(self) -> None:
        for call in self.stage.lifecycle.active():
            assert call.epoch >= self.epochs[call.call]
            self.epochs[call.call] = call.epoch
            assert all(1 < epoch <= call.epoch for epoch in call.since.values())

    @invariant()
    def who_speaks_is_said_in_order(self) -> None:
        said: dict[str, list[CallReassigned]] = defaultdict(list)
        for call, body in self.stage.annals.reassignments:
            said[call].append(body)
        for bodies in said.values():
            for role in Role:
                epochs = [
                    body.epoch for body in bodies if body.role is role and body.why is not Replaced.MOVED
                ]
                assert epochs == sorted(epochs)
                if role is not Role.GATEWAY:  # a leg may come twice before anybody has spoken
                    assert len(set(epochs)) == len(epochs)

    @invariant()
    def a_call_ends_once_and_is_spoken_of_no_more(self) -> None:
        last: dict[str, str] = {}
        for call, what in self.stage.annals.order:
            assert last.get(call) != "ended", f"{what} after the end"
            last[call] = what

    @invariant()
    def loads_are_those_of_the_calls(self) -> None:
        """What ends while it is opened is given back by whoever opens it, a little later."""
        table = self.stage.lifecycle._table
        least = Counter(process for call in table.live() for process in call.workers.values())
        leaving = (call for call in table._calls.values() if call.answer is not None and not call.is_live())
        most = least + Counter(process for call in leaving for process in call.workers.values())
        for _, name in WORKERS:
            assert least[name] <= self.stage.roster.load(name) <= most[name]

    def teardown(self) -> None:
        """All is well again, and every caller hangs up."""
        self.stage.shelf.away = False
        self.stage.hall.faults.clear()
        self.silent.clear()
        self.draining.clear()

        async def end() -> None:
            await self.let_live(8)
            for call in {request.call for request in self.requests} | self.accepted:
                await self.stage.lifecycle.leg_ended(CallRef(TENANT, call), EndReason.COMMANDED)
            await self.let_live(40)

        self.run(end(), 1000 * PROMPT)
        assert not self.stage.tasks, self.stage.tasks
        self.nothing_failed()
        self.a_call_ends_once_and_is_spoken_of_no_more()
        assert {ref.call for ref, _ in self.stage.annals.ends} >= self.accepted
        assert len(self.stage.admission) == 0
        assert self.stage.lifecycle.active() == []
        assert not any(self.stage.roster.load(name) for _, name in WORKERS)
        assert not self.stage.shelf.kept
        self.loop.close()


TestFailover = Failover.TestCase
TestFailover.settings = settings(max_examples=100, stateful_step_count=15, deadline=None)
