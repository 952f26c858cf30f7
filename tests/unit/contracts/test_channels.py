import json
import re
from typing import Any

import pytest

from contracts import channels as ch
from contracts import wire
from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS
from contracts.errors import ErrorCode, MessageError, SubjectError, VersionError
from contracts.identities import CallRef
from contracts.messages import DtmfReceived, Event, HangUp, Heartbeat, TurnEnded
from contracts.messages.calls import EndReason
from contracts.wire import call_in, channel_of, decode_event, event_class, wire_model

REF = CallRef("bright-smile", "019b78c9-0a80-78f1-91b7-584a2265b1f5")
OTHER = CallRef("other-smile", "019b78c9-0a80-78f1-91b7-584a2265b1f6")
TOKENS = {
    "tenant": REF.tenant,
    "call": REF.call,
    "process": "stt-1",
    "role": "stt",
    "number": "15550100",
    "digest": "0a" * 32,
}
EVENT: dict[str, Any] = {
    "id": "019b78c9-383f-738c-bad9-8a70a603e9e1",
    "v": 1,
    "at_us": 1_767_258_011_711_000,
    "tenant": REF.tenant,
    "call": REF.call,
    "body": {"digit_pii": "5"},
}
DTMF = f"call.{REF.tenant}.{REF.call}.dtmf.received"


def event(**changes: Any) -> bytes:
    return json.dumps({**EVENT, **changes}).encode()


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_a_subject_fills_every_token(row: Channel[Any]) -> None:
    subject = row.subject(**{kind: TOKENS[kind] for kind in row.tokens})

    assert not re.search(r"[{}*>\s]", subject)
    assert len(subject.split(".")) == len(row.pattern.split("."))


@pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
def test_a_wildcard_stands_for_every_token_not_given(row: Channel[Any]) -> None:
    assert row.wildcard() == re.sub(r"\{\w+\}", "*", row.pattern)
    for kind in row.tokens:
        assert TOKENS[kind] in row.wildcard(**{kind: TOKENS[kind]}).split(".")


def test_the_fixed_subjects_are_those_of_the_design() -> None:
    assert ch.TURN_ENDED.subject(tenant=REF.tenant, call=REF.call) == (
        f"call.{REF.tenant}.{REF.call}.turn.ended"
    )
    assert ch.CALLER_AUDIO.subject(process="stt-1", tenant=REF.tenant, call=REF.call) == (
        f"audio.stt-1.{REF.tenant}.{REF.call}"
    )
    assert ch.HANG_UP.subject(tenant=REF.tenant, call=REF.call) == f"cmd.{REF.tenant}.{REF.call}.hangup"
    assert ch.HEARTBEAT.wildcard(role="stt") == "worker.stt.*.heartbeat"
    assert ch.SESSION_OPEN.wildcard() == ch.SESSION_OPEN.subject() == "rpc.session.open"
    assert ch.NUMBER_SNAPSHOT.subject(number="15550100") == "$KV.assistants.15550100"


def test_a_missing_token_is_named() -> None:
    with pytest.raises(SubjectError, match="needs a token 'call'") as refused:
        ch.TURN_ENDED.subject(tenant=REF.tenant)

    assert refused.value.code is ErrorCode.BAD_SUBJECT


@pytest.mark.parametrize("build", [ch.TURN_ENDED.subject, ch.TURN_ENDED.wildcard])
def test_a_malformed_token_is_refused(build: Any) -> None:
    with pytest.raises(SubjectError, match=r"'a\.b' cannot be the tenant"):
        build(tenant="a.b", call=REF.call)


@pytest.mark.parametrize("build", [ch.SESSION_OPEN.subject, ch.SESSION_OPEN.wildcard])
def test_a_token_that_the_channel_does_not_have_is_refused(build: Any) -> None:
    with pytest.raises(SubjectError, match=r"rpc\.session\.open has no token 'tenant'"):
        build(tenant=REF.tenant)


def test_the_filters_of_a_call_and_a_process() -> None:
    assert wire.every_event_of(REF) == f"call.{REF.tenant}.{REF.call}.>"
    assert wire.every_turn_of_fate_of(REF) == f"call.{REF.tenant}.{REF.call}.call.*"
    assert wire.every_eye_on(REF) == f"live.{REF.tenant}.{REF.call}.>"
    assert wire.every_event() == "call.*.*.>"
    assert wire.every_frame() == "audio.*.*.*"
    assert wire.event_name(ch.TURN_ENDED.subject(**REF._asdict())) == "turn.ended"
    assert wire.event_name(ch.CALLER_AUDIO.subject(process="stt-1", **REF._asdict())) == ""
    assert wire.every_frame_to("stt-1") == "audio.stt-1.*.*"


def test_few_events_of_a_call_have_a_filter_each_and_many_one() -> None:
    few, many = frozenset({"turn.ended", "call.ended"}), frozenset({"turn.ended", "call.ended", "leg.ended"})
    prefix = f"call.{REF.tenant}.{REF.call}"
    assert wire.events_of(REF, few) == (f"{prefix}.call.ended", f"{prefix}.turn.ended")
    assert wire.events_of(REF, many) == wire.events_of(REF, None) == (f"{prefix}.>",)


@pytest.mark.parametrize("build", [wire.every_event_of, wire.every_turn_of_fate_of, wire.every_eye_on])
@pytest.mark.parametrize("ref", [CallRef("*", REF.call), CallRef(REF.tenant, ">"), CallRef("", "")])
def test_a_filter_cannot_reach_into_other_calls(build: Any, ref: CallRef) -> None:
    with pytest.raises(SubjectError):
        build(ref)


def test_the_one_audio_subscription_cannot_reach_other_processes() -> None:
    with pytest.raises(SubjectError, match="process"):
        wire.every_frame_to("*")


@pytest.mark.parametrize(
    "row", [row for row in CHANNELS if row.plane in (Plane.AUDIO, Plane.RECORD, Plane.LIVE, Plane.COMMAND)]
)
def test_the_call_is_read_from_its_subject(row: Channel[Any]) -> None:
    assert call_in(row.subject(**{kind: TOKENS[kind] for kind in row.tokens})) == REF


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "call",
        "call.acme",
        "audio.stt-1.acme",
        "worker.stt.stt-1.assign",
        "rpc.session.open",
        "_INBOX.x.y",
    ],
)
def test_a_subject_without_a_call_is_named(subject: str) -> None:
    with pytest.raises(SubjectError, match=re.escape(f"no call in subject {subject!r}")):
        call_in(subject)


def test_a_body_finds_its_channel() -> None:
    assert channel_of(DtmfReceived(digit_pii="5")) is ch.DTMF_RECEIVED


def test_a_message_that_is_no_call_event_has_no_event_channel() -> None:
    with pytest.raises(MessageError, match="HangUp is not a call event"):
        channel_of(HangUp(reason=EndReason.GHOST))


def test_call_events_travel_in_an_envelope_and_others_as_they_are() -> None:
    assert wire_model(ch.DTMF_RECEIVED) is Event[DtmfReceived]
    assert wire_model(ch.HEARTBEAT) is Heartbeat


def test_frames_are_no_model() -> None:
    with pytest.raises(MessageError, match=r"audio\.caller carries binary frames"):
        wire_model(ch.CALLER_AUDIO)


def test_an_event_is_decoded_to_its_own_model() -> None:
    decoded = decode_event(DTMF, event(epoch=4, something_new={"a": 1}))

    assert decoded.body == DtmfReceived(digit_pii="5")
    assert decoded.ref == REF
    assert decoded.epoch == 4


@pytest.mark.parametrize(
    "subject",
    [
        f"call.{REF.tenant}.{REF.call}.shoe.tied",
        f"live.{REF.tenant}.{REF.call}.dtmf.received",
        f"call.{REF.tenant}.{REF.call}.transcript.partial",
        f"cmd.{REF.tenant}.{REF.call}.hangup",
        f"{REF.tenant}.{REF.call}.dtmf.received",
        "call",
        "",
    ],
)
def test_an_event_on_a_subject_with_no_row_is_named(subject: str) -> None:
    with pytest.raises(SubjectError, match=re.escape(f"no channel for {subject!r}")):
        decode_event(subject, event())


@pytest.mark.parametrize("junk", [b"", b"{", b"\xff\xfe\x00", b"null", b"[]", b'"text"', b"17"])
def test_junk_is_named_with_its_channel(junk: bytes) -> None:
    with pytest.raises(MessageError, match=r"^dtmf\.received: message: ") as refused:
        decode_event(DTMF, junk)

    assert refused.value.code is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"body": {}}, r"body\.digit_pii: Field required"),
        ({"body": {"digit_pii": "xx"}}, r"body\.digit_pii: "),
        ({"body": None}, "body: "),
        ({"id": "1"}, "id: "),
        ({"v": 0}, "v: "),
        ({"at_us": -1}, "at_us: "),
        ({"epoch": 65_536}, "epoch: "),
        ({"trace": "none"}, "trace: "),
        ({"cause": "x"}, "cause: "),
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(MessageError, match=rf"^dtmf\.received: {fault}"):
        decode_event(DTMF, event(**changes))


def test_what_a_caller_said_does_not_reach_the_error_text() -> None:
    body = {"turn": "my secret", "text_pii": "my secret"}

    with pytest.raises(MessageError) as refused:
        decode_event(f"call.{REF.tenant}.{REF.call}.turn.ended", event(body=body))

    assert "my secret" not in str(refused.value)


@pytest.mark.parametrize(
    "body", [{"digit_pii": "5"}, {"digits": ["5", "6"]}], ids=["that still fits", "of another form"]
)
def test_a_body_of_the_future_is_named_by_its_version(body: dict[str, Any]) -> None:
    known = DtmfReceived.version

    with pytest.raises(
        VersionError, match=rf"dtmf\.received version {known + 1}; this build reads {known}"
    ) as refused:
        decode_event(DTMF, event(v=known + 1, body=body))

    assert refused.value.code is ErrorCode.UNKNOWN_VERSION
    assert refused.value.mend


@pytest.mark.parametrize("changes", [{"tenant": OTHER.tenant}, {"call": OTHER.call}])
def test_an_event_that_names_another_call_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(MessageError, match="names another call than its subject"):
        decode_event(DTMF, event(**changes))


def test_every_name_and_every_constant_of_the_table_is_its_own() -> None:
    constants = [value for value in vars(ch).values() if isinstance(value, Channel)]

    assert tuple(constants) == CHANNELS
    assert len({row.name for row in CHANNELS}) == len(CHANNELS)


def test_a_body_travels_on_one_call_channel_only() -> None:
    bodies = [row.message for row in CHANNELS if row.plane in (Plane.RECORD, Plane.LIVE)]

    assert len(set(bodies)) == len(bodies)
    assert TurnEnded in bodies


def test_an_event_is_of_the_class_that_reading_it_gives() -> None:
    rows = [row for row in CHANNELS if row.plane in (Plane.RECORD, Plane.LIVE)]
    assert [event_class(row) for row in rows] == [wire_model(row) for row in rows]
