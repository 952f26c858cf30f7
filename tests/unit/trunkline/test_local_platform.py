"""The life of a platform, with small processes in the place of ours."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from router_service.errors import DirectoryUnreadable
from tests.support.ports import free_run
from tests.support.waiting import eventually
from tests.unit.trunkline.test_supervisor import TINY, lives
from trunkline import local_platform
from trunkline.composition import Placed, Plan
from trunkline.errors import AlreadyRunning, BadOption, NotRunning, StartFailed
from trunkline.local_platform import TENANTS, LocalPlatform, Options
from trunkline.readiness import HttpOk
from trunkline.state import RunningPlatform, RunningProcess, claimed, last_state, read_state, write_state
from trunkline.supervisor import Happening, ProcessSpec, Report

NAMES = ("one", "two")


def small_processes(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...] = NAMES, **modes: str
) -> list[Plan]:
    """Small processes run instead of the platform's; the plans are what they would have been told."""
    plans: list[Plan] = []

    def compose(plan: Plan) -> tuple[Placed, ...]:
        plans.append(plan)
        ports = dict(zip(names, plan.ports.health, strict=False))
        return tuple(
            Placed(ProcessSpec(name, tiny(port, modes.get(name, "good")), HttpOk(port), {}), port)
            for name, port in ports.items()
        )

    monkeypatch.setattr(local_platform, "compose", compose)
    return plans


def tiny(port: int, mode: str) -> tuple[str, ...]:
    return (sys.executable, "-IS", str(TINY), str(port), mode)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    return small_processes(monkeypatch)


async def test_a_platform_can_be_found_for_as_long_as_it_runs(tmp_path: Path, plans: list[Plan]) -> None:
    async with LocalPlatform(Options(tmp_path, port=0)) as platform:
        state = read_state(tmp_path)
        assert state == platform.state
        assert {one.name: one.health_port for one in state.processes} == dict(
            zip(NAMES, plans[0].ports.health, strict=False)
        )
        assert all(lives(one.pid) for one in state.processes)
        assert state.pid == os.getpid()
        operator = plans[0].users.operator
        assert (state.nats_user, state.nats_password) == (operator.name, operator.password)
        assert state.media_url == f"ws://127.0.0.1:{plans[0].ports.gateways[0]}/media/twilio"
    assert not any(lives(one.pid) for one in state.processes)
    with pytest.raises(NotRunning):
        read_state(tmp_path)


async def test_its_state_follows_a_restart(tmp_path: Path, plans: list[Plan]) -> None:
    reports: list[Report] = []
    async with LocalPlatform(Options(tmp_path, port=0), reports.append) as platform:
        before = {one.name: one.pid for one in platform.state.processes}
        os.kill(before["one"], signal.SIGKILL)
        await eventually(lambda: any(one.happened is Happening.RESTARTED for one in reports), "the restart")
        after = {one.name: one.pid for one in read_state(tmp_path).processes}
        assert after["one"] != before["one"]
        assert after["two"] == before["two"]
        assert lives(after["one"])


async def test_one_can_be_restarted_and_the_state_follows(tmp_path: Path, plans: list[Plan]) -> None:
    async with LocalPlatform(Options(tmp_path, port=0)) as platform:
        before = platform.pids()
        await platform.restart("one")
        after = platform.pids()
        assert after["one"] != before["one"]
        assert {one.name: one.pid for one in read_state(tmp_path).processes} == after


async def test_a_rolling_restart_goes_through_the_services(
    tmp_path: Path, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_platform, "_BETWEEN_RESTARTS_S", 0.0)
    async with LocalPlatform(Options(tmp_path, port=0)) as platform:
        before = platform.pids()
        assert [name async for name, _ in platform.rolling()] == ["one", "two"]
        assert not set(platform.pids().values()) & set(before.values())


async def test_a_rolling_restart_of_what_is_not_there_touches_nothing(
    tmp_path: Path, plans: list[Plan]
) -> None:
    async with LocalPlatform(Options(tmp_path, port=0)) as platform:
        before = platform.pids()
        with pytest.raises(BadOption, match="there is no process 'three'"):
            [name async for name, _ in platform.rolling(["one", "three"])]
        assert platform.pids() == before


async def test_a_service_stands_for_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_platform, "_BETWEEN_RESTARTS_S", 0.0)
    small_processes(monkeypatch, names=("stt-1", "stt-2", "tts"))
    async with LocalPlatform(Options(tmp_path, port=0)) as platform:
        assert [name async for name, _ in platform.rolling(["stt", "stt-1"])] == ["stt-1", "stt-2"]


async def test_gateways_take_successive_ports(tmp_path: Path, plans: list[Plan]) -> None:
    run = free_run(2)
    async with LocalPlatform(Options(tmp_path, port=run[0], workers={"gateway": 2})) as platform:
        assert plans[0].ports.gateways == run
        assert platform.state.media_urls == tuple(f"ws://127.0.0.1:{port}/media/twilio" for port in run)
        assert platform.state.media_url == platform.state.media_urls[0]
        assert len(plans[0].ports.health) == len(plans[0].seats)


async def test_several_of_what_is_no_service_are_refused(tmp_path: Path, plans: list[Plan]) -> None:
    with pytest.raises(BadOption, match="--workers names 'ftp'"):
        await LocalPlatform(Options(tmp_path, port=0, workers={"ftp": 2})).__aenter__()
    assert plans == []


async def test_two_cannot_share_a_home(tmp_path: Path, plans: list[Plan]) -> None:
    async with LocalPlatform(Options(tmp_path, port=0)):
        with pytest.raises(AlreadyRunning, match=r"a platform runs in .* already"):
            async with LocalPlatform(Options(tmp_path, port=0)):
                pytest.fail("two platforms in one home")
        assert len(read_state(tmp_path).processes) == 2


async def test_when_one_will_not_start_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_processes(monkeypatch, two="broken")
    with pytest.raises(StartFailed, match="two did not start: the model is missing"):
        await LocalPlatform(Options(tmp_path, port=0)).__aenter__()
    with pytest.raises(NotRunning):
        read_state(tmp_path)
    with claimed(tmp_path):
        assert last_state(tmp_path) is None


async def test_a_port_in_use_is_named_with_its_flag(tmp_path: Path, plans: list[Plan]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BadOption, match=rf"port {port} .* is in use \(choose another with --port"):
            await LocalPlatform(Options(tmp_path, port=port)).__aenter__()
        with pytest.raises(BadOption, match=rf"port {port} .* is in use \(choose another with --nats-port"):
            await LocalPlatform(Options(tmp_path, port=0, nats_port=port)).__aenter__()
    assert plans == []


async def test_a_voice_that_there_is_not_is_named(tmp_path: Path, plans: list[Plan]) -> None:
    with pytest.raises(BadOption, match=r"no voice 'hal' \(use --voice piper or --voice kokoro\)"):
        await LocalPlatform(Options(tmp_path, port=0, voice="hal")).__aenter__()


async def test_another_voice_is_in_the_tenants_that_are_routed(tmp_path: Path, plans: list[Plan]) -> None:
    async with LocalPlatform(Options(tmp_path, port=0, voice="kokoro")):
        assert plans[0].tenants == tmp_path / "tenants-kokoro.yaml"
        assert plans[0].voice == "kokoro"


async def test_tenants_that_cannot_be_read_are_refused_before_anything_starts(
    tmp_path: Path, plans: list[Plan]
) -> None:
    with pytest.raises(BadOption, match=r"no tenants file .*nowhere.yaml \(name one with --tenants\)"):
        await LocalPlatform(Options(tmp_path, tenants=tmp_path / "nowhere.yaml", port=0)).__aenter__()
    (tmp_path / "bad.yaml").write_text("tenants: [")
    with pytest.raises(DirectoryUnreadable, match=r"bad.yaml"):
        await LocalPlatform(Options(tmp_path, tenants=tmp_path / "bad.yaml", port=0)).__aenter__()
    assert plans == []


async def test_a_number_that_cannot_be_called_is_said(tmp_path: Path, plans: list[Plan]) -> None:
    tenants = tmp_path / "tenants.yaml"
    tenants.write_text(TENANTS.read_text().replace("assistant: metronome", "assistant: ghost"))
    async with LocalPlatform(Options(tmp_path, tenants=tenants, port=0)) as platform:
        (fault,) = platform.faults
        assert fault.startswith("+15550199: tenant load-lab has no assistant 'ghost'")


async def test_the_users_own_language_model_is_not_replaced(
    tmp_path: Path, plans: list[Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_LLM_OPENAI_BASE_URL", "http://vllm:8000/v1")
    async with LocalPlatform(Options(tmp_path, port=0)):
        assert not plans[0].local_llm


async def test_what_a_killed_platform_left_running_is_waited_for(tmp_path: Path, plans: list[Plan]) -> None:
    sleep = ("-IS", "-c", "import time; time.sleep(0.6)")
    orphan = await asyncio.create_subprocess_exec(sys.executable, *sleep)
    left = RunningPlatform(
        version="0",
        pid=1,
        started_us=1,
        nats_url="nats://x",
        media_url="ws://x",
        tenants=TENANTS,
        processes=(RunningProcess(name="nats", pid=orphan.pid, health_port=None),),
    )
    write_state(tmp_path, left)
    async with LocalPlatform(Options(tmp_path, port=0)):
        assert orphan.returncode == 0
        assert read_state(tmp_path) != left
