from __future__ import annotations

import pytest

from runtime.errors import BusUnavailable
from trunkline import bus_client
from trunkline.bus_client import open_bus
from trunkline.ports import free_ports


async def test_a_bus_that_is_there_is_connected_only_for_a_while(nats_url: str) -> None:
    async with open_bus(nats_url) as bus:
        assert bus.connected
    assert not bus.connected


async def test_a_bus_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_client, "_CONNECT_S", 0.2)
    (port,) = free_ports(1)
    with pytest.raises(BusUnavailable, match=f"no NATS server answers at nats://127.0.0.1:{port}"):
        async with open_bus(f"nats://127.0.0.1:{port}"):
            pytest.fail("connected to nobody")
