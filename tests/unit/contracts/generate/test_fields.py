from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from contracts.generate.fields import field_table
from contracts.identities import CallId
from contracts.messages import Message
from contracts.schemas import schemas_of


class Mood(StrEnum):
    GLAD = "glad"
    CALM = "calm"


class Inner(Message):
    text: str


class Sample(Message):
    call: CallId
    age: Annotated[int, Field(ge=0, le=9)]
    most: Annotated[int, Field(le=9)] = 1
    wait_ms: int = 5
    said_us: Annotated[int, Field(ge=0, description="microseconds since breakfast")] = 0
    code: Annotated[str, Field(pattern="^a|b$")] = "a"
    text: Annotated[str, Field(min_length=1, max_length=5)] = "x"
    pair: Annotated[tuple[str, ...], Field(min_length=2)] = ("a", "b")
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    kind: Literal["a", "b"] = "a"
    by_mood: dict[Mood, Inner] = Field(default_factory=dict)
    by_call: dict[CallId, int] = Field(default_factory=dict)
    anything: dict[str, Any] = Field(default_factory=dict)
    value: JsonValue = None


class Empty(Message):
    pass


def row(field: str) -> list[str]:
    schemas = schemas_of([Sample])
    lines = field_table(schemas["Sample"]).splitlines()
    (line,) = [line for line in lines if line.startswith(f"| `{field}` |")]
    return [cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")][1:]


def test_a_required_field_says_so() -> None:
    assert row("call") == ["string", "required", "a lower-case UUIDv7"]
    assert row("age") == ["integer", "required", "0 to 9"]


def test_a_field_that_may_be_left_out_says_what_stands_for_it() -> None:
    assert row("most") == ["integer", "`1`", "at most 9"]
    assert row("inner") == ["[Inner](#inner) or null", "`null`", ""]
    assert row("by_mood")[1] == "empty"


def test_a_unit_comes_from_the_description_or_from_the_name() -> None:
    assert row("wait_ms")[2] == "milliseconds"
    assert row("said_us")[2] == "microseconds since breakfast; at least 0"


def test_a_pattern_stands_where_nothing_describes_it() -> None:
    assert row("code")[2] == "`^a¦b$`"


def test_lengths_are_told() -> None:
    assert row("text")[2] == "not empty; at most 5 characters"
    assert row("pair") == ["list of string", '`["a", "b"]`', "at least 2 items"]


def test_types_are_words_and_links() -> None:
    assert row("inners")[0] == "list of [Inner](#inner)"
    assert row("kind")[0] == '`"a"` or `"b"`'
    assert row("by_mood")[0] == "map of [Mood](#mood) to [Inner](#inner)"
    assert row("by_call")[0] == "map of string to integer"
    assert row("anything")[0] == "map of string to any JSON"
    assert row("value")[0] == "any JSON"


def test_a_message_with_nothing_in_it_says_so() -> None:
    assert field_table(schemas_of([Empty])["Empty"]) == "It has no fields.\n"
