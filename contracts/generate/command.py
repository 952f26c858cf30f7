"""The command: write what is stale, or with `--check` name it and fail; with `--release X.Y.Z` freeze it."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from contracts.compat import breaking_changes
from contracts.errors import ContractError
from contracts.generate.asyncapi import asyncapi_yaml
from contracts.generate.diagram import with_diagram
from contracts.generate.page import channels_page
from contracts.generate.rights import permissions_page
from contracts.releases import FOLDER, Release, read_releases

_README = "README.md"


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 when all is written or up to date, 1 when something is stale or was refused."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail naming each stale file")
    parser.add_argument("--release", metavar="X.Y.Z", help="write the snapshot of a release")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the repository (default: here)")
    options = parser.parse_args(arguments)
    try:
        if options.release:
            return _release(options.root, options.release)
        return _check(options.root) if options.check else _write(options.root)
    except ContractError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def artifacts(root: Path) -> Iterator[tuple[str, str]]:
    """Path below the repository and text of each generated file; the README only where there is one."""
    version = _version(root)
    yield "docs/channels.md", channels_page()
    yield "docs/permissions.md", permissions_page()
    yield "docs/asyncapi.yaml", asyncapi_yaml(version)
    readme = root / _README
    if readme.exists():
        yield _README, with_diagram(readme.read_text(encoding="utf-8"))


def _check(root: Path) -> int:
    stale = [name for name, text in artifacts(root) if _current(root / name) != text]
    if not (root / _README).exists():
        stale.append(_README)
    for name in stale:
        sys.stderr.write(f"{name} is stale or missing (run python -m contracts.generate)\n")
    return 1 if stale else 0


def _write(root: Path) -> int:
    for name, text in artifacts(root):
        path = root / name
        if _current(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name} written\n")
    if not (root / _README).exists():
        sys.stdout.write(f"{_README} is not there: its diagram was not written\n")
    return 0


def _release(root: Path, version: str) -> int:
    release = Release.of(version)
    folder = root / FOLDER
    path = folder / f"{version}.json"
    if path.exists():
        raise ContractError(
            f"{FOLDER / path.name} is released", mend="a release never changes; choose the next"
        )
    broken = [f"{old.version}: {change}" for old in read_releases(folder) for change in breaking_changes(old)]
    if broken:
        raise ContractError("this breaks " + "; ".join(broken), mend="add beside what is there")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(release.to_json(), encoding="utf-8")
    sys.stdout.write(f"{FOLDER / path.name} written\n")
    return 0


def _version(root: Path) -> str:
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContractError(f"{root} is not the repository", mend="run it there, or give --root") from None
    return str(project["project"]["version"])


def _current(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
