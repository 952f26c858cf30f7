"""Takes out of a text what has no sound, and writes out what an engine would read badly."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from tts_service import english

_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>]{0,80}>|[*`~|^\\\[\]{}<>]+|(?<!\w)_+|_+(?!\w)")
_SPACE_BEFORE_MARK: Final = re.compile(r"\s+([.,;:!?](?!\d))")
_RUN_OF_STOPS: Final = re.compile(
    r"[.!?](?:\s*[.!?])+"
)  # eSpeak NG says "dot", and at times in the next text
_SIGNS: Final = str.maketrans(
    {
        **dict.fromkeys("‘’ʼ", "'"),  # noqa: RUF001  # the apostrophes that people and models write
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‐‑–−", "-"),  # noqa: RUF001  # hyphens and dashes of ranges
        **dict.fromkeys("—―•", ", "),
        "…": ". ",
        "_": " ",
        "½": " 1/2",
        "¼": " 1/4",
        "¾": " 3/4",
        "\ufe0e": None,
        "\ufe0f": None,
    }
)
_SILENT: Final = {"So": " ", "Sk": " ", "Co": " ", "Cs": " ", "Cn": " ", "Cc": " ", "Zs": " ", "Cf": ""}


@lru_cache(maxsize=512)  # greetings, fillers and common answers come again and again
def spoken(text: str, language: str) -> str:
    """`text` as it is said, on one line; empty where nothing in it can be said.

    `language` is the assistant's (`en-US`). Outside English only markup and signs without sound are taken
    out; among them the double brackets in which Piper would take phoneme codes.
    """
    plain = _MARKUP.sub(" ", unicodedata.normalize("NFC", text).translate(_SIGNS))
    plain = "".join(_sounding(sign) for sign in plain)
    if language.split("-", maxsplit=1)[0] == "en":
        plain = english.written_out(plain, month_first=language == "en-US")
    plain = _SPACE_BEFORE_MARK.sub(r"\1", " ".join(plain.split()))
    plain = _RUN_OF_STOPS.sub(_one_stop, plain)
    return plain if any(sign.isalnum() for sign in plain) else ""


def _sounding(sign: str) -> str:
    return sign if sign == "°" else _SILENT.get(unicodedata.category(sign), sign)


def _one_stop(run: re.Match[str]) -> str:
    return next((stop for stop in "?!" if stop in run[0]), ".")
