"""A model made window by window sounds as if made in one go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.store import ModelStore
from tts_service.engines.vits import Scales, Vits
from tts_service.errors import VoiceUnusable

_IDS = [1, 0, *[id_ for phoneme in range(20, 60) for id_ in (phoneme, 0)], 2]
_STILL = Scales(0.0, 1.0, 0.0)


def _said(model: Vits, ids: list[int], scales: Scales = _STILL) -> list[NDArray[np.float32]]:
    (plan,) = model.plan([ids], scales)
    chunks = []
    while plan.next_frames:
        chunks += model.speak([plan])
    return chunks


@pytest.fixture(scope="module")
def path(model_store: ModelStore) -> Path:
    return model_store.path("piper-joe")


def test_windows_join_without_a_trace(path: Path, tmp_path: Path) -> None:
    uncut = tmp_path / "uncut.onnx"  # the same model, with nodes of other names
    uncut.write_bytes(path.read_bytes().replace(b"/dec/", b"/DEC/"))
    whole, cut = Vits(uncut, 256, 1), Vits(path, 256, 1)
    assert (whole.incremental, cut.incremental) == (False, True)
    (expected,) = _said(whole, _IDS)
    chunks = _said(cut, _IDS)
    assert len(chunks) > 2
    assert len(chunks[0]) == 24 * 256
    assert abs(np.concatenate(chunks) - expected).max() < 1e-4


@pytest.mark.parametrize("phonemes", [(20, 60), (25, 30), (20, 45)])
def test_sentences_of_one_run_are_those_made_alone(path: Path, phonemes: tuple[int, int]) -> None:
    model = Vits(path, 256, 1)
    other = [1, 0, *[id_ for phoneme in range(*phonemes) for id_ in (phoneme, 0)], 2]
    sentences = [_IDS, other, [*_IDS[:20], 2], other]
    alone = [np.concatenate(_said(model, ids)) for ids in sentences]
    plans = model.plan(sentences, _STILL)
    together: list[list[NDArray[np.float32]]] = [[] for _ in plans]
    while left := [at for at, plan in enumerate(plans) if plan.next_frames]:
        for at, samples in zip(left, model.speak([plans[at] for at in left]), strict=True):
            together[at].append(samples)
    for mine, chunks in zip(alone, together, strict=True):
        assert len(np.concatenate(chunks)) == len(mine)
        assert abs(np.concatenate(chunks) - mine).max() < 1e-3


def test_sentences_of_one_run_each_have_their_own_noise(path: Path) -> None:
    model = Vits(path, 256, 1)
    one, two = model.plan([_IDS, _IDS], Scales(0.667, 1.0, 0.0))
    assert one.next_frames == two.next_frames
    assert abs(one.part() - two.part()).max() > 0.01


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a model")
    with pytest.raises(VoiceUnusable, match=r"junk\.onnx is not a voice model"):
        Vits(junk, 256, 1)
