"""What can go wrong between a sentence and its audio.

TrunklineError
└── SynthesisError
    ├── UnknownEngine        an assistant names an engine that this build does not have
    ├── UnknownVoice         an assistant names a voice that none of its engines has
    ├── EngineMissing        the engine's package is not installed
    ├── VoiceUnusable        a voice model is there and is not what its engine can speak with
    ├── LanguageUnsupported  the engine cannot speak this language
    ├── EngineFault          the engine failed while it spoke (retryable)
    ├── EngineTimeout        the engine did not answer in time (retryable)
    └── Unsaid               no engine spoke the sentence to its end
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class SynthesisError(TrunklineError):
    """Base of what this service raises."""


class UnknownEngine(SynthesisError):
    """An assistant names an engine that this build does not have."""

    code = ErrorCode.BAD_CONFIGURATION


class UnknownVoice(SynthesisError):
    """An assistant names a voice that none of its engines has; the mend lists those that there are."""

    code = ErrorCode.BAD_CONFIGURATION


class EngineMissing(SynthesisError):
    """The engine's package is not installed; the mend is the command that installs it."""

    code = ErrorCode.ENGINE_UNAVAILABLE


class VoiceUnusable(SynthesisError):
    """A voice model is there and is not what its engine can speak with."""

    code = ErrorCode.MODEL_MISSING


class LanguageUnsupported(SynthesisError):
    """The engine cannot speak this language."""

    code = ErrorCode.ENGINE_REJECTED


class EngineFault(SynthesisError):
    """The engine failed while it spoke."""

    code = ErrorCode.ENGINE_UNAVAILABLE
    retryable = True


class EngineTimeout(SynthesisError):
    """The engine did not answer in time."""

    code = ErrorCode.ENGINE_TIMEOUT
    retryable = True


class Unsaid(SynthesisError):
    """No engine spoke the sentence to its end."""

    code = ErrorCode.ENGINE_UNAVAILABLE
