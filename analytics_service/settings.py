"""Settings of analytics: which store, how events are gathered, what a question may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runtime.settings import ProcessSettings


class Settings(ProcessSettings):
    """`analytics_url` empty means an embedded store under `home`; see README.md for the forms it takes."""

    analytics_url: str = ""
    analytics_durable: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")] = "analytics"
    analytics_batch_events: Annotated[int, Field(ge=1, le=10_000)] = 1000
    analytics_batch_s: Annotated[float, Field(gt=0, le=60)] = 3.0
    analytics_ack_wait_s: Annotated[float, Field(ge=1)] = 15.0
    analytics_query_timeout_s: Annotated[int, Field(ge=1)] = 20
    analytics_query_memory_mb: Annotated[int, Field(ge=64)] = 1024
    analytics_query_threads: Annotated[int, Field(ge=1)] = 1

    @property
    def store_url(self) -> str:
        """The store to open: the one named, or chDB under `home`."""
        return self.analytics_url or f"chdb://{self.home / 'analytics'}"
