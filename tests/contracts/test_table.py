"""Nothing is said that nobody carries, and nothing is carried that has no example."""

import importlib
import pkgutil
from typing import Any

import pytest

from contracts import messages
from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS
from contracts.examples import EXAMPLES
from contracts.frames import Frame
from contracts.messages import Asked, Event, Message, Reply
from contracts.releases import models_on
from contracts.schemas import models_in

ROWS = pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
REQUESTS = [row for row in CHANNELS if row.reply is not None]
BASES = {Message, Event, Reply, Asked}
SERVICES = {"gateway", "stt", "llm", "tts", "router", "session", "analytics", "rest", "trunkline"}


def declared() -> set[type[Message]]:
    found = set()
    for info in pkgutil.iter_modules(messages.__path__, f"{messages.__name__}."):
        module = importlib.import_module(info.name)
        found |= {
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Message) and value.__module__ == info.name
        }
    return found - BASES


def carried() -> set[type[Message]]:
    return {model for row in CHANNELS for root in models_on(row) for model in models_in(root)}


def test_every_message_is_carried_by_a_channel_or_part_of_one_that_is() -> None:
    assert declared() - carried() == set()


def test_an_orphan_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = type("Orphan", (Message,), {"__module__": messages.calls.__name__})
    monkeypatch.setattr(messages.calls, "Orphan", orphan, raising=False)

    assert declared() - carried() == {orphan}


def test_every_message_is_exported_from_the_package() -> None:
    assert {model.__name__ for model in declared() | BASES} <= set(messages.__all__)


@ROWS
def test_every_channel_has_an_example(row: Channel[Any]) -> None:
    kind = Frame if row.plane is Plane.AUDIO else Message

    assert any(
        isinstance(example.message, kind)
        for example in EXAMPLES
        if example.channel is row and not example.answer
    )


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row.name)
def test_every_request_has_an_example_of_its_answer(row: Channel[Any]) -> None:
    answers = [example.message for example in EXAMPLES if example.channel is row and example.answer]

    assert answers
    assert all(type(answer) is row.reply for answer in answers)


def test_there_are_examples_of_refusals() -> None:
    refused = {
        example.channel.name
        for example in EXAMPLES
        if isinstance(example.message, Reply) and example.message.error is not None
    }

    assert refused >= {"session.open", "assign", "hangup", "analytics.query"}


@ROWS
def test_every_channel_is_between_services_that_exist(row: Channel[Any]) -> None:
    assert row.producers
    assert row.consumers
    assert set(row.producers) | set(row.consumers) <= SERVICES
    assert row.summary


@ROWS
def test_a_plane_is_a_part_of_the_subject_tree(row: Channel[Any]) -> None:
    roots = {
        Plane.AUDIO: "audio.{process}.{tenant}.{call}",
        Plane.RECORD: "call.{tenant}.{call}." + row.name,
        Plane.LIVE: "live.{tenant}.{call}." + row.name,
        Plane.COMMAND: "cmd.{tenant}.{call}." + row.name,
        Plane.WORKER: "worker.{role}.{process}." + row.name,
        Plane.RPC: "rpc." + row.name,
        Plane.KV: row.pattern,
        Plane.ALERT: "alert.{tenant}." + row.name,
    }

    assert row.pattern == roots[row.plane]


@pytest.mark.parametrize("plane", [Plane.COMMAND, Plane.RPC], ids=lambda plane: plane.name)
def test_what_is_asked_is_answered(plane: Plane) -> None:
    assert all(row.reply is not None for row in CHANNELS if row.plane is plane)


@pytest.mark.parametrize("reader", ["analytics", "trunkline"])
def test_the_whole_record_is_read(reader: str) -> None:
    assert all(reader in row.consumers for row in CHANNELS if row.plane is Plane.RECORD)
