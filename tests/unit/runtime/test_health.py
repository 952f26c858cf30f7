"""Probes over real HTTP: alive, ready, metrics; a blocked loop is seen from outside of it."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial

import pytest

from contracts.telemetry import FRAMES_IN
from runtime.errors import PortInUse
from runtime.health import Health, HealthServer
from runtime.telemetry import Telemetry
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> Health:
    return Health(clock.monotonic_s)


@pytest.fixture
def url(health: Health) -> Iterator[str]:
    server = HealthServer(health, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.port}"
    server.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_loop_that_does_not_turn_is_not_alive(health: Health, clock: ManualClock, url: str) -> None:
    assert get(f"{url}/healthz") == (200, '{"alive": true}')
    clock.tick(4.9)
    assert get(f"{url}/healthz")[0] == 200
    clock.tick(0.1)
    assert get(f"{url}/healthz") == (503, '{"alive": false}')
    health.beat()
    assert get(f"{url}/healthz")[0] == 200


def test_ready_is_every_condition_and_names_those_that_do_not_hold(health: Health, url: str) -> None:
    assert get(f"{url}/readyz")[0] == 200
    conditions = {"bus": True, "started": False, "model": False}
    for name in tuple(conditions):
        health.require(name, partial(conditions.__getitem__, name))
    status, body = get(f"{url}/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "missing": ["started", "model"]})
    conditions |= {"started": True, "model": True}
    assert get(f"{url}/readyz")[0] == 200


def test_metrics_are_those_of_the_process(url: str) -> None:
    telemetry = Telemetry("probe-1")
    telemetry.metrics("probe").counter(FRAMES_IN).add(by=3)
    status, body = get(f"{url}/metrics")
    telemetry.close()
    assert status == 200
    (line,) = [line for line in body.splitlines() if line.startswith("trunkline_frames_in_total{")]
    assert 'service="probe"' in line
    assert line.endswith(" 3.0")


def test_another_path_says_which_there_are(url: str) -> None:
    assert get(f"{url}/nothing") == (404, "paths: /healthz /readyz /metrics\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_a_port_that_cannot_be_had_is_named_with_its_settings(health: Health, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"cannot serve health on {host}:{port}") as caught:
            HealthServer(health, host, port)
    assert caught.value.mend == "set TRUNKLINE_HEALTH_HOST or TRUNKLINE_HEALTH_PORT"


def test_close_frees_the_port(health: Health) -> None:
    first = HealthServer(health, "127.0.0.1", 0)
    first.close()
    second = HealthServer(health, "127.0.0.1", first.port)
    assert second.port == first.port
    second.close()
