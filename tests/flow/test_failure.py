"""What the caller hears when engines fail, and what happens to calls that nobody ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from contracts.messages import (
    CallEnded,
    EndReason,
    EngineFailed,
    LegEnded,
    Next,
    PlayoutEnded,
    ReplyCompleted,
    ReplySentence,
    Stage,
)
from tests.support.callers import caller_to, noise
from tests.support.platform import platform
from tests.support.waiting import eventually
from trunkline.nats_server import free_port


async def test_all_models_failing_ends_with_the_apology_and_a_clean_hang_up(
    nats_url: str, tmp_path: Path
) -> None:
    dead_end = {"llm_openai_base_url": f"http://127.0.0.1:{free_port()}/v1", "llm_openai_model": "none"}
    assistant = {
        "engines": {"stt": ["synthetic"], "llm": ["openai"], "tts": ["synthetic"]},
        "apology": "I am sorry, please call again.",
    }
    async with platform(nats_url, tmp_path, assistant=assistant, settings=dead_end) as running:
        async with caller_to(running) as caller:
            await running.record.wait_for(PlayoutEnded)
            caller.say(noise(0.5))
            (ended,) = await running.record.wait_for(CallEnded, timeout_s=30)
            assert ended.reason is EndReason.AGENT_HUNG_UP
            said = running.record.bodies(ReplySentence)[-1]
            assert said.text_pii == "I am sorry, please call again."
            assert running.record.bodies(ReplyCompleted)[-1].then is Next.HANG_UP
            assert running.record.bodies(PlayoutEnded)[-1].heard_sentences == 1
            failures = running.record.bodies(EngineFailed)
            assert [(failure.stage, failure.next_engine) for failure in failures] == [(Stage.LLM, None)]
            await eventually(lambda: caller.ending is not None, "the leg is closed")
        assert not (await running.active_calls()).calls


async def test_a_failing_model_falls_through_to_the_next(nats_url: str, tmp_path: Path) -> None:
    dead_end = {"llm_openai_base_url": f"http://127.0.0.1:{free_port()}/v1", "llm_openai_model": "none"}
    assistant = {"engines": {"stt": ["synthetic"], "llm": ["openai", "synthetic"], "tts": ["synthetic"]}}
    async with (
        platform(nats_url, tmp_path, assistant=assistant, settings=dead_end) as running,
        caller_to(running) as caller,
    ):
        await running.record.wait_for(PlayoutEnded)
        caller.say(noise(0.5))
        await running.record.wait_for(PlayoutEnded, 2, timeout_s=30)
        assert running.record.bodies(ReplyCompleted)[-1].engine == "synthetic"
        assert [failure.next_engine for failure in running.record.bodies(EngineFailed)] == ["synthetic"]


async def test_a_ghost_call_is_ended_and_its_slot_freed(nats_url: str, tmp_path: Path) -> None:
    async with platform(nats_url, tmp_path, settings={"session_ghost_after_s": 3.0}) as running:
        caller = caller_to(running)
        await caller.dial()
        try:
            await running.record.wait_for(PlayoutEnded)
            await caller._tasks.close()  # a line that died sends nothing, and says nothing of it
            (ended,) = await running.record.wait_for(CallEnded, timeout_s=30)
            assert ended.reason is EndReason.GHOST
            assert [left.reason for left in running.record.bodies(LegEnded)] == [EndReason.GHOST]
            assert not (await running.active_calls()).calls
        finally:
            await caller.hang_up()
        await asyncio.sleep(0)
        assert len(running.record.bodies(CallEnded)) == 1
