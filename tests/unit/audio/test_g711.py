"""G.711 against what the Recommendation says, by means other than the tables under test."""

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
from numpy.typing import NDArray

from audio import g711

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)
LAWS = {
    "mulaw": (g711.decode_mulaw, g711.decode_mulaw_float, g711.encode_mulaw),
    "alaw": (g711.decode_alaw, g711.decode_alaw_float, g711.encode_alaw),
}


@pytest.mark.parametrize(
    ("decode", "sha256"),
    [
        (g711.decode_mulaw, "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"),
        (g711.decode_alaw, "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"),
    ],
)
def test_every_code_decodes_as_cpythons_audioop_did(
    decode: Callable[[bytes], NDArray[np.int16]], sha256: str
) -> None:
    # Digests of audioop.ulaw2lin / alaw2lin of all 256 codes, taken from CPython 3.11.
    assert hashlib.sha256(decode(ALL_CODES).astype("<i2").tobytes()).hexdigest() == sha256


def test_every_sample_encodes_to_alaw_as_cpythons_audioop_did() -> None:
    expected = "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"
    assert hashlib.sha256(g711.encode_alaw(ALL_SAMPLES)).hexdigest() == expected


# Decision values of G.711 table 2a, in 14 bits: a step of 1, fifteen of 2, then sixteen of each doubled step.
MULAW_DECISIONS = list(
    accumulate([1] + [2] * 15 + [4 << segment for segment in range(7) for _ in range(16)], initial=0)
)


def mulaw_code_by_the_decision_table(sample: int) -> int:
    magnitude = min((~sample if sample < 0 else sample) >> 2, MULAW_DECISIONS[-1] - 1)
    level = bisect_right(MULAW_DECISIONS, magnitude) - 1
    return (0x7F if sample < 0 else 0xFF) - level


def test_every_sample_encodes_to_mulaw_as_the_decision_table_says() -> None:
    assert MULAW_DECISIONS[-1] == 8159
    expected = bytes(mulaw_code_by_the_decision_table(int(sample)) for sample in ALL_SAMPLES)
    assert g711.encode_mulaw(ALL_SAMPLES) == expected


@pytest.mark.parametrize(
    ("decode", "code", "value"),
    [
        (g711.decode_mulaw, 0xFF, 0),
        (g711.decode_mulaw, 0x7F, 0),
        (g711.decode_mulaw, 0x80, 32124),
        (g711.decode_mulaw, 0x00, -32124),
        (g711.decode_alaw, 0xD5, 8),
        (g711.decode_alaw, 0x55, -8),
        (g711.decode_alaw, 0xAA, 32256),
        (g711.decode_alaw, 0x2A, -32256),
    ],
)
def test_known_values(decode: Callable[[bytes], NDArray[np.int16]], code: int, value: int) -> None:
    assert decode(bytes([code])).tolist() == [value]


@pytest.mark.parametrize("law", LAWS)
def test_no_sample_is_off_by_more_than_half_a_step(law: str) -> None:
    decode, _, encode = LAWS[law]
    samples = ALL_SAMPLES.astype(np.int32)
    off = abs(decode(encode(ALL_SAMPLES)).astype(np.int32) - samples)
    assert (off <= np.maximum(8, (abs(samples) + 132) / 32)).all()


@pytest.mark.parametrize("law", LAWS)
def test_a_decoded_value_comes_back_as_itself_and_as_float(law: str) -> None:
    decode, decode_float, encode = LAWS[law]
    pcm = decode(ALL_CODES)
    assert np.array_equal(decode(encode(pcm)), pcm)
    floats = decode_float(ALL_CODES)
    assert floats.dtype == np.float32
    assert np.array_equal(floats * 32768, pcm)


@pytest.mark.parametrize("law", LAWS)
def test_nothing_becomes_nothing(law: str) -> None:
    decode, _, encode = LAWS[law]
    assert len(decode(b"")) == 0
    assert encode(np.empty(0, np.int16)) == b""
