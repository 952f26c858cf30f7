"""What was recorded is replayed by the commands themselves: the same words, or the status says no."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Any

import pytest

from contracts.messages import CallEnded, CallStarted, DtmfReceived, PlayoutEnded, PlayoutStarted
from tests.support.callers import caller_to, noise
from tests.support.platform import Platform, platform
from tests.support.recordings import consenting
from trunkline.utterance import of_mulaw

PAUSE = of_mulaw("a pause", b"\xff" * 4_000)
LONG_ANSWER = {"tts_synthetic_audio_ms": 1200}


async def trunkline(*arguments: object) -> Process:
    words = [sys.executable, "-m", "trunkline", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=STDOUT)


async def ended(process: Process) -> tuple[int, str]:
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode()


async def two_turns_and_a_key(running: Platform) -> None:
    """The second turn interrupts the answer to the first.

    The caller takes his time, as people do: who speaks within milliseconds of what he heard would interrupt,
    or not, by chance where the same audio meets a machine that is a little slower.
    """
    async with caller_to(running) as caller:
        await running.record.wait_for(PlayoutEnded)
        caller.say(PAUSE)
        caller.say(noise(0.5))
        await running.record.wait_for(PlayoutStarted, 2)
        assert await caller.until(lambda: len(caller.ear.spurts) == 2, within_s=20)
        caller.say(PAUSE)
        caller.say(noise(0.6))
        await running.record.wait_for(PlayoutEnded, 3)
        caller.press("5")
        await running.record.wait_for(DtmfReceived)
    await running.record.wait_for(CallEnded)


async def replay(path: Path, *more: object) -> tuple[int, str, Any]:
    out = path.with_suffix(".json")
    status, said = await ended(await trunkline("replay", path, "--out", out, *more))
    return status, said, json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.timeout(300)
async def test_a_replay_says_the_same_words_and_another_agent_is_found_out(
    nats_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "calls.tlrec"
    settings = {**LONG_ANSWER, "router_tenants_file": consenting(tmp_path)}
    async with platform(nats_url, tmp_path, settings=settings) as running:
        recording = await trunkline("record", path, "--nats", nats_url, "--until-calls", 1)
        assert recording.stdout is not None
        assert b"Recording to" in await asyncio.wait_for(recording.stdout.readline(), 30)
        await two_turns_and_a_key(running)
        status, said = await ended(recording)
        assert (status, "1 calls, 1 of them whole" in said) == (0, True), said

        where = ("--against", running.url, "--nats", nats_url)
        status, said, report = await replay(path, *where, "--calls", 3, "--speed", 2)
        assert status == 0, said
        assert [call["fate"] for call in report["calls"]] == ["done"] * 3
        assert [len(call["turns"]) for call in report["calls"]] == [3] * 3
        assert (report["figures"]["matched"], report["figures"]["answered"]) == (1, 1)
        for call in report["calls"]:
            assert [turn["replayed"]["said_pii"] for turn in call["turns"]] == [
                turn["recorded"]["said_pii"] for turn in call["turns"]
            ]
            assert [turn["replayed"]["interrupted"] for turn in call["turns"]] == [False, True, False]
            assert call["end"] == {"recorded": "caller_hung_up", "replayed": "caller_hung_up"}
        then, now = (report[when]["voice_to_voice"] for when in ("stages_in_the_recording", "stages"))
        assert (then["count"], now["count"]) == (2, 6)
        assert max(sample["calls"] for sample in report["samples"]) > 0
        assert "<svg" in path.with_suffix(".html").read_text(encoding="utf-8")
        digits = [body.digit_pii for body in running.record.bodies(DtmfReceived)]
        assert digits == ["5"] * 4
        calls = {event.call for event in running.record.events if isinstance(event.body, CallStarted)}
        assert len(calls) == 4

    other = {"router_tenants_file": consenting(tmp_path / "other", {"greeting": "Somebody else speaks."})}
    async with platform(nats_url, tmp_path / "other", settings={**LONG_ANSWER, **other}) as running:
        where = ("--against", running.url, "--nats", nats_url)
        status, said, report = await replay(path, *where)
        assert status == 1
        assert "Somebody else speaks." in said
        assert [turn["matched"] for turn in report["calls"][0]["turns"]] == [False, True, True]
        status, said, _ = await replay(path, *where, "--to", "+15550000", "--min-match", 0)
        assert status == 1
        assert "FAIL broken<=0: found 1" in said
