"""Cutting a real model in two, and refusing what is none; that the halves still speak is in test_vits."""

from __future__ import annotations

import pytest

from models.store import ModelStore
from tts_service.engines.graph import Halves, cut_before


@pytest.fixture(scope="module")
def model(model_store: ModelStore) -> bytes:
    return model_store.path("piper-joe").read_bytes()


@pytest.fixture(scope="module")
def halves(model: bytes) -> Halves:
    found = cut_before(model, "/dec/")
    assert found is not None
    return found


def test_no_weight_is_in_both_halves(model: bytes, halves: Halves) -> None:
    assert len(halves.front) + len(halves.back) < len(model) * 1.01


def test_a_model_without_such_nodes_is_not_cut(model: bytes) -> None:
    assert cut_before(model, "/nothing/") is None


@pytest.mark.parametrize("junk", [b"", b"not a model", b"\x3a\xff", b"\x0f", bytes(range(256)) * 4])
def test_what_is_no_model_is_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match="not an ONNX model"):
        cut_before(junk, "/dec/")


def test_a_model_that_breaks_off_is_refused(model: bytes) -> None:
    with pytest.raises(ValueError, match="not an ONNX model"):
        cut_before(model[: len(model) // 2], "/dec/")
