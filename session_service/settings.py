"""What an operator can set about admission, failover and the watch over calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from runtime.settings import ProcessSettings


class Settings(ProcessSettings):
    """Settings of the session service."""

    session_max_calls: Annotated[int, Field(ge=0, description="0: what the workers can take")] = 0
    session_inbound_reserve: Annotated[
        int, Field(ge=0, description="slots of the platform that outbound calls cannot take")
    ] = 0
    session_ghost_after_s: Annotated[float, Field(gt=0)] = 12.0
    session_lost_after_s: Annotated[float, Field(gt=0, validate_default=True)] = 1.2
    session_suspect_s: Annotated[float, Field(gt=0, validate_default=True)] = 0.6
    session_assign_timeout_s: Annotated[float, Field(gt=0)] = 2.0
    session_assign_tries: Annotated[int, Field(ge=1)] = 2
    session_moves_at_once: Annotated[int, Field(ge=1)] = 32
    session_drains_at_once: Annotated[int, Field(ge=1)] = 4
    session_worker_wait_s: Annotated[float, Field(gt=0)] = 30.0
    session_reattach_s: Annotated[float, Field(gt=0)] = 15.0
    # A standby takes over once the leader's lease has not been renewed for so long.
    session_lease_s: Annotated[float, Field(gt=0)] = 2.0
    session_lease_renew_s: Annotated[float, Field(gt=0, validate_default=True)] = 0.5

    @field_validator("session_lost_after_s")
    @classmethod
    def _longer_than_a_missed_heartbeat(cls, lost_after_s: float, info: ValidationInfo) -> float:
        heartbeat_s = info.data.get("heartbeat_s", 0.0)
        if lost_after_s < 3 * heartbeat_s:
            raise ValueError(f"must be at least three heartbeats of {heartbeat_s:g} s")
        return lost_after_s

    @field_validator("session_suspect_s")
    @classmethod
    def _long_enough_to_be_heard_again(cls, suspect_s: float, info: ValidationInfo) -> float:
        heartbeat_s = info.data.get("heartbeat_s", 0.0)
        if suspect_s <= heartbeat_s:
            raise ValueError(f"must be longer than a heartbeat of {heartbeat_s:g} s")
        return suspect_s

    @field_validator("session_lease_renew_s")
    @classmethod
    def _well_within_the_lease(cls, renew_s: float, info: ValidationInfo) -> float:
        lease_s = info.data.get("session_lease_s", 0.0)
        if renew_s > lease_s / 3:
            raise ValueError(f"must be at most a third of the lease of {lease_s:g} s")
        return renew_s
