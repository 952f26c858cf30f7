"""What one question may cost the store."""

from __future__ import annotations

from dataclasses import dataclass


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
