"""A model made window by window sounds as if made in one go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.store import ModelStore
from tts_service.engines.vits import Scales, Vits
from tts_service.errors import VoiceUnusable

_IDS = [1, 0, *[id_ for phoneme in range(20, 60) for id_ in (phoneme, 0)], 2]
_STILL = Scales(0.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def path(model_store: ModelStore) -> Path:
    return model_store.path("piper-joe")


def test_windows_join_without_a_trace(path: Path, tmp_path: Path) -> None:
    uncut = tmp_path / "uncut.onnx"  # the same model, with nodes of other names
    uncut.write_bytes(path.read_bytes().replace(b"/dec/", b"/DEC/"))
    whole, cut = Vits(uncut, 256, 1), Vits(path, 256, 1)
    assert (whole.incremental, cut.incremental) == (False, True)
    (expected,) = whole.speak(_IDS, _STILL)
    chunks = list(cut.speak(_IDS, _STILL))
    assert len(chunks) > 2
    assert len(chunks[0]) == 24 * 256
    assert abs(np.concatenate(chunks) - expected).max() < 1e-4


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a model")
    with pytest.raises(VoiceUnusable, match=r"junk\.onnx is not a voice model"):
        Vits(junk, 256, 1)
