"""What was released: channels, schemas and examples, frozen in one JSON file a release.

`contracts.compat` holds today's code against them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, JsonValue

from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS
from contracts.errors import ContractError
from contracts.examples import EXAMPLES, Example
from contracts.frames import Frame
from contracts.messages.base import Message
from contracts.schemas import Schema, schemas_of
from contracts.wire import wire_model

FOLDER: Final = Path("contracts/released")
_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class ReleasedChannel(BaseModel):
    """A row of the table as it was; `message` and `reply` name schemas, None for frames and for no reply."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subject: str
    plane: str
    message: str | None
    reply: str | None


class ReleasedExample(BaseModel):
    """A message as it was on the bus: `body` for JSON, `frame_hex` and its decoded `frame` for audio."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    channel: str
    subject: str
    answer: bool = False
    body: JsonValue = None
    frame_hex: str | None = None
    frame: dict[str, int | str] | None = None


class Release(BaseModel):
    """All that others may rely on since a release."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: str
    channels: dict[str, ReleasedChannel]
    schemas: dict[str, Schema]
    examples: dict[str, ReleasedExample]

    @classmethod
    def of(
        cls,
        version: str,
        rows: Iterable[Channel[Any]] = CHANNELS,
        examples: Iterable[Example] = EXAMPLES,
    ) -> Self:
        """The contracts as they are now, under a version `X.Y.Z`; raises ContractError for another form."""
        sort_key(version)
        rows = tuple(rows)
        return cls(
            version=version,
            channels={row.name: _channel(row) for row in rows},
            schemas=schemas_of(dict.fromkeys(model for row in rows for model in models_on(row))),
            examples={example.name: _example(example) for example in examples},
        )

    def to_json(self) -> str:
        """The text of its file."""
        plain = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def models_on(row: Channel[Any]) -> tuple[type[Message], ...]:
    """The models of what travels on a row, there and back; frames are not models."""
    there = () if row.plane is Plane.AUDIO else (wire_model(row),)
    return there if row.reply is None else (*there, row.reply)


def frame_fields(frame: Frame) -> dict[str, int | str]:
    """A frame's fields as plain values."""
    return {
        name: value.hex() if isinstance(value, bytes) else int(value)
        for name, value in frame._asdict().items()
    }


def read_releases(folder: Path) -> list[Release]:
    """Every release in `folder`, oldest first."""
    found = [Release.model_validate_json(path.read_bytes()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda release: sort_key(release.version))


def sort_key(version: str) -> tuple[int, ...]:
    """Numbers to sort `X.Y.Z` by; raises ContractError for another form."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ContractError(f"{version!r} is not a release", mend="use X.Y.Z, such as 0.2.0")
    return tuple(int(part) for part in match.groups())


def _channel(row: Channel[Any]) -> ReleasedChannel:
    return ReleasedChannel(
        subject=row.pattern,
        plane=row.plane.name,
        message=None if row.plane is Plane.AUDIO else wire_model(row).__name__,
        reply=row.reply.__name__ if row.reply else None,
    )


def _example(example: Example) -> ReleasedExample:
    if isinstance(example.message, Frame):
        return ReleasedExample(
            channel=example.channel.name,
            subject=example.subject,
            frame_hex=example.data.hex(),
            frame=frame_fields(example.message),
        )
    return ReleasedExample(
        channel=example.channel.name,
        subject=example.subject,
        answer=example.answer,
        body=json.loads(example.data),
    )
