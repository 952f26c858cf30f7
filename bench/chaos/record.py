"""Reading back what the stream and the buckets hold once it is over."""

from __future__ import annotations

from typing import Any, Final

import nats.errors

from contracts.channels import SESSION_ACTIVE
from contracts.messages import ActiveCalls, Event, ListActiveCalls
from contracts.streams import CALLS
from contracts.wire import decode_event, every_event
from runtime.bus import Bus

_NO_MORE_AFTER_S: Final = 2.0
_ANSWER_S: Final = 10.0


async def whole_record(bus: Bus) -> list[Event[Any]]:
    """Every call event that the stream holds, in its order."""
    reader = await bus.jetstream.subscribe(every_event(), stream=CALLS.name, ordered_consumer=True)
    events: list[Event[Any]] = []
    try:
        while True:
            message = await reader.next_msg(timeout=_NO_MORE_AFTER_S)
            events.append(decode_event(message.subject, message.data))
            if message.metadata.num_pending == 0:
                return events
    except nats.errors.TimeoutError:
        return events
    finally:
        await reader.unsubscribe()


async def calls_holding_slots(bus: Bus) -> int:
    """How many calls hold slots now, says the session."""
    active = await bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=_ANSWER_S)
    return len(active.calls)
