"""What the command line can fail with.

TrunklineError
└── CommandError
    ├── ProgramMissing     a program or package that is needed is not installed
    ├── BadOption          an option names something that cannot be used
    ├── StartFailed        a process did not come up
    ├── AlreadyRunning     another platform runs in this home
    ├── NotRunning         no platform runs in this home, or it does not answer
    ├── QueryFailed        the reporting store refused a statement
    └── CallFailed         a call could not be placed, or broke off
        └── CallRefused    the platform closed the socket with a code of its own
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class CommandError(TrunklineError):
    """Base of what a command ends with."""


class ProgramMissing(CommandError):
    """A program or package that is needed is not installed."""

    code = ErrorCode.BAD_CONFIGURATION


class BadOption(CommandError):
    """An option names something that cannot be used."""

    code = ErrorCode.BAD_CONFIGURATION


class StartFailed(CommandError):
    """A process did not come up."""


class AlreadyRunning(CommandError):
    """Another platform runs in this home."""

    code = ErrorCode.BAD_CONFIGURATION


class NotRunning(CommandError):
    """No platform runs in this home, or it does not answer."""

    code = ErrorCode.STORE_UNAVAILABLE


class QueryFailed(CommandError):
    """The reporting store refused a statement."""

    code = ErrorCode.BAD_QUERY


class CallFailed(CommandError):
    """A call could not be placed, or broke off."""


class CallRefused(CallFailed):
    """The platform closed the socket with a code of its own; `close_code` is that of the WebSocket.

    `reason` is what the platform said, its mend included.
    """

    def __init__(self, close_code: int, reason: str) -> None:
        if reason:
            super().__init__(f"the call was refused with close code {close_code}: {reason}")
        else:
            super().__init__(
                f"the call was refused with close code {close_code}", mend="the gateway's log says why"
            )
        self.close_code = close_code
