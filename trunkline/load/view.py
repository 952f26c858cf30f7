"""A load run on the terminal while it goes on: a live line."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live

from trunkline.reports.samples import Sample

_PLAIN_EVERY_S: Final = 5.0


class LoadView:
    """Shows samples as they come: in place on a terminal, a line every five seconds elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False, redirect_stderr=False)
        self._shown_s = -_PLAIN_EVERY_S
        self._before: Sample | None = None

    def add(self, sample: Sample) -> None:
        """One more sample."""
        line = self._line(sample)
        self._before = sample
        if self._console.is_terminal:
            self._live.update(line, refresh=True)
        elif sample.at_s - self._shown_s >= _PLAIN_EVERY_S:
            self._shown_s = sample.at_s
            self._console.print(line, soft_wrap=True)

    def _line(self, sample: Sample) -> str:
        line = f"{sample.at_s:7.1f} s  {sample.calls:4} calls  {sample.spurts:6} times answered"
        if sample.broken:
            line += f"  {sample.broken} broken"
        before = self._before
        if before is not None and sample.cpu_s and sample.at_s > before.at_s:
            used_s = sum(sample.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in sample.cpu_s)
            line += f"  {used_s / (sample.at_s - before.at_s):.2f} cores"
            line += f"  {sum(sample.memory_mb.values()):,.0f} MB"
        return line

    def __enter__(self) -> LoadView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
