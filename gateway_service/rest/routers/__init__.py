"""One file a resource, each thin: parse, ask, answer. A new one is a module with a `router`, named here."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from gateway_service.rest.routers import (
    assistants,
    audit,
    calls,
    credentials,
    health,
    keys,
    me,
    media_tokens,
    numbers,
    plans,
    subscription,
    tenants,
    tokens,
    twilio,
    usage,
    users,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    tokens.router,
    me.router,
    tenants.router,
    users.router,
    numbers.router,
    assistants.router,
    credentials.router,
    keys.router,
    plans.router,
    subscription.router,
    calls.router,
    media_tokens.router,
    twilio.router,
    usage.router,
    audit.router,
    health.router,
)
