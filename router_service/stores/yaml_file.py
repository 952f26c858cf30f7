"""A directory in a YAML file: for one machine, examples and tests."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from router_service.directory import Directory
from router_service.errors import DirectoryUnreadable


class YamlFile:
    """Reads `tenants:` from a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def revision(self) -> object:
        """Size and time of the file's last change."""
        try:
            stat = self._path.stat()
        except OSError as error:
            raise DirectoryUnreadable(
                f"tenants file {self._path}: {error.strerror}", mend="set TRUNKLINE_ROUTER_TENANTS_FILE"
            ) from error
        return stat.st_mtime_ns, stat.st_size

    def read(self) -> Directory:
        """The directory in the file."""
        try:
            return Directory.model_validate(yaml.safe_load(self._path.read_text(encoding="utf-8")))
        except OSError as error:
            raise DirectoryUnreadable(f"tenants file {self._path}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise DirectoryUnreadable(
                f"tenants file {self._path} is not YAML: {error}", mend="correct it"
            ) from error
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise DirectoryUnreadable(
                f"tenants file {self._path}: {where}: {fault['msg']}", mend="see examples/tenants.yaml"
            ) from error
