"""What can go wrong between a caller's turn and the agent's words.

TrunklineError
└── LlmError
    ├── UnknownEngine        an assistant names an engine that this build does not have
    ├── EngineNotInstalled   the engine's package or model is not on this machine
    ├── NoAnswer             the engine has nothing to say to this; the next one is asked, nothing failed
    ├── EngineError
    │   ├── EngineUnavailable    it cannot be reached, is overloaded or broke off (retryable)
    │   ├── EngineTimeout        it stayed silent for too long (retryable)
    │   ├── EngineRejected       it refused the request: a wrong key, an unknown model, a prompt too long
    │   ├── EngineGarbled        it answered with something that is not an answer
    │   └── EngineCrashed        it raised what it should not
    └── OutOfOrder           an event that does not fit where the dialogue stands
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class LlmError(TrunklineError):
    """Base of what the llm service raises."""


class UnknownEngine(LlmError):
    """An assistant names an engine that this build does not have."""

    code = ErrorCode.BAD_CONFIGURATION


class EngineNotInstalled(LlmError):
    """The engine's package or model is not on this machine."""

    code = ErrorCode.MODEL_MISSING


class NoAnswer(LlmError):
    """The engine has nothing to say to this. It means "ask the next one": not counted, not published."""

    code = ErrorCode.ENGINE_REJECTED


class EngineError(LlmError):
    """Base of what an engine raises when it fails."""

    code = ErrorCode.ENGINE_UNAVAILABLE


class EngineUnavailable(EngineError):
    """The engine cannot be reached, is overloaded, or broke off in the middle."""

    retryable = True


class EngineTimeout(EngineError):
    """The engine stayed silent for too long."""

    code = ErrorCode.ENGINE_TIMEOUT
    retryable = True


class EngineRejected(EngineError):
    """The engine refused the request; the same request would be refused again."""

    code = ErrorCode.ENGINE_REJECTED


class EngineGarbled(EngineError):
    """The engine answered with something that is not an answer."""

    code = ErrorCode.ENGINE_REJECTED


class EngineCrashed(EngineError):
    """The engine raised an exception that is not one of ours."""

    code = ErrorCode.INTERNAL


class OutOfOrder(LlmError):
    """An event that does not fit where the dialogue stands."""

    code = ErrorCode.OUT_OF_ORDER
