"""What an operator can set about admission and the watch over calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runtime.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the session service."""

    session_max_calls: Annotated[int, Field(ge=0, description="0: what the workers can take")] = 0
    session_ghost_after_s: Annotated[float, Field(gt=0)] = 12.0
    session_lost_after_s: Annotated[float, Field(gt=0)] = 4.0
    session_assign_timeout_s: Annotated[float, Field(gt=0)] = 2.0
    session_assign_tries: Annotated[int, Field(ge=1)] = 2
