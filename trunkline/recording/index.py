"""Which calls a recording holds, and where: made while recording, and made anew from a file without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field

from contracts.channels import CALL_ENDED, CALL_REJECTED, CALL_STARTED
from contracts.errors import FrameError, SubjectError, VersionError
from contracts.frames import decode_frames
from contracts.identities import CallRef
from contracts.wire import call_in, event_name
from trunkline.recording.file_format import Recorded

WITHHELD: Final = "withheld"
"""The key beside an event's own that says: words and audio of this call were left out."""


class Preamble(BaseModel):
    """What a recording says of itself. `began_us` is microseconds since the Unix epoch."""

    model_config = ConfigDict(frozen=True)

    trunkline: str
    began_us: int
    audio: bool
    tenants: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


class CallEntry(BaseModel):
    """One call of a recording. Times are microseconds since recording began; `blocks` file offsets.

    `withheld` says that its tenant did not allow recording: no audio and no words of it are here.
    """

    tenant: str
    call: str
    called: str = ""
    carrier_call_id: str = ""
    began_us: int
    ended_us: int | None = None
    rejected: bool = False
    withheld: bool = False
    messages: int = 0
    caller_frames: int = 0
    agent_frames: int = 0
    blocks: list[int] = Field(default_factory=list)

    @property
    def ref(self) -> CallRef:
        """The call on the bus that was recorded."""
        return CallRef(self.tenant, self.call)


class Index(BaseModel):
    """The last block of a recording. `lost` counts what the recorder was too slow for, `late` the calls that
    were under way when recording began and are not in it.
    """

    calls: list[CallEntry] = Field(default_factory=list)
    ended_us: int = 0
    lost: int = 0
    late: int = 0


@dataclass(slots=True)
class IndexMaker:
    """Sees every message on its way to the file, and every block once its place is known."""

    index: Index = field(default_factory=Index)
    _calls: dict[CallRef, CallEntry] = field(default_factory=dict)
    _touched: set[CallRef] = field(default_factory=set)

    def saw(self, message: Recorded) -> None:
        """Note one message of the block that is being filled."""
        try:
            ref = call_in(message.subject)
        except SubjectError:  # of a later version, which may record more than calls
            return
        entry = self._calls.get(ref)
        if entry is None:
            entry = CallEntry(tenant=ref.tenant, call=ref.call, began_us=message.at_us)
            self._calls[ref] = entry
            self.index.calls.append(entry)
        self._touched.add(ref)
        entry.messages += 1
        self.index.ended_us = max(self.index.ended_us, message.at_us)
        name = event_name(message.subject)
        if name:
            _note_event(entry, name, message)
        else:
            _note_frame(entry, message.payload)

    def block_full(self) -> frozenset[CallRef]:
        """The calls of the block that ends here."""
        touched = frozenset(self._touched)
        self._touched.clear()
        return touched

    def placed(self, calls: frozenset[CallRef], offset: int) -> None:
        """The block with messages of these calls lies at `offset`."""
        for ref in calls:
            self._calls[ref].blocks.append(offset)


def _note_event(entry: CallEntry, name: str, message: Recorded) -> None:
    if name not in (CALL_STARTED.name, CALL_ENDED.name, CALL_REJECTED.name):
        return
    event: dict[str, Any] = orjson.loads(message.payload)
    entry.withheld = entry.withheld or event.get(WITHHELD) is True
    if name == CALL_ENDED.name:
        entry.ended_us = message.at_us
        return
    entry.called = event["body"]["called"]
    entry.carrier_call_id = event["body"]["carrier_call_id"]
    entry.rejected = name == CALL_REJECTED.name


def _note_frame(entry: CallEntry, payload: bytes) -> None:
    try:
        frames = decode_frames(payload)
    except (FrameError, VersionError):  # junk on the bus is recorded as it was
        return
    for frame in frames:
        if frame.reply:
            entry.agent_frames += 1
        else:
            entry.caller_frames += 1
