"""ClickHouse's errors as ours: what may pass, what never will, and its words cut to what a person needs."""

from __future__ import annotations

import re
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, OperationalError

from analytics_service.errors import AnalyticsError, QueryRefused, RowsRefused, StoreUnavailable

# Faults of the rows themselves, by ClickHouse's code: they would be refused for ever. Every other fault is
# taken for one that may pass, because a batch that waits is not lost.
_FAULTS_OF_DATA: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        469,  # VIOLATED_CONSTRAINT
    }
)
_UNREACHABLE: Final = frozenset({209, 210, 279})  # SOCKET_TIMEOUT, NETWORK_ERROR, ALL_CONNECTION_TRIES_FAILED
_TOO_COSTLY: Final = frozenset({159, 241})  # TIMEOUT_EXCEEDED, MEMORY_LIMIT_EXCEEDED
_NOISE: Final = re.compile(r"\(in query:|Expected one of:|Stack trace:|\(for url |\(version ")
_SHORT: Final = 300


def of_insert(error: Exception, table: str) -> AnalyticsError:
    """Why rows were not written: StoreUnavailable, or RowsRefused for a fault of the rows themselves."""
    code = getattr(error, "code", None)
    if isinstance(error, DataError) or not isinstance(error, ClickHouseError) or code in _FAULTS_OF_DATA:
        return RowsRefused(f"{table} takes no such row: {words(error)}", mend="see the table's columns")
    return StoreUnavailable(f"{table} could not be written: {words(error)}", mend="is the store running?")


def of_query(error: ClickHouseError) -> AnalyticsError:
    """Why a question has no answer."""
    code = getattr(error, "code", None)
    if code in _UNREACHABLE or (isinstance(error, OperationalError) and code is None):
        return StoreUnavailable(f"the store does not answer: {words(error)}", mend="is it running?")
    if code in _TOO_COSTLY:
        return QueryRefused(words(error), mend="ask for less: one tenant, fewer days")
    return QueryRefused(words(error), mend="analytics_service/README.md lists views and columns")


def of_open(error: ClickHouseError | OSError, where: str, mend: str) -> StoreUnavailable:
    """Why the store could not be opened."""
    return StoreUnavailable(f"{where} cannot be opened: {words(error)}", mend=mend)


def words(error: Exception) -> str:
    """The message without codes, versions, traces and the echo of the statement; at most 300 characters."""
    text = re.sub(r"^.*?DB::Exception:\s*", "", str(error), count=1, flags=re.DOTALL)
    text = _NOISE.split(text, maxsplit=1)[0].replace("FORMAT Native", "")
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
