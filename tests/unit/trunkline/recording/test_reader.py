"""Whatever was written is read again; whatever was cut or changed says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trunkline.recording.samples import PREAMBLE, call_ref, ended, frame, started, write
from trunkline.errors import BadOption, RecordingDamaged, RecordingUnfinished
from trunkline.recording.file_format import Recorded
from trunkline.recording.reader import open_recording

ONE, OTHER = call_ref(1), call_ref(2, "bright-smile")
FIRST = [started(ONE), frame(ONE, 1, 10), frame(ONE, 2, 20)]
SECOND = [frame(ONE, 1, 25, reply=1), started(OTHER, 30), ended(ONE, 40)]
THIRD = [frame(OTHER, 1, 50), ended(OTHER, 60)]


def read_all(path: Path) -> list[Recorded]:
    with open_recording(path) as recording:
        return list(recording.messages())


def test_every_message_comes_back_in_order_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, FIRST, SECOND, THIRD)
    with open_recording(path) as recording:
        assert list(recording.messages()) == [*FIRST, *SECOND, *THIRD]
        assert recording.preamble == PREAMBLE
        assert recording.torn_at is None


def test_the_index_says_what_each_call_holds(tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, FIRST, SECOND, THIRD)
    with open_recording(path) as recording:
        one, other = recording.index.calls
        assert (one.ref, one.called, one.began_us, one.ended_us) == (ONE, "+15550199", 0, 40)
        assert (one.messages, one.caller_frames, one.agent_frames, one.withheld) == (5, 2, 1, False)
        assert len(one.blocks) == len(other.blocks) == 2
        assert one.carrier_call_id == f"CA-{ONE.call}"
        assert recording.entry(OTHER) == other
        assert recording.entry(call_ref(9)) is None


def test_one_call_is_read_without_the_blocks_of_others(tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, FIRST, SECOND, THIRD)
    with open_recording(path) as recording:
        first_block = recording.index.calls[0].blocks[0]
    damaged = bytearray(path.read_bytes())
    damaged[first_block + 20] ^= 0xFF
    path.write_bytes(damaged)
    with open_recording(path) as recording:
        assert list(recording.messages([OTHER])) == [SECOND[1], *THIRD]
        with pytest.raises(RecordingDamaged, match=f"offset {first_block}: .*checksum"):
            list(recording.messages([ONE]))


def test_what_a_dead_recorder_left_is_refused_and_recovered(tmp_path: Path) -> None:
    whole, died = tmp_path / "whole.tlrec", tmp_path / "died.tlrec"
    write(whole, FIRST, SECOND)
    write(died, FIRST, SECOND, finish=False)
    size = died.stat().st_size
    with pytest.raises(RecordingUnfinished, match=f"{died}.*offset {size}"), open_recording(died):
        pass
    with open_recording(died, recover=True) as recording, open_recording(whole) as expected:
        assert list(recording.messages()) == [*FIRST, *SECOND]
        assert recording.index.calls == expected.index.calls
        assert recording.torn_at == size


def test_a_file_cut_anywhere_names_the_offset_and_gives_its_whole_blocks(tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, FIRST, SECOND)
    data = path.read_bytes()
    with open_recording(path) as recording:
        first, second = sorted({offset for entry in recording.index.calls for offset in entry.blocks})
    messages_at = {first: [], second: FIRST}
    for size in range(len(data)):
        path.write_bytes(data[:size])
        if size < first:
            with pytest.raises(RecordingDamaged, match=r"offset \d+"), open_recording(path, recover=True):
                pass
            continue
        with pytest.raises(RecordingUnfinished, match=r"offset \d+"), open_recording(path):
            pass
        with open_recording(path, recover=True) as recording:
            assert recording.torn_at is not None
            assert recording.torn_at <= size
            expected = messages_at.get(recording.torn_at, [*FIRST, *SECOND])
            assert list(recording.messages()) == expected


def test_any_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    write(path, FIRST)
    data = path.read_bytes()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x55
        path.write_bytes(changed)
        with pytest.raises((RecordingDamaged, RecordingUnfinished), match=r"offset \d+"):
            read_all(path)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVE", b"TRNK"])
def test_what_is_no_recording_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(RecordingDamaged, match=str(path)), open_recording(path, recover=True):
        pass


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, FIRST)
    data = bytearray(path.read_bytes())
    data[9] = 2
    path.write_bytes(data)
    with pytest.raises(RecordingDamaged, match="version 2; this build reads 1"), open_recording(path):
        pass


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"none\.tlrec"), open_recording(tmp_path / "none.tlrec"):
        pass


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("precious")
    with pytest.raises(BadOption, match="there already"):
        write(path, FIRST)
    assert path.read_text() == "precious"
