"""First steps as the platform's operator: asks router over the bus, as its admin.

Who may ask is decided by the bus, which lets in the command line's user.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from contracts import messages as m
from contracts.channel import Channel
from contracts.channels import ROUTER_KEYS
from runtime.bus import Bus
from trunkline.errors import BadOption, Refused

OPERATOR: Final = m.Principal(subject="operator", admin=True)
_ANSWER_S: Final = 15.0
_PAGE: Final = 200


def operation(kind: type[m.Message], **fields: Any) -> m.Message:
    """What is to be asked for; raises BadOption that names the field which does not fit."""
    wanted: m.Message = _checked(kind, fields)
    return wanted


async def ask(bus: Bus, channel: Channel[Any], tenant: str | None = None, **fields: Any) -> Any:
    """Router's answer; raises Refused with its own words, BadOption, RequestTimeout or BusUnavailable."""
    assert channel.reply is not None
    given = {"principal": OPERATOR, "tenant": tenant, **fields}
    answer = await bus.request(channel, _checked(channel.message, given), channel.reply, timeout_s=_ANSWER_S)
    if answer.error is not None:
        raise Refused.of(answer.error)
    return answer


async def list_all(
    bus: Bus, channel: Channel[Any], kind: type[m.Message], tenant: str | None = None
) -> tuple[m.Message, ...]:
    """Everything that there is, page by page."""
    found: list[m.Message] = []
    after = None
    while True:
        page = await ask(bus, channel, tenant, operation=operation(kind, after=after, limit=_PAGE))
        found += page.items
        after = page.next
        if after is None:
            return tuple(found)


async def first_key(bus: Bus) -> str | None:
    """An admin's key, made and told where there has never been one; else None."""
    made = await ask(bus, ROUTER_KEYS, operation=m.ListKeys(limit=1))
    if made.items:
        return None
    answer = await ask(bus, ROUTER_KEYS, operation=m.CreateKey(label="first start"))
    assert answer.secret is not None
    secret: str = answer.secret
    return secret


def _checked(kind: type[Any], fields: dict[str, Any]) -> Any:
    try:
        return kind(**fields)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in fault["loc"]) or "the request"
        field = kind.model_fields.get(name)
        if field is not None and field.description and fault["type"] == "string_pattern_mismatch":
            raise BadOption(f"this {name} does not fit", mend=f"use {field.description}") from None
        raise BadOption(f"{name}: {fault['msg']}", mend=f"give another {name}") from None
