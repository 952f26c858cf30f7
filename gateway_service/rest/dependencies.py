"""What endpoints ask for in their signatures: who asks, about which tenant, which page, which repetition."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from contracts.identities import TenantSlug
from contracts.messages.access import Cursor, PageSize
from gateway_service.rest.asking import Asking, Services
from gateway_service.rest.carrier_calls import CarrierCalls
from gateway_service.rest.errors import TooManyRequests, Unauthenticated
from gateway_service.rest.gate import Gate
from gateway_service.rest.media_passes import Passes
from gateway_service.rest.published_numbers import PublishedNumbers
from gateway_service.rest.repetitions import Repetitions
from gateway_service.rest.settings import RestSettings
from runtime.clock import Clock
from runtime.health import Health
from runtime.telemetry import Counter

_PASSWORD: Final = OAuth2PasswordBearer("/v1/token", scheme_name="password", auto_error=False)
_BEARER: Final = HTTPBearer(
    scheme_name="bearer", description="a token of /v1/token, or an API key", auto_error=False
)
_API_KEY: Final = APIKeyHeader(name="X-API-Key", scheme_name="apiKey", auto_error=False)


@dataclass(frozen=True, slots=True)
class Rest:
    """What every endpoint may use; `app.state.rest`."""

    settings: RestSettings
    services: Services
    gate: Gate
    clock: Clock
    rng: random.Random
    health: Health
    passes: Passes
    carrier_calls: CarrierCalls
    webhooks: Counter
    numbers: PublishedNumbers
    repetitions: Repetitions


def rest_of(request: Request) -> Rest:
    """The process's own."""
    rest = request.app.state.rest
    assert isinstance(rest, Rest)
    return rest


TheRest = Annotated[Rest, Depends(rest_of)]


def address_of(request: Request) -> str:
    """Where the request comes from, behind the proxies that are trusted."""
    return request.client.host if request.client else "nowhere"


async def who(
    request: Request,
    rest: TheRest,
    _password: Annotated[str | None, Security(_PASSWORD)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    api_key: Annotated[str | None, Security(_API_KEY)],
) -> Asking:
    """Who asks, with no tenant named. Every request counts against his rate, also one that is refused."""
    if api_key is not None and "authorization" in request.headers:
        raise Unauthenticated("both a key and a token came: send one of them")
    secret = api_key or (bearer.credentials if bearer else None)
    if not secret:
        raise Unauthenticated
    principal, level = await rest.gate.who(secret, address_of(request))
    request.state.headers.update(
        {
            "RateLimit-Limit": str(level.capacity),
            "RateLimit-Remaining": str(level.left),
            "RateLimit-Reset": str(math.ceil(level.full_s)),
        }
    )
    if not level.allowed:
        raise TooManyRequests(f"{level.capacity} requests a minute are allowed", level.after_s)
    return Asking(rest.services, principal)


Who = Annotated[Asking, Depends(who)]


async def about_tenant(
    asking: Who,
    tenant: Annotated[
        TenantSlug | None,
        Query(description="Whose things it is about. A member's own where it is left out; for an admin all."),
    ] = None,
) -> Asking:
    """Who asks, about the tenant that the query names."""
    return asking.about(tenant) if tenant is not None else asking


Ask = Annotated[Asking, Depends(about_tenant)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A request repeated with its key within a day is answered as the first time.",
    ),
]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page."""

    after: str | None
    limit: int

    def given(self) -> dict[str, Any]:
        """As the fields of a listing operation."""
        return {"after": self.after, "limit": self.limit}


def paging(
    after: Annotated[Cursor | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[PageSize, Query()] = 50,
) -> Paging:
    """The page that the query names."""
    return Paging(after, limit)


Page = Annotated[Paging, Depends(paging)]
