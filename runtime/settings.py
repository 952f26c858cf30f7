"""Settings: read once from the environment (prefix `TRUNKLINE_`), checked, then passed down.

Each service extends `ProcessSettings` with fields that start with its own name, so that one environment
can configure every process of a machine.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from contracts.identities import ProcessId
from runtime.errors import SettingsError

PREFIX = "TRUNKLINE_"
SettingsT = TypeVar("SettingsT", bound="ProcessSettings")


class ProcessSettings(BaseSettings):
    """What every process needs to know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    nats_url: str = "nats://127.0.0.1:4222"  # several servers of a cluster: separated by commas
    nats_user: str = ""
    nats_password: str = ""
    # Copies of what JetStream keeps, each on another server of a cluster.
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    nats_connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    home: Path = Path(".trunkline")
    process: ProcessId | None = None
    health_host: str = "127.0.0.1"
    health_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str = ""
    heartbeat_s: Annotated[float, Field(gt=0)] = 0.3
    drain_timeout_s: Annotated[float, Field(ge=0)] = 30.0
    exit_with_parent: bool = False


def load(kind: type[SettingsT]) -> SettingsT:
    """Build the settings of a process; raises SettingsError that names the variable and the fault."""
    try:
        return kind()
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        variable = _variable(str(fault["loc"][0]) if fault["loc"] else "")
        within = "".join(f", at {part}" for part in fault["loc"][1:])
        raise SettingsError(
            f"{variable}={fault['input']!r}{within}: {fault['msg']}", mend=f"correct {variable}"
        ) from error
    except UnreadableSetting as error:  # a list or a table that is not JSON
        named = re.search(r'"(\w+)"', str(error))
        variable = _variable(named[1] if named else "")
        raise SettingsError(f"{variable}: not the JSON it must be", mend=f"correct {variable}") from error


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper() or '*'}"
