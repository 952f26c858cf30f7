"""The WebSocket between a caller and a gateway, on picows: a third of the cost of the next library."""

from __future__ import annotations

from typing import Any, Final, Protocol

import orjson
import picows
from typing_extensions import override

from trunkline.errors import CallFailed

_CONNECT_S: Final = 10.0


class Receiver(Protocol):
    """Who is told what comes over the socket. Neither may block."""

    def on_message(self, message: dict[str, Any]) -> None:
        """One JSON message of the platform."""
        ...

    def on_closed(self, code: int, reason: str) -> None:
        """The socket is gone; code 1006 where nobody said why. Said once, and nothing after it."""
        ...


class MediaSocket(picows.WSListener):
    """One call's socket; everything happens on the event loop that connected it."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver
        self._transport: picows.WSTransport | None = None

    def send(self, message: bytes) -> None:
        """Send one text message; a socket that is gone swallows it, `on_closed` has told."""
        if self._transport is not None:
            self._transport.send(picows.WSMsgType.TEXT, message)

    def close(self) -> None:
        """Close the socket; `on_closed` follows."""
        if self._transport is not None:
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()

    @override
    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The socket is open."""
        self._transport = transport

    @override
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """One frame; picows answers pings itself."""
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.TEXT:
            self._receiver.on_message(orjson.loads(frame.get_payload_as_memoryview()))

    @override
    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The socket is gone, by whomever."""
        self._transport = None
        handshake: Any = transport.close_handshake  # None after a broken connection, which its stub forgets
        said = handshake.recv if handshake is not None else None
        code = said.code if said else picows.WSCloseCode.ABNORMAL_CLOSURE
        self._receiver.on_closed(code.value, (said.reason or "") if said else "")


async def connect_media(url: str, receiver: Receiver) -> MediaSocket:
    """An open socket to a gateway; raises CallFailed when there is none to be had."""
    socket = MediaSocket(receiver)
    try:
        await picows.ws_connect(lambda: socket, url, websocket_handshake_timeout=_CONNECT_S)
    except picows.WSInvalidURL as error:
        raise CallFailed(
            f"{url} is not a WebSocket address", mend="it looks like ws://127.0.0.1:8080/media/twilio"
        ) from error
    except picows.WSError as error:
        raise CallFailed(
            f"{url} opened no media stream: {' '.join(str(error).split())}",
            mend="check the path, /media/twilio, and that this is a gateway",
        ) from error
    except (OSError, TimeoutError) as error:
        raise CallFailed(
            f"nobody answers at {url}: {str(error) or 'no answer in time'}",
            mend="start the platform (trunkline up) or name another with --url",
        ) from error
    return socket
