"""What can be set about REST: where it listens, how long tokens live, how much one may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from gateway_service.settings import TokenSettings


class RestSettings(TokenSettings):
    """Settings of the REST process; README.md says what each is for."""

    rest_host: str = "127.0.0.1"
    rest_port: Annotated[int, Field(ge=0, le=65_535, description="0 takes a free port")] = 8081
    rest_keyring: SecretStr = SecretStr("")
    rest_keyring_file: Path | None = None
    rest_token_s: Annotated[int, Field(ge=10, le=86_400)] = 900
    # How long an answer of router about a key or a token's user is believed.
    rest_recheck_s: Annotated[float, Field(ge=0, le=60)] = 5.0
    # For how long a checked API key stays good while router cannot be asked.
    rest_key_stale_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    rest_answer_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    # What router takes is at most a message of NATS, 1 MB.
    rest_max_body_bytes: Annotated[int, Field(ge=1024, le=1_000_000)] = 524_288
    # For who signs in, and for a key that names no rate of its own.
    rest_requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    # Failed sign-ins at once: for one account, and from one address; one more after each interval.
    rest_account_tries: Annotated[int, Field(ge=1)] = 10
    rest_address_tries: Annotated[int, Field(ge=1)] = 30
    rest_try_again_s: Annotated[float, Field(gt=0)] = 30.0
    rest_cors_origins: tuple[str, ...] = ()
    rest_trusted_proxies: tuple[str, ...] = ()
    # Where callers bring their legs, as they see it; and for how long a token lets them.
    rest_media_url: str = "ws://127.0.0.1:8080/media/twilio"
    rest_media_token_s: Annotated[int, Field(ge=5, le=3_600)] = 120
    # This process as the carrier sees it, which is what it signs. Empty: as the request has it.
    rest_public_url: Annotated[str, Field(pattern=r"^(https?://[^\s?#]+)?$")] = ""
    # Twilio's, the secondary too while they are exchanged, separated by commas. Empty: no webhooks.
    rest_twilio_auth_token: SecretStr = SecretStr("")
    # For the session to say whether a call may be answered; a carrier waits no longer than 15 s.
    rest_admit_timeout_s: Annotated[float, Field(gt=0, le=6)] = 4.0
    rest_max_connections: Annotated[int, Field(ge=1)] = 1_000
    # Longer than clients and balancers keep an idle connection, commonly 60 s: a request that crosses our
    # closing of it is lost.
    rest_keep_alive_s: Annotated[int, Field(ge=1, le=3_600)] = 75
