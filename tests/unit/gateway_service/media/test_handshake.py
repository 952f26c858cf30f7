import pytest

from gateway_service.media.handshake import Handshake, is_loopback, shown_at


@pytest.mark.parametrize(
    ("query", "headers", "shown"),
    [
        ("", {}, Handshake()),
        ("", {"Authorization": "Bearer a.b.c"}, Handshake("a.b.c")),
        ("", {"Authorization": "bearer  a.b.c "}, Handshake("a.b.c")),
        ("", {"Authorization": "Basic dXNlcg=="}, Handshake()),
        ("token=a.b.c&x=1", {}, Handshake("a.b.c")),
        ("token=q", {"Authorization": "Bearer h"}, Handshake("h")),
        ("token=", {}, Handshake()),
        ("", {"X-Forwarded-For": "10.1.2.3"}, Handshake(None, proxied=True)),
        ("", {"Forwarded": "for=10.1.2.3"}, Handshake(None, proxied=True)),
    ],
)
def test_what_a_socket_shows(query: str, headers: dict[str, str], shown: Handshake) -> None:
    assert shown_at(query, headers) == shown


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        (("127.0.0.1", 5), True),
        (("127.8.0.1", 5), True),
        (("::1", 5, 0, 0), True),
        (("::ffff:127.0.0.1", 5, 0, 0), True),
        (("10.0.0.1", 5), False),
        (("::ffff:10.0.0.1", 5, 0, 0), False),
        (("fe80::1%eth0", 5, 0, 2), False),
        ("/run/gateway.sock", False),
        ("", False),
        (None, False),
    ],
)
def test_which_peers_are_of_this_machine(peer: object, here: bool) -> None:
    assert is_loopback(peer) is here
