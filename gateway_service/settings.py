"""What can be set about the gateway: where it listens, how much it holds, how it paces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from runtime.settings import ProcessSettings


class TokenSettings(ProcessSettings):
    """What those who issue media tokens and those who check them must agree on."""

    gateway_token_keyring: SecretStr = SecretStr("")
    gateway_token_keyring_file: Path | None = None


class Settings(TokenSettings):
    """The gateway's own settings, beside those of every process."""

    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Field(ge=0, le=65_535, description="0 takes a free port")] = 8080
    gateway_capacity: Annotated[int, Field(ge=1, description="sockets held at once")] = 300

    # Callers of this machine need no media token. Not for a gateway behind a proxy that hides who calls.
    gateway_open_loopback: bool = False
    # For so long after its expiry a media token still brings back the leg of a call that goes on.
    gateway_token_returns_s: Annotated[float, Field(ge=0)] = 14_400.0

    gateway_max_message_bytes: Annotated[int, Field(ge=1024, le=1_048_576)] = 65_536
    # From the socket's opening to `start`; then for session.open to answer, in each try and in all: long
    # enough for another session to take over.
    gateway_start_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    gateway_open_timeout_s: Annotated[float, Field(gt=0)] = 1.5
    gateway_open_patience_s: Annotated[float, Field(gt=0)] = 6.0
    # What the caller says before the call is open is kept, up to this much.
    gateway_opening_audio_ms: Annotated[int, Field(ge=20)] = 3_000
    # The newest audio of every caller, for a replacement of its stt worker to hear again; 8 kB a second.
    gateway_kept_audio_s: Annotated[float, Field(ge=1)] = 12.0
    # Unsent audio of one caller who reads slowly, in the kernel and, once more, in the process.
    gateway_write_buffer_bytes: Annotated[int, Field(ge=4096)] = 32_768
    # Caller frames of all calls on their way to the bus.
    gateway_bus_queue_frames: Annotated[int, Field(ge=1)] = 2_000
    # From so many calls on, the loop handles what callers send together, once in so many milliseconds, and
    # what comes from the bus meanwhile once in so many; 0: never.
    gateway_nap_ms: Annotated[int, Field(ge=0, le=20)] = 12
    gateway_nap_bus_ms: Annotated[int, Field(ge=0, le=20)] = 4
    gateway_nap_from_calls: Annotated[int, Field(ge=1)] = 10

    # Sent every 80 ms, and later by a nap: less than that ahead, and a caller runs dry between two times.
    gateway_playout_lead_ms: Annotated[int, Field(ge=100, le=500)] = 160
    gateway_playout_limit_s: Annotated[float, Field(gt=0)] = 30.0
    gateway_mark_every_ms: Annotated[int, Field(ge=100)] = 300
    # How long after its end by the clock a reply's last mark is waited for.
    gateway_mark_grace_ms: Annotated[int, Field(ge=0)] = 2_000
    # A reply whose text is complete and whose audio stays away is given up.
    gateway_starved_after_ms: Annotated[int, Field(ge=100)] = 5_000
    # A caller without media for this long is named in the heartbeat.
    gateway_quiet_after_ms: Annotated[int, Field(ge=100)] = 2_000
    # When draining: how long a leg is waited for until nobody speaks, before it is closed all the same. It is
    # longer than most turns with their answers, because what is cut is said again elsewhere.
    gateway_drain_patience_s: Annotated[float, Field(ge=0)] = 8.0
