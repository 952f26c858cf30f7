"""The door for callers: one port, one path a protocol, and an answer for whoever knocks at another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from picows import (
    WSListener,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from gateway_service.media.handshake import Handshake, shown_at
from gateway_service.media.twilio import TwilioLeg
from gateway_service.ports import CallDesk
from gateway_service.settings import Settings
from runtime.errors import PortInUse

Leg = Callable[[CallDesk, Settings, Handshake], WSListener]

MEDIA_PATHS: Final[dict[str, Leg]] = {"/media/twilio": TwilioLeg}
_MESSAGE_WALL_BYTES: Final = 2 * 1024 * 1024  # a leg refuses far smaller ones in its own words

_library_log = logging.getLogger(f"{__name__}.picows")
_library_log.setLevel(logging.WARNING)  # it tells of every connection at INFO


async def listen(desk: CallDesk, settings: Settings) -> asyncio.Server:
    """Accept callers for `desk`; raises PortInUse where the address cannot be had."""

    def answer(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        return _answer(request, desk, settings)

    host, port = settings.gateway_host, settings.gateway_port
    try:
        return await ws_create_server(
            answer, host, port, max_frame_size=_MESSAGE_WALL_BYTES, logger_name=_library_log
        )
    except OSError as error:
        raise PortInUse(
            f"the gateway cannot listen on {host}:{port}: {error.strerror or error}",
            mend="free the port, or set TRUNKLINE_GATEWAY_PORT (0 takes any) and TRUNKLINE_GATEWAY_HOST",
        ) from error


def _answer(
    request: WSUpgradeRequest, desk: CallDesk, settings: Settings
) -> WSListener | WSUpgradeResponseWithListener:
    path, _, query = request.path.decode(errors="replace").partition("?")
    leg = MEDIA_PATHS.get(path)
    paths = ", ".join(MEDIA_PATHS)
    if leg is None:
        return _refuse(HTTPStatus.NOT_FOUND, f"nothing is at {path}; media streams are at {paths}\n")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return _refuse(
            HTTPStatus.UPGRADE_REQUIRED,
            f"{path} speaks WebSocket: connect to ws://{request.headers.get('Host')}{path}\n",
        )
    if "upgrade" in request.headers.get("Connection", "").lower():
        request.headers["Connection"] = "upgrade"  # browsers and proxies send "keep-alive, Upgrade"
    return leg(desk, settings, shown_at(query, request.headers))


def _refuse(status: HTTPStatus, text: str) -> WSUpgradeResponseWithListener:
    headers = {"Upgrade": "websocket"} if status is HTTPStatus.UPGRADE_REQUIRED else None
    return WSUpgradeResponseWithListener(
        WSUpgradeResponse.create_error_response(status, text.encode(), extra_headers=headers), None
    )
