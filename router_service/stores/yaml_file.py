"""A directory in a YAML file: for one machine, examples and tests."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from typing_extensions import override

from router_service.directory import Directory
from router_service.errors import DirectoryUnreadable


class _Loader(yaml.SafeLoader):
    """YAML as it is meant: a key that is there twice is an error, and not the second one only."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, built to its depth: so that PyYAML sees one that contains itself, and refuses it."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value!r} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=True)


class YamlFile:
    """Reads `tenants:` from a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def revision(self) -> object:
        """Size and time of the file's last change."""
        try:
            stat = self._path.stat()
        except OSError as error:
            raise self._unreadable(
                error.strerror or str(error), "set TRUNKLINE_ROUTER_TENANTS_FILE"
            ) from error
        return stat.st_mtime_ns, stat.st_size

    def read(self) -> Directory:
        """The directory in the file."""
        try:
            content = yaml.load(self._path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
            return Directory.model_validate(content)
        except OSError as error:
            raise self._unreadable(error.strerror or str(error), "let this user read it") from error
        except ValidationError as error:
            raise self._unreadable(_first_fault(error), "see examples/tenants.yaml") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise self._unreadable(f"not YAML: {error}", "correct it") from error

    def _unreadable(self, what: str, mend: str) -> DirectoryUnreadable:
        return DirectoryUnreadable(f"tenants file {self._path}: {what}", mend=mend)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    if where.endswith(".[key]"):
        return f'{where.removesuffix(".[key]")}: {fault["msg"]}; a phone number needs quotes: "+15550100"'
    return f"{where or 'all of it'}: {fault['msg']}"
