"""Media tokens: who may bring a caller's leg, for which call, between which numbers, and until when.

A JSON Web Token (RFC 7519) signed with HMAC-SHA256 under the newest key of a keyring. It is made before the
leg comes, by whoever spoke with the carrier or with a tenant's program, and shown when the leg connects. A
Twilio `<Parameter>` takes 500 characters, name and value: so claims are few. To rotate the keys, add a line
below the others everywhere, then move it to the top, and drop the old one once its tokens are over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.identities import CallId, TenantSlug
from gateway_service.errors import TokenRefused
from gateway_service.settings import TokenSettings
from runtime.keyring import Keyring, keyring_file

MAX_TOKEN: Final = 1_024
_KEYRING: Final = Path("gateway") / "token-keyring"
_ALGORITHM: Final = "HS256"
_PURPOSE: Final = "media"
_CLAIMS: Final = ("aud", "call", "to", "from", "iat", "exp")
_MEND: Final = "ask for a token with POST /v1/media-tokens, or let the voice webhook give one"

MAX_PARTY: Final = 64
Party = Annotated[str, Field(min_length=1, max_length=MAX_PARTY)]


class MediaClaims(BaseModel):
    """What a token says. `late`: it has expired, and is good only for a call that goes on."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    call: CallId
    called: Party = Field(alias="to")
    caller: Party = Field(alias="from")
    tenant: TenantSlug | None = None
    issued_s: int = Field(alias="iat", strict=True)
    expires_s: int = Field(alias="exp", strict=True)
    late: bool = Field(default=False, exclude=True)


def token_keyring(settings: TokenSettings) -> Keyring:
    """The keyring that a process is told to use; raises BadKeyring."""
    if text := settings.gateway_token_keyring.get_secret_value():
        return Keyring.parse(text)
    return keyring_file(settings.gateway_token_keyring_file or settings.home / _KEYRING)


def issue(keyring: Keyring, claims: MediaClaims) -> str:
    """The token for these claims."""
    payload = {"aud": _PURPOSE, **claims.model_dump(by_alias=True, exclude_none=True)}
    name = keyring.newest
    return jwt.encode(payload, keyring.keys[name], algorithm=_ALGORITHM, headers={"kid": name, "typ": None})


def verify(keyring: Keyring, token: str, now_us: int, *, returns_s: float) -> MediaClaims:
    """What a token says, if one of our keys signed it for this purpose and it has not expired.

    One that has, by no more than `returns_s`, is `late`. Raises TokenRefused, which never quotes a token.
    """
    if len(token) > MAX_TOKEN:
        raise TokenRefused("the media token is too long to be one of ours", mend=_MEND)
    try:
        claims = MediaClaims.model_validate(_signed(keyring, token))
    except jwt.PyJWTError as error:
        raise TokenRefused(f"the media token is not valid: {error}", mend=_MEND) from None
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise TokenRefused(f"the media token's claim {field!r} is not valid", mend=_MEND) from None
    over_s = now_us / 1_000_000 - claims.expires_s
    if over_s > returns_s:
        raise TokenRefused(f"the media token expired {over_s:.0f} s ago", mend=_MEND)
    return claims.model_copy(update={"late": over_s >= 0})


def _signed(keyring: Keyring, token: str) -> dict[str, Any]:
    name = jwt.get_unverified_header(token).get("kid")
    key = keyring.keys.get(name) if isinstance(name, str) else None
    if key is None:
        raise jwt.InvalidKeyError("signed with a key that is not in the keyring")
    decoded: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[_ALGORITHM],
        audience=_PURPOSE,
        options={  # times are checked on the clock that is passed in
            "require": list(_CLAIMS),
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    decoded.pop("late", None)
    return decoded
