"""What the command line can fail with.

TrunklineError
└── CommandError
    ├── ProgramMissing     a program that is needed is not installed
    ├── StartFailed        a child process did not come up
    └── CallFailed         a call was refused or lost
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class CommandError(TrunklineError):
    """Base of what a command ends with."""


class ProgramMissing(CommandError):
    """A program that is needed is not installed."""

    code = ErrorCode.BAD_CONFIGURATION


class StartFailed(CommandError):
    """A child process did not come up."""


class CallFailed(CommandError):
    """A call was refused or lost."""
