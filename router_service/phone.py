"""Telephone numbers as people write them, in the one form the platform keeps: E.164."""

from __future__ import annotations

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from router_service.errors import BadValue


def e164(written: str) -> str:
    """`+39 055 123-4567` as `+390551234567`; raises BadValue for what no country could dial.

    A number must be possible (country, length), not assigned: numbers for fiction and those of a PBX behind
    a trunk are used in earnest.
    """
    if not written.strip().startswith("+"):
        raise BadValue(
            f"{written!r} is not an international number", mend="begin with + and the country code"
        )
    try:
        number = phonenumbers.parse(written.strip(), None)
    except NumberParseException as error:
        raise BadValue(f"{written!r} is not a telephone number", mend="write it as +15550100") from error
    if number.extension or not phonenumbers.is_possible_number(number):
        raise BadValue(
            f"{written!r} cannot be dialled: its country has no such numbers", mend="check its length"
        )
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
