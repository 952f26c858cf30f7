"""What runs on one machine: a table of processes, as data for the supervisor.

Production runs the same services as Deployments; what differs is only here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from trunkline.bus_users import BusUser, BusUsers
from trunkline.errors import BadOption
from trunkline.nats_server import find_nats_server, write_config
from trunkline.ports import LOOPBACK
from trunkline.readiness import HttpOk, NatsGreets
from trunkline.supervisor import ProcessSpec
from trunkline.workers import REST, Seat, package_of, seats

NATS: Final = "nats"
LOCAL_LLM: Final = "smollm2"
LLM_URL_VARIABLE: Final = "TRUNKLINE_LLM_OPENAI_BASE_URL"
_MEDIA_VARIABLE: Final = "TRUNKLINE_REST_MEDIA_URL"
_DRAIN_VARIABLE: Final = "TRUNKLINE_DRAIN_TIMEOUT_S"
_ONLY_FOR_ONE: Final = (  # two processes cannot share these
    "TRUNKLINE_PROCESS",
    "TRUNKLINE_HEALTH_PORT",
    "TRUNKLINE_NATS_USER",
    "TRUNKLINE_NATS_PASSWORD",
)
_DRAIN_S: Final = 20.0
_GIVES_WAY: Final = 10
_MOST_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on the loopback interface; `health` has one for each process of services."""

    gateways: tuple[int, ...]
    nats: int
    nats_monitor: int
    local_llm: int
    rest: int
    health: tuple[int, ...]

    @property
    def nats_url(self) -> str:
        """For clients of the bus."""
        return f"nats://{LOOPBACK}:{self.nats}"

    @property
    def nats_monitor_url(self) -> str:
        """Where nats-server tells about itself."""
        return f"http://{LOOPBACK}:{self.nats_monitor}"

    @property
    def media_urls(self) -> tuple[str, ...]:
        """For callers that speak Twilio Media Streams: each gateway's."""
        return tuple(f"ws://{LOOPBACK}:{port}/media/twilio" for port in self.gateways)

    @property
    def rest_url(self) -> str:
        """For programs that speak to REST."""
        return f"http://{LOOPBACK}:{self.rest}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: where data lies, who may be called, which processes there are and who they are to the bus.

    `voice` names the text-to-speech engine that is loaded before the first call; empty is its service's own.
    `workers` says of which services there are several processes; `spread` gives each light service a process
    of its own; `rest` adds that of REST. `environment` is what every child gets besides.
    """

    home: Path
    tenants: Path
    ports: Ports
    environment: Mapping[str, str]
    voice: str = ""
    spread: bool = False
    workers: Mapping[str, int] = field(default_factory=dict)
    local_llm: bool = True
    rest: bool = False
    users: BusUsers = field(default_factory=BusUsers)

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Every process that runs services."""
        return seats(self.workers, spread=self.spread, rest=self.rest)


@dataclass(frozen=True, slots=True)
class Placed:
    """A process and the port on which it serves its health, if it does."""

    spec: ProcessSpec
    health_port: int | None


def models_home(home: Path) -> Path:
    """Where the services of this home keep models that had to be put together."""
    return home / "models"


def compose(plan: Plan) -> tuple[Placed, ...]:
    """Every process of the platform; raises ProgramMissing when nats-server is not installed."""
    shared = _shared_environment(plan)
    foundation = [_nats(plan, shared)]
    if plan.local_llm:
        foundation.append(_local_llm(plan, shared))
    return (*foundation, *_services(plan, shared))


def _nats(plan: Plan, env: Mapping[str, str]) -> Placed:
    users = [*(_user(seat, plan) for seat in plan.seats), plan.users.operator, plan.users.replayer]
    config = write_config(plan.home / "nats", plan.ports.nats, plan.ports.nats_monitor, users)
    argv = (str(find_nats_server()), "-c", str(config))
    env = {**_for_go(os.cpu_count() or 1), **env}
    return Placed(ProcessSpec(NATS, argv, NatsGreets(plan.ports.nats), env, tethered=True), None)


def _for_go(cores: int) -> dict[str, str]:
    """A quarter of the cores, and garbage collected half as often.

    A server that is handed a few messages at a time spends half of its time on passing them from thread to
    thread, if it has several that may run.
    """
    return {"GOMAXPROCS": str(max(1, cores // 4)), "GOGC": "200"}


def _local_llm(plan: Plan, env: Mapping[str, str]) -> Placed:
    port = plan.ports.local_llm
    argv = (sys.executable, "-m", "llm_service.local_server", "--port", str(port))
    return Placed(ProcessSpec(LOCAL_LLM, argv, HttpOk(port, "/health"), env), None)


def _services(plan: Plan, shared: Mapping[str, str]) -> Iterator[Placed]:
    names = [seat.name for seat in plan.seats]
    for seat, health_port in zip(plan.seats, plan.ports.health, strict=False):
        alone = len(seat.services) == 1
        module = (package_of(seat.services[0]),) if alone else ("trunkline.host", *seat.services)
        spec = ProcessSpec(
            seat.name,
            (sys.executable, "-m", *module),
            HttpOk(health_port),
            {**shared, **_own_environment(seat, plan), "TRUNKLINE_HEALTH_PORT": str(health_port)},
            needs=_needs(seat),
            stops_before=_stops_before(seat, plan.seats, names),
            niceness=_GIVES_WAY if seat.services == ("analytics",) else 0,  # nobody waits for a report
        )
        yield Placed(spec, health_port)


def _needs(seat: Seat) -> tuple[str, ...]:
    """The first router makes the database and its keys; the others find them."""
    if seat.services == ("router",) and seat.number > 1:
        return (NATS, replace(seat, number=1).name)
    return (NATS,)


def _stops_before(seat: Seat, all_seats: Sequence[Seat], names: Sequence[str]) -> tuple[str, ...]:
    """Gateways go first, so that their calls end in order; analytics goes last and records all of it."""
    if seat.services == ("gateway",):
        return tuple(
            name for other, name in zip(all_seats, names, strict=True) if other.services != ("gateway",)
        )
    return () if seat.services == ("analytics",) else ("analytics",)


def _shared_environment(plan: Plan) -> dict[str, str]:
    inherited = {name: value for name, value in plan.environment.items() if name not in _ONLY_FOR_ONE}
    local_llm = {LLM_URL_VARIABLE: f"http://{LOOPBACK}:{plan.ports.local_llm}/v1"} if plan.local_llm else {}
    warm_up = {"TRUNKLINE_LLM_OPENAI_WARM_UP": "true"} if plan.local_llm else {}  # its prompts cost nothing
    return {
        # One arena for each core and a thread pool for each library cost hundreds of megabytes over eight
        # processes. What a user has set himself goes before.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        **warm_up,
        **inherited,
        **local_llm,
        "TRUNKLINE_HOME": str(plan.home),
        "TRUNKLINE_HEALTH_HOST": LOOPBACK,
        "TRUNKLINE_NATS_URL": plan.ports.nats_url,
        "TRUNKLINE_ROUTER_TENANTS_FILE": str(plan.tenants),
        "TRUNKLINE_EXIT_WITH_PARENT": "true",
        _DRAIN_VARIABLE: str(drain_s(plan.environment)),
    }


def drain_s(environment: Mapping[str, str]) -> float:
    """How long a process that is restarted may take to give its calls away; BadOption for no number."""
    text = environment.get(_DRAIN_VARIABLE, "")
    try:
        return float(text) if text else _DRAIN_S
    except ValueError:
        fault = f"{_DRAIN_VARIABLE}={text!r} is no number of seconds"
        raise BadOption(fault, mend=f"correct {_DRAIN_VARIABLE}") from None


def _user(seat: Seat, plan: Plan) -> BusUser:
    return plan.users.of(*seat.services, name=seat.name)


def _own_environment(seat: Seat, plan: Plan) -> dict[str, str]:
    own = {**_user(seat, plan).environment, "TRUNKLINE_PROCESS": seat.process}
    if "gateway" in seat.services:
        own["TRUNKLINE_GATEWAY_PORT"] = str(plan.ports.gateways[seat.number - 1])
    if REST in seat.services:
        own["TRUNKLINE_REST_PORT"] = str(plan.ports.rest)
        own[_MEDIA_VARIABLE] = plan.environment.get(_MEDIA_VARIABLE, plan.ports.media_urls[0])
    if "stt" in seat.services and "OMP_NUM_THREADS" not in plan.environment:
        own["OMP_NUM_THREADS"] = str(max(1, min(os.cpu_count() or 1, _MOST_THREADS) // seat.of))
    if "tts" in seat.services and plan.voice:
        own["TRUNKLINE_TTS_PRELOAD"] = json.dumps([plan.voice])
    return own
