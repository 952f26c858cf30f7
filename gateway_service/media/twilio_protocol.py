"""Twilio Media Streams, the messages alone: bytes in, values out, and back. No I/O.

Written from https://www.twilio.com/docs/voice/media-streams/websocket-messages (bidirectional streams).
Numbers arrive as numbers or as strings. `media` comes 50 times a second from every caller, so where it has
the form that carriers give it, one pattern reads it (`sound_of`); any other form goes through `parse`, which
looks at nothing that is not needed. The carrier's chunk and timestamp are not, because the gateway stamps
frames on its own clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import orjson
import pybase64

from contracts.frames import FRAME_MS
from gateway_service.errors import BadMessage, BadParameter, UnsupportedMedia, WrongFrameSize

ENCODING: Final = "audio/x-mulaw"
RATE_HZ: Final = 8_000
FRAME_BYTES: Final = RATE_HZ * FRAME_MS // 1000
_INBOUND: Final = "inbound"
_DIGITS: Final = frozenset("0123456789ABCD*#")
_MAX_ID: Final = 128
_MAX_TOKEN: Final = 1_024
_USUAL_MEDIA: Final = re.compile(
    rb'\{"event":"media","sequenceNumber":"\d{1,10}",(?:"streamSid":"\w{1,64}",)?'
    rb'"media":\{"track":"inbound","chunk":"\d{1,10}","timestamp":"\d{1,10}",'
    rb'"payload":"([A-Za-z0-9+/]{%d}==)"\}(?:,"streamSid":"\w{1,64}")?\}' % (FRAME_BYTES * 4 // 3 + 1)
).fullmatch


class Media(NamedTuple):
    """20 ms of the caller: 160 bytes of mu-law."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Start:
    """A stream begins, with the parameters it was given: Twilio itself does not say who calls whom."""

    stream: str
    call: str
    to: str | None
    from_: str | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key the caller pressed."""

    digit: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of ours came back: what was sent before it has been played, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The carrier ends the stream."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to act on: `connected`, another track's audio, or an event that Twilio added since."""


Inbound: TypeAlias = Media | Start | Dtmf | Mark | Stop | Nothing
_NOTHING: Final = Nothing()
_STOP: Final = Stop()


def sound_of(data: bytes) -> bytes | None:
    """The 160 bytes of a `media` message in the usual form; None for any other, which `parse` reads."""
    usual = _USUAL_MEDIA(data)
    return pybase64.b64decode(usual[1]) if usual is not None else None


def parse(data: bytes) -> Inbound:
    """One text message from Twilio.

    Raises BadMessage (not JSON, or a field missing or of the wrong type), WrongFrameSize, UnsupportedMedia
    (codec, rate, channels, tracks) or BadParameter; each names the field and the mend.
    """
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"not JSON: {error}", mend="send Twilio Media Streams messages") from None
    if not isinstance(message, dict):
        raise BadMessage(f"a JSON {_kind(message)}, not an object", mend="send Twilio Media Streams messages")
    event = message.get("event")
    if event == "media":
        return _media(message)
    match event:
        case "start":
            return _start(_object(message, "start"))
        case "mark":
            return Mark(_text(_object(message, "mark"), "mark.name"))
        case "dtmf":
            return _dtmf(_object(message, "dtmf"))
        case "stop":
            return _STOP
        case str():
            return _NOTHING
    raise BadMessage(f"event is {_shown(event)}", mend="name the event: start, media, mark, dtmf or stop")


def _media(message: dict[str, Any]) -> Inbound:
    try:
        media = message["media"]
        text = media["payload"]
        if media.get("track", _INBOUND) != _INBOUND:
            return _NOTHING
        payload = pybase64.b64decode(text, validate=True)
    except (KeyError, TypeError, AttributeError):
        raise BadMessage("media.payload is missing or not text", mend="send base64 text") from None
    except ValueError:
        raise BadMessage("media.payload is not base64", mend="encode it with the standard alphabet") from None
    if len(payload) != FRAME_BYTES:
        raise WrongFrameSize(
            f"media.payload holds {len(payload)} bytes", mend=f"send {FRAME_BYTES}, 20 ms of mu-law"
        )
    return Media(payload)


def _start(start: dict[str, Any]) -> Start:
    _check_format(_object(start, "mediaFormat", "start."))
    _check_tracks(start.get("tracks"))
    parameters = start.get("customParameters")
    if not isinstance(parameters, dict):
        parameters = {}
    return Start(
        stream=_text(start, "start.streamSid"),
        call=_text(start, "start.callSid"),
        to=_parameter(parameters, "to", _MAX_ID),
        from_=_parameter(parameters, "from", _MAX_ID),
        token=_parameter(parameters, "token", _MAX_TOKEN),
    )


def _check_format(form: dict[str, Any]) -> None:
    if form.get("encoding") != ENCODING:
        raise UnsupportedMedia(
            f"mediaFormat.encoding {_shown(form.get('encoding'))} is not carried", mend=f"send {ENCODING}"
        )
    for field, wanted in (("sampleRate", RATE_HZ), ("channels", 1)):
        if _integer(form.get(field)) != wanted:
            raise UnsupportedMedia(
                f"mediaFormat.{field} {_shown(form.get(field))} is not carried", mend=f"send {wanted}"
            )


def _check_tracks(tracks: object) -> None:
    if tracks is not None and (not isinstance(tracks, list) or _INBOUND not in tracks):
        raise UnsupportedMedia(
            f"start.tracks {_shown(tracks)} lacks the caller's audio", mend="stream the inbound track"
        )


def _dtmf(dtmf: dict[str, Any]) -> Dtmf:
    digit = _text(dtmf, "dtmf.digit")
    if digit not in _DIGITS:
        raise BadMessage(f"dtmf.digit {_shown(digit)} is not a key", mend="send one of 0-9, A-D, * and #")
    return Dtmf(digit)


def _object(message: dict[str, Any], field: str, where: str = "") -> dict[str, Any]:
    value = message.get(field)
    if not isinstance(value, dict):
        raise BadMessage(f"{where}{field} is {_kind(value)}", mend=f"send an object in {where}{field}")
    return value


def _text(message: dict[str, Any], path: str) -> str:
    value = message.get(path.rsplit(".", 1)[1])
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_ID:
        raise BadMessage(f"{path} is {_shown(value)}", mend=f"send 1 to {_MAX_ID} characters of text")
    return value


def _parameter(parameters: dict[str, Any], name: str, longest: int) -> str | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise BadParameter(
            f"customParameters.{name} is not 1 to {longest} characters of text",
            mend=f'send <Parameter name="{name}" value="..."/>, or leave it out',
        )
    return value


def _integer(value: object) -> int | None:
    """A number that may have arrived as a string."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    return value if type(value) is int else None


def _kind(value: object) -> str:
    match value:
        case None:
            return "missing"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "array"
        case _:
            return "object"


def _shown(value: object) -> str:
    """A value as an error may quote it: a close reason has 123 bytes for everything."""
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= 30 else f"{text[:27]}..."


class Encoder:
    """Messages to Twilio for one stream; what does not change is built once."""

    def __init__(self, stream: str) -> None:
        name = orjson.dumps(stream)
        self._media = b'{"event":"media","streamSid":' + name + b',"media":{"payload":"'
        self._mark = b'{"event":"mark","streamSid":' + name + b',"mark":{"name":'
        self.clear = b'{"event":"clear","streamSid":' + name + b"}"

    def media(self, payload: bytes) -> bytes:
        """Audio to play after what was sent before."""
        return self._media + pybase64.b64encode(payload) + b'"}}'

    def mark(self, name: str) -> bytes:
        """Comes back once the audio before it has been played."""
        return self._mark + orjson.dumps(name) + b"}}"
