"""English as it is said: what eSpeak NG, the reader behind Piper and Kokoro, makes of a text, put right.

It reads "9 a.m.", "50%", "1st", "e.g." and plain numbers well: those are left alone. It says "dollar ninety
five" for $95, "five hundred fifty five dash" for the start of a telephone number, "slash" in a date, and it
ends the sentence after "Dr.".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_MONTHS: Final = {
    "jan": "January",
    "feb": "February",
    "mar": "March",
    "apr": "April",
    "may": "May",
    "jun": "June",
    "jul": "July",
    "aug": "August",
    "sep": "September",
    "oct": "October",
    "nov": "November",
    "dec": "December",
}
_MONTH_NUMBERS: Final = tuple(_MONTHS.values())
_DAYS: Final = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}
_COINS: Final = {"$": ("dollar", "cents"), "£": ("pound", "pence"), "€": ("euro", "cents")}
_SLASHED: Final = {
    "1/2": "one half",
    "1/3": "one third",
    "2/3": "two thirds",
    "1/4": "one quarter",
    "3/4": "three quarters",
    "24/7": "24 7",
    "and/or": "or",
}
_SHORT_FORMS: Final = {
    "Dr": "Doctor",
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Prof": "Professor",
    "St": "Saint",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "Apt": "Apartment",
    "ext": "extension",
}
_UNITS: Final = {
    "kg": "kilograms",
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "mg": "milligrams",
    "ml": "milliliters",
    "lbs": "pounds",
    "mins": "minutes",
    "hrs": "hours",
    "°C": "degrees Celsius",
    "°F": "degrees Fahrenheit",
}
_DAY: Final = r"(?:Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)"
_HALF: Final = r"[aApP]\.?[mM]\b\.?"

_ISO_DATE: Final = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})\b")
_SLASH_DATE: Final = re.compile(r"\b(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4})\b")
_SHORT_MONTH: Final = re.compile(r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?(?=\s\d)")
_DAY_RANGE: Final = re.compile(rf"\b({_DAY})\.?\s?-\s?({_DAY})\b\.?")
_SHORT_DAY: Final = re.compile(
    rf"\b(?:(Mon|Tues?|Wed|Thu(?:rs?)?|Fri)\b(?:\.(?=\s*\S))?|({_DAY})\b\.?(?=:?\s?\d))"
)
_PHONE: Final = re.compile(
    r"\+\d[\d ().-]{5,18}\d|(?<![\w.$£€-])\(\d{3}\) ?\d{3}[ .-]\d{4}\b"
    r"|(?<![\w.$£€-])(?:1[.-])?(?:\d{3}[.-])?\d{3}[.-]\d{4}(?![\w-])"
)
_LONG_NUMBER: Final = re.compile(r"(?<![\w.,])\d{7,}\b")
_ZIP: Final = re.compile(r"(?i:\b(zip(?: code)? ))(\d{5})\b")
_RANGE: Final = re.compile(
    rf"(?<![\w.-])([$£€]?\d[\d,.:]*(?:\s?{_HALF})?)\s?-\s?(?=[$£€]?\d[\d,.:]*(?![\w-]*-)(?:\s?{_HALF}|(?!\w)))"
)
_CLOCK_TIME: Final = re.compile(
    rf"(?<![\d:])(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?!:?\d)(?:\s?(?P<half>{_HALF}))?"
)
_MONEY: Final = re.compile(
    r"(?P<sign>[$£€])\s?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?P<cents>\.\d+)?(?P<scale>\s(?:thousand|million|billion)\b)?"
)
_SLASH: Final = re.compile(r"(?<![\w/])[\w]+/[\w]+(?![\w/])")
_NUMBER_SIGN: Final = re.compile(r"(?<!\w)#\s?(?=\d)|\bNo\.\s?(?=\d)")
_UNIT: Final = re.compile(rf"(?<=\d)\s?({'|'.join(_UNITS)})(?![\w'/])")
_STREET: Final = re.compile(r"\b(\d+\w*\s(?:[A-Z][\w']*\s){0,3})St\b\.?(?=(\s*$)?)")
_TWO_STOPS: Final = re.compile(r"(?<=\b[ap]\.m\.)\.")
_SHORT_FORM: Final = re.compile(rf"\b({'|'.join(_SHORT_FORMS)})\.(?=(\s*$)?)")


def written_out(text: str, *, month_first: bool) -> str:
    """`text` with dates, times, money, telephone numbers and short forms as words and plain numbers.

    `month_first` says how 12/5/2026 is meant.
    """
    for pattern, said in (_SLASH_DATE, _month_first if month_first else _day_first), *_RULES:
        text = pattern.sub(said, text)
    return text


def _one_by_one(digits: str) -> str:
    return " ".join(_DIGITS[int(digit)] for digit in digits)


def _date(year: str, month: int, day: int, unchanged: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return unchanged
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{_MONTH_NUMBERS[month - 1]} {day}{ending}, {year}"


def _iso_date(match: re.Match[str]) -> str:
    return _date(match["year"], int(match["month"]), int(match["day"]), match[0])


def _month_first(match: re.Match[str]) -> str:
    return _date(match["year"], int(match["first"]), int(match["second"]), match[0])


def _day_first(match: re.Match[str]) -> str:
    return _date(match["year"], int(match["second"]), int(match["first"]), match[0])


def _short_month(match: re.Match[str]) -> str:
    return _MONTHS[match[1][:3].lower()]


def _day_range(match: re.Match[str]) -> str:
    return f"{_DAYS[match[1][:3].lower()]} to {_DAYS[match[2][:3].lower()]}"


def _short_day(match: re.Match[str]) -> str:
    return _DAYS[(match[1] or match[2])[:3].lower()]


def _phone_number(match: re.Match[str]) -> str:
    groups = ", ".join(_one_by_one(group) for group in re.findall(r"\d+", match[0]))
    return f"plus {groups}" if match[0].startswith("+") else groups


def _long_number(match: re.Match[str]) -> str:
    return _one_by_one(match[0])


def _zip(match: re.Match[str]) -> str:
    return match[1] + _one_by_one(match[2])


def _clock_time(match: re.Match[str]) -> str:
    hour, minute, half = int(match["hour"]), int(match["minute"]), match["half"]
    if half is None and not 1 <= hour <= 12:
        half = "p.m." if hour >= 12 else "a.m."
        hour = hour - 12 if hour else 12
    if minute:
        said = f"{hour} oh {minute}" if minute < 10 else f"{hour}:{minute}"
    else:
        said = f"{hour}" if half else f"{hour} o'clock"
    return f"{said} {half}" if half else said


def _money(match: re.Match[str]) -> str:
    whole, cents = match["whole"], match["cents"] or ""
    coin, small = _COINS[match["sign"]]
    if match["scale"] or len(cents) > 3:  # "$1.5 million", "$0.125"
        return f"{whole}{cents}{match['scale'] or ''} {coin}s"
    few = int(cents[1:].ljust(2, "0")) if cents else 0
    parts = [f"{whole} {coin}" + ("" if whole == "1" else "s")] if whole.strip("0,") or not few else []
    if few:
        parts.append(f"{few} {small}" if few > 1 else {"cents": "1 cent", "pence": "1 penny"}[small])
    return " and ".join(parts)


def _slashed(match: re.Match[str]) -> str:
    one, other = match[0].split("/")
    if match[0] in _SLASHED:
        return _SLASHED[match[0]]
    return f"{one} or {other}" if min(len(one), len(other)) > 1 and f"{one}{other}".isalpha() else match[0]


def _unit(match: re.Match[str]) -> str:
    return f" {_UNITS[match[1]]}"


def _street(match: re.Match[str]) -> str:
    return f"{match[1]}Street" + _full_stop(match)


def _short_form(match: re.Match[str]) -> str:
    return _SHORT_FORMS[match[1]] + _full_stop(match)


def _full_stop(match: re.Match[str]) -> str:
    """The dot of a short form that ends the text ends its sentence, too."""
    return "" if match[2] is None else "."


# In this order: dates and telephone numbers hold hyphens that are no ranges, ranges hold times and money.
_RULES: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (_ISO_DATE, _iso_date),
    (_SHORT_MONTH, _short_month),
    (_DAY_RANGE, _day_range),
    (_SHORT_DAY, _short_day),
    (_PHONE, _phone_number),
    (_RANGE, r"\1 to "),
    (_CLOCK_TIME, _clock_time),
    (_MONEY, _money),
    (_LONG_NUMBER, _long_number),
    (_ZIP, _zip),
    (_SLASH, _slashed),
    (_NUMBER_SIGN, "number "),
    (_UNIT, _unit),
    (_STREET, _street),
    (_SHORT_FORM, _short_form),
    (_TWO_STOPS, ""),
)
