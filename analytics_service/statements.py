"""Which statements may be asked: one, reading, and of nothing but the store.

The store itself runs every statement read-only. This refuses what read-only does not cover (a result written
to a file of the server, functions that read files or call out) and says so in words a person can act on.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from analytics_service.errors import QueryRefused

READING: Final = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS")

_TOKEN: Final = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|\#[\s!][^\n]*|/\*.*?\*/)
    | (?P<text>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    | (?P<word>[^\W\d]\w*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REACHING_OUT: Final = re.compile(
    r"file(cluster|system)?|url(cluster)?|s3\w*|gcs|cosn|oss|hdfs\w*|azure\w*|deltalake\w*|iceberg\w*|hudi\w*"
    r"|paimon\w*|remote(secure)?|cluster(allreplicas)?|mysql|postgresql|sqlite|mongodb|redis|jdbc|odbc|bigquery"
    r"|ytsaurus|executable\w*|python|eval|arrowstream|prometheus\w*|dictionary|catboost\w*"
    r"|ai(redact|similarity|filter|classify|embed|extract|generate|translate)",
    re.IGNORECASE,
)


def checked(sql: str) -> str:
    """The statement without what ends it; raises QueryRefused naming what may not be asked."""
    tokens = [match for match in _TOKEN.finditer(sql) if match.lastgroup != "space"]
    while tokens and tokens[-1].group() == ";":
        tokens.pop()
    if not tokens:
        raise QueryRefused("nothing was asked", mend="send one SELECT")
    if any(token.group() == ";" for token in tokens):
        raise QueryRefused("more than one statement", mend="send one at a time")
    _check_reads(tokens)
    _check_stays_inside(tokens)
    return sql[tokens[0].start() : tokens[-1].end()]


def streams(statement: str) -> bool:
    """Whether a checked statement is one whose rows may be taken one by one."""
    return statement.lstrip("( \n\t").upper().startswith(("SELECT", "WITH"))


def _check_reads(tokens: list[re.Match[str]]) -> None:
    first = next((token for token in tokens if token.group() != "("), tokens[0])
    if first.group().upper() not in READING:
        raise QueryRefused(
            f"{first.group()[:40]} may not be asked; only {', '.join(READING)}", mend="read, do not write"
        )


def _check_stays_inside(tokens: list[re.Match[str]]) -> None:
    for token, following in pairwise(tokens):
        if token.lastgroup == "word" and token.group().upper() == "INTO":
            raise QueryRefused("a result may not be written INTO a file", mend="take the rows of the answer")
        named = token.group().strip('"`') if token.lastgroup in ("word", "quoted") else ""
        if following.group() == "(" and _REACHING_OUT.fullmatch(named):
            raise QueryRefused(f"{named}() reaches outside the store", mend="ask the documented views")
