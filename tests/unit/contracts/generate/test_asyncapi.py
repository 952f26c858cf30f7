from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from contracts.channel import Plane
from contracts.channels import CHANNELS
from contracts.examples import EXAMPLES
from contracts.generate.asyncapi import asyncapi, asyncapi_yaml

DOCUMENT = asyncapi("1.2.3")
CHANNEL_IDS = sorted(DOCUMENT["channels"])
OPERATION_IDS = sorted(DOCUMENT["operations"])


def refs_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from refs_in(child)


def resolve(ref: str) -> Any:
    assert ref.startswith("#/")
    node: Any = DOCUMENT
    for part in ref.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_it_says_what_it_is() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["info"]["title"] == "Trunkline"


def test_every_reference_resolves() -> None:
    refs = set(refs_in(DOCUMENT))

    assert len(refs) > 100
    for ref in refs:
        assert isinstance(resolve(ref), dict)


@pytest.mark.parametrize("name", CHANNEL_IDS)
def test_every_channel_has_an_address_messages_and_its_tokens(name: str) -> None:
    channel = DOCUMENT["channels"][name]

    assert channel["messages"]
    if name.endswith(".reply"):
        assert channel["address"] is None
        return
    row = next(row for row in CHANNELS if row.name == name)
    assert channel["address"] == row.pattern
    assert list(channel["parameters"]) == list(row.tokens)


def test_every_row_and_every_answer_is_a_channel() -> None:
    rows = {row.name for row in CHANNELS}
    answers = {f"{row.name}.reply" for row in CHANNELS if row.reply}

    assert set(DOCUMENT["channels"]) == rows | answers


@pytest.mark.parametrize("name", OPERATION_IDS)
def test_every_operation_is_one_service_on_one_of_the_channels(name: str) -> None:
    operation = DOCUMENT["operations"][name]
    service, action, channel = name.split(".", 2)

    assert operation["action"] == action
    assert operation["tags"] == [{"name": service}]
    assert operation["channel"] == {"$ref": f"#/channels/{channel}"}
    assert channel in DOCUMENT["channels"]
    for message in operation["messages"]:
        assert message["$ref"].startswith(f"#/channels/{channel}/messages/")


def test_the_operations_are_those_of_the_table() -> None:
    sent = {f"{service}.send.{row.name}" for row in CHANNELS for service in row.producers}
    received = {f"{service}.receive.{row.name}" for row in CHANNELS for service in row.consumers}

    assert set(DOCUMENT["operations"]) == sent | received


def test_both_sides_of_a_request_know_its_answer() -> None:
    replies = {name for name, operation in DOCUMENT["operations"].items() if "reply" in operation}
    asked = {row.name for row in CHANNELS if row.reply}

    assert {name.split(".", 2)[2] for name in replies} == asked
    for name in replies:
        reply = DOCUMENT["operations"][name]["reply"]
        assert resolve(reply["channel"]["$ref"])["address"] is None


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["messages"]))
def test_every_message_has_a_payload_and_an_example(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]

    assert message["payload"]
    assert message["examples"]
    assert message["summary"]


def test_every_example_is_shown_once() -> None:
    shown = [
        example["name"]
        for message in DOCUMENT["components"]["messages"].values()
        for example in message["examples"]
    ]

    assert sorted(shown) == sorted(example.name for example in EXAMPLES)


def test_frames_are_binary_and_their_header_is_described() -> None:
    frame = DOCUMENT["components"]["messages"]["Frame"]

    assert frame["contentType"] == "application/octet-stream"
    assert frame["payload"]["format"] == "binary"
    assert "magic 0x54" in frame["payload"]["description"]
    assert all(bytes.fromhex(example["payload"])[0] == 0x54 for example in frame["examples"])


def test_events_are_stored_once_by_their_id() -> None:
    recorded = {row.message.__name__ for row in CHANNELS if row.plane is Plane.RECORD}
    with_header = {
        name for name, message in DOCUMENT["components"]["messages"].items() if "headers" in message
    }

    assert with_header == recorded


def test_the_yaml_reads_back_as_the_document() -> None:
    text = asyncapi_yaml("1.2.3")

    assert yaml.safe_load(text) == DOCUMENT
    assert "&id" not in text


@pytest.mark.parametrize(
    "name", sorted(name for name in DOCUMENT["components"]["messages"] if name != "Frame")
)
def test_every_example_fits_the_schema_beside_it(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    schema = {**message["payload"], "components": DOCUMENT["components"]}
    validator = Draft202012Validator(schema)

    for example in message["examples"]:
        assert list(validator.iter_errors(example["payload"])) == []
    assert list(validator.iter_errors("no object at all"))
