"""What can be wrong with a directory of tenants.

TrunklineError
└── RouterError
    ├── DirectoryUnreadable    the source cannot be read at all
    └── NumberMisconfigured    one number's configuration does not hold; the others are not touched
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class RouterError(TrunklineError):
    """Base of what this service raises."""

    code = ErrorCode.BAD_CONFIGURATION


class DirectoryUnreadable(RouterError):
    """The source cannot be read at all."""


class NumberMisconfigured(RouterError):
    """One number's configuration does not hold; the others are not touched."""

    def __init__(self, number: str, message: str, *, mend: str) -> None:
        super().__init__(f"{number}: {message}", mend=mend)
        self.number = number
