"""Errors as they cross the bus or a socket: a code from a closed list, what went wrong, and the mend.

TrunklineError            the base of every service's error tree
└── ContractError         a message, subject or frame that breaks the contract
    ├── SubjectError      a subject or one of its tokens is malformed
    ├── MessageError      a message does not fit its model
    ├── VersionError      a message or frame of a version that this build does not know
    └── FrameError        a binary audio frame that cannot be decoded
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class ErrorCode(StrEnum):
    """Every code that may appear in a `WireError`; adding one is a contract change."""

    BAD_MESSAGE = "bad_message"
    BAD_SUBJECT = "bad_subject"
    BAD_FRAME = "bad_frame"
    UNKNOWN_VERSION = "unknown_version"
    OUT_OF_ORDER = "out_of_order"
    UNSUPPORTED_CODEC = "unsupported_codec"
    MESSAGE_TOO_LARGE = "message_too_large"
    UNKNOWN_NUMBER = "unknown_number"
    SUBSCRIPTION_INACTIVE = "subscription_inactive"
    NUMBER_INACTIVE = "number_inactive"
    TENANT_FULL = "tenant_full"
    NUMBER_FULL = "number_full"
    PLATFORM_FULL = "platform_full"
    NO_WORKER = "no_worker"
    UNKNOWN_CALL = "unknown_call"
    BAD_CONFIGURATION = "bad_configuration"
    MODEL_MISSING = "model_missing"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    ENGINE_REJECTED = "engine_rejected"
    ENGINE_TIMEOUT = "engine_timeout"
    STORE_UNAVAILABLE = "store_unavailable"
    BAD_QUERY = "bad_query"
    BAD_VALUE = "bad_value"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_MANY_REQUESTS = "too_many_requests"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


class TrunklineError(Exception):
    """Base of every error tree: `code` for machines, `message` for people, `mend` says what to do.

    A subclass sets `code`, `retryable` and `status`, the HTTP or SIP status it maps to; an instance may
    override `retryable` where only the occasion tells (an HTTP 429 against a 401).
    """

    code: ErrorCode = ErrorCode.INTERNAL
    retryable: bool = False
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, mend: str = "", retryable: bool | None = None) -> None:
        super().__init__(f"{message} ({mend})" if mend else message)
        self.message = message
        self.mend = mend
        if retryable is not None:
            self.retryable = retryable


class ContractError(TrunklineError):
    """A message, subject or frame that breaks the contract."""

    code = ErrorCode.BAD_MESSAGE
    status = 400


class SubjectError(ContractError):
    """A subject, or a token of one, is malformed."""

    code = ErrorCode.BAD_SUBJECT


class MessageError(ContractError):
    """A message does not fit its model."""


class VersionError(ContractError):
    """A message or frame of a version that this build does not know."""

    code = ErrorCode.UNKNOWN_VERSION


class FrameError(ContractError):
    """A binary audio frame that cannot be decoded."""

    code = ErrorCode.BAD_FRAME
