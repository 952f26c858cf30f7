"""The NATS users of one run: one for each process, with a password of its own and what it may do.

They share one account. The server says in another one that a connection is gone: that word alone, about our
own connections, is let through, and who may hear it is a matter of permissions like all else.
The passwords live as long as the platform: in the server's configuration, in the environment of each child,
and, for the command line, in `up.json`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.advisories import CLIENT_DISCONNECTED
from contracts.permissions import OPERATOR, REPLAYER, Permissions, permissions_of, user_of

ACCOUNT: Final = "TRUNKLINE"
_SYSTEM: Final = "SYS"
_PASSWORD_BYTES: Final = 24
_ANSWER_WITHIN: Final = "1m"


@dataclass(frozen=True, slots=True)
class BusUser:
    """A user of the bus: what it calls itself, and what it may do there."""

    name: str
    password: str = field(repr=False)
    permissions: Permissions

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells a process to be this user."""
        return {"TRUNKLINE_NATS_USER": self.name, "TRUNKLINE_NATS_PASSWORD": self.password}


class BusUsers:
    """The users of one run, each made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, BusUser] = {}

    def of(self, *services: str, name: str = "") -> BusUser:
        """The user of a process that runs these services; ContractError for a service that there is not.

        `name` tells apart the processes that run the same services.
        """
        name = name or user_of(services)
        if name not in self._made:
            password = secrets.token_urlsafe(_PASSWORD_BYTES)
            self._made[name] = BusUser(name, password, permissions_of(*services, user=name))
        return self._made[name]

    @property
    def operator(self) -> BusUser:
        """The user of the command line."""
        return self.of(OPERATOR)

    @property
    def replayer(self) -> BusUser:
        """The user of a replay in a gateway's place."""
        return self.of("gateway", name=REPLAYER)


def accounts(users: Iterable[BusUser]) -> str:
    """The part of a nats-server configuration that lets in these users and nobody else."""
    gone = CLIENT_DISCONNECTED.replace("*", ACCOUNT)
    ours = {
        "jetstream": "enabled",
        "users": [_entry(user) for user in users],
        "imports": [{"stream": {"account": _SYSTEM, "subject": gone}}],
    }
    system = {"exports": [{"stream": gone, "accounts": [ACCOUNT]}]}
    return f"accounts {json.dumps({ACCOUNT: ours, _SYSTEM: system}, indent=2)}\nsystem_account: {_SYSTEM}\n"


def _entry(user: BusUser) -> dict[str, Any]:
    """As nats-server reads it. Whoever is not granted an answer may not publish on a reply subject at all."""
    may = user.permissions
    permissions: dict[str, Any] = {
        "publish": {"allow": may.publish},
        "subscribe": {"allow": may.subscribe, "deny": may.unheard},
    }
    if may.answers:
        permissions["allow_responses"] = {"max": 1, "expires": _ANSWER_WITHIN}
    return {"user": user.name, "password": user.password, "permissions": permissions}
