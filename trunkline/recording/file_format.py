"""The recording file, version 1: how it is laid out, its blocks, and how they are written and read.

All numbers are big-endian.

    0   8 bytes   magic "TRNKLREC"
    8   u16       version of this layout
    10  ...       blocks, one after another
    end 16 bytes  u64 offset of the index block, magic "TRNKLEND"

A block is a header of 17 bytes, and a payload that zlib has compressed:

    0   4 bytes   marker "TLBK"
    4   u8        kind: 1 preamble, 2 messages, 3 index
    5   u32       stored bytes (compressed)
    9   u32       raw bytes
    13  u32       CRC-32 of the stored bytes

The first block is the preamble and the last one the index, both JSON. A block of messages holds one after
another: u64 microseconds since recording began, u16 bytes of subject, u32 bytes of payload, subject, payload;
both are what was on the bus, byte for byte.

A recorder that dies leaves a file without its index and last 16 bytes, perhaps with half a block at the end:
every whole block can still be read, and the index made anew from them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import IO, Final, NamedTuple

from trunkline.errors import RecordingDamaged

VERSION: Final = 1
_MAGIC: Final = b"TRNKLREC"
_END_MAGIC: Final = b"TRNKLEND"
_MARKER: Final = b"TLBK"
_HEAD: Final = struct.Struct("!8sH")
_BLOCK: Final = struct.Struct("!4sBIII")
_MESSAGE: Final = struct.Struct("!QHI")
_END: Final = struct.Struct("!Q8s")
_LEVEL: Final = 3  # mu-law hardly shrinks, JSON shrinks at any level
_MAX_RAW_BYTES: Final = 512 * 1024 * 1024


class BlockKind(IntEnum):
    """What a block holds."""

    PREAMBLE = 1
    MESSAGES = 2
    INDEX = 3


class Recorded(NamedTuple):
    """One message of the bus, `at_us` microseconds after recording began."""

    at_us: int
    subject: str
    payload: bytes


class Torn(Exception):
    """The file stops in the middle of the block at `offset`."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the file stops within the block at offset {offset}")
        self.offset = offset


def write_head(file: IO[bytes]) -> None:
    """Begin a file."""
    file.write(_HEAD.pack(_MAGIC, VERSION))


def read_head(file: IO[bytes]) -> None:
    """Leave `file` at its first block; raises RecordingDamaged for what is no recording, or a newer one."""
    head = file.read(_HEAD.size)
    if head[: len(_MAGIC)] != _MAGIC[: len(head)] or not head:
        raise RecordingDamaged(0, "this is no recording", mend="name a file that trunkline record wrote")
    if len(head) < _HEAD.size:
        raise RecordingDamaged(len(head), "the file stops within its head", mend="nothing of it is left")
    version = _HEAD.unpack(head)[1]
    if version > VERSION:
        raise RecordingDamaged(
            len(_MAGIC), f"version {version}; this build reads {VERSION}", mend="use a newer trunkline"
        )


def pack_message(message: Recorded) -> bytes:
    """A message as it lies in a block."""
    subject = message.subject.encode()
    return _MESSAGE.pack(message.at_us, len(subject), len(message.payload)) + subject + message.payload


def unpack_messages(raw: bytes, offset: int) -> Iterator[Recorded]:
    """The messages of the block at `offset`; raises RecordingDamaged for bytes that are no message."""
    at = 0
    while at < len(raw):
        if at + _MESSAGE.size > len(raw):
            raise RecordingDamaged(offset, "its last message is cut", mend="the file was changed")
        at_us, subject_bytes, payload_bytes = _MESSAGE.unpack_from(raw, at)
        at += _MESSAGE.size
        end = at + subject_bytes + payload_bytes
        if end > len(raw):
            raise RecordingDamaged(offset, "its last message is cut", mend="the file was changed")
        subject = raw[at : at + subject_bytes].decode(errors="replace")
        yield Recorded(at_us, subject, raw[at + subject_bytes : end])
        at = end


def write_block(file: IO[bytes], kind: BlockKind, raw: bytes) -> int:
    """Write one block and hand it to the system; the offset it lies at."""
    offset = file.tell()
    stored = zlib.compress(raw, _LEVEL)
    file.write(_BLOCK.pack(_MARKER, kind, len(stored), len(raw), zlib.crc32(stored)) + stored)
    file.flush()
    return offset


def read_block(file: IO[bytes]) -> tuple[BlockKind, bytes]:
    """The block at the file's position.

    Raises Torn where the file stops within it, RecordingDamaged where it is not what was written.
    """
    offset = file.tell()
    head = file.read(_BLOCK.size)
    if head[: len(_MARKER)] != _MARKER[: len(head)]:
        raise RecordingDamaged(offset, "no block begins here", mend=_CHANGED)
    if len(head) < _BLOCK.size:
        raise Torn(offset)
    _, kind, stored_bytes, raw_bytes, crc = _BLOCK.unpack(head)
    if raw_bytes > _MAX_RAW_BYTES or stored_bytes > _MAX_RAW_BYTES or kind not in list(BlockKind):
        raise RecordingDamaged(offset, "the block's header is none", mend=_CHANGED)
    stored = file.read(stored_bytes)
    if len(stored) < stored_bytes:
        raise Torn(offset)
    if zlib.crc32(stored) != crc:
        raise RecordingDamaged(offset, "the block's checksum does not match", mend=_CHANGED)
    return BlockKind(kind), _inflated(stored, raw_bytes, offset)


def _inflated(stored: bytes, raw_bytes: int, offset: int) -> bytes:
    try:
        raw = zlib.decompressobj().decompress(stored, raw_bytes + 1)
    except zlib.error as error:
        raise RecordingDamaged(offset, f"the block does not unpack ({error})", mend=_CHANGED) from error
    if len(raw) != raw_bytes:
        raise RecordingDamaged(offset, "the block unpacks to another length", mend=_CHANGED)
    return raw


def write_end(file: IO[bytes], index_offset: int) -> None:
    """Finish a file whose index lies at `index_offset`."""
    file.write(_END.pack(index_offset, _END_MAGIC))
    file.flush()


def read_end(file: IO[bytes], size: int) -> int | None:
    """The offset of the index, or None where the file was not finished."""
    if size < _HEAD.size + _END.size:
        return None
    file.seek(size - _END.size)
    index_offset, magic = _END.unpack(file.read(_END.size))
    if magic != _END_MAGIC:
        return None
    if index_offset >= size:
        raise RecordingDamaged(size - _END.size, "the index lies beyond the file", mend=_CHANGED)
    return int(index_offset)


_CHANGED: Final = "the file was changed or copied badly; use a sound copy"
