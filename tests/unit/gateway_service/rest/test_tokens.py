from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from contracts.messages import MemberRole, Principal
from gateway_service.rest.errors import Unauthenticated
from gateway_service.rest.tokens import Tokens
from runtime.keyring import Keyring
from tests.support.clock import ManualClock

OLD, NEW = bytes(32), bytes([7]) * 32
OWNER = Principal(subject="user:1", tenant="acme", role=MemberRole.OWNER)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tokens(clock: ManualClock) -> Tokens:
    return Tokens(Keyring({"new": NEW, "old": OLD}), 900, clock.now_us)


def forged(tokens: Tokens, key: bytes = NEW, kid: str | None = "new", **changes: Any) -> str:
    """A token like ours but for the changes; None leaves a claim out."""
    claims = jwt.decode(tokens.issue(OWNER), options={"verify_signature": False})
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, "HS256", headers={"kid": kid} if kid else None)


def test_a_token_names_its_user_and_not_what_he_may_do(tokens: Tokens) -> None:
    read = tokens.read(tokens.issue(OWNER))

    assert (read.subject, read.tenant) == (OWNER.subject, OWNER.tenant)
    assert read.role is MemberRole.AGENT
    assert "owner" not in jwt.decode(tokens.issue(OWNER), options={"verify_signature": False}).values()


def test_a_token_expires(tokens: Tokens, clock: ManualClock) -> None:
    token = tokens.issue(OWNER)
    clock.tick(899)
    tokens.read(token)
    clock.tick(2)
    with pytest.raises(Unauthenticated):
        tokens.read(token)


def test_an_older_key_of_the_keyring_still_verifies_and_one_that_is_gone_does_not(
    tokens: Tokens, clock: ManualClock
) -> None:
    before = Tokens(Keyring({"old": OLD}), 900, clock.now_us).issue(OWNER)

    assert tokens.read(before).subject == OWNER.subject
    with pytest.raises(Unauthenticated):
        Tokens(Keyring({"new": NEW}), 900, clock.now_us).read(before)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": OLD},
        {"kid": "gone"},
        {"kid": None},
        {"iss": "somebody"},
        {"aud": "trunkline/media"},
        {"exp": "never"},
        {"exp": True},
        {"iat": 1 << 40},
        {"nbf": 1 << 40},
        {"sub": 7},
        {"sub": ""},
        {"tenant": "NOT A SLUG"},
        *({name: None} for name in ("iss", "aud", "sub", "tenant", "iat", "nbf", "exp", "jti")),
    ],
    ids=str,
)
def test_a_token_that_is_not_ours_in_every_claim_is_refused(tokens: Tokens, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(forged(tokens, **changes))


def test_a_token_lives_no_longer_than_tokens_do_now_whatever_it_says(
    tokens: Tokens, clock: ManualClock
) -> None:
    token = forged(tokens, exp=1 << 40)
    tokens.read(token)
    clock.tick(901)
    with pytest.raises(Unauthenticated):
        tokens.read(token)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "None", "HS512", "RS256", "EdDSA", "", None, 7])
def test_what_a_token_says_of_its_algorithm_decides_nothing(tokens: Tokens, algorithm: Any) -> None:
    _, claims, signature = tokens.issue(OWNER).split(".")
    header = encoded({"alg": algorithm, "kid": "new", "typ": "JWT"})
    for token in (f"{header}.{claims}.", f"{header}.{claims}.{signature}"):
        with pytest.raises(Unauthenticated):
            tokens.read(token)


@pytest.mark.parametrize("junk", ["", ".", "..", "a.b.c", "\0", "é", "x" * 5_000, "[]", '{"a":1}'])
def test_junk_is_refused(tokens: Tokens, junk: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(junk)
