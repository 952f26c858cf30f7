"""Callers for flow tests: the product's own caller, and sounds that mean something to the energy detector."""

from __future__ import annotations

import itertools

import numpy as np

from audio.g711 import encode_mulaw
from runtime.clock import SystemClock
from tests.support.platform import SYNTHETIC_NUMBER, Platform
from trunkline.caller import Caller, Dialling
from trunkline.utterance import LINE_RATE_HZ, Utterance, of_mulaw

_NUMBERED = itertools.count(1)


def noise(seconds: float) -> Utterance:
    """White noise loud enough to count as speech where energy is what counts."""
    rng = np.random.default_rng(5)
    samples = (rng.standard_normal(round(seconds * LINE_RATE_HZ)) * 6000).clip(-32000, 32000).astype(np.int16)
    return of_mulaw("noise", encode_mulaw(samples))


def caller_to(platform: Platform, number: str = SYNTHETIC_NUMBER, *, keep_audio: bool = False) -> Caller:
    """A caller, not yet dialled."""
    dialling = Dialling(platform.url, number, "+15550123", f"CA{next(_NUMBERED):032x}")
    return Caller(dialling, SystemClock(), keep_audio=keep_audio)
