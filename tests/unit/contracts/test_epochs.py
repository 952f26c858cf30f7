"""Who is believed, by role: an event of every kind belongs to somebody, and borders only move forward."""

from __future__ import annotations

import random
from typing import Any

import pytest

from contracts.channel import Plane
from contracts.channels import CHANNELS
from contracts.epochs import Border, believed, role_of
from contracts.errors import ErrorCode
from contracts.examples.practice import CALL
from contracts.identities import uuid7
from contracts.messages import (
    CallEnded,
    CallReassigned,
    EndReason,
    EngineFailed,
    Event,
    Message,
    PlayoutStarted,
    Replaced,
    Role,
    SpeechDismissed,
    Stage,
)

RNG = random.Random(2)
SPOKE = SpeechDismissed(turn=1, audio_ms=0)
PLAYED = PlayoutStarted(reply=1, first_frame_us=1)


def said(body: Message, epoch: int = 0) -> Event[Any]:
    return Event[Any].model_construct(
        id=uuid7(1, RNG), v=1, at_us=1, tenant=CALL.tenant, call=CALL.call, epoch=epoch, body=body
    )


def moved(role: Role, epoch: int) -> Event[Any]:
    body = CallReassigned(role=role, process="new-1", epoch=epoch, before="old-1", why=Replaced.LOST)
    return said(body)


def failed(stage: Stage) -> EngineFailed:
    return EngineFailed(
        stage=stage, engine="x", code=ErrorCode.INTERNAL, detail="", retryable=False, next_engine=None
    )


def test_every_event_belongs_to_the_role_that_says_it() -> None:
    roles = {role.value for role in Role}
    for row in CHANNELS:
        if row.plane is Plane.RECORD and row.message is not EngineFailed:
            (producer,) = row.producers
            event = said(row.message.model_construct())
            assert role_of(event) == (Role(producer) if producer in roles else None), row.name


@pytest.mark.parametrize("stage", list(Stage))
def test_a_failed_engine_is_the_matter_of_its_stage(stage: Stage) -> None:
    assert role_of(said(failed(stage))) is Role(stage.value)


def test_only_the_role_that_was_replaced_is_stale() -> None:
    border = Border({Role.STT: 3})
    assert not border.believes(said(SPOKE, 2))
    assert border.believes(said(SPOKE, 3))
    assert border.believes(said(SPOKE, 4))
    assert border.believes(said(SPOKE, 0)), "epoch 0 always counts"
    assert border.believes(said(PLAYED, 1)), "the gateway stayed who it was"
    over = CallEnded(reason=EndReason.GHOST, started_us=0, ended_us=0, duration_ms=0)
    assert border.believes(said(over, 1)), "nobody speaks in place of the session"


def test_the_border_is_where_the_record_says_so() -> None:
    before, after, anew = said(SPOKE, 1), said(SPOKE, 1), said(SPOKE, 2)
    move = moved(Role.STT, 2)
    assert believed([before, move, after, anew]) == (before, move, anew)


def test_a_border_never_moves_back() -> None:
    border = Border()
    assert border.since(Role.LLM) == 0
    border.move(Role.LLM, 4)
    border.join({Role.LLM: 2, Role.TTS: 5})
    border.believes(moved(Role.LLM, 3))
    assert (border.since(Role.LLM), border.since(Role.TTS)) == (4, 5)


def test_the_copy_of_a_border_moves_by_itself() -> None:
    border = Border({Role.STT: 2})
    copy = border.copy()
    copy.move(Role.STT, 3)
    border.move(Role.LLM, 4)
    assert (copy.since(Role.STT), copy.since(Role.LLM)) == (3, 0)
    assert (border.since(Role.STT), border.since(Role.LLM)) == (2, 4)
