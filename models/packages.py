"""Find and read files inside installed packages without importing them: some would import torch."""

from __future__ import annotations

import gzip
import shlex
import tarfile
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import IO, Final

from models.errors import ModelCorrupt, ModelMissing
from models.manifest import Model, Package, Part, Registry

UNREADABLE: Final = (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error)


def npm_folder(home: Path) -> Path:
    """Where `npm pack` puts its tarballs; no node_modules is needed for data."""
    return home / "npm"


def install_command(packages: Iterable[Package], home: Path, *, again: bool = False) -> str:
    """The shell command that installs exactly these packages; `again` also replaces what is there."""
    chosen = list(packages)
    commands = []
    if pip := [
        f"{package.name}=={package.version}" for package in chosen if package.registry is Registry.PIP
    ]:
        commands.append(f"pip install --no-deps {'--force-reinstall ' if again else ''}{' '.join(pip)}")
    if npm := [f"{package.name}@{package.version}" for package in chosen if package.registry is Registry.NPM]:
        folder = shlex.quote(str(npm_folder(home)))
        commands.append(f"mkdir -p {folder} && npm pack {' '.join(npm)} --pack-destination {folder}")
    return " && ".join(commands)


class PackageReader:
    """The files of one model's packages; tarballs stay open until `closing` closes."""

    def __init__(self, model: Model, home: Path, closing: ExitStack) -> None:
        self._model = model
        self._home = home
        self._closing = closing
        self._tarballs: dict[Package, tarfile.TarFile] = {}

    def locate(self, part: Part) -> Path:
        """The installed file of a pip package; raises ModelMissing or ModelCorrupt."""
        try:
            distribution = metadata.distribution(part.package.name)
        except metadata.PackageNotFoundError:
            raise self._missing(part.package) from None
        path = Path(str(distribution.locate_file(part.path)))
        if not path.is_file():
            raise self.corrupt(
                f"{part.package.name} {distribution.version} is installed and has no {part.path}"
            )
        return path

    def open(self, part: Part) -> IO[bytes]:
        """The bytes of a part; raises ModelMissing or ModelCorrupt."""
        if part.package.registry is Registry.PIP:
            return self.locate(part).open("rb")
        try:
            member = self._tarball(part.package).extractfile(str(part.path))
        except (KeyError, OSError, *UNREADABLE) as error:
            raise self.corrupt(f"the tarball of {part.package.name} cannot be read: {error}") from error
        if member is None:
            raise self.corrupt(f"{part.path} of {part.package.name} is not a file")
        return member

    def corrupt(self, what: str) -> ModelCorrupt:
        """The error for a model whose bytes are wrong, with the command that replaces them."""
        command = install_command(self._model.packages, self._home, again=True)
        return ModelCorrupt(f"model {self._model.name}: {what}", mend=f"install it again: {command}")

    def _tarball(self, package: Package) -> tarfile.TarFile:
        if package not in self._tarballs:
            path = npm_folder(self._home) / f"{package.name}-{package.version}.tgz"
            if not path.is_file():
                raise self._missing(package)
            self._tarballs[package] = self._closing.enter_context(tarfile.open(path))  # noqa: SIM115  # it does
        return self._tarballs[package]

    def _missing(self, package: Package) -> ModelMissing:
        model = self._model
        hub = (
            f", or name the hub id {model.hub} or a path instead" if model.hub else ", or name a path instead"
        )
        return ModelMissing(
            f"model {model.name} needs the {package.registry} package {package.name} {package.version}, "
            "which is not installed",
            mend=install_command(model.packages, self._home) + hub,
        )
