"""What NATS itself says that we listen to: that a client's connection is gone.

The server says it within its system account, and to us where its configuration exports it to the account of
the platform. A server that does not stays silent, and then heartbeats alone tell who is lost.
"""

from __future__ import annotations

from typing import Final

from contracts.messages.base import Message

CLIENT_DISCONNECTED: Final = "$SYS.ACCOUNT.*.DISCONNECT"
"""The subject of the server's advisory; `*` is the account of the client."""

ADVISORY_LISTENERS: Final = ("session",)
"""The services that may hear it."""

SERVER_STOPPED: Final = "Server Shutdown"
"""The reason that says nothing about the client: its server goes, and it connects to the next one."""


class ClientInfo(Message):
    """The client that is gone; `name` is what it called itself when it connected."""

    name: str = ""


class ClientDisconnected(Message):
    """A client's connection is closed, as `io.nats.server.advisory.v1.client_disconnect` has it."""

    client: ClientInfo
    reason: str = ""


def processes_named(connection: str) -> tuple[str, ...]:
    """The process ids behind the name of a connection.

    Services that share a process share its connection: `router+session+llm-a1` is router-a1, session-a1 and
    llm-a1.
    """
    *services, last = connection.split("+")
    service, dash, suffix = last.partition("-")
    return tuple(f"{each}{dash}{suffix}" for each in (*services, service)) if connection else ()
