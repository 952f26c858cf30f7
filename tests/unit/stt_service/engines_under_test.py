"""Engines whose every answer a test decides."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from stt_service.ports import Segment, Transcript
from tests.support.waiting import eventually


def segment(seconds: float = 1.0, name: str = "en-US") -> Segment:
    return Segment(np.zeros(round(seconds * 8_000), np.float32), name)


class HandEngine:
    """Answers a batch when it is told to. Its answers name the length of each segment in ms."""

    def __init__(self) -> None:
        self.batches: list[list[Segment]] = []
        self.gates: list[asyncio.Event] = []
        self.errors: dict[int, Exception] = {}
        self.closed = 0

    async def transcribe(self, batch: Sequence[Segment]) -> list[Transcript]:
        gate = asyncio.Event()
        self.batches.append(list(batch))
        self.gates.append(gate)
        await gate.wait()
        for one in batch:
            if (error := self.errors.get(round(one.duration_s * 1000))) is not None:
                raise error
        return [Transcript(f"{round(one.duration_s * 1000)}.", "en", 1.0) for one in batch]

    async def close(self) -> None:
        self.closed += 1

    def lengths(self) -> list[list[int]]:
        return [[round(one.duration_s * 1000) for one in batch] for batch in self.batches]

    async def begun(self, batch: int) -> None:
        """Return once the engine has this batch in hand."""
        await eventually(lambda: len(self.gates) > batch, f"batch {batch}")

    def let(self, batch: int) -> None:
        self.gates[batch].set()


class EagerEngine(HandEngine):
    """Answers at once, with `text`, or fails with `error`."""

    def __init__(self, text: str = "Yes.", error: Exception | None = None) -> None:
        super().__init__()
        self.text = text
        self.error = error

    async def transcribe(self, batch: Sequence[Segment]) -> list[Transcript]:
        self.batches.append(list(batch))
        if self.error is not None:
            raise self.error
        return [Transcript(self.text, "en", 1.0) for _ in batch]
