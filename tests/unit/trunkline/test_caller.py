"""On virtual time: what leaves when, what is heard when, and what every wait does when the call is lost."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from audio.g711 import encode_mulaw
from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_wire import fake_call
from trunkline.caller import new_carrier_call_id
from trunkline.errors import CallFailed, CallRefused
from trunkline.utterance import Utterance, of_mulaw

TONE = encode_mulaw((np.sin(np.arange(160) / 3) * 8_000).astype(np.int16))
SILENCE = b"\xff" * 160


def utterance(frames: int, name: str = "hello", extra: int = 0) -> Utterance:
    return of_mulaw(name, TONE * frames + TONE[:extra])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_it_says_who_calls_whom(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    assert [message["event"] for _, message in wire.sent] == ["connected", "start"]
    start = wire.of("start")[0]["start"]
    assert start["customParameters"] == {"to": "+15550100", "from": "+15550123"}
    assert start["callSid"] == "CA1"
    await caller.hang_up()


async def test_a_frame_leaves_every_20_ms_speech_or_silence(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    await clock.advance(0.1)
    caller.say(utterance(2))
    await clock.advance(0.1)
    assert wire.times_of("media") == pytest.approx([frame * 0.02 for frame in range(11)])
    assert wire.payloads() == [*[SILENCE] * 6, TONE, TONE, *[SILENCE] * 3]
    assert [message["media"]["chunk"] for message in wire.of("media")] == [str(n) for n in range(1, 12)]
    assert wire.of("media")[-1]["media"]["timestamp"] == "200"
    await caller.hang_up()


async def test_when_speech_really_ended_is_kept_besides_when_it_should_have(clock: ManualClock) -> None:
    caller, _ = fake_call(clock)
    await caller.dial()
    said = caller.say(utterance(3))
    await clock.advance(0.03)
    assert (said.speech_ended, said.left) == (320, None)
    clock.tick(0.04)
    await clock.advance(0.02)
    assert said.left == pytest.approx(560, abs=1)
    await caller.hang_up()


async def test_a_late_frame_does_not_make_the_next_one_late(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    await clock.advance(0.04)
    clock.tick(0.05)
    await clock.advance(0.05)
    times = wire.times_of("media")
    assert len(times) == 8
    assert times[-1] == pytest.approx(0.14)
    assert caller.worst_lateness_ms >= 30
    await caller.hang_up()


async def test_what_is_said_begins_and_ends_on_the_calls_clock(clock: ManualClock) -> None:
    caller, _ = fake_call(clock)
    await caller.dial()
    await clock.advance(0.1)
    said = caller.say(utterance(5, extra=40))
    assert (said.began, said.speech_ended) == (None, None)
    await clock.advance(0.2)
    assert said.finished.is_set()
    assert said.began == 6 * 160
    assert said.speech_began == 6 * 160
    assert said.speech_ended == 6 * 160 + 5 * 160 - (160 if said.utterance.speech_end <= 800 else 0)
    await caller.hang_up()


async def test_the_last_frame_is_filled_up_with_silence(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    caller.say(of_mulaw("short", TONE[:50]))
    await clock.advance(0.04)
    assert wire.payloads()[0] == TONE[:50] + b"\xff" * 110
    await caller.hang_up()


async def test_one_thing_is_said_after_the_other(clock: ManualClock) -> None:
    caller, _ = fake_call(clock)
    await caller.dial()
    first, second = caller.say(utterance(3, "first")), caller.say(utterance(2, "second"))
    await clock.advance(0.2)
    assert (first.began, second.began) == (0, 3 * 160)
    await caller.hang_up()


async def test_both_sides_are_recorded_on_one_clock(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    await clock.advance(0.1)
    caller.say(utterance(1))
    wire.say_media(TONE)
    await clock.advance(0.1)
    spoken, heard = caller.spoken(), caller.heard()
    assert np.flatnonzero(spoken)[0] // 160 == 6
    assert np.flatnonzero(heard)[0] // 160 == 5
    await caller.hang_up()


async def test_a_mark_comes_back_when_it_was_played(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    await clock.advance(0.03)
    wire.say_media(TONE * 2)
    wire.say_mark("half")
    wire.say_media(TONE)
    wire.say_mark("end")
    await clock.advance(0.03)
    assert wire.of("mark") == []
    await clock.advance(0.02)
    assert [message["mark"]["name"] for message in wire.of("mark")] == ["half"]
    await clock.advance(0.02)
    assert [message["mark"]["name"] for message in wire.of("mark")] == ["half", "end"]
    await caller.hang_up()


async def test_clear_stops_what_is_played_and_gives_its_marks_back_at_once(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    wire.say_media(TONE * 50)
    wire.say_mark("end")
    await clock.advance(0.1)
    wire.say_clear()
    assert [message["mark"]["name"] for message in wire.of("mark")] == ["end"]
    assert len(caller.heard()) == 800
    assert caller.ear.spurts[0].cleared == 800
    await caller.hang_up()


async def test_it_waits_until_the_agent_has_answered_and_is_quiet(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    waiting = asyncio.ensure_future(caller.until_answered(0, quiet_s=0.5, within_s=10))
    await clock.advance(1)
    wire.say_media(TONE * 10)
    await clock.advance(0.6)
    assert not waiting.done()
    wire.say_media(TONE * 10)
    await clock.advance(0.68)
    assert not waiting.done()
    await clock.advance(0.04)
    assert await waiting
    await caller.hang_up()


async def test_audio_before_the_question_is_no_answer(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    wire.say_media(TONE * 10)
    await clock.advance(1)
    waiting = asyncio.ensure_future(caller.until_answered(caller.now, quiet_s=0.5, within_s=2))
    await clock.advance(2.1)
    assert not await waiting
    await caller.hang_up()


async def test_the_wait_for_an_answer_is_measured_from_the_last_word(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    said = caller.say(utterance(5))
    await clock.advance(0.5)
    assert said.speech_ended == 4 * 160
    wire.say_media(TONE)
    assert caller.waited_ms(caller.ear.spurts[0].arrived) == pytest.approx(420)
    assert caller.waited_ms(100) is None
    await caller.hang_up()


@pytest.mark.parametrize(
    ("code", "reason", "error", "said"),
    [
        (
            4404,
            "nobody has the number '+19' (assign it)",
            CallRefused,
            r"close code 4404: nobody has .*assign it",
        ),
        (1007, "", CallRefused, r"close code 1007 \(the gateway's log"),
        (1006, "", CallFailed, "the connection was lost"),
        (1000, "agent_hung_up", CallFailed, "the call is over"),
    ],
)
async def test_every_wait_ends_when_the_call_does(
    clock: ManualClock, code: int, reason: str, error: type[CallFailed], said: str
) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    waiting = asyncio.ensure_future(caller.until_answered(0, 0.5, 60))
    await clock.advance(0.1)
    wire.say_closed(code, reason)
    with pytest.raises(error, match=said):
        await waiting
    await clock.advance(0.1)
    assert len(wire.of("media")) == 6
    await caller.hang_up()
    assert wire.of("stop") == []


async def test_hanging_up_says_stop_once(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    async with caller:
        await clock.advance(0.05)
    await caller.hang_up()
    assert len(wire.of("stop")) == 1
    assert caller.ending is not None
    assert caller.ending.by_caller
    assert caller.ending.agreed


async def test_messages_of_another_kind_are_left_alone(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    caller.on_message({"event": "weather", "weather": "fine"})
    caller.on_message({})
    await clock.advance(0.1)
    assert len(wire.of("media")) == 6
    await caller.hang_up()


async def test_a_caller_that_breaks_says_so_to_whoever_waits(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    waiting = asyncio.ensure_future(caller.until(lambda: False, 60))
    await clock.advance(0.05)

    def fail(_: bytes) -> None:
        raise OSError("no route")

    with pytest.MonkeyPatch.context() as network:
        network.setattr(wire, "send", fail)
        await clock.advance(0.05)
    with pytest.raises(OSError, match="no route"):
        await waiting
    await caller.hang_up()


def test_a_carriers_call_id_looks_like_one() -> None:
    ids = {new_carrier_call_id(random.Random(seed)) for seed in range(50)}
    assert len(ids) == 50
    assert all(len(one) == 34 and one.startswith("CA") for one in ids)


async def test_a_key_is_pressed_at_once(clock: ManualClock) -> None:
    caller, wire = fake_call(clock)
    await caller.dial()
    await clock.advance(0.1)
    caller.press("#")
    assert [message["dtmf"] for message in wire.of("dtmf")] == [{"track": "inbound_track", "digit": "#"}]
    await caller.hang_up()


async def test_with_a_token_that_alone_says_who_calls_whom(clock: ManualClock) -> None:
    caller, wire = fake_call(clock, token="a.b.c")
    await caller.dial()
    assert wire.of("start")[0]["start"]["customParameters"] == {"token": "a.b.c"}
    await caller.hang_up()


@pytest.mark.parametrize("code", [1006, 1012, 1001])
async def test_a_leg_that_is_lost_comes_again_and_the_call_goes_on(clock: ManualClock, code: int) -> None:
    caller, wire = fake_call(clock, reattach_within_s=15, others=("ws://other",), token="a.b.c")
    await caller.dial()
    await clock.advance(1)
    wire.say_media(TONE * 5)
    wire.unreachable = 2
    wire.say_closed(code, "")
    await clock.advance(0.05)
    missed = len(wire.of("media"))
    await clock.advance(1)
    first, last = wire.of("start")
    assert wire.dialled[1:] == ["ws://other", "ws://platform/media/twilio", "ws://other"]
    assert first["start"] == last["start"]
    assert caller.returns == 1
    assert caller.ending is None
    (away,) = caller.aways
    assert away.until is not None
    assert 0.1 < (away.until - away.since) / 8_000 < 1
    wire.say_media(TONE)
    await clock.advance(1)
    assert caller.frames_sent > len(wire.of("media")) > missed
    chunks = [int(message["media"]["chunk"]) for message in wire.of("media")]
    assert chunks[-1] == caller.frames_sent
    assert len(caller.heard()) > 160
    await caller.hang_up()
    assert len(wire.of("stop")) == 1


async def test_a_leg_that_is_refused_for_a_moment_tries_again_until_its_time_is_over(
    clock: ManualClock,
) -> None:
    caller, wire = fake_call(clock, reattach_within_s=15)
    await caller.dial()
    wire.say_media(TONE)
    wire.say_closed(1006, "")
    tries = 0
    while caller.ending is None and tries < 50:
        await clock.advance(0.5)
        if len(wire.dialled) > tries + 1:
            tries = len(wire.dialled) - 1
            wire.say_closed(1008, "another leg has this call")
    assert 10 <= tries <= 20
    assert caller.ending is not None
    assert caller.ending.code == 1006
    assert clock.monotonic_s() <= 15.5
    await caller.hang_up()


async def test_each_outage_has_its_own_time(clock: ManualClock) -> None:
    caller, wire = fake_call(clock, reattach_within_s=15)
    await caller.dial()
    for _ in range(3):
        await clock.advance(10)
        wire.say_closed(1012, "")
    await clock.advance(1)
    assert caller.returns == 3
    assert caller.ending is None
    await caller.hang_up()


@pytest.mark.parametrize("code", [1000, 4404, 1008, 1007])
async def test_a_call_that_ended_does_not_come_again(clock: ManualClock, code: int) -> None:
    caller, wire = fake_call(clock, reattach_within_s=15)
    await caller.dial()
    wire.say_closed(code, "")
    await clock.advance(3)
    assert len(wire.dialled) == 1
    assert caller.ending is not None
    await caller.hang_up()


async def test_a_caller_may_hang_up_while_its_leg_is_lost(clock: ManualClock) -> None:
    caller, wire = fake_call(clock, reattach_within_s=15)
    await caller.dial()
    wire.unreachable = 1_000
    wire.say_closed(1006, "")
    await clock.advance(1)
    await caller.hang_up()
    assert caller.ending is not None
    assert caller.ending.by_caller
    tried = len(wire.dialled)
    await clock.advance(3)
    assert len(wire.dialled) == tried
