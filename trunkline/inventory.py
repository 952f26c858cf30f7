"""What is installed and what is missing for the embedded platform: packages by extra, programs, models."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from models.manifest import Model, load_manifest
from models.packages import install_command
from models.store import ModelStatus, ModelStore
from trunkline.composition import models_home
from trunkline.errors import ProgramMissing
from trunkline.nats_server import find_nats_server

EMBEDDED_EXTRAS: Final = ("stt", "llm", "tts-piper", "analytics", "chdb")
OPTIONAL_EXTRAS: Final = ("tts-kokoro",)
_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)(\[[^\]]*\])?[^;]*(;(?P<marker>.*))?")
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"](?P<extra>[\w.-]+)['\"]")
_VERSION_LIMIT: Final = re.compile(r"python_version\s*<\s*['\"](?P<major>\d+)\.(?P<minor>\d+)['\"]")
_SYSTEM: Final = re.compile(r"sys_platform\s*!=\s*['\"](?P<system>\w+)['\"]")


@dataclass(frozen=True, slots=True)
class Extra:
    """One extra of ours, or with no name what every process needs: its packages and their versions."""

    name: str
    packages: dict[str, str | None]

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [name for name, found in self.packages.items() if found is None]


def packages_by_extra(distribution: str = "trunkline") -> list[Extra]:
    """What our own metadata asks for on this machine; the first entry is what every process needs."""
    found: dict[str, dict[str, str | None]] = {name: {} for name in ("", *EMBEDDED_EXTRAS, *OPTIONAL_EXTRAS)}
    for line in metadata.requires(distribution) or []:
        requirement = _REQUIREMENT.fullmatch(line)
        marker = (requirement and requirement["marker"]) or ""
        extra = _EXTRA.search(marker)
        name = extra["extra"] if extra else ""
        if requirement and name in found and _applies(marker):
            found[name][requirement["name"]] = _installed_version(requirement["name"])
    return [Extra(name, packages) for name, packages in found.items()]


def nats_server_path() -> Path | None:
    """The nats-server that would be started."""
    try:
        return find_nats_server()
    except ProgramMissing:
        return None


def model_report(home: Path) -> list[ModelStatus]:
    """Every model of the manifest, checked; joins what can be joined, so it may take seconds."""
    return ModelStore(models_home(home)).report()


def default_models() -> list[Model]:
    """The models of the embedded platform."""
    return [model for model in load_manifest().values() if model.default]


def how_to_get(model: Model, home: Path) -> str:
    """The command that installs a model's packages."""
    return install_command(model.packages, models_home(home))


def installed_versions() -> dict[str, str]:
    """The version of every package of ours that is installed, trunkline itself among them."""
    found = {name: version for extra in packages_by_extra() for name, version in extra.packages.items()}
    return {"trunkline": metadata.version("trunkline"), **{name: one for name, one in found.items() if one}}


def _applies(marker: str) -> bool:
    limit, system = _VERSION_LIMIT.search(marker), _SYSTEM.search(marker)
    if limit and sys.version_info[:2] >= (int(limit["major"]), int(limit["minor"])):
        return False
    return not (system and system["system"] == sys.platform)


def _installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
