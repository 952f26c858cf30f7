"""The messages as Twilio documents them, and what happens to everything else."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_service.errors import BadMessage, BadParameter, GatewayError, UnsupportedMedia, WrongFrameSize
from gateway_service.media.twilio_protocol import (
    Dtmf,
    Encoder,
    Inbound,
    Mark,
    Media,
    Nothing,
    Start,
    Stop,
    parse,
    sound_of,
)

STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
SOUND = bytes(range(160))


def start(**changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": STREAM,
        "start": {
            "accountSid": "AC9c0b2f6ab71b2b1e0d4f4f3b6f0b7a51",
            "streamSid": STREAM,
            "callSid": "CA7f0c1d0d5a0d4c6a8f1b2c3d4e5f6a7b",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"to": "+15550100", "from": "+15550142"},
        },
    }
    message["start"] = {**message["start"], **changes}
    return message


def media(payload: bytes = SOUND, **changes: Any) -> dict[str, Any]:
    body = {
        "track": "inbound",
        "chunk": "2",
        "timestamp": "5",
        "payload": pybase64.b64encode(payload).decode(),
    }
    return {"event": "media", "sequenceNumber": "3", "streamSid": STREAM, "media": {**body, **changes}}


def read(message: dict[str, Any]) -> Inbound:
    return parse(orjson.dumps(message))


# -- in ----------------------------------------------------------------------------------------------


def test_connected_asks_for_nothing() -> None:
    assert read({"event": "connected", "protocol": "Call", "version": "1.0.0"}) == Nothing()


def test_start_says_who_calls_whom() -> None:
    assert read(start()) == Start(STREAM, "CA7f0c1d0d5a0d4c6a8f1b2c3d4e5f6a7b", "+15550100", "+15550142")


def test_numbers_may_arrive_as_strings() -> None:
    form = {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"}
    assert isinstance(read(start(mediaFormat=form)), Start)


def test_media_is_the_callers_sound() -> None:
    assert read(media()) == Media(SOUND)


def test_media_of_the_other_track_is_left_alone() -> None:
    assert read(media(track="outbound")) == Nothing()


def test_dtmf_mark_and_stop() -> None:
    assert read({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "#"}}) == Dtmf("#")
    assert read({"event": "mark", "sequenceNumber": "4", "mark": {"name": "2.0.640"}}) == Mark("2.0.640")
    assert read({"event": "stop", "sequenceNumber": "5", "stop": {"callSid": "CA1"}}) == Stop()


def test_an_event_that_twilio_adds_one_day_harms_nobody() -> None:
    assert read({"event": "mood", "mood": {"value": "good"}}) == Nothing()


# -- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON"),
        (b"{broken", "not JSON"),
        (b"\x00\xff\xfe", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[1]", "a JSON array, not an object"),
        (b"null", "a JSON missing, not an object"),
        (b"{}", "event is missing"),
        (b'{"event":7}', "event is 7"),
        (b'{"event":"start"}', "start is missing"),
        (b'{"event":"mark","mark":[]}', "mark is array"),
        (b'{"event":"mark","mark":{"name":5}}', "mark.name is 5"),
        (b'{"event":"dtmf","dtmf":{"digit":"x"}}', "dtmf.digit 'x' is not a key"),
        (b'{"event":"media"}', "media.payload is missing"),
        (b'{"event":"media","media":"x"}', "media.payload is missing"),
        (b'{"event":"media","media":{"payload":null}}', "media.payload is missing"),
        (b'{"event":"media","media":{"payload":"%%%"}}', "media.payload is not base64"),
    ],
)
def test_a_fault_is_named(data: bytes, says: str) -> None:
    with pytest.raises(BadMessage) as caught:
        parse(data)
    assert says in caught.value.message
    assert caught.value.mend
    assert caught.value.close_code == 1007


@pytest.mark.parametrize("size", [0, 1, 80, 159, 161, 320])
def test_a_frame_of_the_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(WrongFrameSize, match=f"holds {size} bytes .send 160, 20 ms of mu-law"):
        read(media(bytes(size)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encoding": "audio/opus"}, "mediaFormat.encoding 'audio/opus' is not carried .send audio/x-mulaw"),
        ({"encoding": None}, "mediaFormat.encoding missing is not carried"),
        ({"sampleRate": "16000"}, "mediaFormat.sampleRate '16000' is not carried .send 8000"),
        ({"sampleRate": "eight"}, "mediaFormat.sampleRate 'eight'"),
        ({"channels": 2}, "mediaFormat.channels 2 is not carried .send 1"),
        ({"channels": True}, "mediaFormat.channels True"),
    ],
)
def test_an_unknown_codec_is_named(changes: dict[str, Any], says: str) -> None:
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1, **changes}
    with pytest.raises(UnsupportedMedia, match=says) as caught:
        read(start(mediaFormat=form))
    assert caught.value.close_code == 1003


@pytest.mark.parametrize("tracks", [["outbound"], [], "inbound"])
def test_a_stream_without_the_caller_is_refused(tracks: list[str] | str) -> None:
    with pytest.raises(UnsupportedMedia, match="lacks the caller's audio"):
        read(start(tracks=tracks))


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"to": "+15550100", "from": "+15550142"}, ("+15550100", "+15550142", None)),
        ({"token": "e.y.J"}, (None, None, "e.y.J")),
        ({"to": None, "from": "+15550142"}, (None, "+15550142", None)),
        (None, (None, None, None)),
        (["to"], (None, None, None)),
    ],
)
def test_a_start_has_the_parameters_it_was_given(
    parameters: object, said: tuple[str | None, str | None, str | None]
) -> None:
    begun = read(start(customParameters=parameters))
    assert isinstance(begun, Start)
    assert (begun.to, begun.from_, begun.token) == said


@pytest.mark.parametrize(
    ("parameters", "at_fault"),
    [
        ({"to": "", "from": "+15550142"}, "to"),
        ({"to": "+15550100", "from": "1" * 200}, "from"),
        ({"token": 7}, "token"),
        ({"token": "x" * 1025}, "token"),
    ],
)
def test_a_parameter_that_is_no_text_or_too_long_is_named(parameters: object, at_fault: str) -> None:
    with pytest.raises(BadParameter, match=f"customParameters.{at_fault} is not") as caught:
        read(start(customParameters=parameters))
    assert caught.value.close_code == 1008


@pytest.mark.parametrize("field", ["streamSid", "callSid"])
def test_a_start_without_its_ids_is_refused(field: str) -> None:
    with pytest.raises(BadMessage, match=f"start.{field} is missing"):
        read(start(**{field: None}))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def fault_in(data: bytes) -> GatewayError | None:
    """The error of ours that a message raises, if any; another kind fails the test."""
    try:
        parse(data)
    except GatewayError as error:
        return error
    return None


def is_clear(error: GatewayError | None) -> bool:
    return error is None or bool(error.message and error.mend and len(error.reason.encode()) <= 123)


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_raise_only_our_error(data: bytes) -> None:
    assert is_clear(fault_in(data))


@given(
    st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "other"]),
    st.dictionaries(
        st.sampled_from(
            [
                "streamSid",
                "callSid",
                "mediaFormat",
                "tracks",
                "customParameters",
                "payload",
                "track",
                "name",
                "digit",
            ]
        ),
        JUNK,
    )
    | JUNK,
)
def test_messages_with_junk_inside_raise_only_our_error(event: str, body: object) -> None:
    assert is_clear(fault_in(json.dumps({"event": event, event: body}).encode()))


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("streamSid", "callSid", "mediaFormat", "tracks", "customParameters"), JUNK),
    )
)
def test_a_start_with_one_field_of_junk_raises_only_our_error(changes: dict[str, Any]) -> None:
    assert is_clear(fault_in(json.dumps(start(**changes)).encode()))


# -- out ---------------------------------------------------------------------------------------------


def test_what_goes_out_is_what_twilio_documents() -> None:
    encoder = Encoder(STREAM)
    assert orjson.loads(encoder.media(SOUND)) == {
        "event": "media",
        "streamSid": STREAM,
        "media": {"payload": pybase64.b64encode(SOUND).decode()},
    }
    assert orjson.loads(encoder.mark("2.0.640")) == {
        "event": "mark",
        "streamSid": STREAM,
        "mark": {"name": "2.0.640"},
    }
    assert orjson.loads(encoder.clear) == {"event": "clear", "streamSid": STREAM}


def test_a_stream_id_is_quoted_as_json_wants_it() -> None:
    odd = 'a"b\\c\n'
    assert orjson.loads(Encoder(odd).clear)["streamSid"] == odd


@given(st.binary(min_size=160, max_size=160))
def test_sound_survives_the_way_there_and_back(payload: bytes) -> None:
    there = orjson.loads(Encoder(STREAM).media(payload))["media"]["payload"]
    assert read(media(payload)) == Media(payload)
    assert pybase64.b64decode(there, validate=True) == payload


def stream_last(message: dict[str, Any]) -> dict[str, Any]:
    return {**{field: message[field] for field in message if field != "streamSid"}, "streamSid": STREAM}


@given(st.binary(min_size=160, max_size=160), st.sampled_from([lambda message: message, stream_last]))
def test_the_usual_forms_of_media_are_read_at_once_and_no_different(
    payload: bytes, arranged: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    data = orjson.dumps(arranged(media(payload)))
    assert sound_of(data) == payload
    assert parse(data) == Media(payload)


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps(media(track="outbound")),
        orjson.dumps(media(extra="1")),
        orjson.dumps(media(SOUND[:-1])),
        orjson.dumps(media()).replace(b"+", b"\\u002b", 1),
        orjson.dumps(media()) + b" ",
        orjson.dumps(media())[:-1],
        orjson.dumps({"event": "stop"}),
        b"",
    ],
)
def test_any_other_form_is_left_to_the_parser(data: bytes) -> None:
    assert sound_of(data) is None
