"""What can go wrong in the plumbing.

TrunklineError
└── RuntimeFault
    ├── BusUnavailable     NATS cannot be reached (retryable)
    ├── RequestTimeout     nobody answered a request in time (retryable)
    ├── SettingsError      the environment holds a value that a setting refuses
    ├── PortInUse          a port that this process must listen on is taken
    └── UnlistedMetric     a metric or label that contracts/telemetry.py does not list
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class RuntimeFault(TrunklineError):
    """Base of what the plumbing raises."""


class BusUnavailable(RuntimeFault):
    """NATS cannot be reached."""

    code = ErrorCode.STORE_UNAVAILABLE
    status = 503
    retryable = True


class RequestTimeout(RuntimeFault):
    """Nobody answered a request in time."""

    code = ErrorCode.TIMEOUT
    status = 504
    retryable = True


class SettingsError(RuntimeFault):
    """The environment holds a value that a setting refuses."""

    code = ErrorCode.BAD_CONFIGURATION


class PortInUse(RuntimeFault):
    """A port that this process must listen on is taken."""

    code = ErrorCode.BAD_CONFIGURATION


class UnlistedMetric(RuntimeFault):
    """A metric or label that contracts/telemetry.py does not list."""
