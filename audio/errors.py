"""What can be wrong with audio that came from outside.

AudioError          the base
├── CodecError      a payload that is not whole samples, or a codec that is not known
├── RateError       a sample rate that the platform does not carry
└── WavError        a file that is not a WAV this platform can read
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class AudioError(TrunklineError):
    """Audio that cannot be used as it is; trying the same again does not help."""

    code = ErrorCode.UNSUPPORTED_CODEC


class CodecError(AudioError):
    """A payload that does not fit its codec, or a codec that is not known."""


class RateError(AudioError):
    """A sample rate outside the closed set in `audio.resample.RATES_HZ`."""


class WavError(AudioError):
    """A file that is not a readable WAV; the message names the file."""

    code = ErrorCode.BAD_CONFIGURATION
