"""What bodies and pages have in common."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from contracts.messages import MemberRole, Price

ItemT = TypeVar("ItemT")
Role = Annotated[MemberRole, Field(strict=False)]

_DEEPEST: Final = 20


class Body(BaseModel):
    """What is sent. A field that there is not is refused by name; null is as good as left out.

    Strict: a number is no text and no truth value. An enumeration, which JSON has not, is its text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def given(self) -> dict[str, Any]:
        """What was sent, as the fields of an operation."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class PriceBody(Price):
    """What an answered minute costs, in millionths of a unit of a currency of ISO 4217. Time is charged in
    whole increments, each of them once it has begun.
    """

    model_config = Body.model_config


class Changes(Body):
    """A body of which something must be given."""

    @model_validator(mode="after")
    def _something_changes(self) -> Changes:
        if all(value is None for value in self.given().values()):
            raise ValueError(f"nothing is to change; give one of {', '.join(type(self).model_fields)}")
        return self


class Items(BaseModel, Generic[ItemT]):
    """A page: `next`, where there is more, is what `after` takes for the page that follows."""

    items: tuple[ItemT, ...]
    next: str | None = None


def link_to(request: Request, cursor: str | None) -> None:
    """Name the page that follows in a Link header (RFC 8288)."""
    if cursor is not None:
        query = urlencode({**request.query_params, "after": cursor})
        request.state.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'


def _shallow(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what nests no deeper than a configuration can."""
    level: list[JsonValue] = [value]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return value
    raise ValueError(f"nests deeper than {_DEEPEST} levels")


def _inside(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


Config = Annotated[
    dict[str, Any],
    AfterValidator(_shallow),
    Field(
        description="What is to differ from the defaults: fields of AssistantSnapshot but `id`, of which "
        "`name`, `greeting` and `prompt` have no default."
    ),
]
Patch = Annotated[
    dict[str, Any],
    AfterValidator(_shallow),
    Field(
        description="Fields of AssistantSnapshot but `id`, as a JSON Merge Patch (RFC 7396): null removes."
    ),
]
