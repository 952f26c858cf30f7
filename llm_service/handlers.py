"""Events of the calls that this process holds, to their dialogues, and what these say back to the bus.

Decodes, calls, publishes: every decision is in `dialogue`. One task a call makes the current reply.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from contracts.identities import CallRef
from contracts.messages import (
    Assign,
    EngineFailed,
    Event,
    Outcome,
    ReplyCompleted,
    Stage,
)
from contracts.telemetry import ENGINE_FAILURES, STAGE_SECONDS, Span
from llm_service.dialogue import Dialogue, Said
from llm_service.pool import EnginePool
from llm_service.recollection import recollect
from llm_service.replies import Reply
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics, Tracer


@dataclass(slots=True)
class _Call:
    """A call that is held."""

    ref: CallRef
    epoch: int
    dialogue: Dialogue
    preparing: asyncio.Task[None]
    speaking: asyncio.Task[None] | None = None


class DialogueHolder:
    """Holds the dialogues of this process's calls."""

    def __init__(
        self, pool: EnginePool, tasks: TaskOwner, *, bus: Bus, clock: Clock, metrics: Metrics, tracer: Tracer
    ) -> None:
        self._pool = pool
        self._tasks = tasks
        self._bus = bus
        self._clock = clock
        self._tracer = tracer
        self._failures = metrics.counter(ENGINE_FAILURES)
        self._seconds = metrics.histogram(STAGE_SECONDS)
        self._calls: dict[CallRef, _Call] = {}

    async def take(self, assign: Assign, history: tuple[Event[Any], ...]) -> None:
        """Begin a dialogue, or go on with it where the record ends.

        Raises a TrunklineError when none of the assistant's engines can be had.
        """
        ref = CallRef(assign.tenant, assign.call)
        if ref in self._calls:
            self._calls[ref].epoch = assign.epoch
            return
        chain = await self._pool.chain(assign.assistant.engines.llm)
        call = self._calls[ref] = _Call(
            ref,
            assign.epoch,
            Dialogue(assign.assistant, chain, self._clock, tenant=assign.tenant),
            preparing=self._tasks.spawn(chain.prepare(assign.assistant), "prepare"),
        )
        await self._go_on(call, history)

    async def on_event(self, event: Event[Any]) -> None:
        """Let the dialogue decide, stop what it says to stop, and begin what it says to begin."""
        call = self._calls.get(event.ref)
        if call is None:
            return
        step = call.dialogue.take_in(event.body)
        if step.stop is not None:
            await self._stop(call, step.stop, event)
        if step.reply is not None:
            call.speaking = self._tasks.spawn(self._speak(call, step.reply, event), "reply")

    async def drop(self, ref: CallRef) -> None:
        """Forget the dialogue. A reply in the making is not said to be over: whoever has the call from here
        on goes on with it.
        """
        call = self._calls.pop(ref, None)
        if call is not None:
            call.preparing.cancel()
            await _silence(call)

    async def _go_on(self, call: _Call, history: tuple[Event[Any], ...]) -> None:
        """Say what the worker before left unsaid."""
        recalled = recollect(call.dialogue, history, self._clock)
        for completed in recalled.owed:
            await self._publish(call, completed, None, None)
        if recalled.reply is not None:
            reply, cause = recalled.reply
            call.speaking = self._tasks.spawn(self._speak(call, reply, cause), "reply")

    async def _stop(self, call: _Call, reply: Reply, cause: Event[Any]) -> None:
        await _silence(call)
        completed = call.dialogue.cut(reply)
        if completed is not None:
            await self._publish(call, completed, cause, cause.trace)

    async def _speak(self, call: _Call, reply: Reply, cause: Event[Any]) -> None:
        with self._tracer.span(Span.REPLY_GENERATE, cause.trace, reply=reply.number) as trace:
            async with aclosing(call.dialogue.speak(reply)) as said:
                async for body in said:
                    await self._publish(call, body, cause, trace)

    async def _publish(self, call: _Call, body: Said, cause: Event[Any] | None, trace: str | None) -> None:
        match body:
            case EngineFailed():
                self._failures.add(Stage.LLM, body.engine, body.code)
            case ReplyCompleted(outcome=Outcome.DONE):
                self._seconds(body.total_ms / 1000, Stage.LLM, body.engine)
            case _:
                pass
        await self._bus.publish_event(call.ref, body, cause=cause, epoch=call.epoch, trace=trace)


async def _silence(call: _Call) -> None:
    if call.speaking is not None:
        call.speaking.cancel()
        await asyncio.wait({call.speaking})
