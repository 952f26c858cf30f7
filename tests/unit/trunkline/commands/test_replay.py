"""What `trunkline replay` refuses before it places a call; what it does is in tests/flow/test_replay.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.recording.samples import answered, call_ref, ended, frame, started, write

ONE, WITHHELD = call_ref(1), call_ref(2)
SILENT = [started(ONE), ended(ONE, 40), started(WITHHELD, 50, withheld=True), ended(WITHHELD, 60)]


def test_a_recording_without_a_call_to_replay_says_why(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, SILENT)
    status, _, err = cli("replay", path, "--against", "ws://x", "--nats", "nats://127.0.0.1:1")
    assert status == 1
    assert "1: no audio was recorded" in err
    assert "1: its tenant does not allow recording" in err


@pytest.mark.parametrize(("cut", "words"), [(20, "at offset 10: the file stops"), (None, "stops at offset")])
def test_a_recording_that_stops_is_named_with_the_offset(
    cli: Cli, tmp_path: Path, cut: int | None, words: str
) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, [started(ONE), frame(ONE, 1, 10)], finish=False)
    path.write_bytes(path.read_bytes()[:cut])
    status, _, err = cli("replay", path)
    assert status == 1
    assert str(path) in err
    assert words in err


def test_what_is_whole_of_a_call_that_did_not_end_is_not_replayed(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, [started(ONE), frame(ONE, 1, 10)], finish=False)
    status, _, err = cli("replay", path, "--recover")
    assert (status, "the recording stops before its end" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--onto-bus", "--against", "ws://127.0.0.1:1/x"), "ws://127.0.0.1:1/x is no bus"),
        (("--against", "nats://ann:secret@127.0.0.1:1"), "nats://127.0.0.1:1 is a bus"),
        (("--onto-bus",), "no platform runs"),
    ],
)
def test_a_gateway_is_called_and_a_bus_is_spoken_on(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, [answered(ONE), frame(ONE, 1, 10), ended(ONE, 40)])
    status, _, err = cli("replay", path, *arguments)
    assert status == 1
    assert words in err
    assert "secret" not in err
