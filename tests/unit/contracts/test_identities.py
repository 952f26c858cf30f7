import random
import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.errors import ErrorCode, SubjectError
from contracts.identities import (
    TOKEN_KINDS,
    CallId,
    PhoneNumber,
    ProcessId,
    TenantSlug,
    check_token,
    number_key,
    uuid7,
)

MILLISECONDS = st.integers(min_value=0, max_value=2**48 - 1)
SEEDS = st.integers(min_value=0, max_value=2**64)

GOOD = {
    "call": ["019b78c9-0a80-78f1-91b7-584a2265b1f5"],
    "tenant": ["a", "bright-smile", "7", "a" * 63],
    "process": ["stt-1", "gateway", "a-", "x" * 63],
    "role": ["stt", "gateway"],
    "number": ["15550100", "112", "1" * 15],
    "digest": ["0a" * 32],
}
BAD = {
    "call": ["", "019B78C9-0A80-78F1-91B7-584A2265B1F5", "019b78c9-0a80-48f1-91b7-584a2265b1f5", "*"],
    "tenant": ["", "-a", "a-", "Bright", "a.b", "a b", "*", ">", "a" * 64, "a\n", "é"],
    "process": ["", "-a", "a.b", "A", "*", "x" * 64, "a\n"],
    "role": ["", "stt1", "STT", "stt.1"],
    "number": ["", "+15550100", "0555", "12", "1" * 16, "1a5"],
    "digest": ["", "0A" * 32, "0a" * 31, "0g" * 32, "*"],
}


@settings(deadline=None)
@given(MILLISECONDS, SEEDS)
def test_a_uuid7_has_the_layout_of_rfc_9562(unix_ms: int, seed: int) -> None:
    parsed = UUID(uuid7(unix_ms, random.Random(seed)))

    assert parsed.version == 7
    assert parsed.variant == "specified in RFC 4122"
    assert parsed.int >> 80 == unix_ms


@settings(deadline=None)
@given(MILLISECONDS, MILLISECONDS, SEEDS)
def test_uuid7s_of_different_milliseconds_sort_by_time(one: int, other: int, seed: int) -> None:
    rng = random.Random(seed)
    first, second = uuid7(min(one, other), rng), uuid7(max(one, other), rng)

    assert one == other or first < second


@settings(deadline=None, max_examples=20)
@given(MILLISECONDS, SEEDS)
def test_uuid7s_of_one_millisecond_are_all_different(unix_ms: int, seed: int) -> None:
    rng = random.Random(seed)

    assert len({uuid7(unix_ms, rng) for _ in range(1_000)}) == 1_000


def test_a_uuid7_keeps_all_random_bits() -> None:
    rng = random.Random(0)
    ever_set = ever_clear = 0
    for _ in range(500):
        value = UUID(uuid7(0, rng)).int
        ever_set |= value
        ever_clear |= ~value
    fixed = 0xF << 76 | 0x3 << 62
    random_bits = ((1 << 80) - 1) & ~fixed

    assert ever_set & ever_clear & random_bits == random_bits


@settings(deadline=None)
@given(MILLISECONDS, SEEDS)
def test_a_uuid7_may_stand_in_a_subject_and_in_a_message(unix_ms: int, seed: int) -> None:
    call = uuid7(unix_ms, random.Random(seed))

    assert check_token("call", call) == call
    assert TypeAdapter(CallId).validate_python(call) == call


def test_the_samples_cover_every_kind_of_token() -> None:
    assert set(GOOD) == set(BAD) == set(TOKEN_KINDS)


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in GOOD for value in GOOD[kind]])
def test_a_well_formed_token_passes(kind: str, value: str) -> None:
    assert check_token(kind, value) == value


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind in BAD for value in BAD[kind]])
def test_a_malformed_token_is_named_with_its_rule(kind: str, value: str) -> None:
    with pytest.raises(SubjectError, match=re.escape(f"{value!r} cannot be the {kind}")) as refused:
        check_token(kind, value)

    assert refused.value.mend == f"use {TOKEN_KINDS[kind]}"
    assert refused.value.code is ErrorCode.BAD_SUBJECT


def test_an_unknown_kind_of_token_is_named() -> None:
    with pytest.raises(SubjectError, match="no subject has a token 'shoe'"):
        check_token("shoe", "42")


@settings(deadline=None)
@given(st.text(max_size=70), st.sampled_from(sorted(TOKEN_KINDS)))
def test_no_token_can_reach_into_the_subject(value: str, kind: str) -> None:
    try:
        token = check_token(kind, value)
    except SubjectError:
        return

    assert not set(token) & set(".*> \t\r\n")
    assert token


@pytest.mark.parametrize(
    ("kind", "model"), [("call", CallId), ("tenant", TenantSlug), ("process", ProcessId)]
)
def test_messages_and_subjects_agree_on_what_is_well_formed(kind: str, model: Any) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(model)
    for value in GOOD[kind]:
        assert adapter.validate_python(value) == value
    for value in BAD[kind]:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_a_number_becomes_a_key_without_its_plus_sign() -> None:
    assert number_key("+15550100") == "15550100"


@pytest.mark.parametrize("number", ["", "+", "++15550100", "+0123", "anonymous", "+1 555 0100"])
def test_what_is_not_a_number_cannot_be_a_key(number: str) -> None:
    with pytest.raises(SubjectError, match="number"):
        number_key(number)
    with pytest.raises(ValidationError):
        TypeAdapter(PhoneNumber).validate_python(number)
