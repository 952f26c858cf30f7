"""Asks through REST what `routing.Client` asks over the bus: the same operations, the same replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx

from contracts import messages as m
from tests.support.office import ADMIN, ASKED
from tests.support.resting import Resting
from tests.support.routing import Client

Wanted = tuple[str, str, Any]


def _given(operation: m.Message, *without: str) -> dict[str, Any]:
    return operation.model_dump(mode="json", exclude={"op", *without}, exclude_unset=True)


def _page(path: str, operation: Any) -> Wanted:
    query = f"limit={operation.limit}" + (f"&after={quote(operation.after)}" if operation.after else "")
    return "GET", f"{path}?{query}", None


def _number(operation: Any) -> str:
    return f"/numbers/{quote(operation.number, safe='')}"


REQUESTS: dict[type[m.Message], Callable[[Any, str | None], Wanted]] = {
    m.CreateTenant: lambda op, _: ("POST", "/tenants", _given(op)),
    m.GetTenant: lambda _, slug: ("GET", f"/tenants/{slug}", None),
    m.ListTenants: lambda op, _: _page("/tenants", op),
    m.UpdateTenant: lambda op, slug: ("PATCH", f"/tenants/{slug}", _given(op)),
    m.CloseTenant: lambda _, slug: ("DELETE", f"/tenants/{slug}", None),
    m.AddUser: lambda op, _: ("POST", "/users", _given(op)),
    m.GetUser: lambda op, _: ("GET", f"/users/{op.id}", None),
    m.ListUsers: lambda op, _: _page("/users", op),
    m.UpdateUser: lambda op, _: ("PATCH", f"/users/{op.id}", _given(op, "id")),
    m.RemoveUser: lambda op, _: ("DELETE", f"/users/{op.id}", None),
    m.ChangePassword: lambda op, _: ("PUT", f"/users/{op.id}/password", _given(op, "id")),
    m.CreateNumber: lambda op, _: ("POST", "/numbers", _given(op)),
    m.GetNumber: lambda op, _: ("GET", _number(op), None),
    m.ListNumbers: lambda op, _: _page("/numbers", op),
    m.UpdateNumber: lambda op, _: ("PATCH", _number(op), _given(op, "number")),
    m.DeleteNumber: lambda op, _: ("DELETE", _number(op), None),
    m.AssignNumber: lambda op, slug: (
        ("PUT", f"{_number(op)}/assignment", {"tenant": slug, "assistant": op.assistant})
        if slug
        else ("DELETE", f"{_number(op)}/assignment", None)
    ),
    m.CreateAssistant: lambda op, _: ("POST", "/assistants", _given(op)),
    m.GetAssistant: lambda op, _: ("GET", f"/assistants/{op.id}", None),
    m.ListAssistants: lambda op, _: _page("/assistants", op),
    m.UpdateAssistant: lambda op, _: ("PATCH", f"/assistants/{op.id}", op.changes),
    m.DeleteAssistant: lambda op, _: ("DELETE", f"/assistants/{op.id}", None),
    m.ListRevisions: lambda op, _: _page(f"/assistants/{op.id}/revisions", op),
    m.RestoreRevision: lambda op, _: ("POST", f"/assistants/{op.id}/restore", _given(op, "id")),
    m.CreateKey: lambda op, _: ("POST", "/keys", _given(op)),
    m.ListKeys: lambda op, _: _page("/keys", op),
    m.RevokeKey: lambda op, _: ("DELETE", f"/keys/{op.id}", None),
    m.PutCredential: lambda op, _: ("POST", "/credentials", _given(op)),
    m.ListCredentials: lambda op, _: _page("/credentials", op),
    m.DeleteCredential: lambda op, _: ("DELETE", f"/credentials/{op.id}", None),
    m.ListPlans: lambda op, _: _page("/plans", op),
    m.GetSubscription: lambda _op, _: ("GET", "/subscription", None),
    m.PutSubscription: lambda op, _: ("PUT", "/subscription", _given(op)),
    m.ListAudit: lambda op, _: _page("/audit", op),
}
"""How each operation is asked for; the second argument is the tenant that it is about."""

OF_ITS_OWN = (m.CreateTenant, m.GetTenant, m.ListTenants, m.UpdateTenant, m.CloseTenant)
NO_TENANT = (*OF_ITS_OWN, m.AssignNumber, m.ListPlans)
"""Where the tenant is in the path or the body, or does not matter."""


class RestClient(Client):
    """Every principal has a key, made when it first asks."""

    def __init__(self, there: Resting) -> None:
        super().__init__(there.bus.bus, there.bus.snapshots)
        self._there = there
        self._keys: dict[m.Principal, str] = {}

    async def ask(
        self, who: m.Principal, operation: m.Message, tenant: str | None = None, key: str | None = None
    ) -> Any:
        """The reply that REST's answer stands for."""
        about = tenant or who.tenant if isinstance(operation, OF_ITS_OWN) else tenant
        method, path, body = REQUESTS[type(operation)](operation, about)
        if tenant is not None and not isinstance(operation, NO_TENANT):
            path += f"{'&' if '?' in path else '?'}tenant={tenant}"
        answer = await self._send(who, method, path, body, key if method == "POST" else None)
        reply = ASKED[type(operation)].reply
        assert reply is not None
        return reply.model_validate(_reply(answer))

    async def preview(self, asked: m.PreviewRequest) -> m.PreviewReply:
        assert asked.number is not None
        path = f"/numbers/{quote(asked.number, safe='')}/preview"
        path += f"?tenant={asked.tenant}" if asked.tenant else ""
        body = _given(asked, "principal", "tenant", "number", "idempotency_key")
        answer = await self._send(asked.principal, "POST", path, body, None)
        if answer.is_success:
            return m.PreviewReply.model_validate({"snapshot": answer.json()})
        return m.PreviewReply.model_validate(_reply(answer))

    async def _send(
        self, who: m.Principal, method: str, path: str, body: Any, key: str | None
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        api = self._there.admin if who == ADMIN else self._there.nobody.with_key(await self._key_of(who))
        return await api(method, path, body, headers=headers)

    async def _key_of(self, who: m.Principal) -> str:
        if who not in self._keys:
            created = m.CreateKey(label="a member", role=who.role)
            made = await self._there.bus.done(ADMIN, created, who.tenant)
            self._keys[who] = made.secret
        return self._keys[who]


def _reply(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        return {"error": {**problem, "message": problem["detail"]}}
    said = answer.json() if answer.content else {"items": []}
    if "items" in said:
        return {"items": said["items"], "plans": said["items"], "next": said.get("next")}
    return {"items": [said], "subscription": said, "secret": said.get("secret")}
