"""From the bus to the core and back: no decisions here."""

from __future__ import annotations

import logging

import nats.errors

from contracts import channels as ch
from contracts import messages as m
from router_service.authentication import Authentication
from router_service.desk import Desk, Ids
from router_service.errors import NumberMisconfigured
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.rpc import RpcServer

log = logging.getLogger(__name__)


class BusAlerts:
    """The Alerts port over the stream of alerts."""

    def __init__(self, bus: Bus, clock: Clock, ids: Ids) -> None:
        self._bus = bus
        self._clock = clock
        self._ids = ids

    async def configuration_broken(self, fault: NumberMisconfigured, answered_with: m.AnsweredWith) -> None:
        """Publish it; where the stream cannot be reached the log has said so already."""
        alert = m.ConfigurationBroken(
            id=self._ids(),
            at_us=self._clock.now_us(),
            tenant=fault.tenant,
            number=fault.number,
            fault=fault.message,
            mend=fault.mend,
            answered_with=answered_with,
        )
        subject = ch.CONFIGURATION_BROKEN.subject(tenant=fault.tenant)
        try:
            await self._bus.jetstream.publish(
                subject, alert.model_dump_json().encode(), headers={"Nats-Msg-Id": alert.id}
            )
        except nats.errors.Error as error:
            log.error("alert about %s is not stored: %s", fault.number, error)


class Handlers:
    """What router answers."""

    def __init__(self, desk: Desk, authentication: Authentication) -> None:
        self._desk = desk
        self._authentication = authentication

    def serve(self, rpc: RpcServer) -> None:
        """Answer every channel of router."""
        answer = self._desk.answer
        rpc.serve(ch.ROUTER_TENANTS, m.TenantsReply, lambda asked: answer(asked, m.TenantsReply))
        rpc.serve(ch.ROUTER_USERS, m.UsersReply, lambda asked: answer(asked, m.UsersReply))
        rpc.serve(ch.ROUTER_NUMBERS, m.NumbersReply, lambda asked: answer(asked, m.NumbersReply))
        rpc.serve(ch.ROUTER_ASSISTANTS, m.AssistantsReply, lambda asked: answer(asked, m.AssistantsReply))
        rpc.serve(ch.ROUTER_CREDENTIALS, m.CredentialsReply, lambda asked: answer(asked, m.CredentialsReply))
        rpc.serve(ch.ROUTER_KEYS, m.KeysReply, lambda asked: answer(asked, m.KeysReply))
        rpc.serve(
            ch.ROUTER_SUBSCRIPTIONS, m.SubscriptionsReply, lambda asked: answer(asked, m.SubscriptionsReply)
        )
        rpc.serve(ch.ROUTER_AUDIT, m.AuditReply, lambda asked: answer(asked, m.AuditReply))
        rpc.serve(ch.ROUTER_PREVIEW, m.PreviewReply, self._desk.preview)
        rpc.serve(ch.ROUTER_AUTHENTICATE, m.AuthenticateReply, self.authenticate)

    async def authenticate(self, asked: m.AuthenticateRequest) -> m.AuthenticateReply:
        """rpc.router.authenticate."""
        operation = asked.operation
        match operation:
            case m.SignIn():
                return await self._authentication.sign_in(operation)
            case m.CheckKey():
                return await self._authentication.check_key(operation)
            case m.CheckPrincipal():
                return await self._authentication.check_principal(operation)
