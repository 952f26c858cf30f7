"""The web application: its routers, its problems, its description. `app.py` gives it bus and port."""

from __future__ import annotations

import random
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from contracts.errors import TrunklineError
from contracts.identities import uuid7
from gateway_service.rest import problems
from gateway_service.rest.dependencies import Rest
from gateway_service.rest.edge import Edge
from gateway_service.rest.routers import ROUTERS
from gateway_service.rest.settings import RestSettings
from runtime.clock import Clock, SystemClock

PREFIX: Final = "/v1"
VERSION: Final = "1"
_ABOUT: Final = """\
Phone numbers, assistants, calls and the people who look after them.

A program sends its API key as `X-API-Key`, or as a bearer; the operator makes a tenant's first one
(`POST /v1/keys?tenant=SLUG`, or `trunkline admin key create`), an owner any further. A person signs in at
`POST /v1/token` with email and password, as a form, and sends the token as a bearer.

First steps of a tenant: `POST /v1/assistants` (who answers), `PATCH /v1/numbers/{number}` (which of them
answers this number, and what differs there), `POST /v1/numbers/{number}/preview` (what a call would get),
`GET /v1/calls` (what became of calls). An admin names the tenant as `?tenant=SLUG`.

In a path or a query the plus of a number may be written as `%2B`. Lists are `{items, next}`: `next` goes into
`?after=`. Every refusal is a Problem (RFC 9457) whose `mend` says what to do. A POST that is sent again with
the same `Idempotency-Key` within a day is done once and answered as the first time; another body with that
key is refused (409). Only signing in takes no such key."""
_PROBLEMS: Final = {
    400: "a value that cannot be taken, or a request that cannot be read",
    401: "no token or key, or one that is not valid here",
    403: "the role does not allow it",
    404: "not there, or another tenant's",
    405: "there is no such method here; `Allow` names those there are",
    409: "it contradicts what is there",
    412: "If-Match names a revision that is no longer the newest",
    413: "the body is too large",
    415: "the body is not of the type that is asked for",
    422: "something does not fit; `errors` names every place",
    429: "more than may be asked now; `Retry-After` says when to come again",
    500: "a fault of ours; its `instance` is in our log",
    503: "a service is busy or away; trying again may help",
    504: "a service did not answer in time; trying again may help",
}
_EXPOSED: Final = (
    "ETag",
    "Link",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-Id",
)
_METHODS: Final = {"get", "put", "post", "delete", "patch"}


class WebApp(FastAPI):
    """FastAPI whose description also tells of every problem."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        if self.openapi_schema is None:
            self.openapi_schema = _described(
                get_openapi(
                    title=self.title,
                    version=self.version,
                    description=self.description,
                    routes=self.routes,
                    separate_input_output_schemas=False,
                )
            )
        return self.openapi_schema


def web_app(settings: RestSettings, clock: Clock, rng: random.Random, rest: Rest | None = None) -> WebApp:
    """The application; without `rest` it can only be described."""
    app = WebApp(
        title="Trunkline",
        version=VERSION,
        description=_ABOUT,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.rest = rest
    for router in ROUTERS:
        app.include_router(router)
    for kind, handler in (
        (TrunklineError, problems.on_error),
        (HTTPException, problems.on_http_exception),
        (RequestValidationError, problems.on_invalid),
    ):
        app.add_exception_handler(kind, handler)
    if settings.rest_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.rest_cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-API-Key"],
            expose_headers=_EXPOSED,
        )
    app.add_middleware(
        Edge,
        max_body_bytes=settings.rest_max_body_bytes,
        new_id=lambda: uuid7(clock.now_us() // 1000, rng),
        now_s=clock.monotonic_s,
    )
    return app


def description() -> dict[str, Any]:
    """The OpenAPI document, of a build without a bus."""
    return web_app(RestSettings(), SystemClock(), random.Random()).openapi()


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every problem of every operation in place of the framework's own errors."""
    schemas = document["components"]["schemas"]
    for foreign in ("HTTPValidationError", "ValidationError"):
        schemas.pop(foreign, None)
    schemas["FaultView"] = problems.FaultView.model_json_schema()
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    content = {problems.PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in document["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                operation["responses"].pop("422", None)
                for status, why in _PROBLEMS.items():
                    operation["responses"].setdefault(str(status), {"description": why, "content": content})
    return document
