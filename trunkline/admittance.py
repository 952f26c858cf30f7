"""Where a caller of ours gets the media token that lets its leg in.

From its user, from REST, or, at the platform of a home on this machine, by the key that lies there: whoever
can read that file runs the platform.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from runtime.clock import Clock
from trunkline.errors import BadOption, CallFailed

if TYPE_CHECKING:
    from trunkline.caller import Dialling

_PATH: Final = "/v1/media-tokens"
_WITHIN_S: Final = 15.0
_HOLDS_S: Final = 120

Admit = Callable[["Dialling"], Awaitable[str | None]]
"""The token for a call that is about to be placed, or None to come without; raises CallFailed."""


async def without_token(_: Dialling) -> None:
    """Come without: the gateway is open to callers of this machine."""


def with_token(token: str) -> Admit:
    """Show this one."""

    async def admit(_: Dialling) -> str:
        return token

    return admit


def by_key_of(home: Path, clock: Clock, rng: Random) -> Admit:
    """Make one for each call, with the keys of the platform whose home this is; raises BadKeyring."""
    # Who only calls another machine's platform does without the gateway's extra.
    from gateway_service.media_tokens import token_keyring  # noqa: PLC0415 - see above
    from gateway_service.rest.media_passes import Passes  # noqa: PLC0415 - see above
    from gateway_service.settings import TokenSettings  # noqa: PLC0415 - see above

    passes = Passes(token_keyring(TokenSettings(home=home)), "", _HOLDS_S, clock, rng)

    async def admit(dialling: Dialling) -> str:
        return passes.pass_for(passes.new_call(), dialling.called, dialling.caller, None).token

    return admit


class LegPass(NamedTuple):
    """What REST gives to whoever wants to place a call: the token, and where the leg is to be brought."""

    token: str
    url: str


def from_rest(url: str, api_key: str) -> Admit:
    """Ask REST for one for each call; raises BadOption for what is no address."""
    address = _address(url)

    async def admit(dialling: Dialling) -> str:
        return (await asyncio.to_thread(_asked, address, api_key, dialling.called, dialling.caller)).token

    return admit


def pass_from_rest(url: str, api_key: str, called: str, caller: str) -> LegPass:
    """Ask REST now, for one call; raises BadOption for what is no address, CallFailed where it gives none."""
    return _asked(_address(url), api_key, called, caller)


def _address(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadOption(f"{url} is no address of REST", mend="it looks like http://127.0.0.1:8081")
    return f"{url.rstrip('/')}{_PATH}"


def _asked(address: str, api_key: str, called: str, caller: str) -> LegPass:
    body = json.dumps({"to": called, "from": caller}).encode()
    headers = {"Content-Type": "application/json", "X-API-Key": api_key}
    request = urllib.request.Request(address, body, headers)  # noqa: S310 - the scheme was checked
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:  # noqa: S310 - the scheme was checked
            given = json.load(answer)
            return LegPass(str(given["token"]), str(given["url"]))
    except urllib.error.HTTPError as error:
        raise CallFailed(f"{address} gave no token: {_reason(error)}", mend="see --api-key") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CallFailed(f"{address} gave no token: {error}", mend="see --rest-url") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        problem: Any = json.load(error)
        return f"{error.code}, {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.code}"


def admittance(
    *, token: str = "", api_key: str = "", rest_url: str = "", home: Path | None, clock: Clock
) -> Admit:
    """What the options name; with none of them, the keys of `home` where the call goes to its platform."""
    if token:
        return with_token(token)
    if bool(api_key) != bool(rest_url):
        raise BadOption("--api-key and --rest-url go together", mend="give both, or --token")
    if api_key:
        return from_rest(rest_url, api_key)
    return by_key_of(home, clock, Random()) if home is not None else without_token
