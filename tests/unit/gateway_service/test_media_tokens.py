"""Tokens that are ours open, and no others do: forged, spoiled, of another purpose, or over."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway_service.errors import TokenRefused
from gateway_service.media_tokens import MediaClaims, issue, token_keyring, verify
from gateway_service.settings import TokenSettings
from runtime.keyring import Keyring, keyring_file

NOW_S = 1_790_000_000
NOW_US = NOW_S * 1_000_000
KEY, OTHER_KEY = b"\x01" * 32, b"\x02" * 32
RING = Keyring({"now": KEY, "before": OTHER_KEY})
CALL = "01997d1e-0000-7000-8000-000000000001"
CLAIMS = MediaClaims(
    call=CALL, called="+15550100", caller="+15550142", tenant="acme", issued_s=NOW_S, expires_s=NOW_S + 60
)
PLAIN: dict[str, Any] = {
    "aud": "media",
    "call": CALL,
    "to": "+15550100",
    "from": "+15550142",
    "iat": NOW_S,
    "exp": NOW_S + 60,
}


def check(token: str, *, at_s: float = 0, returns_s: float = 0, ring: Keyring = RING) -> MediaClaims:
    return verify(ring, token, NOW_US + int(at_s * 1_000_000), returns_s=returns_s)


def signed(claims: dict[str, Any], key: bytes = KEY, algorithm: str = "HS256", kid: Any = "now") -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid})


def test_a_token_says_what_it_was_made_with() -> None:
    assert check(issue(RING, CLAIMS)) == CLAIMS
    assert check(signed(PLAIN)) == CLAIMS.model_copy(update={"tenant": None})


def test_a_token_fits_into_a_parameter_of_twilio_whatever_its_claims() -> None:
    longest = CLAIMS.model_copy(update={"called": "+1" + "2" * 14, "caller": "x" * 64, "tenant": "a" * 63})
    token = issue(Keyring({"k" * 32: KEY}), longest)

    assert len("token") + len(token) < 500


def test_an_expired_token_is_late_for_a_while_and_then_refused() -> None:
    token = issue(RING, CLAIMS)

    assert not check(token, at_s=59.9).late
    assert check(token, at_s=60, returns_s=100).late
    with pytest.raises(TokenRefused, match="expired 101 s ago"):
        check(token, at_s=161, returns_s=100)
    with pytest.raises(TokenRefused, match="expired"):
        check(token, at_s=61)


def test_a_key_ring_turns() -> None:
    old = issue(Keyring({"before": OTHER_KEY}), CLAIMS)

    assert check(old) == CLAIMS
    with pytest.raises(TokenRefused, match="not in the keyring"):
        check(old, ring=Keyring({"now": KEY}))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "\u0000.\u0000.\u0000",
        signed(PLAIN, OTHER_KEY),
        signed(PLAIN, kid="nobody"),
        jwt.encode(PLAIN, KEY, algorithm="HS256"),
        jwt.encode(PLAIN, "", algorithm="none", headers={"kid": "now"}),
        signed(PLAIN, KEY * 2, "HS512"),
        signed({**PLAIN, "aud": "trunkline/rest"}),
        signed({**PLAIN, "call": "not-a-call"}),
        signed({**PLAIN, "exp": "tomorrow"}),
        signed({**PLAIN, "to": ""}),
        signed({**PLAIN, "to": 7}),
        signed({**PLAIN, "late": True, "exp": NOW_S - 1}),
        *(signed({name: value for name, value in PLAIN.items() if name != gone}) for gone in PLAIN),
        signed({**PLAIN, "note": "x" * 2_000}),
    ],
)
def test_what_is_not_ours_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        check(token)
    assert caught.value.close_code == 1008
    assert len(token) < 6 or token not in str(caught.value)


def test_a_changed_claim_spoils_the_signature() -> None:
    head, _, signature = issue(RING, CLAIMS).split(".")
    body = base64.urlsafe_b64encode(json.dumps({**PLAIN, "to": "+15550999"}).encode()).decode().rstrip("=")

    with pytest.raises(TokenRefused, match="Signature"):
        check(f"{head}.{body}.{signature}")


@given(
    st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
def test_junk_is_refused(junk: str) -> None:
    with pytest.raises(TokenRefused):
        check(junk)


def test_a_process_uses_the_keys_that_it_is_told_to_use(tmp_path: Path) -> None:
    old, new = (f"{name}:{base64.b64encode(KEY).decode()}" for name in ("old", "new"))
    other = tmp_path / "elsewhere"
    other.write_text(new)
    told = TokenSettings(gateway_token_keyring=SecretStr(old), gateway_token_keyring_file=other)

    assert token_keyring(told).newest == "old"
    assert token_keyring(TokenSettings(gateway_token_keyring_file=other)).newest == "new"
    assert token_keyring(TokenSettings(home=tmp_path)) == keyring_file(tmp_path / "gateway" / "token-keyring")
