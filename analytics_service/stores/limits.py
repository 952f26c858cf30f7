"""What one question, and one batch of rows, may cost the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WRITES: Final = {"max_threads": 1, "max_insert_threads": 1}
"""Some hundred rows at a time: to hand them from thread to thread costs more than to write them."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Seconds, bytes of memory and threads of one statement."""

    timeout_s: int
    memory_bytes: int
    threads: int

    @property
    def settings(self) -> dict[str, int]:
        """As ClickHouse's own settings."""
        return {
            "max_execution_time": self.timeout_s,
            "max_memory_usage": self.memory_bytes,
            "max_threads": self.threads,
        }
