"""Twilio's signature under its requests.

Written from https://www.twilio.com/docs/usage/security#validating-requests: base64 of the HMAC-SHA1, under
the account's auth token, of the URL as Twilio calls it and of each field's name and value, in the order of
names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

Fields = Sequence[tuple[str, str]]


def signature(auth_token: str, url: str, fields: Fields) -> str:
    """What Twilio puts into `X-Twilio-Signature`. A field that comes twice with one value counts once."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.new(auth_token.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(auth_tokens: Sequence[str], url: str, fields: Fields, shown: str) -> bool:
    """Whether one of the tokens made the signature that is shown; takes as long for every wrong one."""
    given = shown.encode("utf-8", "surrogatepass")
    made = [signature(token, url, fields).encode() for token in auth_tokens]
    return sum(hmac.compare_digest(one, given) for one in made) > 0
