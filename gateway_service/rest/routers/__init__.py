"""One file a resource, each thin: parse, ask, answer. A new one is a module with a `router`, named here."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from gateway_service.rest.routers import health, me, tokens, users

ROUTERS: Final[tuple[APIRouter, ...]] = (tokens.router, me.router, users.router, health.router)
