"""The record of one call: its first word, and all of it."""

from __future__ import annotations

from contracts.identities import CallRef
from contracts.messages import CallStarted
from runtime.bus import Bus
from runtime.history import Record, read_end

STARTED = CallStarted(
    called="+15550100",
    caller="+15550142",
    carrier_call_id="CA1",
    protocol="twilio",
    gateway="gateway-1",
    assistant="front-desk",
    language="en-US",
)


def never_enough(_record: Record) -> bool:
    """There may be more."""
    return False


async def whole_record_of(bus: Bus, ref: CallRef) -> Record:
    """Every event of the call, stale ones too, in the stream's order."""
    record, _place = await read_end(bus, ref, never_enough)
    return record
