"""Who asks, while router says this and that or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import messages as m
from contracts.errors import ErrorCode, TrunklineError
from gateway_service.rest.asking import Services
from gateway_service.rest.buckets import Buckets
from gateway_service.rest.errors import Answered, Unauthenticated
from gateway_service.rest.gate import Gate
from gateway_service.rest.settings import RestSettings
from gateway_service.rest.tokens import Tokens
from runtime.errors import BusUnavailable, RequestTimeout
from runtime.keyring import Keyring
from tests.support.clock import ManualClock

KEY = "tlk_one"
OWNER = m.Principal(subject="key:1", tenant="acme", role=m.MemberRole.OWNER)
PERSON = m.Principal(subject="user:1", tenant="acme", role=m.MemberRole.OWNER)


def refusal(code: ErrorCode, status: int) -> m.AuthenticateReply:
    return m.AuthenticateReply(error=m.WireError(code=code, message="no", status=status))


NO_DATABASE = refusal(ErrorCode.STORE_UNAVAILABLE, 503)
REVOKED = refusal(ErrorCode.UNAUTHENTICATED, 401)
AWAY = (NO_DATABASE, BusUnavailable("no NATS"), RequestTimeout("nobody answers"))


class Router:
    """The bus, as far as the gate asks it. `says` is the answer, or what is raised."""

    def __init__(self) -> None:
        self.says: m.AuthenticateReply | TrunklineError = m.AuthenticateReply(principal=OWNER)
        self.asked = 0

    async def request(self, _channel: Any, _message: Any, _reply: Any, *, timeout_s: float) -> Any:
        assert timeout_s > 0
        self.asked += 1
        if isinstance(self.says, TrunklineError):
            raise self.says
        return self.says


class Door:
    """A gate, its router and its time: what is said holds 5 s, and a key 60 s where router is away."""

    def __init__(self) -> None:
        self.clock, self.router = ManualClock(), Router()
        self.tokens = Tokens(Keyring({"one": bytes(32)}), 900, self.clock.now_us)
        settings = RestSettings(rest_recheck_s=5, rest_key_stale_s=60)
        monotonic_s = self.clock.monotonic_s
        services = Services(self.router, 1.0)
        self.gate = Gate(settings, services, self.tokens, Buckets(monotonic_s), monotonic_s)

    async def who(self, secret: str = KEY) -> str:
        return (await self.gate.who(secret, "127.0.0.1"))[0].subject


@pytest.fixture
def door() -> Door:
    return Door()


async def test_router_is_asked_again_after_a_while_and_not_before(door: Door) -> None:
    for after_s, asked in ((0, 1), (4, 1), (2, 2)):
        door.clock.tick(after_s)
        assert await door.who() == "key:1"
        assert door.router.asked == asked


@pytest.mark.parametrize("away", AWAY, ids=lambda one: type(one).__name__)
async def test_a_key_that_was_checked_stays_good_for_a_bounded_time(door: Door, away: Any) -> None:
    await door.who()
    door.router.says = away
    for _ in range(9):
        door.clock.tick(6)
        assert await door.who() == "key:1"
    assert door.router.asked == 10, "it is asked again, but not by every request"
    assert await door.who() == "key:1"
    assert door.router.asked == 10

    door.clock.tick(6)
    with pytest.raises((Answered, BusUnavailable, RequestTimeout)):
        await door.who()


async def test_the_time_begins_anew_when_router_has_answered(door: Door) -> None:
    await door.who()
    door.clock.tick(50)
    await door.who()
    door.router.says = NO_DATABASE
    door.clock.tick(50)
    assert await door.who() == "key:1"


async def test_a_key_that_router_never_knew_is_not_let_in(door: Door) -> None:
    await door.who()
    door.router.says = NO_DATABASE
    with pytest.raises(Answered):
        await door.who("tlk_other")


async def test_a_key_that_is_revoked_is_not_good_any_more_whatever_comes_then(door: Door) -> None:
    await door.who()
    door.clock.tick(6)
    for door.router.says in (REVOKED, NO_DATABASE):
        with pytest.raises((Unauthenticated, Answered)):
            await door.who()


@pytest.mark.parametrize("code", sorted(set(ErrorCode) - {ErrorCode.STORE_UNAVAILABLE, ErrorCode.TIMEOUT}))
async def test_another_refusal_is_none_of_being_away(door: Door, code: ErrorCode) -> None:
    await door.who()
    door.clock.tick(6)
    door.router.says = refusal(code, 500)
    with pytest.raises((Answered, Unauthenticated)):
        await door.who()


async def test_a_persons_token_is_good_only_as_long_as_router_says_so(door: Door) -> None:
    door.router.says = m.AuthenticateReply(principal=PERSON)
    token = door.tokens.issue(PERSON)
    assert await door.who(token) == "user:1"
    door.clock.tick(6)
    door.router.says = NO_DATABASE
    with pytest.raises(Answered):
        await door.who(token)
