"""Properties of every replay: what a caller sent is sent again, true to the byte and to the moment, and
whatever becomes of a leg, it is over and said to be.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.channels import CALLER_AUDIO
from contracts.frames import Codec, Frame, encode_frame
from contracts.messages import CallEnded, DtmfReceived, EndReason, Message
from contracts.wire import channel_of
from tests.support.clock import ManualClock
from tests.support.envelopes import envelope_of
from tests.unit.trunkline.fake_wire import fake_call
from tests.unit.trunkline.recording.samples import PREAMBLE, answered, call_ref
from tests.unit.trunkline.replaying.reports import replay_report, replayed
from tests.unit.trunkline.replaying.samples import recorded_call
from trunkline.recording.calls import RecordedCall, replayable
from trunkline.recording.file_format import Recorded
from trunkline.recording.reader import open_recording
from trunkline.recording.writer import RecordingWriter
from trunkline.replaying.legs import Fate, replay_leg

MANY = settings(max_examples=100, deadline=None)
REF = call_ref(1)
BEGAN_US = 1_767_225_600_000_000
FRAME_US, SILENCE = 20_000, b"\xff" * 160

CALLS = st.lists(st.none() | st.binary(min_size=160, max_size=160), min_size=1, max_size=40).filter(any)
"""What a caller sent in each 20 ms; None where the recorder lost it."""

KEYS = st.lists(st.tuples(st.integers(0, 39), st.sampled_from("0123456789*#")), max_size=3)


def event(number: int, at_us: int, body: Message) -> Recorded:
    ref = REF._asdict()
    one = envelope_of(body)(id=call_ref(number).call, v=1, at_us=BEGAN_US + at_us, **ref, body=body)
    return Recorded(at_us, channel_of(body).subject(**ref), one.model_dump_json().encode())


def frames_of(sent: list[bytes | None]) -> list[Recorded]:
    """The caller's frames as they are on the bus."""
    subject = CALLER_AUDIO.subject(process="stt-1", **REF._asdict())
    frames = {
        at: Frame(Codec.MULAW, 8_000, at + 1, BEGAN_US + at * FRAME_US, one)
        for at, one in enumerate(sent)
        if one is not None
    }
    return [Recorded(at * FRAME_US, subject, encode_frame(frame)) for at, frame in frames.items()]


def keys_of(keys: list[tuple[int, str]]) -> list[Recorded]:
    """The keys, as the stream has them: in order."""
    return [
        event(number, at * FRAME_US, DtmfReceived(digit_pii=digit))
        for number, (at, digit) in enumerate(keys, 2)
    ]


def kept(messages: list[Recorded]) -> RecordedCall:
    """The only call of a file with these messages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.tlrec"
        writer = RecordingWriter(path, PREAMBLE)
        for message in messages:
            writer.add(message)
        writer.finish()
        with open_recording(path) as recording:
            (call,), _ = replayable(recording)
    return call


@MANY
@given(sent=CALLS, keys=KEYS, data=st.data())
async def test_property_9_what_a_caller_sent_is_sent_again_in_true_time(
    sent: list[bytes | None], keys: list[tuple[int, str]], data: st.DataObject
) -> None:
    """Feature: ai-voice-agent, Property 9: SIP Connection Reliability: for any recorded call, whatever came
    twice or late or was lost, its replay connects, carries the caller's audio unchanged and closes.
    """
    frames, pressed = frames_of(sent), keys_of(sorted(keys))
    again = data.draw(st.lists(st.sampled_from([*frames, *pressed]), max_size=5), "sent again")
    order = data.draw(st.permutations(frames), "order of arrival")
    over = CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=1, ended_us=2, duration_ms=1)
    last = event(1_000, len(sent) * FRAME_US, over)
    call = kept([answered(REF), *order, *pressed, *again, last])

    clock = ManualClock()
    caller, wire = fake_call(clock)
    leg = asyncio.ensure_future(replay_leg(call, caller, clock, linger_s=0.1))
    await clock.advance(len(sent) * 0.02 + 2)

    # What was lost at the end of a call is not known to have been there.
    known = sent[: max(at for at, one in enumerate(sent) if one is not None) + 1]
    assert (await leg).fate is Fate.DONE
    assert wire.payloads()[: len(known)] == [one or SILENCE for one in known]
    assert wire.times_of("media")[: len(known)] == pytest.approx([at * 0.02 for at in range(len(known))])
    said = [(at_s, message["dtmf"]["digit"]) for at_s, message in wire.sent if message["event"] == "dtmf"]
    in_time = [(at * 0.02, digit) for at, digit in sorted(keys)]
    assert said == in_time[: len(said)]
    assert all(at_s >= (len(known) - 1) * 0.02 for at_s, _ in in_time[len(said) :]), "the call was over"
    assert [len(wire.of(kind)) for kind in ("connected", "start", "stop")] == [1, 1, 1]


@MANY
@given(
    after_s=st.floats(0, 6),
    code=st.sampled_from([1000, 1001, 1006, 1008, 1011, 1012, 4402, 4404, 4486, 4503]),
    unreachable=st.booleans(),
    end=st.sampled_from(EndReason),
)
async def test_property_10_whatever_breaks_a_leg_it_is_over_and_said_to_be(
    after_s: float, code: int, unreachable: bool, end: EndReason
) -> None:
    """Feature: ai-voice-agent, Property 10: Error Recovery Graceful Degradation: for any fault at any
    moment, a replayed call ends in one of its fates in limited time, and counts as broken unless it went to
    its end.
    """
    clock = ManualClock()
    caller, wire = fake_call(clock)
    wire.unreachable = int(unreachable)
    recording = recorded_call(frames=100, end=end)
    leg = asyncio.ensure_future(replay_leg(recording, caller, clock, linger_s=2))
    await clock.advance(after_s)
    over_before = leg.done()
    if not over_before and wire.receiver is not None:
        wire.say_closed(code, "a fault")
    await clock.advance(10)

    assert leg.done()
    outcome = await leg
    well = not unreachable and (over_before or code == 1000)
    assert (outcome.fate is Fate.DONE) == well
    assert bool(outcome.detail) == (not well)
    assert sum(replay_report(replayed(leg=outcome)).broken.values()) == int(not well)
    assert caller.ending is None or clock.monotonic_s() < 20
