"""The fast way through nats-py: every message once, whole, in order, however the socket cuts it."""

from __future__ import annotations

import asyncio

import pytest
from nats.errors import ProtocolError

from runtime.settings import ProcessSettings
from runtime.wire_speed import Gatherer, QuickParser
from tests.support.context import service_context
from tests.support.waiting import eventually

TRAFFIC = (
    b"PING\r\n"
    b"MSG audio.a.b.c 7 5\r\n12345\r\n"
    b"MSG call.x 3 _INBOX.1 4\r\nab\r\n\r\n"
    b"HMSG call.y 3 _INBOX.2 22 27\r\nNATS/1.0\r\nKey: val\r\n\r\nhello\r\n"
    b"PONG\r\n"
    b"HMSG audio.h 7 16 21\r\nNATS/1.0\r\nA:\r\n\r\nhello\r\n"
    b"HMSG call.z 4 12 12\r\nNATS/1.0\r\n\r\n\r\n"
    b"+OK\r\n"
    b"MSG audio.a.b.c 7 0\r\n\r\n"
    b"-ERR 'Permissions Violation'\r\n"
    b'INFO {"server_id": "n1"}\r\n'
    b"MSG audio.a.b.c 7 9\r\nMSG x 7 1\r\n"
)
HEARD = [
    "ping",
    (b"audio.a.b.c", b"12345"),
    (3, b"call.x", b"_INBOX.1", b"ab\r\n", b""),
    (3, b"call.y", b"_INBOX.2", b"hello", b"NATS/1.0\r\nKey: val\r\n\r\n"),
    "pong",
    (b"audio.h", b"hello"),
    (4, b"call.z", b"", b"", b"NATS/1.0\r\n\r\n"),
    (b"audio.a.b.c", b""),
    "'permissions violation'",
    "n1",
    (b"audio.a.b.c", b"MSG x 7 1"),
]


class Client:
    """What nats-py's client is to its parser."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.direct = {7: lambda subject, data: self.heard.append((subject, data))}
        self.headed = {8: lambda headers, data: self.heard.append((headers, data))}

    async def _process_msg(self, *message: object) -> None:
        self.heard.append(message)

    async def _process_ping(self) -> None:
        self.heard.append("ping")

    async def _process_pong(self) -> None:
        self.heard.append("pong")

    async def _process_err(self, text: str) -> None:
        self.heard.append(text)

    async def _process_info(self, info: dict[str, object]) -> None:
        self.heard.append(info["server_id"])


async def test_all_is_heard_at_once() -> None:
    client = Client()
    await QuickParser(client).parse(TRAFFIC)
    assert client.heard == HEARD


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 31, 100])
async def test_all_is_heard_in_pieces(size: int) -> None:
    client = Client()
    parser = QuickParser(client)
    for at in range(0, len(TRAFFIC), size):
        await parser.parse(TRAFFIC[at : at + size])
    assert client.heard == HEARD


@pytest.mark.parametrize("cut", range(1, len(TRAFFIC)))
async def test_all_is_heard_wherever_it_is_cut(cut: int) -> None:
    client = Client()
    parser = QuickParser(client)
    await parser.parse(TRAFFIC[:cut])
    await parser.parse(TRAFFIC[cut:])
    assert client.heard == HEARD


@pytest.mark.parametrize(
    "junk", [b"MSG a b 3\r\nabc\r\n", b"MSG\x20\r\n", b"HMSG a 1 x 3\r\nabc\r\n", b"WHAT is this\r\n"]
)
async def test_junk_is_an_error_of_the_protocol(junk: bytes) -> None:
    with pytest.raises(ProtocolError):
        await QuickParser(Client()).parse(junk)


async def test_after_a_reset_the_rest_of_the_old_connection_is_forgotten() -> None:
    client = Client()
    parser = QuickParser(client)
    await parser.parse(b"MSG audio.a.b.c 7 100\r\nhalf of it")
    parser.reset()
    await parser.parse(b"MSG audio.a.b.c 7 5\r\n12345\r\n")
    assert client.heard == [(b"audio.a.b.c", b"12345")]


# -- gathering -----------------------------------------------------------------------------------------


class Socket:
    """What is written, and whether it can be."""

    def __init__(self) -> None:
        self.refuses = ""
        self.busy = False
        self.writes: list[bytes] = []

    def write_now(self, commands: bytes) -> None:
        self.writes.append(commands)


@pytest.fixture
def socket() -> Socket:
    return Socket()


async def test_what_comes_together_leaves_in_one_write_and_a_subject_in_one_message(socket: Socket) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail)
    for number in range(3):
        gatherer.put("a.one", b"1%d" % number)
        gatherer.put("a.two", b"2%d" % number)
    assert socket.writes == []
    await eventually(lambda: socket.writes, "one write")
    assert socket.writes == [b"PUB a.one 6\r\n101112\r\nPUB a.two 6\r\n202122\r\n"]


async def test_a_message_grows_no_larger_than_it_may(socket: Socket) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail, most_bytes=4)
    for payload in (b"123", b"4", b"5", b"678901"):
        gatherer.put("a", payload)
    gatherer.flush()
    assert socket.writes == [b"PUB a 4\r\n1234\r\nPUB a 1\r\n5\r\nPUB a 6\r\n678901\r\n"]


async def test_after_a_write_the_next_wait_for_one_another(socket: Socket) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail, gather_s=60)
    gatherer.put("a", b"1")
    await eventually(lambda: len(socket.writes) == 1, "the first, at once")
    gatherer.put("a", b"2")
    await asyncio.sleep(0)
    gatherer.put("a", b"3")
    gatherer.flush()
    gatherer.flush()
    assert socket.writes[1:] == [b"PUB a 2\r\n23\r\n"]


async def test_while_the_socket_is_busy_the_oldest_go_first(socket: Socket) -> None:
    dropped: list[str] = []
    gatherer = Gatherer(socket, dropped=dropped.append, limit=3)
    socket.busy = True
    for number in range(8):
        gatherer.put("a", b"%d" % number)
    gatherer.flush()
    assert (gatherer.room, socket.writes) == (0, [])
    socket.busy = False
    await eventually(lambda: socket.writes, "tried again")
    assert socket.writes == [b"PUB a 3\r\n567\r\n"]
    assert dropped == ["bus_queue"] * 5


async def test_what_cannot_be_written_any_more_is_dropped_and_counted(socket: Socket) -> None:
    dropped: list[str] = []
    gatherer = Gatherer(socket, dropped=dropped.append)
    gatherer.put("a", b"1")
    socket.refuses = "bus_away"
    await eventually(lambda: dropped, "counted")
    socket.refuses = ""
    gatherer.put("a", b"2")
    await eventually(lambda: socket.writes, "the next")
    assert socket.writes == [b"PUB a 1\r\n2\r\n"]
    assert dropped == ["bus_away"]


async def test_what_is_urgent_leaves_with_what_waits_and_behind_it(socket: Socket) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail, gather_s=60)
    gatherer.put("a", b"0")
    gatherer.flush()
    gatherer.put("a", b"1")
    gatherer.put_urgent(b"PUB b 1\r\n2\r\n")
    gatherer.put_urgent(b"PUB b 1\r\n3\r\n")
    gatherer.put("a", b"4")
    await eventually(lambda: len(socket.writes) == 2, "together")
    assert socket.writes[1] == b"PUB a 2\r\n14\r\nPUB b 1\r\n2\r\nPUB b 1\r\n3\r\n"


async def test_what_is_urgent_leaves_at_once_and_what_follows_soon_together(socket: Socket) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail, gather_s=60)
    gatherer.put_urgent(b"PUB b 1\r\n1\r\n")
    await asyncio.sleep(0)
    assert socket.writes == [b"PUB b 1\r\n1\r\n"]
    for number in (2, 3):
        gatherer.put_urgent(b"PUB b 1\r\n%d\r\n" % number)
        await asyncio.sleep(0)
    assert len(socket.writes) == 1
    gatherer.flush()
    assert socket.writes[1] == b"PUB b 1\r\n2\r\nPUB b 1\r\n3\r\n"


async def test_what_follows_what_is_urgent_leaves_by_itself(socket: Socket) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail)
    for number in (1, 2):
        gatherer.put_urgent(b"PUB b 1\r\n%d\r\n" % number)
        await asyncio.sleep(0)
    await eventually(lambda: len(socket.writes) == 2, "the second")


async def test_while_held_nothing_leaves_but_by_flush_with_what_is_urgent_or_when_many_wait(
    socket: Socket,
) -> None:
    gatherer = Gatherer(socket, dropped=pytest.fail, limit=6)
    gatherer.put("a", b"0")
    gatherer.held = True
    gatherer.put("a", b"1")
    for _ in range(3):
        await asyncio.sleep(0)
    assert socket.writes == []
    gatherer.flush()
    assert socket.writes == [b"PUB a 2\r\n01\r\n"]
    gatherer.put("a", b"2")
    gatherer.put_urgent(b"PUB b 1\r\n3\r\n")
    await eventually(lambda: len(socket.writes) == 2, "what is urgent")
    assert socket.writes[1] == b"PUB a 1\r\n2\r\nPUB b 1\r\n3\r\n"
    for number in range(3):
        gatherer.put("a", b"%d" % number)
    assert socket.writes[2:] == [b"PUB a 3\r\n012\r\n"]


# -- on a connection -----------------------------------------------------------------------------------


async def test_messages_with_headers_reach_who_wants_both_as_they_came() -> None:
    client = Client()
    parser = QuickParser(client)
    traffic = b"HMSG inbox 8 16 18\r\nNATS/1.0 204\r\n\r\nhi\r\nHMSG inbox 8 12 12\r\nNATS/1.0\r\n\r\n\r\n"
    for at in range(0, len(traffic), 5):
        await parser.parse(traffic[at : at + 5])
    assert client.heard == [(b"NATS/1.0 204\r\n\r\n", b"hi"), (b"NATS/1.0\r\n\r\n", b"")]


async def test_a_subscription_with_headers_hears_them_until_it_ends(nats_url: str) -> None:
    heard: list[tuple[bytes, bytes]] = []
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        client = context.bus.client
        subscription = await client.subscribe_with_headers("headed", lambda *message: heard.append(message))
        await client.publish("headed", b"a", headers={"One": "1"})
        await client.publish("headed", b"", headers={"Two": "2"})
        await eventually(lambda: len(heard) == 2, "both")
        assert heard == [(b"NATS/1.0\r\nOne: 1\r\n\r\n", b"a"), (b"NATS/1.0\r\nTwo: 2\r\n\r\n", b"")]
        await subscription.unsubscribe()
        assert not client.headed


async def test_a_direct_subscription_hears_all_in_order_until_it_ends(nats_url: str) -> None:
    heard: list[bytes] = []
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        client = context.bus.client
        others = dict(client.direct)
        subscription = await client.subscribe_directly("direct.*", lambda _, data: heard.append(data))
        for number in range(500):
            await client.publish("direct.a", b"%d" % number)
        await eventually(lambda: len(heard) == 500, "everything")
        assert heard == [b"%d" % number for number in range(500)]
        await subscription.unsubscribe()
        assert client.direct == others
        await client.publish("direct.a", b"late")
        await context.bus.flush()
        assert len(heard) == 500
