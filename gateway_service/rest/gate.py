"""Who asks? A token or an API key becomes a principal, as router says it is now, and how much it may ask."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contracts import messages as m
from contracts.channels import ROUTER_AUTHENTICATE
from contracts.errors import ErrorCode, TrunklineError
from gateway_service.rest.asking import Services
from gateway_service.rest.buckets import Buckets, Level
from gateway_service.rest.errors import Answered, TooManyRequests, Unauthenticated
from gateway_service.rest.settings import RestSettings
from gateway_service.rest.tokens import Tokens

log = logging.getLogger(__name__)

KEY_MARK: Final = "tlk_"
_LONGEST_KEY: Final = 256
_MOST: Final = 10_000
_AWAY: Final = frozenset({ErrorCode.STORE_UNAVAILABLE, ErrorCode.TIMEOUT})


@dataclass(frozen=True, slots=True)
class Known:
    """Whom router knows by a token or key, and how much he may ask."""

    principal: m.Principal
    requests_per_minute: int


@dataclass(slots=True)
class _Checked:
    """What router said at `at_s`; it is not asked again before `again_s`."""

    known: Known
    at_s: float
    again_s: float


class Gate:
    """Establishes who asks. What router said is believed for `rest_recheck_s`, and refusals never are.

    While router cannot be asked, an API key that it knew stays good for `rest_key_stale_s`: a tenant's
    program goes on placing calls, which need no SQL either.
    """

    def __init__(
        self,
        settings: RestSettings,
        services: Services,
        tokens: Tokens,
        buckets: Buckets,
        monotonic_s: Callable[[], float],
    ) -> None:
        self.tokens = tokens
        self._settings = settings
        self._services = services
        self._buckets = buckets
        self._monotonic_s = monotonic_s
        self._known: OrderedDict[str, _Checked] = OrderedDict()

    async def sign_in(self, operation: m.SignIn, address: str) -> m.Principal:
        """The person; raises Answered with router's refusal, or TooManyRequests after too many failures."""
        settings = self._settings
        per_s = 1 / settings.rest_try_again_s
        account = f"account {_digest(operation.email.lower())}"
        self._try(account, settings.rest_account_tries, per_s)
        self._try(f"address {address}", settings.rest_address_tries, per_s)
        principal = (await self._authenticate(operation)).principal
        self._buckets.give_back(account)
        self._buckets.give_back(f"address {address}")
        assert principal is not None
        return principal

    async def who(self, secret: str, address: str) -> tuple[m.Principal, Level]:
        """Who holds this token or key, and his level after this request.

        Raises Unauthenticated, and TooManyRequests after too many failures from one address.
        """
        name = _digest(secret)
        held = self._known.get(name)
        if held is not None and held.again_s > self._monotonic_s():
            known = held.known
        else:
            known = await self._check(name, secret, address)
        rate = known.requests_per_minute
        return known.principal, self._buckets.take(f"who {known.principal.subject}", rate, rate / 60)

    async def _check(self, name: str, secret: str, address: str) -> Known:
        """What router says now; while it cannot be asked, what it said of an API key not long ago."""
        try:
            return self._remember(name, await self._look_up(secret, address))
        except Unauthenticated:
            self._known.pop(name, None)
            raise
        except TrunklineError as error:
            held, now_s = self._known.get(name), self._monotonic_s()
            stale_at_s = held.at_s + self._settings.rest_key_stale_s if held is not None else now_s
            if held is None or now_s >= stale_at_s or not _is_key(secret) or not _is_away(error):
                raise
            log.warning("%s stays good, router cannot be asked: %s", held.known.principal.subject, error)
            held.again_s = min(stale_at_s, now_s + self._settings.rest_recheck_s)
            return held.known

    async def _look_up(self, secret: str, address: str) -> Known:
        operation: m.CheckKey | m.CheckPrincipal
        if _is_key(secret):
            operation = m.CheckKey(key=secret)
        else:
            operation = m.CheckPrincipal(principal=self.tokens.read(secret))
        guesses = (f"guess {address}", self._settings.rest_address_tries, 1.0)
        level = self._buckets.look(*guesses)
        if not level.allowed:
            raise TooManyRequests("too many unknown keys came from here", level.after_s)
        try:
            reply = await self._authenticate(operation)
        except Answered as refusal:
            if refusal.wire.code is not ErrorCode.UNAUTHENTICATED:
                raise
            self._buckets.take(*guesses)
            raise Unauthenticated from refusal
        assert reply.principal is not None
        rate = reply.requests_per_minute or self._settings.rest_requests_per_minute
        return Known(reply.principal, rate)

    async def _authenticate(self, operation: m.SignIn | m.CheckKey | m.CheckPrincipal) -> m.AuthenticateReply:
        asked = m.AuthenticateRequest(operation=operation)
        return await self._services.ask(ROUTER_AUTHENTICATE, m.AuthenticateReply, asked)

    def _try(self, name: str, capacity: int, per_s: float) -> None:
        level = self._buckets.take(name, capacity, per_s)
        if not level.allowed:
            raise TooManyRequests("too many sign-ins failed", level.after_s)

    def _remember(self, name: str, known: Known) -> Known:
        now_s = self._monotonic_s()
        self._known[name] = _Checked(known, now_s, now_s + self._settings.rest_recheck_s)
        self._known.move_to_end(name)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return known


def _is_key(secret: str) -> bool:
    return secret.startswith(KEY_MARK) and len(secret) <= _LONGEST_KEY and "\0" not in secret


def _is_away(error: TrunklineError) -> bool:
    """Whether router could not be asked, or could not ask its database."""
    return (error.wire.code if isinstance(error, Answered) else error.code) in _AWAY


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
