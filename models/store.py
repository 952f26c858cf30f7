"""The path of a model on this machine: in an installed package, joined from parts, or fetched by hub id.

A model whose package holds it whole is used where it lies. One that comes in parts, from several packages or
in a tarball is put together under `home`, once. Every file is hashed before its first use; `home` remembers
that with its size and time, so that later starts only look at those.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from models.errors import HubUnavailable, ModelError, ModelHomeUnusable, ModelMissing
from models.hub import HubClient
from models.manifest import Manifest, Model, ModelFile, Registry, load_manifest
from models.packages import UNREADABLE, PackageReader

_HUB_ID: Final = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One line of `trunkline doctor`: where the model lies, or why it cannot be used and the mend."""

    model: Model
    path: Path | None
    error: ModelError | None


class ModelStore:
    """Models by name, for one machine; any number of processes may share a `home`.

    Everything blocks, the first time for seconds (it hashes and copies): call it at start or in a thread.
    """

    def __init__(self, home: Path, hub: HubClient | None = None, manifest: Manifest | None = None) -> None:
        self._home = home
        self._hub = hub
        self._manifest = load_manifest() if manifest is None else manifest

    def path(self, name: str) -> Path:
        """What an engine opens for `name`: a model of the manifest, a path, or a hub id org/name[@revision].

        Raises ModelMissing, ModelCorrupt, ModelHomeUnusable or HubUnavailable, each with its mend.
        """
        model = self._manifest.get(name)
        return self._elsewhere(name) if model is None else self._installed(model)

    def report(self) -> list[ModelStatus]:
        """Every model of the manifest, checked; joins what can be joined."""
        return [self._status(model) for model in self._manifest.values()]

    def _status(self, model: Model) -> ModelStatus:
        try:
            return ModelStatus(model, self._installed(model), None)
        except ModelError as error:
            return ModelStatus(model, None, error)

    def _elsewhere(self, name: str) -> Path:
        path = Path(name).expanduser()
        if ("/" in name or name.startswith("~")) and path.exists():
            return path
        asked = _HUB_ID.fullmatch(name)
        if asked is None or name.startswith((".", "~")):
            known = ", ".join(self._manifest)
            raise ModelMissing(
                f"there is no model, file or folder {name!r}",
                mend=f"use one of {known}; a path such as ./folder; or a hub id such as org/name",
            )
        if self._hub is None:
            raise HubUnavailable(
                f"{name} is a hub id and this process may not ask the hub",
                mend="allow hub access in its settings, or give the path of a folder that holds the model",
            )
        return self._hub.snapshot(asked["repo"], asked["revision"])

    def _installed(self, model: Model) -> Path:
        with ExitStack() as closing:
            reader = PackageReader(model, self._home, closing)
            in_place = _is_whole(model)
            folder = reader.locate(model.files[0].parts[0]).parent if in_place else self._home / model.name
            record = self._home / ".verified" / f"{model.name}.json"
            if not _remembered(record, model, folder):
                with self._writing(model):
                    if not _remembered(record, model, folder):  # another process may have been first
                        _prepare(model, folder, reader, in_place=in_place)
                        _remember(record, model, folder)
        return folder if model.entry == "." else folder / model.entry

    @contextmanager
    def _writing(self, model: Model) -> Iterator[None]:
        """Hold the model's lock against other processes and threads; OSError becomes ModelHomeUnusable."""
        try:
            lock = self._home / ".verified" / f"{model.name}.lock"
            lock.parent.mkdir(parents=True, exist_ok=True)
            with lock.open("w") as held:
                fcntl.flock(held, fcntl.LOCK_EX)  # freed when the file closes, also when the process dies
                yield
        except OSError as error:
            raise ModelHomeUnusable(
                f"model {model.name} cannot be prepared in {self._home}: {error}",
                mend="make that folder writable, with room for the model, or set another",
            ) from error


def _is_whole(model: Model) -> bool:
    """Whether one folder of one pip package holds every file as it is."""
    parts = [part for file in model.files for part in file.parts]
    return (
        len(parts) == len(model.files)
        and len({(part.package, part.path.parent) for part in parts}) == 1
        and parts[0].package.registry is Registry.PIP
        and [part.path.name for part in parts] == [file.name for file in model.files]
    )


def _facts(model: Model, folder: Path) -> dict[str, list[str | int]]:
    """Of each file, its promised hash and the size and time that it has."""
    facts: dict[str, list[str | int]] = {}
    for file in model.files:
        stat = (folder / file.name).stat()
        facts[str(folder / file.name)] = [file.sha256, stat.st_size, stat.st_mtime_ns]
    return facts


def _remembered(record: Path, model: Model, folder: Path) -> bool:
    try:
        return bool(json.loads(record.read_text(encoding="utf-8")) == _facts(model, folder))
    except (OSError, ValueError):
        return False


def _remember(record: Path, model: Model, folder: Path) -> None:
    with _replacing(record) as out:
        out.write(json.dumps(_facts(model, folder)).encode())


def _is_right(file: ModelFile, path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256


def _prepare(model: Model, folder: Path, reader: PackageReader, *, in_place: bool) -> None:
    """Make sure that every file is right: by looking, and by joining its parts where it may be written."""
    for file in model.files:
        if _is_right(file, folder / file.name):
            continue
        if in_place:
            raise reader.corrupt(f"{folder / file.name} is not the file that the manifest names")
        _join(file, folder / file.name, reader)


def _join(file: ModelFile, path: Path, reader: PackageReader) -> None:
    """Write the parts one after the other; `path` appears whole and right, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(f".{path.name}.*"):  # of a process that died in here
        left_over.unlink()
    with _replacing(path) as out:
        for part in file.parts:
            with reader.open(part) as content:
                try:
                    shutil.copyfileobj(content, out, 1 << 20)
                except UNREADABLE as error:
                    raise reader.corrupt(f"{part.path} in {part.package.name} breaks off: {error}") from error
        out.flush()
        if not _is_right(file, Path(out.name)):
            raise reader.corrupt(f"the parts of {file.name} do not join to the file that the manifest names")


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside `path` that takes its place at the end, or goes when the block raises."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
        try:
            yield out
            out.flush()
            os.fsync(out.fileno())
            os.fchmod(out.fileno(), 0o644)  # a service may run as another user than the one who joined
            Path(out.name).replace(path)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise
