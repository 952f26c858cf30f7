"""What a running platform says of itself in its home, so that other commands find it: `up.json`.

A lock that the platform holds for as long as it lives tells a running one from what a killed one left
behind; a process id could be somebody else's by now.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trunkline.errors import AlreadyRunning, BadOption, NotRunning
from trunkline.private_files import write_private

_STATE: Final = "up.json"
_LOCK: Final = "up.lock"


class RunningProcess(BaseModel):
    """One process of a running platform; `health_port` is None where it serves no health."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    health_port: int | None


class RunningPlatform(BaseModel):
    """Where a platform on this machine can be reached. `started_us` is microseconds since the Unix epoch.

    `nats_user` and `nats_password` are the command line's own, for as long as this platform runs; so are
    `replay_user` and `replay_password`, for a replay in a gateway's place, and `control_secret`, for requests
    to `up` itself on `control_port`. `media_urls` are those of all gateways;
    `rest_url` is empty where REST does not run.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    pid: int
    started_us: int
    nats_url: str
    media_url: str
    tenants: Path
    processes: tuple[RunningProcess, ...]
    nats_user: str = ""
    nats_password: str = Field("", repr=False)
    nats_monitor_url: str = ""
    replay_user: str = ""
    replay_password: str = Field("", repr=False)
    media_urls: tuple[str, ...] = ()
    rest_url: str = ""
    control_port: int = 0
    control_secret: str = Field("", repr=False)

    @property
    def bus_url(self) -> str:
        """The bus and who we are to it in one address: a secret, not to be shown."""
        return _as_user(self.nats_url, self.nats_user, self.nats_password)

    @property
    def replay_bus_url(self) -> str:
        """The bus, for who speaks there as a gateway does: a secret, too."""
        return _as_user(self.nats_url, self.replay_user, self.replay_password)


def _as_user(nats_url: str, user: str, password: str) -> str:
    scheme, _, place = nats_url.partition("://")
    return f"{scheme}://{user}:{password}@{place}" if user else nats_url


@contextmanager
def claimed(home: Path) -> Iterator[None]:
    """Hold `home` against other platforms; raises AlreadyRunning or BadOption. Takes `up.json` away after."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / _LOCK).open("a")
    except OSError as error:
        raise BadOption(
            f"{home} cannot be used as home: {error.strerror}", mend="choose another folder with --home"
        ) from error
    with lock:
        if not _locked(lock, fcntl.LOCK_EX):
            raise AlreadyRunning(
                f"a platform runs in {home} already{_whose(home)}",
                mend="stop it first, or give this one its own --home and --port",
            )
        try:
            yield
        finally:
            (home / _STATE).unlink(missing_ok=True)


def write_state(home: Path, state: RunningPlatform) -> None:
    """Tell other commands of this user where the platform is; the file appears whole."""
    path = home / _STATE
    draft = path.with_suffix(".json.new")
    write_private(draft, state.model_dump_json(indent=1) + "\n")
    draft.replace(path)


def read_state(home: Path) -> RunningPlatform:
    """The platform that runs in `home`; raises NotRunning, which says whether one was left behind."""
    mend = f"start it: trunkline up --home {home}"
    try:
        text = (home / _STATE).read_text(encoding="utf-8")
        state = RunningPlatform.model_validate_json(text)
    except FileNotFoundError:
        raise NotRunning(f"no platform runs in {home}", mend=mend) from None
    except (OSError, ValueError, ValidationError) as error:
        raise NotRunning(f"{home / _STATE} cannot be read: {error}", mend=mend) from error
    if _is_free(home):
        raise NotRunning(
            f"the platform in {home} was killed (its process was {state.pid}) and left {_STATE} behind",
            mend=mend,
        )
    return state


def last_state(home: Path) -> RunningPlatform | None:
    """What the platform that runs or last ran here said of itself; None where it ended in order."""
    try:
        return RunningPlatform.model_validate_json((home / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _is_free(home: Path) -> bool:
    try:
        with (home / _LOCK).open("a") as lock:
            return _locked(lock, fcntl.LOCK_SH)
    except OSError:
        return True


def _locked(lock: IO[str], kind: int) -> bool:
    """Take the lock if nobody holds it; the system frees it when the file closes or the process ends."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _whose(home: Path) -> str:
    state = last_state(home)
    return f" (process {state.pid}, {state.media_url})" if state else ""
