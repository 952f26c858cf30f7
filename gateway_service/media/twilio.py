"""A caller over Twilio Media Streams: one WebSocket, spoken with through picows.

Reading and writing stay on the transport, with no task and no queue per caller. What a caller reads too
slowly is dropped once the transport says that it holds enough.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from contracts.messages import EndReason
from gateway_service.errors import (
    BinaryMessage,
    BrokenWebSocket,
    GatewayError,
    InternalFault,
    MessageTooLarge,
    OutOfOrder,
    StartTimeout,
)
from gateway_service.media import twilio_protocol as protocol
from gateway_service.media.handshake import Handshake, is_loopback
from gateway_service.ports import CallDesk, CallerSide, DigitPressed, HungUp, LegOffered, MarkPlayed
from gateway_service.settings import Settings

log = logging.getLogger(__name__)

_TEXT: Final = WSMsgType.TEXT
_CLOSE: Final = WSMsgType.CLOSE
_NORMAL_CLOSES: Final = frozenset({0, 1000, 1001, 1005})
_CLOSE_GRACE_S: Final = 1.0


class TwilioLeg(WSListener):
    """The `MediaLeg` of one Twilio stream. Lives as long as its socket."""

    def __init__(self, desk: CallDesk, settings: Settings, handshake: Handshake) -> None:
        super().__init__()
        self._desk = desk
        self._handshake = handshake
        self._local = False
        self._settings = settings
        self._transport: WSTransport | None = None
        self._caller: CallerSide | None = None
        self._encoder: protocol.Encoder | None = None
        self._fragments: bytearray | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._full = False
        self._peer_code: int | None = None

    # -- MediaLeg ------------------------------------------------------------------------------------

    def send_audio(self, payload: bytes, mark: str | None) -> bool:
        """Play `payload`, then report `mark`; False where the caller reads too slowly."""
        if self._transport is None or self._encoder is None or self._full:
            return False
        if payload:
            self._transport.send(_TEXT, self._encoder.media(payload))
        if mark is not None:
            self._transport.send(_TEXT, self._encoder.mark(mark))
        return True

    def clear(self) -> None:
        """Have Twilio forget what it has not played."""
        if self._transport is not None and self._encoder is not None:
            self._transport.send(_TEXT, self._encoder.clear)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, and give the caller a moment to say it too: a reset would lose the reason."""
        if self._transport is None or self._closing:
            return
        self._closing = True
        self._transport.send_close(code, reason)  # type: ignore[arg-type]  # any code goes; the stub lists some
        self._wait(_CLOSE_GRACE_S, self._abort)

    # -- WSListener ----------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The socket is open."""
        self._transport = transport
        limit = self._settings.gateway_write_buffer_bytes
        under = transport.underlying_transport
        self._local = not self._handshake.proxied and is_loopback(under.get_extra_info("peername"))
        under.set_write_buffer_limits(high=limit)
        under.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limit)
        try:
            self._caller = self._desk.connect(self)
        except GatewayError as error:
            self.close(error.close_code, error.reason)
        else:
            self._wait(self._settings.gateway_start_timeout_s, self._no_start)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Something arrived."""
        kind = frame.msg_type
        if kind == _CLOSE:
            self._peer_closes(transport, frame)
        elif self._caller is None or self._closing:
            return
        else:
            try:
                if kind == _TEXT and frame.fin and self._fragments is None:
                    self._read(self._caller, frame.get_payload_as_bytes())
                else:
                    self._assemble(self._caller, frame)
            except GatewayError as error:
                self._caller.tell(error)
            except Exception:
                log.exception("a message of a caller could not be handled")
                self._caller.tell(InternalFault("a fault of the gateway", mend="see the gateway's log"))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is closed."""
        self._stop_waiting()
        self._transport = None
        caller, self._caller = self._caller, None
        if caller is None:
            return
        sent = getattr(transport.close_handshake, "sent", None)
        if sent is not None and not self._closing and self._peer_code is None:
            too_big = sent.code == WSCloseCode.MESSAGE_TOO_BIG
            fault = MessageTooLarge if too_big else BrokenWebSocket
            caller.tell(fault(sent.reason, mend="speak WebSocket as RFC 6455 says"))
        if self._peer_code in _NORMAL_CLOSES:
            caller.gone(EndReason.CALLER_HUNG_UP, "")
        elif self._peer_code is not None:
            caller.gone(EndReason.CONNECTION_LOST, f"the carrier closed with code {self._peer_code}")
        else:
            caller.gone(EndReason.CONNECTION_LOST, "the socket was lost without a close")

    def pause_writing(self) -> None:
        """The caller does not keep up."""
        self._full = True

    def resume_writing(self) -> None:
        """The caller keeps up again."""
        self._full = False

    # -- inside --------------------------------------------------------------------------------------

    def _read(self, caller: CallerSide, data: bytes) -> None:
        sound = protocol.sound_of(data)
        if sound is not None:
            caller.hear(sound)
            return
        self._check_size(len(data))
        message = protocol.parse(data)
        if type(message) is protocol.Media:
            caller.hear(message.payload)
        else:
            self._act(caller, message)

    def _assemble(self, caller: CallerSide, frame: WSFrame) -> None:
        """A message in fragments is read once it is whole. Control frames may come between."""
        if frame.msg_type in (WSMsgType.PING, WSMsgType.PONG):
            return
        if frame.msg_type == WSMsgType.BINARY:
            raise BinaryMessage("a binary message", mend="send JSON text")
        if (frame.msg_type == WSMsgType.CONTINUATION) != (self._fragments is not None):
            raise OutOfOrder("WebSocket fragments out of order", mend="finish one message before the next")
        self._fragments = self._fragments or bytearray()
        self._check_size(len(self._fragments) + frame.payload_size)
        self._fragments += frame.get_payload_as_bytes()
        if frame.fin:
            whole, self._fragments = bytes(self._fragments), None
            self._read(caller, whole)

    def _check_size(self, size: int) -> None:
        limit = self._settings.gateway_max_message_bytes
        if size > limit:
            raise MessageTooLarge(f"a message of {size} bytes", mend=f"send at most {limit}")

    def _act(self, caller: CallerSide, message: protocol.Inbound) -> None:
        match message:
            case protocol.Start():
                if self._encoder is None:
                    self._encoder = protocol.Encoder(message.stream)
                    self._stop_waiting()
                caller.tell(self._offered(message))
            case protocol.Mark(name):
                caller.tell(MarkPlayed(name))
            case protocol.Dtmf(digit):
                caller.tell(DigitPressed(digit))
            case protocol.Stop():
                caller.tell(HungUp())
            case _:
                return

    def _offered(self, start: protocol.Start) -> LegOffered:
        token = start.token or self._handshake.token
        return LegOffered(start.call, start.to, start.from_, "twilio", token, self._local)

    def _peer_closes(self, transport: WSTransport, frame: WSFrame) -> None:
        self._peer_code = int(frame.get_close_code())  # type: ignore[call-overload]  # an int, whatever the stub says
        transport.send_close(WSCloseCode.OK)
        transport.disconnect()

    def _no_start(self) -> None:
        if self._caller is not None:
            timeout_s = self._settings.gateway_start_timeout_s
            self._caller.tell(
                StartTimeout(f"no start within {timeout_s:g} s", mend="send start after connecting")
            )

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _wait(self, delay_s: float, then: Callable[[], None]) -> None:
        """The one timer of a leg: first for its start, last for its close."""
        self._stop_waiting()
        self._timer = asyncio.get_running_loop().call_later(delay_s, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
