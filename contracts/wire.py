"""From a subject and its bytes to what they mean, and back: which call, which event, which model."""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

from pydantic import ValidationError

from contracts.channel import Channel, Plane
from contracts.channels import CALLER_AUDIO, CHANNELS
from contracts.errors import MessageError, SubjectError, VersionError
from contracts.identities import CallRef, check_token
from contracts.messages.base import Event, Message

M = TypeVar("M", bound=Message)

_RECORD: Final = {row.name: row for row in CHANNELS if row.plane in (Plane.RECORD, Plane.LIVE)}
_FEW: Final = 2
_BY_BODY: Final = {row.message: row for row in _RECORD.values()}


def wire_model(row: Channel[Any]) -> type[Message]:
    """The model of what travels on `row`: a call event in its envelope, any other message as it is.

    Raises MessageError for audio, whose frames are `contracts.frames`.
    """
    if row.plane is Plane.AUDIO:
        raise MessageError(f"{row.name} carries binary frames", mend="use contracts.frames.decode_frame")
    if row.plane not in (Plane.RECORD, Plane.LIVE):
        return cast("type[Message]", row.message)
    return Event.__class_getitem__(row.message)  # type: ignore[return-value]  # declared too wide by pydantic


_MODELS: Final = {name: cast("type[Event[Any]]", wire_model(row)) for name, row in _RECORD.items()}


def channel_of(body: M) -> Channel[M]:
    """The call channel that carries this body; raises MessageError for a message that is not a call event."""
    try:
        return _BY_BODY[type(body)]
    except KeyError:
        raise MessageError(
            f"{type(body).__name__} is not a call event", mend="see contracts/channels.py"
        ) from None


def event_class(channel: Channel[M]) -> type[Event[M]]:
    """The class of a channel's events: the one that `decode_event` gives.

    `Event[M]` with a type variable is made anew each time that the garbage collector has taken it away, which
    costs as much as fifty events.
    """
    return _MODELS[channel.name]


def every_event_of(ref: CallRef) -> str:
    """The subject filter for all recorded events of one call."""
    return f"call.{check_token('tenant', ref.tenant)}.{check_token('call', ref.call)}.>"


def every_turn_of_fate_of(ref: CallRef) -> str:
    """The subject filter for what is recorded of one call as a whole: begun, reassigned, detached, ended.

    However long a call is, these are few.
    """
    return f"call.{check_token('tenant', ref.tenant)}.{check_token('call', ref.call)}.call.*"


def events_of(ref: CallRef, names: frozenset[str] | None) -> tuple[str, ...]:
    """The subject filters for recorded events of one call: one for each name where they are few.

    Many subscriptions cost the server more than it saves to leave out what nobody wants.
    """
    if names is None or len(names) > _FEW:
        return (every_event_of(ref),)
    return tuple(_RECORD[name].subject(tenant=ref.tenant, call=ref.call) for name in sorted(names))


def every_event() -> str:
    """The subject filter for all recorded events of all calls."""
    return "call.*.*.>"


def every_frame() -> str:
    """The subject filter for all audio of all calls, both ways."""
    return CALLER_AUDIO.wildcard()


def event_name(subject: str) -> str:
    """The name of the event on a `call.*` subject, such as `turn.ended`; empty for any other subject."""
    tokens = subject.split(".", 3)
    return tokens[3] if len(tokens) == 4 and tokens[0] == "call" else ""


def every_frame_to(process: str) -> str:
    """The one audio subscription of a process."""
    return CALLER_AUDIO.wildcard(process=process)


def every_eye_on(ref: CallRef) -> str:
    """The subject filter for everything live about one call."""
    return f"live.{check_token('tenant', ref.tenant)}.{check_token('call', ref.call)}.>"


def call_in(subject: str) -> CallRef:
    """Tenant and call of an audio, call, live or cmd subject; raises SubjectError for any other."""
    tokens = subject.split(".")
    at = {"audio": 2, "call": 1, "live": 1, "cmd": 1}.get(tokens[0])
    if at is None or len(tokens) < at + 2:
        raise SubjectError(
            f"no call in subject {subject!r}", mend="expected audio.*, call.*, live.* or cmd.*"
        )
    return CallRef(tokens[at], tokens[at + 1])


def decode_event(subject: str, data: bytes) -> Event[Any]:
    """The call event on `subject`.

    Raises SubjectError for a subject with no row, VersionError for a body version of the future, and
    MessageError for what does not fit the model or names another call than its subject.
    """
    tokens = subject.split(".", 3)
    row = _RECORD.get(tokens[3]) if len(tokens) == 4 else None
    if row is None or not row.pattern.startswith(f"{tokens[0]}."):
        raise SubjectError(
            f"no channel for {subject!r}", mend="see docs/channels.md; upgrade the older service"
        )
    try:
        event = _MODELS[row.name].model_validate_json(data)
    except ValidationError as error:
        _raise_if_newer(row, data)
        raise MessageError(
            f"{row.name}: {_first_fault(error)}", mend="see docs/channels.md for its fields"
        ) from error
    _check_version(row, event.v)
    if event.tenant != tokens[1] or event.call != tokens[2]:
        raise MessageError(
            f"{row.name} names another call than its subject", mend="publish it with its own CallRef"
        )
    return event


class _VersionOnly(Message):
    v: int = 0


def _raise_if_newer(row: Channel[Any], data: bytes) -> None:
    """A body of the future may not fit today's model: then its version is the fault to name."""
    try:
        _check_version(row, _VersionOnly.model_validate_json(data).v)
    except ValidationError:
        return


def _check_version(row: Channel[Any], version: int) -> None:
    known = row.message.version
    if version > known:
        raise VersionError(
            f"{row.name} version {version}; this build reads {known}", mend="upgrade this service"
        )


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "message"
    return f"{where}: {fault['msg']}"
