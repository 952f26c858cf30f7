from pathlib import Path

import pytest

from models.errors import ManifestError
from models.manifest import ModelKind, Registry, load_manifest

GOOD = """
[package]
carrier = { version = "1.0", registry = "pip" }
[[model]]
name = "m"
kind = "stt"
default = true
used_by = ["stt_service"]
licence = "MIT"
licence_source = "its LICENSE file"
entry = "."
files = [{ name = "a.bin", size = 3, sha256 = "00", parts = ["carrier:carrier/a.1", "carrier:carrier/a.2"] }]
"""


def test_the_manifest_serves_a_whole_call_by_default() -> None:
    kinds = {model.kind for model in load_manifest().values() if model.default}
    assert kinds == {ModelKind.STT, ModelKind.VAD, ModelKind.TTS, ModelKind.EMBEDDING, ModelKind.LLM}


def test_every_model_says_whose_licence_it_has_and_who_uses_it() -> None:
    for name, model in load_manifest().items():
        assert model.name == name
        assert model.licence, name
        assert model.licence_source, name
        assert model.used_by, name
        assert all(len(file.sha256) == 64 and file.size_bytes > 0 for file in model.files), name


def test_default_models_come_by_pip_alone() -> None:
    packages = {package for model in load_manifest().values() if model.default for package in model.packages}
    assert {package.registry for package in packages} == {Registry.PIP}


def test_a_manifest_becomes_types(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(GOOD)
    model = load_manifest(path)["m"]
    assert model.hub is None
    assert model.size_bytes == 3
    assert [package.name for package in model.packages] == ["carrier"]
    assert [str(part.path) for part in model.files[0].parts] == ["carrier/a.1", "carrier/a.2"]


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ("= [", 'kind = "stt"', "cannot be read"),
        ('registry = "floppy"', 'registry = "pip"', "floppy"),
        ("[pack]", "[package]", "'package'"),
        ('kind = "psychic"', 'kind = "stt"', "m: .*psychic"),
        ("", 'licence = "MIT"', "m: .*licence"),
        ('licence = "MIT"\nlicense = "MIT"', 'licence = "MIT"', "m: .*license"),
        ('"nobody:carrier/a.1"', '"carrier:carrier/a.1"', "m: .*nobody"),
        ('entry = "b.bin"', 'entry = "."', "m: .*'b.bin' is none of its files"),
    ],
)
def test_a_broken_manifest_is_named_with_the_model(
    tmp_path: Path, wrong: str, right: str, complaint: str
) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(GOOD.replace(right, wrong))
    with pytest.raises(ManifestError, match=complaint) as caught:
        load_manifest(path)
    assert str(path) in str(caught.value)


def test_two_models_of_one_name_and_no_file_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(GOOD + GOOD[GOOD.index("[[model]]") :])
    with pytest.raises(ManifestError, match="m is there twice"):
        load_manifest(path)
    with pytest.raises(ManifestError, match="cannot be read"):
        load_manifest(tmp_path / "none.toml")
