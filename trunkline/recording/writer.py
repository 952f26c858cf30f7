"""Writing a recording: messages gather in memory, blocks go to the file, the index comes last.

`add` and `take` belong to the event loop and cost next to nothing; `write` compresses and waits for the disk,
so it belongs in a thread, one block at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.identities import CallRef
from trunkline.errors import BadOption
from trunkline.recording.file_format import (
    BlockKind,
    Recorded,
    pack_message,
    write_block,
    write_end,
    write_head,
)
from trunkline.recording.index import Index, IndexMaker, Preamble

BLOCK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Messages that go to the file together, and the calls that they belong to."""

    raw: bytes
    calls: frozenset[CallRef]


class RecordingWriter:
    """One recording from its first byte to its last; raises BadOption where the file cannot be made."""

    def __init__(self, path: Path, preamble: Preamble) -> None:
        try:
            self._file = path.open("xb")
        except FileExistsError as error:
            raise BadOption(
                f"{path} is there already", mend="name another file, or remove that one"
            ) from error
        except OSError as error:
            raise BadOption(
                f"{path} cannot be written: {error.strerror}", mend="name another file"
            ) from error
        write_head(self._file)
        write_block(self._file, BlockKind.PREAMBLE, preamble.model_dump_json().encode())
        self._maker = IndexMaker()
        self._waiting = bytearray()

    @property
    def index(self) -> Index:
        """What was recorded so far."""
        return self._maker.index

    @property
    def waiting_bytes(self) -> int:
        """What has not been taken yet."""
        return len(self._waiting)

    @property
    def written_bytes(self) -> int:
        """How long the file is."""
        return self._file.tell()

    def add(self, message: Recorded) -> None:
        """Put one message after those before it."""
        self._waiting += pack_message(message)
        self._maker.saw(message)

    def take(self) -> Block | None:
        """What waits, as a block to be written next; None where nothing does."""
        if not self._waiting:
            return None
        block = Block(bytes(self._waiting), self._maker.block_full())
        self._waiting.clear()
        return block

    def write(self, block: Block) -> int:
        """Write a block that was taken; its offset, for `placed`. Raises BadOption for a full disk."""
        with self._on_disk():
            return write_block(self._file, BlockKind.MESSAGES, block.raw)

    def placed(self, block: Block, offset: int) -> None:
        """Note where a block lies."""
        self._maker.placed(block.calls, offset)

    def flush(self) -> None:
        """Write all that waits, here and now."""
        block = self.take()
        if block is not None:
            self.placed(block, self.write(block))

    def finish(self) -> None:
        """Write what waits, the index and the end, and close the file."""
        self.flush()
        index = self.index.model_dump_json().encode()
        with self._on_disk():
            write_end(self._file, write_block(self._file, BlockKind.INDEX, index))
            self._file.close()

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BadOption(
                f"{self._file.name} cannot be written on: {error.strerror}",
                mend="make room; what is whole in it can be replayed with --recover",
            ) from error
