"""How a process gets its connection, and what it is told when it gets none."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Iterator

import pytest
from nats.aio.msg import Msg

from runtime.connection import Connection, connect, connection_options, leave, taken_in
from runtime.errors import BusUnavailable, SettingsError
from runtime.settings import ProcessSettings
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer, find_nats_server, free_port


@pytest.fixture
def guarded_url() -> Iterator[str]:
    """A nats-server that asks for a password."""
    port = free_port()
    command = [
        str(find_nats_server()),
        "-a",
        "127.0.0.1",
        "-p",
        str(port),
        "--user",
        "ann",
        "--pass",
        "s3cret",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"nats://127.0.0.1:{port}"
        finally:
            server.terminate()


async def test_credentials_that_fit_are_taken(guarded_url: str) -> None:
    settings = ProcessSettings(nats_url=guarded_url, nats_user="ann", nats_password="s3cret")
    connection = await connect(settings, "probe")
    assert connection.is_connected
    await connection.close()


@pytest.mark.parametrize("user", ["ann", ""])
async def test_credentials_that_are_refused_end_the_wait_and_name_the_variables(
    guarded_url: str, user: str
) -> None:
    settings = ProcessSettings(
        nats_url=guarded_url, nats_user=user, nats_password="wrong", nats_connect_timeout_s=60
    )
    with pytest.raises(SettingsError, match=f"NATS refuses user '{user}'") as caught:
        await connect(settings, "probe")
    assert caught.value.mend == "correct TRUNKLINE_NATS_USER and TRUNKLINE_NATS_PASSWORD"
    assert "wrong" not in str(caught.value)


async def test_no_server_is_retryable_and_says_what_was_tried() -> None:
    port = free_port()
    settings = ProcessSettings(nats_url=f"nats://ann:s3cret@127.0.0.1:{port}", nats_connect_timeout_s=0.3)
    with pytest.raises(BusUnavailable, match=f"at nats://127.0.0.1:{port} within 0.3 s") as caught:
        await connect(settings, "probe")
    assert caught.value.retryable
    assert "s3cret" not in str(caught.value)


async def test_an_address_that_is_none_is_a_setting_to_correct() -> None:
    with pytest.raises(SettingsError, match="TRUNKLINE_NATS_URL=''"):
        await connect(ProcessSettings(nats_url=""), "probe")


async def test_it_waits_for_a_server_that_comes_late(nats_server: NatsServer) -> None:
    nats_server.stop()
    settings = ProcessSettings(nats_url=nats_server.url, nats_connect_timeout_s=20)
    reached = []

    async def reach() -> None:
        reached.append(await connect(settings, "probe"))

    reaching = asyncio.create_task(reach())
    nats_server.start()
    await reaching
    assert reached[0].is_connected
    await reached[0].close()


async def test_a_cluster_is_a_list_and_every_client_gets_the_same_options() -> None:
    settings = ProcessSettings(nats_url="nats://a:1, nats://b:2", nats_user="ann", nats_password="p")
    options = connection_options(settings, "probe")
    assert options["servers"] == ["nats://a:1", "nats://b:2"]
    assert (options["user"], options["password"], options["max_reconnect_attempts"]) == ("ann", "p", -1)
    assert "user" not in connection_options(ProcessSettings(nats_password="p"), "probe")


async def test_answers_come_to_a_branch_of_the_user_s_own() -> None:
    named = connection_options(ProcessSettings(nats_user="ann", nats_password="p"), "probe")
    in_the_address = connection_options(ProcessSettings(nats_url="nats://bob:p@a:1"), "probe")
    assert (named["inbox_prefix"], in_the_address["inbox_prefix"]) == ("_INBOX.ann", "_INBOX.bob")
    assert "inbox_prefix" not in connection_options(ProcessSettings(), "probe")


async def test_an_absence_is_logged_once_and_its_end_is_told(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "runtime.connection")
    connection = await connect(ProcessSettings(nats_url=nats_server.url), "probe")
    back: list[bool] = []
    connection.when_reconnected.append(lambda: back.append(connection.is_connected))
    nats_server.stop()
    await eventually(lambda: "refused" in caplog.text or "Connect call failed" in caplog.text, "it complains")
    nats_server.start()
    await eventually(lambda: back, "it is back")
    assert back == [True]
    texts = [record.message for record in caplog.records]
    assert len(texts) == len(set(texts)), "no complaint is repeated"
    assert texts[-1] == "connected to NATS again"
    await connection.close()


async def test_a_close_is_told(nats_url: str) -> None:
    connection = await connect(ProcessSettings(nats_url=nats_url), "probe")
    closed: list[bool] = []
    connection.when_closed.append(lambda: closed.append(True))
    await connection.close()
    assert closed == [True]


async def test_messages_dropped_for_a_slow_handler_are_told_each_and_logged_seldom(
    nats_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await connect(ProcessSettings(nats_url=nats_url), "probe")
    dropped: list[str] = []
    connection.when_dropped.append(dropped.append)
    subscription = await connection.subscribe("burst", pending_msgs_limit=5)
    for _ in range(30):
        await connection.publish("burst", b"")
    await eventually(lambda: len(dropped) == 25, "all but five are dropped")
    assert subscription.pending_msgs == 5
    assert caplog.text.count("dropped one on burst") == 1
    await connection.close()


async def test_what_arrives_ends_a_blocking_wait_and_silence_lets_it_run_out(nats_url: str) -> None:
    settings = ProcessSettings(nats_url=nats_url)
    hearing, speaking = await connect(settings, "ear"), await connect(settings, "mouth")
    heard = await hearing.subscribe("word")
    await taken_in(hearing)
    assert not hearing.await_arrival(0.01)
    speaking.write_now(b"PUB word 2\r\nhi\r\n")
    await taken_in(speaking)  # the server has it, and does not wait for us to hand it on
    assert hearing.await_arrival(60.0)
    assert (await heard.next_msg(5)).data == b"hi"
    await hearing.close()
    await speaking.close()


async def test_a_connection_that_is_not_open_only_lets_the_time_pass() -> None:
    assert not Connection().await_arrival(0.001)


async def _asks(connection: Connection) -> str:
    try:
        await connection.request("nobody.answers.this", b"?", timeout=30)
    except asyncio.CancelledError:
        return "cancelled"
    return "answered"


async def test_who_is_cancelled_while_the_answer_comes_is_cancelled(nats_url: str) -> None:
    connection = await connect(ProcessSettings(nats_url=nats_url), "probe")
    hears = await connection.subscribe("nobody.answers.this")  # else nats-server says that nobody does
    asking = asyncio.create_task(_asks(connection))
    question = await hears.next_msg(timeout=10)
    (answer,) = connection._resp_map.values()
    answer.set_result(Msg(connection, subject=question.reply, data=b"!"))
    asking.cancel()
    assert await asking == "cancelled"
    await connection.close()


async def test_a_subscription_is_left_also_when_its_connection_is_gone(nats_url: str) -> None:
    connection = await connect(ProcessSettings(nats_url=nats_url), "probe")
    first, second = await connection.subscribe("one"), await connection.subscribe("two")
    await leave(first)
    await connection.close()
    await leave(first, second)


async def test_a_subscription_is_left_also_when_the_server_hangs_up_meanwhile() -> None:
    left: list[str] = []

    class Broken:
        async def unsubscribe(self) -> None:
            left.append("broken")
            raise BrokenPipeError

    await leave(Broken(), Broken())
    assert left == ["broken", "broken"]
