"""Who is who: call, event, tenant and process identifiers, and the rules that make them subject-safe.

Identifiers become NATS subject tokens, so none may hold a dot, a space, `*` or `>`.
"""

from __future__ import annotations

import random
import re
from typing import Annotated, Final, NamedTuple
from uuid import UUID

from pydantic import Field

from contracts.errors import SubjectError

_UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TENANT = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PROCESS = r"[a-z0-9](?:[a-z0-9-]{0,62})"

_UUID7_RULE = "a lower-case UUIDv7"
_TENANT_RULE = "1 to 63 of a-z, 0-9 and '-', with no '-' at either end"
_PROCESS_RULE = "1 to 63 of a-z, 0-9 and '-', with no '-' at the start"

CallId = Annotated[str, Field(pattern=f"^{_UUID7}$", description=_UUID7_RULE)]
EventId = Annotated[str, Field(pattern=f"^{_UUID7}$", description=_UUID7_RULE)]
RecordId = Annotated[str, Field(pattern=f"^{_UUID7}$", description=_UUID7_RULE)]
TenantSlug = Annotated[str, Field(pattern=f"^{_TENANT}$", description=_TENANT_RULE)]
ProcessId = Annotated[str, Field(pattern=f"^{_PROCESS}$", description=_PROCESS_RULE)]
PhoneNumber = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{2,14}$", description="an E.164 number")]

_TOKEN_RULES = {
    "call": (re.compile(_UUID7), _UUID7_RULE),
    "tenant": (re.compile(_TENANT), _TENANT_RULE),
    "process": (re.compile(_PROCESS), _PROCESS_RULE),
    "role": (re.compile(r"[a-z]+"), "a worker role such as 'stt'"),
    "digest": (re.compile(r"[0-9a-f]{64}"), "a SHA-256 digest in lower-case hexadecimal"),
    "number": (re.compile(r"[1-9][0-9]{2,14}"), "an E.164 number without its plus sign"),
}
TOKEN_KINDS: Final = {kind: rule for kind, (_, rule) in _TOKEN_RULES.items()}


PLATFORM_TENANT: Final = "platform"
"""The tenant of what belongs to none: a call to a number that nobody has."""


class CallRef(NamedTuple):
    """The two tokens that key everything on the bus."""

    tenant: str
    call: str


def uuid7(unix_ms: int, rng: random.Random) -> str:
    """A time-ordered UUID (RFC 9562, version 7) from an injected clock and random source."""
    value = (unix_ms & (1 << 48) - 1) << 80 | rng.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def check_token(kind: str, value: str) -> str:
    """Return `value` if it may stand for `{kind}` in a subject; raise SubjectError if not."""
    if kind not in _TOKEN_RULES:
        raise SubjectError(f"no subject has a token {kind!r}", mend=f"use one of {', '.join(_TOKEN_RULES)}")
    pattern, rule = _TOKEN_RULES[kind]
    if pattern.fullmatch(value) is None:
        raise SubjectError(f"{value!r} cannot be the {kind} of a subject", mend=f"use {rule}")
    return value


def number_key(number: str) -> str:
    """The KV key of an E.164 number: its digits (a plus sign is not allowed in a key)."""
    return check_token("number", number.removeprefix("+"))
