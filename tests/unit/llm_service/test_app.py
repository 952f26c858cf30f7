"""The service as a whole on a real nats-server: events of a call in, its replies out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contracts.channels import ASSIGN, ENGINE_FAILED, RELEASE, REPLY_COMPLETED, REPLY_SENTENCE
from contracts.errors import ErrorCode
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assign,
    Assigned,
    AssistantSnapshot,
    CallEnded,
    CallReassigned,
    CallStarted,
    EndReason,
    EngineChain,
    EngineFailed,
    Event,
    Message,
    Next,
    Outcome,
    PlayoutEnded,
    Release,
    Replaced,
    ReplyCompleted,
    ReplySentence,
    Role,
    SpeechDismissed,
    SpeechStarted,
)
from contracts.telemetry import ENGINE_EASED, ENGINE_FAILURES
from contracts.wire import channel_of
from llm_service.app import LlmApp, build
from llm_service.engines import ENGINES, EngineFactory
from llm_service.ports import Delta, LanguageModel, Prompt
from llm_service.settings import Settings
from runtime.clock import Clock
from runtime.process import Context
from tests.support.clock import ManualClock
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.llm_service.scripted import ScriptedEngine, assistant, turn

REPLIES = frozenset(row.name for row in (REPLY_SENTENCE, REPLY_COMPLETED, ENGINE_FAILED))
NOBODY = "http://127.0.0.1:9/v1"
"""The discard port: nothing listens there."""


@dataclass
class Line:
    """One call, as the other services see it."""

    context: Context
    ref: CallRef
    heard: list[Event[Any]] = field(default_factory=list)

    async def say(self, body: Message) -> Event[Any]:
        """Publish an event of this call, as its gateway, stt or tts would."""
        return await self.context.bus.publish_event(self.ref, body)

    async def recall(self, body: Message) -> None:
        """Publish what a worker before this one said, in epoch 1."""
        await self.context.bus.publish_event(self.ref, body, epoch=1)

    async def repeat(self, event: Event[Any]) -> None:
        """Publish an event again under its id, as an outbox does that saw no acknowledgement."""
        subject = channel_of(event.body).subject(tenant=self.ref.tenant, call=self.ref.call)
        await self.context.bus.client.publish(subject, event.model_dump_json().encode())

    def bodies(self, kind: type[Any]) -> list[Any]:
        return [event.body for event in self.heard if isinstance(event.body, kind)]

    def sentences(self, reply: int) -> list[str]:
        return [body.text_pii for body in self.bodies(ReplySentence) if body.reply == reply]

    async def completed(self, reply: int) -> ReplyCompleted:
        """The one completion of a reply, waited for."""
        await self.until(lambda: any(body.reply == reply for body in self.bodies(ReplyCompleted)))
        (completion,) = [body for body in self.bodies(ReplyCompleted) if body.reply == reply]
        assert isinstance(completion, ReplyCompleted)
        return completion

    async def until(self, holds: Callable[[], object]) -> None:
        await eventually(holds, f"after {[type(event.body).__name__ for event in self.heard]}")


@dataclass
class Service:
    """The running app, and where calls are opened on it."""

    app: LlmApp
    context: Context

    async def call(self, snapshot: AssistantSnapshot, *, number: int = 1, epoch: int = 1) -> Line:
        """A call that is assigned, answered and greeted."""
        line = await self.assign(snapshot, number=number, epoch=epoch)
        await line.say(
            CallStarted(
                called="+15550100",
                caller="+15550142",
                carrier_call_id="CA1",
                protocol="twilio",
                gateway="gateway-1",
                assistant=snapshot.id,
                language=snapshot.language,
            )
        )
        await line.completed(1)
        return line

    async def assign(self, snapshot: AssistantSnapshot, *, number: int = 1, epoch: int = 1) -> Line:
        ref = CallRef("bright-smile", uuid7(1_767_225_600_000, random.Random(number)))
        line = Line(self.context, ref)

        async def hear(event: Event[Any]) -> None:
            line.heard.append(event)

        await self.context.bus.on_events(ref, hear, REPLIES)
        reply = await self.ask(ref, snapshot, epoch)
        assert reply.error is None
        return line

    async def ask(
        self,
        ref: CallRef,
        snapshot: AssistantSnapshot,
        epoch: int,
        *,
        resumed: bool = False,
        share: int = 1,
    ) -> Assigned:
        assign = Assign(
            call=ref.call,
            tenant=ref.tenant,
            epoch=epoch,
            gateway="gateway-1",
            workers={Role.LLM: self.context.process},
            assistant=snapshot,
            since={Role.LLM: epoch},
            resumed=resumed,
            share=share,
        )
        return await self.context.bus.request(
            ASSIGN, assign, Assigned, timeout_s=20, role="llm", process=self.context.process
        )


@asynccontextmanager
async def running(
    nats_url: str,
    home: Path,
    factories: Mapping[str, EngineFactory] = ENGINES,
    *,
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[Service]:
    own = Settings(nats_url=nats_url, home=home, llm_preload=(), **settings)
    failures: list[BaseException] = []
    async with service_context(own, "llm", clock=clock, on_task_failure=failures.append) as context:
        app = build(own, context, factories)
        try:
            await app.start()
            yield Service(app, context)
        finally:
            await app.stop()
    assert failures == []


@pytest.fixture
async def service(nats_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(
        nats_url,
        tmp_path,
        llm_openai_base_url=NOBODY,
        llm_retry_first_wait_s=0.0,
        llm_synthetic_text="This is the first sentence. This is the second sentence.",
    ) as started:
        yield started


@pytest.fixture
async def slow(nats_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Says one sentence at once and then is lost in thought."""
    async with running(
        nats_url,
        tmp_path,
        llm_synthetic_text="Yes. Wait until I have thought of it.",
        llm_synthetic_token_ms=100.0,
        llm_first_token_timeout_s=60,
        llm_token_timeout_s=60,
    ) as started:
        yield started


def playout(reply: int, outcome: Outcome, sentences: int, partial_ms: float = 0.0) -> PlayoutEnded:
    return PlayoutEnded(
        reply=reply,
        outcome=outcome,
        heard_ms=0.0,
        heard_sentences=sentences,
        partial_ms=partial_ms,
        ended_us=1,
    )


def speech(number: int) -> SpeechStarted:
    return SpeechStarted(turn=number, started_us=0, detected_us=1)


async def test_a_call_is_greeted_and_its_turns_are_answered_in_order(service: Service) -> None:
    line = await service.call(assistant())
    assert (await line.completed(1)).then is Next.LISTEN
    assert line.sentences(1) == ["Bright Smile, good morning.", "How can I help you?"]
    asked = await line.say(turn(1, "Are you open?"))
    done = await line.completed(2)
    assert line.sentences(2) == ["This is the first sentence.", "This is the second sentence."]
    assert (done.turn, done.outcome, done.sentences, done.engine) == (1, Outcome.DONE, 2, "synthetic")
    answer = [event for event in line.heard if event.body.reply == 2]
    assert [type(event.body) for event in answer] == [ReplySentence, ReplySentence, ReplyCompleted]
    assert {(event.cause, event.epoch) for event in answer} == {(asked.id, 1)}
    assert len({event.trace for event in answer}) == 1
    assert answer[0].trace is not None


async def test_what_comes_twice_is_answered_once(service: Service) -> None:
    line = await service.call(assistant())
    asked = await line.say(turn(1, "Are you open?"))
    await line.repeat(asked)
    await line.say(turn(1, "Are you open?"))
    await line.say(turn(2, "Really?"))
    await line.completed(3)
    assert [body.turn for body in line.bodies(ReplyCompleted)] == [None, 1, 2]


async def test_an_interrupted_reply_is_cancelled_and_goes_on_after_a_noise(slow: Service) -> None:
    line = await slow.call(assistant())
    await line.say(turn(1, "Are you open?"))
    await line.until(lambda: line.sentences(2))
    await line.say(speech(2))
    cut = await line.completed(2)
    assert (cut.outcome, cut.then) == (Outcome.CANCELLED, Next.LISTEN)
    await line.say(playout(2, Outcome.CANCELLED, 0, 100.0))
    await line.say(SpeechDismissed(turn=2, audio_ms=200.0))
    done = await line.completed(3)
    assert (done.outcome, done.turn) == (Outcome.DONE, 1)
    assert line.sentences(3) == ["Yes.", "Wait until I have thought of it."]


async def test_what_was_not_heard_is_asked_again_together_with_what_was_added(service: Service) -> None:
    line = await service.call(assistant(engines=EngineChain(llm=("faq",))))
    await line.say(turn(1, "How much"))
    await line.completed(2)
    await line.say(speech(2))
    await line.say(turn(2, "does a cleaning cost?"))
    await line.completed(3)
    assert line.sentences(3) == ["A cleaning costs $95."]


async def test_a_failing_engine_is_reported_and_replaced(service: Service) -> None:
    line = await service.call(assistant(engines=EngineChain(llm=("openai", "synthetic"))))
    await line.say(turn(1, "Are you open?"))
    done = await line.completed(2)
    (failure,) = line.bodies(EngineFailed)
    assert (failure.engine, failure.next_engine) == ("openai", "synthetic")
    assert failure.code is ErrorCode.ENGINE_UNAVAILABLE
    assert (done.outcome, done.engine) == (Outcome.DONE, "synthetic")
    failures = service.context.metrics.counter(ENGINE_FAILURES)
    assert failures.counts["llm", "openai", "engine_unavailable"] == 1


async def test_when_every_engine_fails_there_is_an_apology_and_an_end(service: Service) -> None:
    line = await service.call(assistant(engines=EngineChain(llm=("faq", "openai"))))
    await line.say(turn(1, "Who won the football game?"))
    done = await line.completed(2)
    assert [(body.engine, body.next_engine) for body in line.bodies(EngineFailed)] == [("openai", None)]
    assert line.sentences(2) == ["I am sorry, that does not work now.", "Goodbye."]
    assert (done.outcome, done.then) == (Outcome.FAILED, Next.HANG_UP)


async def test_what_the_knowledge_does_not_hold_goes_to_the_next_engine(service: Service) -> None:
    line = await service.call(assistant(engines=EngineChain(llm=("faq", "synthetic"))))
    await line.say(turn(1, "What are your hours on Saturday?"))
    await line.completed(2)
    await line.say(turn(2, "Who won the football game?"))
    await line.completed(3)
    engines = {body.reply: body.engine for body in line.bodies(ReplySentence)}
    assert engines == {1: "script", 2: "faq", 3: "synthetic"}
    assert line.bodies(EngineFailed) == []


async def test_a_goodbye_ends_the_call(service: Service) -> None:
    line = await service.call(assistant())
    await line.say(turn(1, "Thank you, goodbye."))
    assert (await line.completed(2)).then is Next.HANG_UP


async def test_a_call_that_ends_cancels_its_reply(slow: Service) -> None:
    line = await slow.call(assistant())
    await line.say(turn(1, "Are you open?"))
    await line.until(lambda: line.sentences(2))
    await line.say(CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=0, ended_us=1, duration_ms=1.0))
    assert (await line.completed(2)).outcome is Outcome.CANCELLED


async def test_a_call_that_is_released_is_left_alone(service: Service) -> None:
    line = await service.call(assistant())
    release = Release(call=line.ref.call, tenant=line.ref.tenant, epoch=1)
    await service.context.bus.publish(RELEASE.subject(role="llm", process=service.context.process), release)
    other = await service.call(assistant(), number=2)
    await line.say(turn(1, "Are you open?"))
    await other.say(turn(1, "Are you open?"))
    await other.completed(2)
    assert len(line.bodies(ReplyCompleted)) == 1


async def test_a_reply_that_was_begun_is_left_to_whoever_has_the_call_next(slow: Service) -> None:
    line = await slow.call(assistant())
    await line.say(turn(1, "Are you open?"))
    await line.until(lambda: line.sentences(2))
    release = Release(call=line.ref.call, tenant=line.ref.tenant, epoch=1)
    await slow.context.bus.publish(RELEASE.subject(role="llm", process=slow.context.process), release)
    await line.say(
        CallReassigned(
            role=Role.LLM, process=slow.context.process, epoch=2, before="llm-lost", why=Replaced.LOST
        )
    )
    assert (await slow.ask(line.ref, assistant(), 2, resumed=True)).error is None
    completed = await line.completed(2)
    assert (completed.outcome, completed.sentences) == (Outcome.DONE, 2)
    assert line.sentences(2) == ["Yes.", "Wait until I have thought of it."]


async def test_the_dialogue_goes_on_in_a_newer_epoch(service: Service) -> None:
    line = await service.call(assistant())
    assert (await service.ask(line.ref, assistant(), epoch=2)).error is None
    await line.say(turn(1, "Are you open?"))
    await line.completed(2)
    assert line.heard[-1].epoch == 2


async def test_calls_do_not_hear_each_other(service: Service) -> None:
    lines = [await service.call(assistant(), number=number) for number in range(1, 6)]
    for line in lines:
        await line.say(turn(1, "Are you open?"))
    for line in lines:
        await line.completed(2)
        assert [body.reply for body in line.bodies(ReplyCompleted)] == [1, 2]


async def test_a_call_whose_engines_cannot_be_had_is_refused_with_the_mend(service: Service) -> None:
    ref = CallRef("bright-smile", uuid7(1_767_225_600_000, random.Random(9)))
    reply = await service.ask(ref, assistant(engines=EngineChain(llm=("gpt",))), epoch=1)
    assert reply.error is not None
    assert reply.error.code is ErrorCode.BAD_CONFIGURATION
    assert "faq, openai, relief, synthetic" in reply.error.mend


async def test_a_report_on_nothing_is_refused_and_the_call_goes_on(service: Service) -> None:
    line = await service.call(assistant())
    await line.say(playout(42, Outcome.DONE, 1))
    await line.say(turn(1, "Are you open?"))
    assert (await line.completed(2)).outcome is Outcome.DONE


async def test_draining_waits_for_the_last_call(service: Service) -> None:
    line = await service.call(assistant())
    draining = service.context.tasks.spawn(service.app.drain(), "drain")
    await line.say(CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=0, ended_us=1, duration_ms=1.0))
    await eventually(draining.done, "drained")


async def test_a_missing_model_at_the_start_is_said_and_survived(
    nats_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = Settings(nats_url=nats_url, home=tmp_path, llm_preload=("faq",), llm_faq_model="no-such-model")
    async with service_context(own, "llm") as context:
        app = build(own, context)
        await app.start()
        line = await Service(app, context).call(assistant(engines=EngineChain(llm=("faq", "synthetic"))))
        await line.say(turn(1, "Are you open?"))
        await line.completed(2)
        await app.stop()
    assert "engine faq is not available" in caplog.text
    assert [(body.engine, body.code) for body in line.bodies(EngineFailed)] == [("faq", "model_missing")]


async def test_a_call_of_a_lost_worker_goes_on_in_the_middle_of_its_answer(service: Service) -> None:
    ref = CallRef("bright-smile", uuid7(1_767_225_600_000, random.Random(77)))
    line = Line(service.context, ref)

    async def hear(event: Event[Any]) -> None:
        line.heard.append(event)

    await service.context.bus.on_events(ref, hear, REPLIES)
    snapshot = assistant(greeting="Hello.")
    await line.say(
        CallStarted(
            called="+15550100",
            caller="+15550142",
            carrier_call_id="CA1",
            protocol="twilio",
            gateway="gateway-1",
            assistant=snapshot.id,
            language=snapshot.language,
        )
    )
    await line.recall(ReplySentence(reply=1, turn=None, index=0, text_pii="Hello.", engine="script"))
    asked = await line.say(turn(1, "What is this?"))
    first = "This is the first sentence."
    await line.recall(ReplySentence(reply=2, turn=1, index=0, text_pii=first, engine="synthetic"))
    border = CallReassigned(
        role=Role.LLM, process=service.context.process, epoch=2, before="llm-lost", why=Replaced.LOST
    )
    await line.say(border)
    assert (await service.ask(ref, snapshot, 2, resumed=True)).error is None
    completed = await line.completed(2)
    assert (completed.outcome, completed.sentences) == (Outcome.DONE, 2)
    assert line.sentences(2) == ["This is the first sentence.", "This is the second sentence."]
    owed, *said = [event for event in line.heard if event.epoch == 2]
    assert (owed.body.reply, owed.body.outcome) == (1, Outcome.CANCELLED)  # the turn cut it
    assert [type(event.body) for event in said] == [ReplySentence, ReplyCompleted]
    assert {event.cause for event in said} == {asked.id}


async def test_under_load_the_relief_answers_and_nobody_waits_in_vain(
    nats_url: str, tmp_path: Path, local_llm: str
) -> None:
    settings: dict[str, Any] = {
        "llm_slots": {"synthetic": 1},
        "llm_synthetic_token_ms": 100.0,
        "llm_relief": {"synthetic": "relief"},
        "llm_relief_base_url": local_llm,
        "llm_relief_model": "smollm2-135m",
        "llm_openai_max_tokens": 12,
    }
    async with running(nats_url, tmp_path, **settings) as service:
        lines = [await service.call(assistant(), number=number) for number in (1, 2)]
        await lines[0].say(turn(1, "Are you open?"))
        assert (await lines[0].completed(2)).outcome is Outcome.DONE
        await lines[0].say(turn(2, "And tomorrow?"))
        await eventually(lambda: service.app._pool._gates["synthetic"].full, "the slot is taken")
        await lines[1].say(turn(1, "Are you open?"))
        ended = [await lines[0].completed(3), await lines[1].completed(2)]
        assert [completion.outcome for completion in ended] == [Outcome.DONE] * 2
        assert {completion.engine for completion in ended} == {"synthetic", "relief"}
        assert service.context.metrics.counter(ENGINE_EASED).total() == 1


class _SlowEngine(ScriptedEngine):
    """Each prompt takes it a second."""

    def __init__(self, clock: ManualClock, *scripts: list[Any]) -> None:
        super().__init__(*scripts)
        self.clock = clock

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        async for delta in super().generate(prompt):
            self.clock.tick(1.0)
            yield delta


async def test_the_queue_before_an_engine_goes_by_the_shares_that_assignments_bring(
    nats_url: str, tmp_path: Path
) -> None:
    clock, begins = ManualClock(), asyncio.Event()
    slow = _SlowEngine(clock, [begins, "Yes."], ["Yes."])
    factories: dict[str, EngineFactory] = {"slow": lambda _settings, _means: slow}
    limits: dict[str, Any] = {"llm_slots": {"slow": 1}, "llm_queue_timeout_s": 60.0}
    snapshot = assistant(engines=EngineChain(llm=("slow",)))

    async def answered(model: LanguageModel, tenant: str) -> None:
        assert [delta async for delta in model.generate(Prompt(snapshot, (), tenant=tenant))]

    async with running(nats_url, tmp_path, factories, clock=clock, **limits) as service:
        for number, (tenant, share) in enumerate((("small", 1), ("big", 3))):
            ref = CallRef(tenant, uuid7(1_767_225_600_000, random.Random(number)))
            assert (await service.ask(ref, snapshot, 1, share=share)).error is None
        model = await service.app._pool.get("slow")
        asked = [
            asyncio.create_task(answered(model, tenant)) for tenant in ("small", "big") for _ in range(12)
        ]
        queue = service.app._pool._gates["slow"]
        await eventually(lambda: len(queue) == len(asked) - 1, "all but the first wait")
        begins.set()
        await asyncio.gather(*asked)
    came = [prompt.tenant for prompt in slow.prompts]
    for taken in range(1, 13):
        small, big = came[:taken].count("small"), came[:taken].count("big")
        assert abs(3 * small - big) <= 3, came
