"""What a socket shows when it opens, before the first message: a token, perhaps, and the way it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import parse_qs

_BEARER: Final = "bearer "
_LEFT_BY_PROXIES: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


@dataclass(frozen=True, slots=True)
class Handshake:
    """`token` is what stood in the request. `proxied`: the peer of the socket is not where it began."""

    token: str | None = None
    proxied: bool = False


def shown_at(query: str, headers: Mapping[str, str]) -> Handshake:
    """Read a WebSocket's opening request. A header is better than a query, which logs keep."""
    authorization = headers.get("Authorization", "")
    token = authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""
    if not token:
        token = next(iter(parse_qs(query).get("token", ())), "")
    return Handshake(token or None, any(name in headers for name in _LEFT_BY_PROXIES))


def is_loopback(peer: object) -> bool:
    """Whether a socket's peer name, such as ("127.0.0.1", 52044), is on this machine."""
    if not isinstance(peer, tuple) or not peer:
        return False
    try:
        address = ip_address(str(peer[0]))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
