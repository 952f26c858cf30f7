from __future__ import annotations

import numpy as np

from stt_service.engines.energy import EnergyDetector


def test_the_threshold_is_a_level_in_decibels_below_full_scale() -> None:
    detector = EnergyDetector(-40.0)
    tone = np.sin(np.arange(256) * np.pi / 8).astype(np.float32) * np.sqrt(2)  # 0 dBFS
    windows = np.stack([tone * 10 ** (db / 20) for db in (-39.9, -40.1)])
    verdicts, states = detector.detect(windows, np.empty((2, 0), np.float32))
    assert verdicts.tolist() == [1.0, 0.0]
    assert states.shape == (2, 0)
