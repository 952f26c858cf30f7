from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import BusUnavailable, SettingsError
from trunkline import bus_client
from trunkline.bus_client import open_bus
from trunkline.bus_users import BusUser, BusUsers
from trunkline.nats_server import NatsServer
from trunkline.ports import free_ports


async def test_a_bus_that_is_there_is_connected_only_for_a_while(nats_url: str) -> None:
    async with open_bus(nats_url) as bus:
        assert bus.connected
    assert not bus.connected


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[str, BusUser]]:
    """A bus that takes in the command line's user and nobody else."""
    operator = BusUsers().operator
    with NatsServer(tmp_path / "nats", users=[operator]) as server:
        yield server.url, operator


async def test_the_user_in_the_address_goes_before_the_one_of_the_environment(
    guarded: tuple[str, BusUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, operator = guarded
    monkeypatch.setenv("TRUNKLINE_NATS_USER", "somebody")
    monkeypatch.setenv("TRUNKLINE_NATS_PASSWORD", "else")
    async with open_bus(url.replace("//", f"//{operator.name}:{operator.password}@")) as bus:
        assert bus.connected
        assert bus.client.new_inbox().startswith("_INBOX.trunkline.")


@pytest.mark.parametrize("who", ["", "trunkline:wrong@"])
async def test_who_is_not_taken_in_is_told_so(guarded: tuple[str, BusUser], who: str) -> None:
    with pytest.raises(SettingsError, match="NATS refuses user"):
        async with open_bus(guarded[0].replace("//", f"//{who}")):
            pytest.fail("taken in")


async def test_a_bus_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_client, "_CONNECT_S", 0.2)
    (port,) = free_ports(1)
    with pytest.raises(BusUnavailable, match=f"no NATS server answers at nats://127.0.0.1:{port}"):
        async with open_bus(f"nats://127.0.0.1:{port}"):
            pytest.fail("connected to nobody")
