"""Voice by loudness alone: for load tests, which want the same turns from the same sound and no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class EnergyDetector:
    """A window is voice, for certain, where its level is at or above `threshold_dbfs`."""

    window_samples = 160  # a frame of 20 ms, so that a turn ends with the frame that ends it

    def __init__(self, threshold_dbfs: float) -> None:
        self._power = 10.0 ** (threshold_dbfs / 10)

    def initial_state(self) -> NDArray[np.float32]:
        """Nothing: each window is judged by itself."""
        return np.empty(0, np.float32)

    def detect(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """1.0 for each loud window, 0.0 for each other one."""
        loud = np.einsum("bi,bi->b", windows, windows) >= self._power * windows.shape[1]
        return loud.astype(np.float32), states
