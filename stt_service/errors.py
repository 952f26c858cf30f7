"""What can go wrong between a caller's voice and its words.

TrunklineError
└── SttError
    ├── UnknownEngine        an assistant or a setting names an engine that this build does not have
    ├── EngineMissing        the engine's package is not installed, or its model is not one that it can open
    ├── EngineRejected       the engine cannot recognize this, and would refuse it again
    ├── EngineFault          the engine failed while it recognized (retryable)
    ├── EngineTimeout        the engine did not answer in time (retryable)
    └── UnlistedTransition   a turn was told something that cannot happen in its state
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class SttError(TrunklineError):
    """Base of what this service raises."""


class UnknownEngine(SttError):
    """An assistant or a setting names an engine that this build does not have; the mend lists its own."""

    code = ErrorCode.BAD_CONFIGURATION


class EngineMissing(SttError):
    """The engine's package is not installed, or its model is not one that it can open."""

    code = ErrorCode.MODEL_MISSING


class EngineRejected(SttError):
    """The engine cannot recognize this (a language it was not trained for), and would refuse it again."""

    code = ErrorCode.ENGINE_REJECTED


class EngineFault(SttError):
    """The engine failed while it recognized."""

    code = ErrorCode.ENGINE_UNAVAILABLE
    retryable = True


class EngineTimeout(SttError):
    """The engine did not answer in time."""

    code = ErrorCode.ENGINE_TIMEOUT
    retryable = True


class UnlistedTransition(SttError):
    """A turn was told something that cannot happen in its state: a fault of ours, and nothing changed."""

    code = ErrorCode.OUT_OF_ORDER
