"""Reading a recording: its index, and the messages of some calls without those of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from contracts.errors import SubjectError
from contracts.identities import CallRef
from contracts.wire import call_in
from trunkline.errors import BadOption, RecordingDamaged, RecordingUnfinished
from trunkline.recording.file_format import (
    BlockKind,
    Recorded,
    Torn,
    read_block,
    read_end,
    read_head,
    unpack_messages,
)
from trunkline.recording.index import CallEntry, Index, IndexMaker, Preamble


class Recording:
    """A recording that can be read; `torn_at` is the offset where one that was not finished stops."""

    def __init__(
        self, path: Path, file: IO[bytes], preamble: Preamble, index: Index, torn_at: int | None
    ) -> None:
        self.path = path
        self.preamble = preamble
        self.index = index
        self.torn_at = torn_at
        self._file = file

    def entry(self, ref: CallRef) -> CallEntry | None:
        """What the index says of a call."""
        return next((entry for entry in self.index.calls if entry.ref == ref), None)

    def messages(self, of: Collection[CallRef] | None = None) -> Iterator[Recorded]:
        """Every message in its order, or those of some calls only; raises RecordingDamaged."""
        wanted = None if of is None else set(of)
        offsets = {
            offset
            for entry in self.index.calls
            if wanted is None or entry.ref in wanted
            for offset in entry.blocks
        }
        with _naming(self.path):
            for offset in sorted(offsets):
                self._file.seek(offset)
                for message in unpack_messages(_whole(self._file, BlockKind.MESSAGES), offset):
                    if wanted is None or _call(message) in wanted:
                        yield message


@contextmanager
def open_recording(path: Path, *, recover: bool = False) -> Iterator[Recording]:
    """A recording, for the time of a `with` block.

    Raises BadOption for a file that cannot be opened, RecordingDamaged, and RecordingUnfinished for one
    without its end, unless `recover`: then its whole blocks are what there is.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}", mend="name a recording") from error
    with file:
        with _naming(path):
            read_head(file)
            first = file.tell()
            end = read_end(file, path.stat().st_size)
            file.seek(first)
            try:
                preamble = Preamble.model_validate_json(_whole(file, BlockKind.PREAMBLE))
            except ValidationError as error:
                raise RecordingDamaged(first, "its preamble is none", mend="use a sound copy") from error
            index, torn_at = _scanned(file) if end is None else (_read_index(file, end), None)
        if torn_at is not None and not recover:
            raise RecordingUnfinished(torn_at, path)
        yield Recording(path, file, preamble, index, torn_at)


def _read_index(file: IO[bytes], offset: int) -> Index:
    file.seek(offset)
    try:
        return Index.model_validate_json(_whole(file, BlockKind.INDEX))
    except ValidationError as error:
        raise RecordingDamaged(offset, "its index is none", mend="use a sound copy") from error


def _scanned(file: IO[bytes]) -> tuple[Index, int]:
    """The index of a file that has no end, from its whole blocks, and where they stop."""
    maker = IndexMaker()
    while True:
        offset = file.tell()
        try:
            kind, raw = read_block(file)
        except Torn as torn:
            return maker.index, torn.offset
        if kind is BlockKind.INDEX:  # only the last bytes are missing
            return Index.model_validate_json(raw), file.tell()
        if kind is BlockKind.MESSAGES:
            for message in unpack_messages(raw, offset):
                maker.saw(message)
            maker.placed(maker.block_full(), offset)


def _whole(file: IO[bytes], wanted: BlockKind) -> bytes:
    """The block here, which must be there and of this kind."""
    offset = file.tell()
    try:
        kind, raw = read_block(file)
    except Torn as torn:
        raise RecordingDamaged(
            torn.offset, "the file stops within this block", mend="use a sound copy"
        ) from torn
    if kind is not wanted:
        raise RecordingDamaged(
            offset,
            f"a block of {kind.name.lower()} where {wanted.name.lower()} belong",
            mend="use a sound copy",
        )
    return raw


def _call(message: Recorded) -> CallRef | None:
    try:
        return call_in(message.subject)
    except SubjectError:
        return None


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except RecordingDamaged as error:
        raise error.within(path) from error
