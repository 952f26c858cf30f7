"""A recorded run, replayed through the gateway and straight onto the bus: the same words, both ways.

The bus is guarded, so that the replay in a gateway's place is who it is in production.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.messages import CallEnded, CallStarted, LegEnded, PlayoutEnded, PlayoutStarted
from contracts.permissions import SERVICES
from tests.flow.test_replay import LONG_ANSWER, ended, replay, trunkline, two_turns_and_a_key
from tests.support.platform import Record, platform
from tests.support.recordings import consenting
from trunkline.bus_users import BusUser, BusUsers
from trunkline.nats_server import NatsServer

Transcript = list[tuple[str, list[str]]]


def transcript(call: dict[str, Any], when: str) -> Transcript:
    return [(turn[when]["said_pii"], turn[when]["answered_pii"]) for turn in call["turns"]]


@pytest.mark.timeout(300)
async def test_through_the_gateway_and_onto_the_bus_the_transcripts_are_those_of_the_recording(
    tmp_path: Path,
) -> None:
    path, users = tmp_path / "calls.tlrec", BusUsers()
    own = {name: users.of(name) for name in SERVICES}
    settings = {**LONG_ANSWER, "router_tenants_file": consenting(tmp_path)}
    with NatsServer(tmp_path / "nats", users=[*own.values(), users.replayer]) as server:

        def bus_of(user: BusUser) -> str:
            return server.url.replace("://", f"://{user.name}:{user.password}@")

        reading = ("--nats", bus_of(users.operator))
        async with platform(server.url, tmp_path, settings=settings, users=own) as running:
            recording = await trunkline("record", path, *reading, "--until-calls", 1)
            assert recording.stdout is not None
            await recording.stdout.readline()
            await two_turns_and_a_key(running)
            assert (await ended(recording))[0] == 0

            ways = {
                "gateway": ("--against", running.url),
                "replay": ("--onto-bus", "--against", bus_of(users.replayer)),
            }
            for gateway, way in ways.items():
                # Whether a word came in time to interrupt is the machine's affair; the words are not.
                status, said, report = await replay(path, *reading, *way, "--calls", 2, "--min-match", 0)
                assert status == 0, said
                assert [call["fate"] for call in report["calls"]] == ["done"] * 2
                for call in report["calls"]:
                    assert len(call["turns"]) == 3
                    assert transcript(call, "replayed") == transcript(call, "recorded")
                    played_by_a_gateway(running.record, call["replayed"]["call"], gateway)
                assert users.replayer.password not in str(report)
            assert not (await running.active_calls()).calls


def played_by_a_gateway(record: Record, call: str, gateway: str) -> None:
    (started,) = record.bodies(CallStarted, call)
    assert started.gateway.startswith(gateway)
    begun, over = record.bodies(PlayoutStarted, call), record.bodies(PlayoutEnded, call)
    assert [one.reply for one in begun] == [one.reply for one in over] == [1, 2, 3]
    lasted_us = sum(last.ended_us - first.first_frame_us for first, last in zip(begun, over, strict=True))
    assert lasted_us > sum(last.heard_ms for last in over) * 500, "in true time, not at once"
    (leg,) = record.bodies(LegEnded, call)
    assert leg.frames_in > 50
    assert len(record.bodies(CallEnded, call)) == 1
