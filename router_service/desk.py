"""Where requests come in: may the principal, is it a repetition, then the operation in one transaction."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

from contracts import messages as m
from contracts.identities import uuid7
from router_service import assistants, audit, keys, numbers, preview, subscriptions, tenants, users
from router_service.access import check
from router_service.credentials import Credentials
from router_service.errors import Unauthenticated
from router_service.passwords import Passwords
from router_service.ports import Transaction, UnitOfWork
from router_service.replays import Replays
from router_service.work import Work

ReplyT = TypeVar("ReplyT", bound=m.Reply)
Operation = Callable[[Work, Any], Awaitable[Any]]
WithOperation = (
    m.TenantsRequest
    | m.UsersRequest
    | m.NumbersRequest
    | m.AssistantsRequest
    | m.KeysRequest
    | m.CredentialsRequest
    | m.SubscriptionsRequest
    | m.AuditRequest
)

LOOKS: Final[dict[type[m.Message], Operation]] = {
    m.GetTenant: tenants.get,
    m.ListTenants: tenants.list_all,
    m.GetUser: users.get,
    m.ListUsers: users.list_all,
    m.GetNumber: numbers.get,
    m.ListNumbers: numbers.list_all,
    m.GetAssistant: assistants.get,
    m.ListAssistants: assistants.list_all,
    m.ListRevisions: assistants.revisions,
    m.ListKeys: keys.list_all,
    m.GetSubscription: subscriptions.get,
    m.ListPlans: subscriptions.list_plans,
    m.ListAudit: audit.list_all,
    m.PreviewRequest: preview.preview,
}

CHANGES: Final[dict[type[m.Message], Operation]] = {
    m.CreateTenant: tenants.create,
    m.UpdateTenant: tenants.update,
    m.CloseTenant: tenants.close,
    m.UpdateUser: users.update,
    m.RemoveUser: users.remove,
    m.CreateNumber: numbers.create,
    m.AssignNumber: numbers.assign,
    m.UpdateNumber: numbers.update,
    m.DeleteNumber: numbers.delete,
    m.CreateAssistant: assistants.create,
    m.UpdateAssistant: assistants.update,
    m.DeleteAssistant: assistants.delete,
    m.RestoreRevision: assistants.restore,
    m.CreateKey: keys.create,
    m.RevokeKey: keys.revoke,
    m.PutPlan: subscriptions.put_plan,
    m.PutSubscription: subscriptions.put,
}


class Ids:
    """UUIDv7s that sort in the order in which they were made."""

    def __init__(self, now_us: Callable[[], int], rng: random.Random) -> None:
        self._now_us = now_us
        self._rng = rng
        self._last_ms = 0

    def __call__(self) -> str:
        """The next one."""
        self._last_ms = max(self._last_ms + 1, self._now_us() // 1000)
        return uuid7(self._last_ms, self._rng)


class Desk:
    """Answers what principals ask; raises the RouterError that applies, and then nothing has changed."""

    def __init__(
        self,
        database: UnitOfWork,
        *,
        credentials: Credentials,
        passwords: Passwords,
        replays: Replays,
        now_us: Callable[[], int],
        ids: Ids,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._replays = replays
        self._now_us = now_us
        self._ids = ids
        self._looks: dict[type[m.Message], Operation] = {**LOOKS, m.ListCredentials: credentials.list_all}
        self._changes: dict[type[m.Message], Operation] = {
            **CHANGES,
            m.PutCredential: credentials.put,
            m.DeleteCredential: credentials.delete,
        }

    async def answer(self, asked: WithOperation, model: type[ReplyT]) -> ReplyT:
        """Run the request's operation; `model` is what its channel answers with."""
        operation = asked.operation
        check(asked.principal, type(operation))
        look = self._looks.get(type(operation))
        if look is not None:
            found: ReplyT = await self._look(asked, operation, look)
            return found
        return await self._once(asked, operation, await self._prepared(asked, operation), model)

    async def preview(self, asked: m.PreviewRequest) -> m.PreviewReply:
        """What would answer, if this were saved."""
        check(asked.principal, m.PreviewRequest)
        if asked.idempotency_key is not None:
            return await self._once(asked, asked, LOOKS[m.PreviewRequest], m.PreviewReply)
        reply: m.PreviewReply = await self._look(asked, asked, LOOKS[m.PreviewRequest])
        return reply

    def work(self, tx: Transaction, who: m.Principal, tenant: str | None) -> Work:
        """What an operation is given."""
        return Work(tx, who, tenant, self._now_us(), self._ids)

    async def _once(
        self, asked: m.Asked, operation: m.Message, run: Operation, model: type[ReplyT]
    ) -> ReplyT:
        """The answer of the first time, where the request is a repetition; else of now."""

        async def once(tx: Transaction) -> ReplyT:
            work = self.work(tx, asked.principal, asked.tenant)
            return await self._replays.once(work, asked, model, partial(_on, run, operation))

        return await self._database.write(once)

    async def _look(self, asked: m.Asked, operation: m.Message, look: Operation) -> Any:
        async def run(tx: Transaction) -> Any:
            return await look(self.work(tx, asked.principal, asked.tenant), operation)

        return await self._database.read(run)

    async def _prepared(self, asked: m.Asked, operation: m.Message) -> Operation:
        """The operation, with the passwords hashed that it needs: that is slow, and no transaction waits."""
        if isinstance(operation, m.AddUser):
            return partial(users.add, hashed=await self._passwords.hash(operation.password))
        if isinstance(operation, m.ChangePassword):
            user = await self._look(asked, operation, users.whose_password)
            if operation.current is not None and not await self._passwords.matches(
                user.password_hash, operation.current
            ):
                raise Unauthenticated
            hashed = await self._passwords.hash(operation.password)
            return partial(users.change_password, proven=user.password_hash, hashed=hashed)
        return self._changes[type(operation)]


async def _on(run: Operation, operation: m.Message, work: Work) -> Any:
    return await run(work, operation)
