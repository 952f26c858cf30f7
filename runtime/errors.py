"""What can go wrong in the plumbing.

TrunklineError
└── RuntimeFault
    ├── BusUnavailable     NATS cannot be reached, or JetStream does not answer (retryable)
    ├── Conflict           a value was written by somebody else meanwhile
    ├── RequestTimeout     nobody answered a request in time (retryable)
    ├── Unanswered         a request that somebody else is to answer
    ├── MessageTooLarge    a message, event or value beyond what NATS or its store takes
    ├── BadKeyring         a keyring is missing or malformed
    ├── SettingsError      the environment holds a value that a setting refuses
    ├── PortInUse          a port that this process must listen on is taken
    ├── WorkerDraining     a worker that is about to stop takes no call (retryable)
    ├── CallReleased       a call was assigned in an epoch that was released already
    ├── ProcessFailed      a process ends because one of its tasks failed
    └── UnlistedMetric     a metric or label that contracts/telemetry.py does not list
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class RuntimeFault(TrunklineError):
    """Base of what the plumbing raises."""


class BusUnavailable(RuntimeFault):
    """NATS cannot be reached, or JetStream does not answer."""

    code = ErrorCode.STORE_UNAVAILABLE
    status = 503
    retryable = True


class Conflict(RuntimeFault):
    """A write that depended on a revision came after another one: it changed nothing."""

    code = ErrorCode.CONFLICT
    status = 409


class Unanswered(RuntimeFault):
    """This request is for somebody else to answer: raised by who would answer it, who then says nothing."""

    code = ErrorCode.TIMEOUT


class RequestTimeout(RuntimeFault):
    """Nobody answered a request in time."""

    code = ErrorCode.TIMEOUT
    status = 504
    retryable = True


class MessageTooLarge(RuntimeFault):
    """A message, event or value is beyond what NATS or its store takes."""

    code = ErrorCode.MESSAGE_TOO_LARGE


class SettingsError(RuntimeFault):
    """The environment holds a value that a setting refuses."""

    code = ErrorCode.BAD_CONFIGURATION


class BadKeyring(RuntimeFault):
    """The keys of a keyring are missing or malformed."""

    code = ErrorCode.BAD_CONFIGURATION


class PortInUse(RuntimeFault):
    """A port that this process must listen on is taken."""

    code = ErrorCode.BAD_CONFIGURATION


class WorkerDraining(RuntimeFault):
    """A worker that is about to stop takes no call."""

    code = ErrorCode.NO_WORKER
    retryable = True


class CallReleased(RuntimeFault):
    """A call was assigned in an epoch that was released already: the assignment came late."""

    code = ErrorCode.OUT_OF_ORDER


class ProcessFailed(RuntimeFault):
    """A process ends because one of its tasks failed."""


class UnlistedMetric(RuntimeFault):
    """A metric or label that contracts/telemetry.py does not list."""
