"""Asks services for a principal: over the bus, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from contracts.channel import Channel
from contracts.messages import MemberRole, Message, Principal, Reply
from gateway_service.rest.errors import Answered, Forbidden, NotFound

ReplyT = TypeVar("ReplyT", bound=Reply)

_RANKS = {MemberRole.AGENT: 1, MemberRole.SUPERVISOR: 2, MemberRole.OWNER: 3}


class Requests(Protocol):
    """The bus, as far as REST needs it."""

    async def request(
        self, channel: Channel[Any], message: Any, reply: type[ReplyT], *, timeout_s: float
    ) -> ReplyT:
        """Ask and wait; raises what `runtime.bus.Bus.request` raises."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The services, each answer within `timeout_s`."""

    bus: Requests
    timeout_s: float

    async def ask(self, channel: Channel[Any], reply: type[ReplyT], message: Message) -> ReplyT:
        """The answer; raises Answered with a service's refusal, and what `Bus.request` raises."""
        answer = await self.bus.request(channel, message, reply, timeout_s=self.timeout_s)
        if answer.error is not None:
            raise Answered(answer.error)
        return answer


@dataclass(frozen=True, slots=True)
class Asking:
    """A principal who asks, and whose things it is about: `tenant`, or a member's own where it is None."""

    services: Services
    principal: Principal
    tenant: str | None = None

    def about(self, tenant: str) -> Asking:
        """The same principal about this tenant."""
        return replace(self, tenant=tenant)

    async def router(
        self,
        channel: Channel[Any],
        reply: type[ReplyT],
        operation: Message,
        idempotency_key: str | None = None,
    ) -> ReplyT:
        """Have router run the operation; raises Answered with its refusal."""
        asked = channel.message(
            principal=self.principal,
            tenant=self.tenant,
            idempotency_key=idempotency_key,
            operation=operation,
        )
        return await self.services.ask(channel, reply, asked)

    def needs(self, role: MemberRole) -> None:
        """Return if the principal may do what this role may; raises Forbidden."""
        own = self.principal.role
        if own is not None and _RANKS[own] < _RANKS[role]:
            raise Forbidden(own, role)

    def sees(self, tenant: str) -> bool:
        """Whether what is this tenant's is there for the principal, as the request names things."""
        own = self.principal.tenant
        return self.principal.admin or (own == tenant and self.tenant in (None, own))

    @property
    def whose(self) -> str | None:
        """The tenant that a member or admin may look at, None for an admin's all.

        Raises NotFound for a member who names another tenant than its own.
        """
        if self.principal.admin:
            return self.tenant
        if self.tenant not in (None, self.principal.tenant):
            raise NotFound("tenant", self.tenant or "")
        return self.principal.tenant
