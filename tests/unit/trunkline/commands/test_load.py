"""`trunkline load` and `trunkline report` against a small gateway of another library."""

from __future__ import annotations

from pathlib import Path

from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.commands.test_call import gateway
from tests.unit.trunkline.load.gateways import answering
from trunkline.load.report import read_report

SHORT = ("--pattern", "noise:0.2,silence:0.3", "--talk", "1", "--over", "0.1", "--at-once")


def test_a_run_leaves_a_report_and_a_page_and_can_be_compared(cli: Cli, tmp_path: Path) -> None:
    with gateway(answering) as url:
        status, out, err = cli("load", "--calls", 3, "--url", url, *SHORT, "--require", "answered>=1")
    assert (status, err) == (0, "")
    assert "ok   answered>=1: found 1" in out
    report = read_report(tmp_path / "out" / "load.json")
    assert len(report.calls) == 3
    assert report.expected == 6
    assert "<svg" in (tmp_path / "out" / "load.html").read_text()

    status, out, _ = cli("report", "out/load.json")
    assert (status, "answered" in out) == (0, True)
    status, out, _ = cli("report", "out/load.json", "out/load.json", "--html", "both.html")
    assert (status, "+0.0 %" in out) == (0, True)
    assert "Two runs" in (tmp_path / "both.html").read_text()
    assert cli("report", "out/load.json", "--require", "p50<=0")[0] == 1


def test_several_gateways_are_taken_in_turn(cli: Cli, tmp_path: Path) -> None:
    with gateway(answering) as one, gateway(answering) as two:
        status, _, err = cli("load", "--calls", 2, "--url", one, "--url", two, *SHORT)
    assert (status, err) == (0, "")
    report = read_report(tmp_path / "out" / "load.json")
    assert report.plan["url"] == f"{one} {two}"
    assert report.broken == {}


def test_a_run_that_misses_a_threshold_fails(cli: Cli) -> None:
    with gateway(answering) as url:
        status, out, _ = cli("load", "--calls", 1, "--url", url, *SHORT, "--require", "p50<=0")
    assert status == 1
    assert "FAIL p50<=0" in out


def test_another_machine_is_not_loaded_by_mistake(cli: Cli) -> None:
    status, _, err = cli("load", "--url", "ws://10.0.0.1/media/twilio")
    assert status == 1
    assert "--allow-remote" in err


def test_without_a_platform_it_says_how_to_start_one(cli: Cli) -> None:
    status, _, err = cli("load")
    assert status == 1
    assert "trunkline up" in err


def test_a_threshold_that_is_none_is_found_before_the_first_call(cli: Cli) -> None:
    status, _, err = cli("load", "--require", "fast")
    assert status == 1
    assert "is no threshold" in err
