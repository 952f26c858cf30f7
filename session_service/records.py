"""Writing calls down in KV: one write of a call at a time, the newest last, none after it was struck."""

from __future__ import annotations

from contextlib import suppress

from contracts.errors import TrunklineError
from session_service.call import Call
from session_service.ports import CallStore


class Records:
    """The session's hand in the table of active calls. Its methods raise what the store raises.

    What could not be struck because the store was away is struck by `strike_the_rest`, until it is.
    """

    def __init__(self, store: CallStore) -> None:
        self._store = store
        self._unstruck: list[Call] = []

    async def keep(self, call: Call) -> None:
        """Write the call as it is now; one that is over is left as it is."""
        async with call.record_writes:
            if call.is_live():
                await self._store.put(call.id, call.record())

    async def strike(self, call: Call) -> None:
        """Forget the call for good."""
        async with call.record_writes:
            try:
                await self._store.delete(call.id)
            except TrunklineError as error:
                if error.retryable:
                    self._unstruck.append(call)
                raise

    async def strike_the_rest(self) -> None:
        """Forget those that could not be forgotten when they ended, as far as the store is back."""
        unstruck, self._unstruck = self._unstruck, []
        for call in unstruck:
            with suppress(TrunklineError):  # it is kept for the next time, or for whoever leads then
                await self.strike(call)
