"""The command line as a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trunkline.command_line import Cli
from trunkline.cli import main


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs the command line in an empty folder; its exit status, output and errors."""
    for name in (
        "TRUNKLINE_HOME",
        "TRUNKLINE_NATS_URL",
        "TRUNKLINE_ROUTER_TENANTS_FILE",
        "TRUNKLINE_GATEWAY_PORT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["trunkline", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        code = end.value.code
        if isinstance(code, str):  # which the interpreter writes to standard error, with status 1
            return 1, captured.out, f"{captured.err}{code}\n"
        return code or 0, captured.out, captured.err

    return run
