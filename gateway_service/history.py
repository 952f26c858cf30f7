"""What the gateway before this one knew of a call, as the stream tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from nats.js import JetStreamContext

from contracts.channels import (
    CALL_ENDED,
    CALL_STARTED,
    PLAYOUT_ENDED,
    REPLY_COMPLETED,
    SPEECH_STARTED,
    TURN_ENDED,
)
from contracts.identities import CallRef
from contracts.messages import Event, PlayoutEnded
from contracts.streams import CALLS
from runtime.storage import last_event

_HEARD: Final = (SPEECH_STARTED, TURN_ENDED, REPLY_COMPLETED, CALL_ENDED)


@dataclass(frozen=True, slots=True)
class History:
    """The newest of each that matters. `heard` are the events that a gateway listens to, by time;
    `started_us` is when the leg was first answered, 0 where the stream does not know.
    """

    started_us: int = 0
    last_playout: PlayoutEnded | None = None
    heard: tuple[Event[Any], ...] = field(default=())


async def read_history(jetstream: JetStreamContext, ref: CallRef) -> History:
    """What the stream holds of a call by now; raises BusUnavailable."""
    newest = {
        channel: await last_event(jetstream, CALLS, channel.subject(tenant=ref.tenant, call=ref.call))
        for channel in (CALL_STARTED, PLAYOUT_ENDED, *_HEARD)
    }
    started, playout = newest[CALL_STARTED], newest[PLAYOUT_ENDED]
    heard = [event for channel in _HEARD if (event := newest[channel]) is not None]
    return History(
        started_us=started.at_us if started else 0,
        last_playout=playout.body if playout else None,
        heard=tuple(sorted(heard, key=lambda event: event.at_us)),
    )
