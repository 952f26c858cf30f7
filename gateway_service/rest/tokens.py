"""Tokens of people who signed in: JWTs that name a user and nothing that he may do.

What he may do is what router says when he asks. Only HS256 under a key of the keyring counts: what a token
says of its own algorithm decides nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.types import Options
from pydantic import ValidationError

from contracts.messages import MemberRole, Principal
from gateway_service.rest.errors import Unauthenticated
from runtime.keyring import Keyring

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "trunkline"
_AUDIENCE: Final = "trunkline/rest"
_LONGEST: Final = 2_048
# Times are checked on the clock that is passed in.
_OPTIONS: Final[Options] = {
    "require": ["iss", "aud", "sub", "tenant", "iat", "nbf", "exp", "jti"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes tokens and reads them again."""

    keyring: Keyring
    lifetime_s: int
    now_us: Callable[[], int]

    def issue(self, who: Principal) -> str:
        """A token of a member that holds from now on for `lifetime_s`."""
        now_s = self.now_us() // 1_000_000
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": who.subject,
            "tenant": who.tenant,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + self.lifetime_s,
            "jti": secrets.token_urlsafe(16),
        }
        newest = self.keyring.newest
        return jwt.encode(claims, self.keyring.keys[newest], _ALGORITHM, headers={"kid": newest})

    def read(self, token: str) -> Principal:
        """Whom it names; the role is the least there is until router says more. Raises Unauthenticated."""
        if len(token) > _LONGEST:
            raise Unauthenticated
        try:
            key = self.keyring.keys[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                options=_OPTIONS,
            )
            self._check_times(claims)
            return Principal(subject=claims["sub"], tenant=claims["tenant"], role=MemberRole.AGENT)
        except (jwt.PyJWTError, KeyError, TypeError, ValidationError) as error:
            raise Unauthenticated from error

    def _check_times(self, claims: dict[str, Any]) -> None:
        now_s = self.now_us() / 1_000_000
        times = [claims[name] for name in ("iat", "nbf", "exp")]
        if not all(type(time) is int for time in times):
            raise Unauthenticated
        issued_s, not_before_s, expires_s = times
        if not max(issued_s, not_before_s) <= now_s < min(expires_s, issued_s + self.lifetime_s):
            raise Unauthenticated
