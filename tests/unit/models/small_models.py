"""Manifests, files and tarballs of a few bytes, shaped as the real ones are."""

import hashlib
import io
import tarfile
from pathlib import Path, PurePosixPath

from models.manifest import Model, ModelFile, ModelKind, Package, Part, Registry


def tarball(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def a_file(name: str, content: bytes, *parts: str, registry: Registry = Registry.PIP) -> ModelFile:
    """A file whose bytes are `content`; a part is "package:path"."""
    split = [part.split(":") for part in parts]
    return ModelFile(
        name,
        len(content),
        hashlib.sha256(content).hexdigest(),
        tuple(Part(Package(package, "1.0", registry), PurePosixPath(path)) for package, path in split),
    )


def a_model(name: str, *files: ModelFile, entry: str = ".", hub: str | None = None) -> dict[str, Model]:
    """A manifest of one model."""
    model = Model(name, ModelKind.STT, True, ("stt_service",), "MIT", "made here", entry, hub, files)
    return {name: model}
