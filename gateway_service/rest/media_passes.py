"""Media tokens as REST gives them away: with the address to bring the leg to, and until when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from contracts.identities import CallId, uuid7
from gateway_service.media_tokens import MAX_PARTY, MediaClaims, issue
from runtime.clock import Clock
from runtime.keyring import Keyring


class Pass(BaseModel):
    """What lets a caller's leg in: `token` is to be shown at `url`, until `expires_at`, for this call alone.

    After that it still brings the leg back where a gateway was lost in the middle of the call.
    """

    token: str
    url: str
    call: CallId
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Passes:
    """Makes passes that hold for `lifetime_s`."""

    keyring: Keyring
    url: str
    lifetime_s: int
    clock: Clock
    rng: random.Random

    def new_call(self) -> str:
        """An id for a call that nobody knows yet."""
        return uuid7(self.clock.now_us() // 1000, self.rng)

    def pass_for(self, call: str, called: str, caller: str, tenant: str | None) -> Pass:
        """Let the leg of this call in, from now on."""
        return self.pass_of(self.claims_for(call, called, caller, tenant))

    def claims_for(self, call: str, called: str, caller: str, tenant: str | None) -> MediaClaims:
        """What a pass says from now on. A caller named at length is cut to what a token carries."""
        now_s = self.clock.now_us() // 1_000_000
        return MediaClaims(
            call=call,
            called=called,
            caller=caller[:MAX_PARTY],
            tenant=tenant,
            issued_s=now_s,
            expires_s=now_s + self.lifetime_s,
        )

    def pass_of(self, claims: MediaClaims) -> Pass:
        """The pass that says this: the same for the same claims, while the keyring's newest key is."""
        return Pass(
            token=issue(self.keyring, claims),
            url=self.url,
            call=claims.call,
            expires_at=datetime.fromtimestamp(claims.expires_s, UTC),
        )

    def holds(self, given: Pass) -> bool:
        """Whether a pass can still be used to come for the first time."""
        return given.expires_at.timestamp() > self.clock.now_us() / 1_000_000
