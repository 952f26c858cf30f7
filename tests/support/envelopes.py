"""The envelope of any body, for tests that make the events of several kinds in one place."""

from __future__ import annotations

from typing import Any, cast

from contracts.messages import Event, Message
from contracts.wire import channel_of, wire_model


def envelope_of(body: Message) -> type[Event[Any]]:
    """The model of an event that carries such a body, as it is on the bus."""
    return cast("type[Event[Any]]", wire_model(channel_of(body)))
