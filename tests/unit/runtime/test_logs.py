"""Log lines for people and for collectors."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Literal

import pytest

from runtime import logs


class Written:
    """Standard error, and the root logger as it was before."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @contextmanager
    def by(self, style: Literal["text", "json"], level: str = "info") -> Iterator[None]:
        """Configure logging within the block; pytest's own handlers come back after it."""
        root = logging.getLogger()
        handlers, old_level = list(root.handlers), root.level
        root.handlers[:] = []
        try:
            with redirect_stderr(self.stream):
                logs.configure("stt-1", level, style)
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(old_level)


@pytest.fixture
def written() -> Written:
    return Written()


def test_text_names_the_process_and_the_logger(written: Written) -> None:
    with written.by("text"):
        logging.getLogger("probe").info("call %s taken", "abc")
        logging.getLogger("probe").debug("not said")
    (line,) = written.stream.getvalue().splitlines()
    assert line.endswith(" I stt-1 probe: call abc taken")


def test_json_is_one_object_a_line_with_the_error_in_it(written: Written) -> None:
    with written.by("json", "warning"):
        try:
            raise RuntimeError("two\nlines")
        except RuntimeError:
            logging.getLogger("probe").exception("it %s", "failed")
        logging.getLogger("probe").info("not said")
    (line,) = written.stream.getvalue().splitlines()
    said = json.loads(line)
    assert {key: said[key] for key in ("level", "process", "logger", "message")} == {
        "level": "error",
        "process": "stt-1",
        "logger": "probe",
        "message": "it failed",
    }
    assert "RuntimeError: two" in said["error"]
    assert said["time"][10] == "T"


@pytest.mark.parametrize("style", ["text", "json"])
def test_chatty_libraries_are_kept_down(written: Written, style: Literal["text", "json"]) -> None:
    with written.by(style, "debug"):
        logging.getLogger("httpx").info("GET /")
        logging.getLogger("nats").warning("slow")
    assert written.stream.getvalue().count("\n") == 1
