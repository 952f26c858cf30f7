"""Who is behind the name of a connection that NATS says is gone."""

from __future__ import annotations

import pytest

from contracts.advisories import CLIENT_DISCONNECTED, ClientDisconnected, processes_named
from contracts.permissions import SERVICES, permissions_of

AS_THE_SERVER_SAYS_IT = b"""{
  "type": "io.nats.server.advisory.v1.client_disconnect",
  "id": "1RYB7YkPUYGMIaHT45GEPz",
  "timestamp": "2026-11-21T12:44:42.633705549Z",
  "server": {"name": "n1", "host": "0.0.0.0", "ver": "2.15.1", "jetstream": true},
  "client": {"id": 7, "acc": "APP", "user": "llm", "name": "router+session+llm-a1", "kind": "Client"},
  "sent": {"msgs": 0, "bytes": 0},
  "received": {"msgs": 0, "bytes": 0},
  "reason": "Client Closed"
}"""


def test_what_a_server_says_is_read() -> None:
    advisory = ClientDisconnected.model_validate_json(AS_THE_SERVER_SAYS_IT)
    assert (advisory.client.name, advisory.reason) == ("router+session+llm-a1", "Client Closed")


@pytest.mark.parametrize(
    ("name", "processes"),
    [
        ("stt-1", ("stt-1",)),
        ("worker-7-b", ("worker-7-b",)),
        ("router+session+llm-a1", ("router-a1", "session-a1", "llm-a1")),
        ("session+llm-zone-b-2", ("session-zone-b-2", "llm-zone-b-2")),
        ("session-rpc", ("session-rpc",)),
        ("nodash", ("nodash",)),
        ("", ()),
    ],
)
def test_services_that_share_a_process_share_its_connection(name: str, processes: tuple[str, ...]) -> None:
    assert processes_named(name) == processes


def test_the_session_alone_may_hear_it() -> None:
    may = [one for one in SERVICES if CLIENT_DISCONNECTED in permissions_of(one).subscribe]
    assert may == ["session"]
