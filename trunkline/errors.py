"""What the command line can fail with.

TrunklineError
└── CommandError
    ├── ProgramMissing     a program or package that is needed is not installed
    ├── BadOption          an option names something that cannot be used
    ├── StartFailed        a process did not come up
    ├── AlreadyRunning     another platform runs in this home
    ├── NotRunning         no platform runs in this home, or it does not answer
    ├── Refused            a service did not do what it was asked for
    ├── QueryFailed        the reporting store refused a statement
    ├── RecordingDamaged   a recording is none, or is not what was written
    ├── RecordingUnfinished
    │                      a recording has no end: its recorder died, or the file was cut
    └── CallFailed         a call could not be placed, or broke off
        └── CallRefused    the platform closed the socket with a code of its own
"""

from __future__ import annotations

from pathlib import Path

from contracts.errors import ErrorCode, TrunklineError
from contracts.messages.base import WireError


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


class Refused(CommandError):
    """A service did not do what it was asked for; the words are its own."""

    @classmethod
    def of(cls, error: WireError) -> Refused:
        """What it answered."""
        refused = cls(error.message, mend=error.mend, retryable=error.retryable)
        refused.code = error.code
        return refused


class QueryFailed(CommandError):
    """The reporting store refused a statement."""

    code = ErrorCode.BAD_QUERY


class RecordingDamaged(CommandError):
    """A recording is none, or is not what was written; `offset` is the byte where that shows."""

    code = ErrorCode.BAD_CONFIGURATION

    def __init__(self, offset: int, what: str, *, mend: str, path: Path | None = None) -> None:
        where = f"{path}: " if path else ""
        super().__init__(f"{where}at offset {offset}: {what}", mend=mend)
        self.offset = offset
        self._what = what

    def within(self, path: Path) -> RecordingDamaged:
        """The same, naming the file."""
        return RecordingDamaged(self.offset, self._what, mend=self.mend, path=path)


class RecordingUnfinished(CommandError):
    """A recording has no end: its recorder died, or the file was cut. `offset` is where it stops."""

    code = ErrorCode.BAD_CONFIGURATION

    def __init__(self, offset: int, path: Path) -> None:
        super().__init__(
            f"{path}: the recording stops at offset {offset}, without its index",
            mend="its recorder died or the file was cut; --recover uses what is whole",
        )
        self.offset = offset


class CallFailed(CommandError):
    """A call could not be placed, or broke off."""


class CallRefused(CallFailed):
    """The platform closed the socket with a code of its own; `close_code` is that of the WebSocket.

    `reason` is what the platform said: a fault with its mend, or what a caller is told and the code.
    """

    def __init__(self, close_code: int, reason: str) -> None:
        if reason:
            super().__init__(f"the call was refused with close code {close_code}: {reason}")
        else:
            super().__init__(
                f"the call was refused with close code {close_code}", mend="the gateway's log says why"
            )
        self.close_code = close_code
