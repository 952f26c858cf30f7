"""A request that is repeated with its idempotency key is answered as the first time, and done once.

The answer is kept in the same transaction as what the request changed, and sealed: it may hold a new key's
secret. Refusals are not kept: what was wrong may be right later.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from contracts.messages import Asked, Reply
from router_service.errors import Conflict
from router_service.records import Answered
from router_service.vault import Vault
from router_service.work import Work

ReplyT = TypeVar("ReplyT", bound=Reply)
KEPT_US: Final = 24 * 3600 * 1_000_000


class Replays:
    """Looks for an earlier answer before an operation, and keeps the answer after it."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def once(
        self, work: Work, asked: Asked, model: type[ReplyT], answer: Callable[[Work], Awaitable[ReplyT]]
    ) -> ReplyT:
        """The answer of the first time, or of now; raises Conflict for a key used on another request."""
        if asked.idempotency_key is None:
            return await answer(work)
        scope = f"{asked.principal.subject}@{asked.principal.tenant or ''}"
        data = f"{type(asked).__name__}{asked.model_dump_json()}".encode()
        rows = work.rows(Answered)
        for found in await rows.find(scope=scope, key=asked.idempotency_key):
            if work.now_us - found.created_us >= KEPT_US:
                await rows.remove(id=found.id)
            elif self._vault.mark(data, key_id=found.key_id) == found.mark:
                plain = self._vault.open(found.sealed, key_id=found.key_id, bound_to=found.id)
                return model.model_validate_json(plain)
            else:
                raise Conflict(
                    "this idempotency key came with another request", mend="use a new key for each request"
                )
        reply = await answer(work)
        identity = work.new_id()
        sealed = self._vault.seal(reply.model_dump_json().encode(), bound_to=identity)
        mark = self._vault.mark(data, key_id=self._vault.newest)
        await rows.put(
            Answered(identity, scope, asked.idempotency_key, mark, self._vault.newest, sealed, work.now_us)
        )
        return reply

    async def forget_old(self, work: Work) -> None:
        """Remove answers that are no longer repeated."""
        for found in await work.rows(Answered).find(limit=1_000):
            if work.now_us - found.created_us < KEPT_US:
                break
            await work.rows(Answered).remove(id=found.id)
