"""A socket for each call of ours: the system has to allow this process so many open files."""

from __future__ import annotations

from typing import Final

from trunkline.errors import BadOption

_SPARE: Final = 100


def require_files(calls: int) -> None:
    """Allow this process a socket for each call; raises BadOption where the system does not."""
    import resource  # noqa: PLC0415 - not on Windows, where there is no such limit

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = calls + _SPARE
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise BadOption(
            f"{calls} calls need {wanted} open files, {hard} are allowed", mend="raise ulimit -Hn"
        )
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
