"""The calls that hold slots, found by id, by the process that holds them, or by the carrier's own id."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from contracts.messages import OpenCall, Role
from session_service.call import Call

_REMEMBERED_CARRIER_CALLS: Final = 4096


class CallTable:
    """Every call that is opened and not yet cleared up."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self._by_carrier: dict[tuple[str, str], dict[str, Call]] = {}
        self._ended: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: Call) -> None:
        """From now on it is found."""
        self._calls[call.id] = call
        if key := _carrier_key(call.request):
            self._by_carrier.setdefault(key, {})[call.id] = call

    def remove(self, call: Call) -> None:
        """It is found no more; that the carrier's call was once ours is remembered for a while."""
        self._calls.pop(call.id, None)
        if key := _carrier_key(call.request):
            same = self._by_carrier.get(key, {})
            same.pop(call.id, None)
            if not same:
                self._by_carrier.pop(key, None)
            self._ended[key] = None
            if len(self._ended) > _REMEMBERED_CARRIER_CALLS:
                self._ended.popitem(last=False)

    def get(self, call_id: str) -> Call | None:
        """The call with that id."""
        return self._calls.get(call_id)

    def live(self) -> list[Call]:
        """All that are not over."""
        return [call for call in self._calls.values() if call.is_live()]

    def held_by(self, role: Role, process: str) -> list[Call]:
        """The calls for which the process speaks in that role."""
        return [call for call in self.live() if call.process_of(role) == process]

    def processes(self) -> set[tuple[Role, str]]:
        """Everybody who is named by a call."""
        return {
            (role, process)
            for call in self.live()
            for role, process in ((Role.GATEWAY, call.gateway), *call.workers.items())
        }

    def of_carrier(self, request: OpenCall) -> Iterator[Call]:
        """The live calls that are the same call to the carrier."""
        key = _carrier_key(request)
        same = self._by_carrier.get(key, {}) if key else {}
        return (call for call in list(same.values()) if call.is_live())

    def has_ended(self, request: OpenCall) -> bool:
        """Whether that call of the carrier's was here not long ago, and is over."""
        return _carrier_key(request) in self._ended and not any(self.of_carrier(request))


def _carrier_key(request: OpenCall) -> tuple[str, str] | None:
    """Carriers number their calls each on its own: the called number tells two of them apart."""
    if not request.carrier_call_id:
        return None
    return request.called.removeprefix("+"), request.carrier_call_id
