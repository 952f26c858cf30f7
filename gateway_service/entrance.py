"""Who may bring a leg: whoever shows a media token, or, where that is allowed, anybody on this machine.

The token says which call it is and who calls whom. What the leg says of the numbers itself, which a carrier
need not do at all, may not differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway_service.errors import NumberMissing, TokenMissing, TokenRefused
from gateway_service.media_tokens import verify
from gateway_service.ports import LegOffered, LegStarted
from runtime.keyring import Keyring

_MEND: Final = 'send it as <Parameter name="token">, "Authorization: Bearer" or ?token='


@dataclass(frozen=True, slots=True)
class Entrance:
    """Decides by token. `returns_s`: for so long after it expired, a token still brings back a call's leg."""

    keyring: Keyring
    open_loopback: bool
    returns_s: float

    def admit(self, offered: LegOffered, now_us: int) -> LegStarted:
        """The leg with its call and numbers; raises TokenMissing, TokenRefused or NumberMissing."""
        if offered.token is None:
            return self._without_token(offered)
        claims = verify(self.keyring, offered.token, now_us, returns_s=self.returns_s)
        for name, said, signed in (
            ("to", offered.called, claims.called),
            ("from", offered.caller, claims.caller),
        ):
            if said is not None and said != signed:
                raise TokenRefused(
                    f"customParameters.{name} is not the number of the media token", mend="leave it out"
                )
        return LegStarted(
            offered.carrier_call_id,
            claims.called,
            claims.caller,
            offered.protocol,
            call=claims.call,
            tenant=claims.tenant,
            late=claims.late,
        )

    def _without_token(self, offered: LegOffered) -> LegStarted:
        if not (self.open_loopback and offered.local):
            raise TokenMissing("no media token came with the start", mend=_MEND)
        for name, said in (("to", offered.called), ("from", offered.caller)):
            if said is None:
                raise NumberMissing(
                    f"customParameters.{name} is missing",
                    mend=f'add <Parameter name="{name}" value="+1..."/>',
                )
        return LegStarted(
            offered.carrier_call_id, offered.called or "", offered.caller or "", offered.protocol
        )
