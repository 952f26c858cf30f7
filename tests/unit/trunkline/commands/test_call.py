"""`trunkline call` against small gateways of another library, each in a thread of its own."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from audio.wav import read_wav
from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.fake_agent import TONE
from tests.unit.trunkline.fake_rest import fake_rest
from trunkline.local_platform import EXAMPLES
from trunkline.ports import free_ports

GOODBYE = EXAMPLES / "audio" / "goodbye.wav"


@contextmanager
def gateway(handle: Callable[[ServerConnection], None]) -> Iterator[str]:
    with serve(handle, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/media/twilio"
        finally:
            server.shutdown()
            thread.join()


def polite(connection: ServerConnection) -> None:
    """Greets with half a second of sound, answers the first pause after speech, and hangs up."""
    tone = base64.b64encode(TONE).decode()
    heard, quiet = False, 0
    for message in connection:
        content = json.loads(message)
        if content["event"] == "start":
            for _ in range(25):
                connection.send(json.dumps({"event": "media", "media": {"payload": tone}}))
        if content["event"] != "media":
            continue
        silent = set(base64.b64decode(content["media"]["payload"])) <= {0xFF, 0x7F}
        quiet = quiet + 1 if silent else 0
        heard = heard or not silent
        if heard and quiet == 5:
            connection.send(json.dumps({"event": "media", "media": {"payload": tone}}))
            connection.close(1000, "agent_hung_up")


def test_a_call_is_held_and_what_the_agent_said_is_kept(cli: Cli, tmp_path: Path) -> None:
    with gateway(polite) as url:
        status, out, err = cli(
            "call", GOODBYE, "--to", "+15550100", "--url", url, "--save", "heard/agent.wav"
        )
    assert (status, err) == (0, "")
    assert "caller  says goodbye" in out
    assert out.count("agent   speaks") == 2
    assert "The agent's audio: heard/agent.wav" in out
    heard, rate_hz = read_wav(tmp_path / "heard" / "agent.wav")
    assert rate_hz == 8_000
    assert np.abs(heard[:4_000]).max() > 0.2
    assert len(heard) > 8_000


def test_with_a_key_alone_it_calls_where_rest_says(cli: Cli) -> None:
    shown: list[dict[str, str]] = []

    def keep(connection: ServerConnection) -> None:
        connection.recv()
        shown.append(json.loads(connection.recv())["start"]["customParameters"])
        connection.close(4486, "busy")

    with gateway(keep) as url, fake_rest(json.dumps({"token": "t", "url": url}).encode()) as (rest_url, rest):
        given = ("--to", "+15550100", "--api-key", "key", "--rest-url", rest_url)
        status, _, err = cli("call", GOODBYE, *given)
    assert (status, err) == (1, "error: the call was refused with close code 4486: busy\n")
    assert shown == [{"token": "t"}]
    assert rest.asked == [("/v1/media-tokens", "key", {"to": "+15550100", "from": "+15550123"})]


def test_a_refused_call_is_an_error_with_its_code(cli: Cli) -> None:
    def refuse(connection: ServerConnection) -> None:
        connection.recv()
        start = json.loads(connection.recv())
        connection.close(
            4404, f"nobody has the number {start['start']['customParameters']['to']!r} (assign it)"
        )

    with gateway(refuse) as url:
        status, _, err = cli("call", GOODBYE, "--to", "+1999", "--url", url)
    assert status == 1
    assert (
        err == "error: the call was refused with close code 4404: nobody has the number '+1999' (assign it)\n"
    )


def test_an_agent_that_says_nothing_is_an_error(cli: Cli) -> None:
    def listen(connection: ServerConnection) -> None:
        sounding = 0
        try:
            for message in connection:
                content = json.loads(message)
                if content["event"] == "media":
                    sounding += set(base64.b64decode(content["media"]["payload"])) > {0xFF}
                if sounding == 10:
                    connection.close(1000, "agent_hung_up")
        except ConnectionClosed:
            pass

    with gateway(listen) as url:
        status, _, err = cli("call", GOODBYE, "--to", "+15550100", "--url", url, "--at-once")
    assert status == 1
    assert err == "error: the agent answered nothing (trunkline doctor says what is missing or down)\n"


def test_nobody_there_says_how_to_start_a_platform(cli: Cli) -> None:
    (port,) = free_ports(1)
    status, _, err = cli("call", GOODBYE, "--to", "+15550100", "--url", f"ws://127.0.0.1:{port}/media/twilio")
    assert status == 1
    assert "nobody answers at ws://127.0.0.1" in err
    assert "trunkline up" in err


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "nonsense"])
def test_an_address_that_is_none_is_said_to_be_so(cli: Cli, url: str) -> None:
    status, _, err = cli("call", GOODBYE, "--to", "+15550100", "--url", url)
    assert status == 1
    assert f"{url} is not a WebSocket address" in err


def test_a_place_that_cannot_be_written_is_found_before_the_call(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = cli("call", GOODBYE, "--to", "+15550100", "--save", "file/agent.wav")
    assert status == 1
    assert "choose another place with --save" in err
