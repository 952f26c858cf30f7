"""Writing calls down in KV: one write of a call at a time, the newest last, none after it was struck."""

from __future__ import annotations

from session_service.call import Call
from session_service.ports import CallStore


class Records:
    """The session's hand in the table of active calls. Its methods raise what the store raises."""

    def __init__(self, store: CallStore) -> None:
        self._store = store

    async def keep(self, call: Call) -> None:
        """Write the call as it is now; one that is over is left as it is."""
        async with call.record_writes:
            if call.is_live():
                await self._store.put(call.id, call.record())

    async def strike(self, call: Call) -> None:
        """Forget the call for good."""
        async with call.record_writes:
            await self._store.delete(call.id)
