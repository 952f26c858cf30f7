"""Real processes, small ones."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from trunkline.errors import BadOption, StartFailed
from trunkline.ports import free_ports
from trunkline.readiness import HttpOk
from trunkline.supervisor import Happening, Patience, ProcessSpec, Report, Supervisor

TINY = Path(__file__).with_name("tiny_server.py")
QUICK = Patience(start_s=10, backoff_s=0.01, finish_s=5, drain_s=5, stop_s=5)


def spec(
    name: str, mode: str = "good", *, needs: tuple[str, ...] = (), before: tuple[str, ...] = ()
) -> ProcessSpec:
    (port,) = free_ports(1)
    argv = (sys.executable, "-IS", str(TINY), str(port), mode)
    return ProcessSpec(name, argv, HttpOk(port), {"HOME": "/"}, needs=needs, stops_before=before)


class Reports(list[Report]):
    def of(self, happened: Happening) -> list[str]:
        return [report.name for report in self if report.happened is happened]


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def supervise(tmp_path: Path, reports: Reports) -> Callable[..., Supervisor]:
    def make(*specs: ProcessSpec, patience: Patience = QUICK) -> Supervisor:
        return Supervisor(specs, tmp_path, report=reports.append, patience=patience)

    return make


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def state_of(pid: int) -> str:
    """The state of a process that is not our child, `Z` for one that nobody has reaped."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return "gone"
    said = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return said.stdout.strip()[:1] or "gone"


async def test_all_are_ready_when_it_has_started_and_gone_when_it_has_stopped(
    supervise: Callable[..., Supervisor], reports: Reports
) -> None:
    async with supervise(spec("one"), spec("two")) as supervisor:
        pids = supervisor.pids
        assert set(pids) == {"one", "two"}
        assert sorted(reports.of(Happening.READY)) == ["one", "two"]
        assert all(report.ms > 0 for report in reports)
    assert not any(lives(pid) for pid in pids.values())
    assert supervisor.pids == {}


async def test_who_gives_way_is_nicer_than_the_others(supervise: Callable[..., Supervisor]) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    async with supervise(spec("one"), replace(spec("two"), niceness=3)) as supervisor:
        nice = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in supervisor.pids.items()}
    assert nice == {"one": usual, "two": min(usual + 3, 19)}


async def test_what_is_needed_is_up_first(supervise: Callable[..., Supervisor], reports: Reports) -> None:
    async with supervise(spec("gateway", needs=("worker",)), spec("worker", needs=("bus",)), spec("bus")):
        assert reports.of(Happening.READY) == ["bus", "worker", "gateway"]


async def test_stopping_goes_gateway_worker_bus(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(
        spec("gateway", needs=("bus",), before=("worker",)), spec("worker", needs=("bus",)), spec("bus")
    )
    seen: list[set[str]] = []
    async with supervisor:
        stopping = asyncio.ensure_future(supervisor.stop())
        while not stopping.done():
            running = set(supervisor.pids)
            if not seen or seen[-1] != running:
                seen.append(running)
            await asyncio.sleep(0)
    assert seen[:3] == [{"gateway", "worker", "bus"}, {"worker", "bus"}, {"bus"}]


async def test_one_that_dies_is_started_again_and_the_others_are_left_alone(
    supervise: Callable[..., Supervisor], reports: Reports
) -> None:
    async with supervise(spec("one"), spec("two")) as supervisor:
        before = supervisor.pids
        os.kill(before["one"], signal.SIGKILL)
        await eventually(lambda: reports.of(Happening.RESTARTED), "the restart")
        after = supervisor.pids
        assert after["one"] != before["one"]
        assert after["two"] == before["two"]
    (death,) = (report for report in reports if report.happened is Happening.DIED)
    assert death.name == "one"
    assert "killed by SIGKILL" in death.detail


async def test_one_that_will_not_start_takes_all_down_and_its_own_words_are_the_error(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor = supervise(spec("good"), spec("bad", "broken"))
    with pytest.raises(StartFailed) as failure:
        await supervisor.start()
    assert str(failure.value) == (
        f"bad did not start: the model is missing (install it) (its log: {tmp_path / 'bad.log'})"
    )
    assert supervisor.pids == {}


async def test_the_words_of_an_earlier_start_are_not_taken_for_this_one(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    (tmp_path / "mute.log").write_text("error: yesterday's fault\n")
    with pytest.raises(StartFailed, match=r"not ready within 0.3 s") as failure:
        await supervise(spec("mute", "mute"), patience=Patience(start_s=0.3, stop_s=5)).start()
    assert "yesterday" not in str(failure.value)
    assert "mute on" in str(failure.value)


async def test_a_program_that_is_not_there_is_named(supervise: Callable[..., Supervisor]) -> None:
    missing = ProcessSpec("ghost", ("/nowhere/ghost",), HttpOk(1), {})
    with pytest.raises(StartFailed, match=r"ghost cannot be run.*nowhere"):
        await supervise(missing).start()


async def test_one_that_ignores_the_request_to_end_is_killed(
    supervise: Callable[..., Supervisor], reports: Reports
) -> None:
    async with supervise(spec("mule", "stubborn"), patience=Patience(finish_s=0.1, stop_s=0.1)) as supervisor:
        pid = supervisor.pids["mule"]
    assert not lives(pid)
    assert reports.of(Happening.KILLED) == ["mule"]


async def test_one_that_drains_is_told_once_more_when_the_time_is_up(
    supervise: Callable[..., Supervisor], reports: Reports, tmp_path: Path
) -> None:
    async with supervise(spec("slow", "second"), patience=Patience(finish_s=0.1, stop_s=30)):
        pass
    assert reports.of(Happening.KILLED) == []
    assert "asked twice" in (tmp_path / "slow.log").read_text()


async def test_a_restart_waits_until_it_is_ready_and_is_no_death(
    supervise: Callable[..., Supervisor], reports: Reports
) -> None:
    async with supervise(spec("one"), spec("two")) as supervisor:
        before = supervisor.pids
        assert await supervisor.restart("one") > 0
        after = supervisor.pids
        assert after["one"] != before["one"]
        assert after["two"] == before["two"]
        assert reports[-2:] == [Report("one", Happening.LEAVING), reports[-1]]
        assert reports.of(Happening.RESTARTED) == ["one"]
        os.kill(after["one"], signal.SIGKILL)
        await eventually(lambda: len(reports.of(Happening.RESTARTED)) == 2, "that it is still looked after")
    assert reports.of(Happening.DIED) == ["one"]


async def test_no_two_are_restarted_at_a_time(supervise: Callable[..., Supervisor], reports: Reports) -> None:
    async with supervise(spec("one"), spec("two")) as supervisor:
        await asyncio.gather(supervisor.restart("one"), supervisor.restart("two"))
    happened = [report.happened for report in reports[-4:]]
    assert happened == [Happening.LEAVING, Happening.RESTARTED] * 2


async def test_one_that_drains_has_longer_in_a_restart(
    supervise: Callable[..., Supervisor], reports: Reports, tmp_path: Path
) -> None:
    patience = Patience(finish_s=0.01, drain_s=30, stop_s=30)
    async with supervise(spec("slow", "slow"), patience=patience) as supervisor:
        await supervisor.restart("slow")
        assert "asked twice" not in (tmp_path / "slow.log").read_text()
    assert reports.of(Happening.KILLED) == []


async def test_one_that_does_not_come_back_is_an_error_and_is_tried_again(
    supervise: Callable[..., Supervisor], reports: Reports, tmp_path: Path
) -> None:
    flag = tmp_path / "broken"
    one = spec("one", f"unless:{flag}")
    async with supervise(one) as supervisor:
        flag.touch()
        with pytest.raises(StartFailed, match="one did not start: the model is missing"):
            await supervisor.restart("one")
        flag.unlink()
        await eventually(lambda: reports.of(Happening.RESTARTED), "that it is tried again")
        assert "one" in supervisor.pids


async def test_what_is_not_there_cannot_be_restarted(supervise: Callable[..., Supervisor]) -> None:
    async with supervise(spec("one"), spec("two")) as supervisor:
        with pytest.raises(BadOption, match=r"no process 'three' \(use any of one two\)"):
            await supervisor.restart("three")


async def test_nothing_is_started_anew_once_all_stops(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(spec("one"))
    async with supervisor:
        pass
    with pytest.raises(StartFailed, match="everything stops"):
        await supervisor.restart("one")
    assert supervisor.pids == {}


async def test_in_a_hurry_nobody_is_waited_for(supervise: Callable[..., Supervisor]) -> None:
    async with supervise(spec("mule", "stubborn"), patience=Patience(finish_s=600, stop_s=600)) as supervisor:
        pid = supervisor.pids["mule"]
        supervisor.hurry()
    assert not lives(pid)


async def test_what_a_process_started_goes_with_it(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    async with supervise(spec("family", "parent")):
        grandchild = int((tmp_path / "family.log").read_text().split("child ")[1].split()[0])
        assert lives(grandchild)
    await eventually(lambda: state_of(grandchild) in ("gone", "Z"), "the end of what it started")


async def test_a_start_that_is_cancelled_leaves_nothing_behind(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(spec("good"), spec("mute", "mute"))

    async def enter() -> None:
        async with supervisor:
            pytest.fail("it never gets ready")

    starting = asyncio.ensure_future(enter())
    await eventually(lambda: len(supervisor.pids) == 2, "both processes")
    pids = supervisor.pids
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert not any(lives(pid) for pid in pids.values())


async def test_a_tethered_program_ends_when_asked(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    argv = (sys.executable, "-IS", str(TINY), str(port), "good")
    async with supervise(ProcessSpec("tied", argv, HttpOk(port), {}, tethered=True)) as supervisor:
        assert supervisor.pids
    assert not await HttpOk(port).passes()


def test_the_wait_before_a_restart_doubles_up_to_its_limit() -> None:
    patience = Patience(backoff_s=0.5, backoff_limit_s=3)
    assert [patience.before_restart_s(deaths) for deaths in (1, 2, 3, 4, 500)] == [0.5, 1, 2, 3, 3]
