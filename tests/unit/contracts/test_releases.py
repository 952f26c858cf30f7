import json
from pathlib import Path

import pytest

from contracts.channels import CALLER_AUDIO, CHANNELS, SESSION_OPEN, TURN_ENDED
from contracts.errors import ContractError
from contracts.examples import EXAMPLES
from contracts.frames import decode_frame
from contracts.messages import Event, OpenCall, OpenCallReply, TurnEnded
from contracts.releases import Release, models_on, read_releases, sort_key

RELEASE = Release.of("0.1.0")


def test_a_release_holds_every_channel_and_every_example() -> None:
    assert list(RELEASE.channels) == [row.name for row in CHANNELS]
    assert list(RELEASE.examples) == [example.name for example in EXAMPLES]


def test_every_message_and_reply_has_its_schema() -> None:
    named = {name for row in RELEASE.channels.values() for name in (row.message, row.reply) if name}

    assert named <= set(RELEASE.schemas)
    assert RELEASE.channels[TURN_ENDED.name].message == "TurnEndedEvent"


def test_a_frame_is_kept_as_bytes_and_as_what_they_mean() -> None:
    kept = RELEASE.examples[CALLER_AUDIO.name]
    frame = decode_frame(bytes.fromhex(kept.frame_hex or ""))

    assert RELEASE.channels[CALLER_AUDIO.name].message is None
    assert kept.frame is not None
    assert kept.frame["payload"] == frame.payload.hex()
    assert kept.frame["codec"] == 1


def test_a_release_comes_back_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "0.1.0.json").write_text(RELEASE.to_json(), encoding="utf-8")

    assert read_releases(tmp_path) == [RELEASE]


def test_releases_are_read_oldest_first(tmp_path: Path) -> None:
    for version in ("0.10.0", "0.9.1", "0.9.0"):
        empty = Release(version=version, channels={}, schemas={}, examples={})
        (tmp_path / f"{version}.json").write_text(empty.to_json(), encoding="utf-8")

    assert [release.version for release in read_releases(tmp_path)] == ["0.9.0", "0.9.1", "0.10.0"]


def test_the_file_is_the_same_every_time() -> None:
    assert Release.of("0.1.0").to_json() == RELEASE.to_json()
    assert json.loads(RELEASE.to_json())["version"] == "0.1.0"


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "1.0.0rc1", "1.0.0.0", "latest", "../1.0.0"])
def test_what_is_not_a_release_is_refused(version: str) -> None:
    with pytest.raises(ContractError, match="is not a release"):
        Release.of(version)


def test_versions_sort_by_number() -> None:
    assert sort_key("0.10.0") > sort_key("0.9.9")


def test_the_models_of_a_row_go_there_and_back() -> None:
    assert models_on(SESSION_OPEN) == (OpenCall, OpenCallReply)
    assert models_on(TURN_ENDED) == (Event[TurnEnded],)
    assert models_on(CALLER_AUDIO) == ()
