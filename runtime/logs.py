"""Log lines: readable on a terminal, JSON for a collector."""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal

from typing_extensions import override


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    @override
    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON with time, level, process, logger, message and, if any, the error."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(process: str, level: str, style: Literal["text", "json"]) -> None:
    """Send every log line of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter(f"%(asctime)s %(levelname).1s {process} %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter(process) if style == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("faststream", "httpx", "httpcore", "openai", "nats"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
