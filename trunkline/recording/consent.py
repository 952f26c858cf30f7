"""What may be recorded: the tenants that allow it, and what is left of an event where one does not."""

from __future__ import annotations

from typing import Any, Final

import orjson

from contracts.channels import DTMF_RECEIVED
from contracts.messages import NumberSnapshot
from trunkline.recording.index import WITHHELD

_PERSONAL: Final = frozenset({"caller"})
_NEVER: Final = frozenset({DTMF_RECEIVED.name})


class Consent:
    """Which tenants allow recording, as their numbers say; one that is not known does not.

    A tenant allows it once every number of it says so: while a change spreads, the stricter word holds.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, NumberSnapshot] = {}

    async def on_number(self, key: str, snapshot: NumberSnapshot | None) -> None:
        """A number changed, or went."""
        if snapshot is None:
            self._numbers.pop(key, None)
        else:
            self._numbers[key] = snapshot

    def allows(self, tenant: str) -> bool:
        """Whether audio and words of this tenant's calls may be kept."""
        said = [one.recording_allowed for one in self._numbers.values() if one.tenant == tenant]
        return bool(said) and all(said)


def without_words(name: str, payload: bytes) -> bytes | None:
    """An event without what the caller or the agent said, and marked so; None where nothing may be left.

    Values stay of their kind, so that the event still fits its model. Keys are dialled digits as likely as
    not a card number: they go whole.
    """
    if name in _NEVER:
        return None
    try:
        event = orjson.loads(payload)
    except orjson.JSONDecodeError:  # junk may hold anything
        return None
    if not isinstance(event, dict):
        return None
    return orjson.dumps({**_emptied(event), WITHHELD: True})


def _emptied(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _empty(one) if "pii" in key or key in _PERSONAL else _emptied(one)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_emptied(one) for one in value]
    return value


def _empty(value: Any) -> Any:
    return type(value)() if isinstance(value, (str, list, dict)) else None
