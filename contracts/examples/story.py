"""How examples are collected: on one growing clock, so that times, ids and causes agree with each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from contracts import messages as m
from contracts import wire
from contracts.channel import Channel
from contracts.examples.practice import BEGUN_MS, CALL, TRACE
from contracts.frames import Frame, encode_frame
from contracts.identities import CallRef, uuid7


@dataclass(frozen=True, slots=True)
class Example:
    """A message as it travels: `subject` and `data` are what the bus sees.

    The `subject` of an answer is that of its request: the bus answers to an inbox with no name of its own.
    """

    name: str
    channel: Channel[Any]
    subject: str
    message: m.Message | Frame
    summary: str
    answer: bool = False

    @property
    def data(self) -> bytes:
        """The bytes on the bus."""
        if isinstance(self.message, Frame):
            return encode_frame(self.message)
        return self.message.model_dump_json().encode()


@dataclass(slots=True)
class Story:
    """Collects examples on one growing clock, so that times, ids and causes agree with each other."""

    now_us: int = BEGUN_MS * 1000
    told: list[Example] = field(default_factory=list)

    def wait(self, ms: float) -> int:
        """Let time pass; returns the clock in microseconds."""
        self.now_us += int(ms * 1000)
        return self.now_us

    def say(
        self,
        channel: Channel[Any],
        message: m.Message | Frame,
        summary: str,
        *,
        name: str = "",
        **tokens: str,
    ) -> None:
        """A message that is neither a call event nor an answer."""
        subject = channel.subject(**tokens)
        self.told.append(Example(name or channel.name, channel, subject, message, summary))

    def answer(self, reply: m.Reply, summary: str, *, name: str = "") -> None:
        """The answer to the request told last."""
        asked = next(one for one in reversed(self.told) if not one.answer)
        told_as = name or f"{asked.channel.name}.reply"
        self.told.append(Example(told_as, asked.channel, asked.subject, reply, summary, answer=True))

    def event(
        self,
        body: m.Message,
        summary: str,
        *,
        cause: m.Event[Any] | None = None,
        epoch: int = 0,
        name: str = "",
        ref: CallRef = CALL,
    ) -> m.Event[Any]:
        """A call event in its envelope."""
        channel = wire.channel_of(body)
        envelope = wire.wire_model(channel).model_validate(
            {
                "id": uuid7(self.now_us // 1000, Random(len(self.told))),
                "v": body.version,
                "at_us": self.now_us,
                "tenant": ref.tenant,
                "call": ref.call,
                "epoch": epoch,
                "cause": cause.id if cause else None,
                "trace": TRACE,
                "body": body,
            }
        )
        subject = channel.subject(tenant=ref.tenant, call=ref.call)
        self.told.append(Example(name or channel.name, channel, subject, envelope, summary))
        return cast("m.Event[Any]", envelope)
