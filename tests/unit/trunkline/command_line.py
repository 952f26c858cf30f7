"""What the fixture `cli` is."""

from __future__ import annotations

from collections.abc import Callable

Cli = Callable[..., tuple[int, str, str]]
"""Takes the arguments of the command line; gives its exit status, output and errors."""
