"""The check must bite: each breaking change is made to a copy of a model, a row or a frame, and is told."""

from dataclasses import replace
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, create_model

from contracts import compat
from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS, SPEECH_STARTED
from contracts.compat import breaking_changes
from contracts.examples import Example
from contracts.frames import Frame, FrameFlag, decode_frame
from contracts.messages import Message, Reply
from contracts.releases import Release

REMOVED: Any = None


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Fewer(StrEnum):
    RED = "red"


class More(StrEnum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Part(Message):
    text: str
    size: int = 0


class PartWithoutSize(Message):
    text: str


class PartWithWeight(Message):
    text: str
    size: int = 0
    weight: float


class Buy(Message):
    op: Literal["buy"] = "buy"
    sum: int


class Sell(Message):
    op: Literal["sell"] = "sell"
    price: int


class SellAtATime(Message):
    op: Literal["sell"] = "sell"
    at_us: int


class Answer(Reply):
    total: int = 0


class OtherAnswer(Reply):
    total: str = ""


FIELDS: dict[str, Any] = {
    "name": (Annotated[str, Field(pattern="^[a-z]+$", min_length=1)], ...),
    "count": (Annotated[int, Field(ge=0, le=10)], 0),
    "colour": (Colour, Colour.RED),
    "mode": (Literal["fast", "slow"], "fast"),
    "note": (str | None, None),
    "parts": (tuple[Part, ...], ()),
    "best": (Part | None, None),
    "by_colour": (dict[Colour, Part], {}),
    "free": (str, ""),
}
TOLD = {
    "name": "order",
    "count": 3,
    "colour": "green",
    "parts": [{"text": "a", "size": 1}],
    "best": {"text": "b", "size": 2},
    "by_colour": {"red": {"text": "c", "size": 3}},
}


def order(**changes: Any) -> type[Message]:
    fields = {name: spec for name, spec in {**FIELDS, **changes}.items() if spec is not REMOVED}
    return create_model("Order", __base__=Message, **fields)


def row(model: type[Message], reply: type[Reply] | None = Answer) -> Channel[Any]:
    return Channel(
        "order", "toy.{tenant}.order", model, Plane.RPC, "none", ("a",), ("b",), "An order.", reply
    )


def released() -> Release:
    old = row(order())
    examples = (
        Example("order", old, "toy.acme.order", old.message.model_validate(TOLD), "One."),
        Example("order.reply", old, "toy.acme.order", Answer(total=3), "Three.", answer=True),
    )
    return Release.of("0.1.0", [old], examples)


def schema_changes(model: type[Message]) -> list[str]:
    told = breaking_changes(released(), [row(model)])
    return [change.removeprefix("order: ") for change in told if not change.startswith("example ")]


def table_with(changed: Channel[Any]) -> list[Channel[Any]]:
    return [changed if row.name == changed.name else row for row in CHANNELS]


def test_nothing_changed_breaks_nothing() -> None:
    assert breaking_changes(released(), [row(order())]) == []
    assert breaking_changes(Release.of("0.1.0"), CHANNELS) == []


@pytest.mark.parametrize(
    "model",
    [
        order(extra=(int, 5)),
        order(extra=(int | None, None)),
        order(colour=(More, More.RED)),
        order(mode=(Literal["fast", "slow", "steady"], "fast")),
        order(count=(Annotated[int, Field(ge=-5, le=20)], 0)),
        order(count=(int, 7)),
        order(name=(str, "unknown")),
        order(heavy=(tuple[PartWithWeight, ...], ())),
    ],
    ids=[
        "field",
        "nullable field",
        "enum value",
        "literal",
        "wider",
        "unbounded",
        "no longer required",
        "part",
    ],
)
def test_what_is_added_beside_breaks_nothing(model: type[Message]) -> None:
    assert breaking_changes(released(), [row(model)]) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": REMOVED}, ["field name was removed"]),
        ({"best": REMOVED}, ["field best was removed"]),
        ({"parts": (tuple[PartWithoutSize, ...], ())}, ["field parts[].size was removed"]),
        ({"by_colour": (dict[Colour, PartWithoutSize], {})}, ["field by_colour{}.size was removed"]),
        ({"count": (str, "")}, ["field count was retyped from integer to string"]),
        ({"count": (int | None, None)}, ["field count was retyped from integer to integer|null"]),
        ({"count": (float, 0)}, ["field count was retyped from integer to number"]),
        ({"note": (str, "")}, ["field note was retyped from null|string to string"]),
        ({"parts": (Part | None, None)}, ["field parts was retyped from array to null|object"]),
        ({"colour": (Fewer, Fewer.RED)}, ['field colour no longer allows "green"']),
        ({"colour": (Literal["red"], "red")}, ['field colour no longer allows "green"']),
        ({"mode": (Literal["slow"], "slow")}, ['field mode no longer allows "fast"']),
        ({"by_colour": (dict[Fewer, Part], {})}, ['field by_colour{key} no longer allows "green"']),
        ({"free": (Literal["a", "b"], "a")}, ['field free is now one of "a", "b"']),
        ({"count": (Annotated[int, Field(ge=0, le=10)], ...)}, ["field count became required"]),
        ({"extra": (int, ...)}, ["field extra is new and required"]),
        ({"parts": (tuple[PartWithWeight, ...], ())}, ["field parts[].weight is new and required"]),
        ({"best": (PartWithWeight | None, None)}, ["field best.weight is new and required"]),
        (
            {"count": (Annotated[int, Field(ge=1, le=9)], 1)},
            [
                "field count has a tighter maximum: 10 became 9",
                "field count has a tighter minimum: 0 became 1",
            ],
        ),
        (
            {"free": (Annotated[str, Field(max_length=5)], "")},
            ["field free has a tighter maxLength: None became 5"],
        ),
        (
            {"name": (Annotated[str, Field(pattern="^[a-z]+[0-9]$", min_length=1)], ...)},
            ["field name has another pattern: ^[a-z]+$ became ^[a-z]+[0-9]$"],
        ),
    ],
)
def test_every_breaking_change_to_a_field_is_told(changes: dict[str, Any], told: list[str]) -> None:
    assert sorted(schema_changes(order(**changes))) == told


class Wait(Message):
    op: Literal["wait"] = "wait"
    until_us: int


def with_operation(*kinds: type[Message]) -> Channel[Any]:
    union = reduce(or_, kinds)
    return row(create_model("Order", __base__=Message, operation=(union, Field(discriminator="op"))))


def test_an_operation_beside_others_breaks_nothing() -> None:
    before = Release.of("0.1.0", [with_operation(Buy, Sell)], ())

    assert breaking_changes(before, [with_operation(Buy, Wait, Sell)]) == []


def test_an_operation_that_is_gone_or_asks_for_more_is_told() -> None:
    before = Release.of("0.1.0", [with_operation(Buy, Sell, Wait)], ())

    assert breaking_changes(before, [with_operation(Buy, Wait)]) == [
        "order: field operation<Sell> was removed"
    ]
    assert breaking_changes(before, [with_operation(Buy, SellAtATime, Wait)]) == [
        "order: field operation<Sell> was removed"
    ]


def test_a_field_inside_an_envelope_is_watched_too() -> None:
    without: Any = create_model("SpeechStarted", __base__=Message, turn=(int, ...), started_us=(int, ...))

    changed: Channel[Any] = SPEECH_STARTED

    told = breaking_changes(Release.of("0.1.0"), table_with(replace(changed, message=without)))

    assert "speech.started: field body.detected_us was removed" in told
    assert "example speech.started: body.detected_us is lost" in told


def test_a_removed_channel_is_told() -> None:
    assert breaking_changes(released(), []) == ["order: the channel was removed"]


def test_a_changed_subject_is_told() -> None:
    moved = replace(row(order()), pattern="toy.order.{tenant}")

    assert breaking_changes(released(), [moved]) == [
        "order: the subject toy.{tenant}.order became toy.order.{tenant}"
    ]


def test_a_changed_plane_is_told() -> None:
    moved = replace(row(order()), plane=Plane.WORKER)

    assert breaking_changes(released(), [moved]) == ["order: the plane RPC became WORKER"]


def test_an_answer_that_no_longer_comes_is_told() -> None:
    assert breaking_changes(released(), [row(order(), reply=None)]) == [
        "order reply: Answer is no longer sent",
        "example order.reply: order is no longer answered",
    ]


def test_a_changed_answer_is_told() -> None:
    told = breaking_changes(released(), [row(order(), reply=OtherAnswer)])

    assert told[0] == "order reply: field total was retyped from integer to string"
    assert told[1].startswith("example order.reply: no longer decodes:")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"best": REMOVED}, "example order: best is lost"),
        ({"parts": (tuple[PartWithoutSize, ...], ())}, "example order: parts[0].size is lost"),
        ({"name": (Annotated[str, Field(max_length=2)], ...)}, "example order: no longer decodes:"),
        ({"extra": (int, ...)}, "example order: no longer decodes:"),
        ({"count": (Annotated[int, Field(le=2)], 0)}, "example order: no longer decodes:"),
    ],
)
def test_an_example_that_says_less_than_it_did_is_told(changes: dict[str, Any], told: str) -> None:
    assert any(change.startswith(told) for change in breaking_changes(released(), [row(order(**changes))]))


def test_an_example_that_is_read_as_something_else_is_told() -> None:
    def rounded(value: int) -> int:
        return value // 2

    halved = order(count=(Annotated[int, Field(ge=0, le=10), AfterValidator(rounded)], 0))

    assert breaking_changes(released(), [row(halved)]) == ["example order: count was 3 and is read as 1"]


def test_a_frame_that_is_read_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(data: bytes) -> Frame:
        frame = decode_frame(data)
        return frame._replace(epoch=frame.sentence, sentence=frame.epoch, flags=FrameFlag.NONE)

    monkeypatch.setattr(compat, "decode_frame", swapped)
    told = breaking_changes(Release.of("0.1.0"))

    assert "example audio.agent: epoch was 1 and is read as 0" in told
    assert "example audio.agent: sentence was 0 and is read as 1" in told
    assert "example audio.agent: flags was 1 and is read as 0" in told


def test_a_frame_that_no_longer_decodes_is_told() -> None:
    release = Release.of("0.1.0")
    frame = release.examples["audio.caller"]
    older = frame.model_copy(update={"frame_hex": "5400" + str(frame.frame_hex)[4:]})
    release.examples["audio.caller"] = older

    (told,) = breaking_changes(release)

    assert told.startswith("example audio.caller: no longer decodes: audio frame of version 0")
