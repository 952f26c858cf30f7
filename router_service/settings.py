"""What an operator can set about routing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from runtime.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the router service."""

    router_tenants_file: Path = Path("examples/tenants.yaml")
    router_reload_s: Annotated[float, Field(gt=0)] = 1.0
