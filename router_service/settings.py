"""What an operator can set about routing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from runtime.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the router service; README.md says what each is for."""

    router_database_url: SecretStr = SecretStr("")
    router_keyring: SecretStr = SecretStr("")
    router_keyring_file: Path | None = None
    router_tenants_file: Path = Path("examples/tenants.yaml")
    router_reload_s: Annotated[float, Field(gt=0)] = 1.0
    router_password_memory_kib: Annotated[int, Field(ge=8, le=1 << 20)] = 64 * 1024
    router_password_rounds: Annotated[int, Field(ge=1, le=100)] = 3
