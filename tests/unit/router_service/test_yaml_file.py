"""A directory as YAML: what cannot be read is named with its place and its mend."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contracts.errors import ErrorCode
from router_service.errors import DirectoryUnreadable
from router_service.stores.yaml_file import YamlFile

GOOD = """
tenants:
  anna:
    name: Anna's
    assistants: {desk: {name: Desk, greeting: Hello., prompt: You answer.}}
    numbers: {"+15550101": {assistant: desk}}
"""
EXAMPLE = Path(__file__).parents[3] / "examples" / "tenants.yaml"


def read(folder: Path, text: str | bytes) -> str:
    """What is said of a file with this text."""
    path = folder / "tenants.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DirectoryUnreadable) as caught:
        YamlFile(path).read()
    assert caught.value.code is ErrorCode.BAD_CONFIGURATION
    assert caught.value.mend
    said = str(caught.value)
    assert said.startswith(f"tenants file {path}: ")
    return said.removeprefix(f"tenants file {path}: ")


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "tenants.yaml").write_text(GOOD)
    directory = YamlFile(tmp_path / "tenants.yaml").read()
    assert directory.tenants["anna"].numbers["+15550101"].assistant == "desk"


def test_the_example_is_read() -> None:
    assert "bright-smile" in YamlFile(EXAMPLE).read().tenants


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    source = YamlFile(tmp_path / "none.yaml")
    with pytest.raises(DirectoryUnreadable, match=r"none\.yaml: No such file") as caught:
        source.revision()
    assert caught.value.mend == "set TRUNKLINE_ROUTER_TENANTS_FILE"
    with pytest.raises(DirectoryUnreadable, match=r"none\.yaml: No such file"):
        source.read()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnreadable, match="Is a directory"):
        YamlFile(tmp_path).read()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tenants: [", "not YAML: while parsing a flow node"),
        (b"tenants: \xff\xfe", "not YAML: 'utf-8' codec can't decode"),
        (b"\x00\x01\x02", "not YAML: unacceptable character"),
        ("tenants: !!python/object/apply:os.system ['true']", "not YAML: could not determine a constructor"),
        ("tenants: {a: 2020-13-45}", "not YAML: month must be in 1..12"),
        ("[" * 5000, "not YAML: "),
        (
            GOOD.replace("{assistant: desk}", "{assistant: desk, override: &a {voice: *a}}"),
            "not YAML: found unconstructable recursive node",
        ),
        (
            GOOD.replace(' {"+15550101"', ' {"+15550101": {assistant: x}, "+15550101"'),
            "not YAML: '+15550101' is there twice",
        ),
        (
            GOOD.replace("    name: Anna's", "    name: Anna's\n    name: Bob's"),
            "not YAML: 'name' is there twice",
        ),
        ("", "all of it: Input should be a valid dictionary"),
        ("just words", "all of it: Input should be a valid dictionary"),
        ("tenant: {}", "tenants: Field required"),
        (GOOD.replace("    name: Anna's", "    nam: Anna's"), "tenants.anna.name: Field required"),
        (
            GOOD.replace("    name: Anna's", "    name: Anna's\n    max_concurrent_calls: -1"),
            "tenants.anna.max_concurrent_calls: Input should be greater than or equal to 0",
        ),
        (GOOD.replace("  anna:", "  Anna Smith:"), "tenants.Anna Smith: String should match pattern"),
        (GOOD.replace('"+15550101"', '"01555"'), "tenants.anna.numbers.01555: String should match pattern"),
        (
            GOOD.replace('"+15550101"', "+15550101"),
            "tenants.anna.numbers.15550101: Input should be a valid string; a phone number needs quotes",
        ),
        (
            GOOD.replace("{assistant: desk}", "{assistant: desk, overide: {}}"),
            "tenants.anna.numbers.+15550101.overide: Extra inputs are not permitted",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, says: str) -> None:
    assert read(tmp_path, text).startswith(says)


def test_a_change_is_a_new_revision_and_a_look_is_none(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(GOOD)
    source = YamlFile(path)
    before = source.revision()
    source.read()
    assert source.revision() == before
    path.write_text(GOOD.replace("Hello", "Howdy"))
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert source.revision() != before
