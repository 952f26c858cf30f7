"""One file a resource, each thin: parse, ask, answer. A new one is a module with a `router`, named here."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from gateway_service.rest.routers import health, me, media_tokens, tokens, twilio, users

ROUTERS: Final[tuple[APIRouter, ...]] = (
    tokens.router,
    me.router,
    users.router,
    media_tokens.router,
    twilio.router,
    health.router,
)
