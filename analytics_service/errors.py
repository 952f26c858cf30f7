"""What can go wrong between the stream and the store.

TrunklineError
└── AnalyticsError
    ├── BadStoreUrl         the setting names no store that can be opened
    ├── StorePackageMissing the package that speaks to this store is not installed
    ├── SchemaTooNew        the store was written by a newer build
    ├── StoreUnavailable    503  the store cannot be reached or is busy (retryable)
    ├── RowsRefused         the store will never take these rows as they are
    ├── QueryRefused        400  a statement that may not be asked, or that the store refused
    └── UnknownCall         404  the record knows no such call of this tenant
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class AnalyticsError(TrunklineError):
    """Base of what analytics raises."""


class BadStoreUrl(AnalyticsError):
    """The setting names no store that can be opened."""

    code = ErrorCode.BAD_CONFIGURATION


class StorePackageMissing(AnalyticsError):
    """The package that speaks to this store is not installed."""

    code = ErrorCode.BAD_CONFIGURATION


class SchemaTooNew(AnalyticsError):
    """The store was written by a newer build."""

    code = ErrorCode.BAD_CONFIGURATION


class StoreUnavailable(AnalyticsError):
    """The store cannot be reached or is busy."""

    code = ErrorCode.STORE_UNAVAILABLE
    status = 503
    retryable = True


class RowsRefused(AnalyticsError):
    """The store will never take these rows as they are."""

    code = ErrorCode.BAD_MESSAGE


class QueryRefused(AnalyticsError):
    """A statement that may not be asked, or that the store refused."""

    code = ErrorCode.BAD_QUERY
    status = 400


class UnknownCall(AnalyticsError):
    """The record knows no such call of this tenant."""

    code = ErrorCode.UNKNOWN_CALL
    status = 404
