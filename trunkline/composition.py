"""What runs on one machine: a table of processes, as data for the supervisor.

Production runs the same services as Deployments; what differs is only here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trunkline.bus_users import BusUsers
from trunkline.nats_server import find_nats_server, write_config
from trunkline.ports import LOOPBACK
from trunkline.readiness import HttpOk, NatsGreets
from trunkline.supervisor import ProcessSpec

NATS: Final = "nats"
LOCAL_LLM: Final = "smollm2"
LIGHT: Final = ("router", "session", "llm")
HEAVY: Final = ("gateway", "stt", "tts", "analytics")
LLM_URL_VARIABLE: Final = "TRUNKLINE_LLM_OPENAI_BASE_URL"
_ONLY_FOR_ONE: Final = (  # two processes cannot share these
    "TRUNKLINE_PROCESS",
    "TRUNKLINE_HEALTH_PORT",
    "TRUNKLINE_NATS_USER",
    "TRUNKLINE_NATS_PASSWORD",
)
_DRAIN_S: Final = 2
_MOST_THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on the loopback interface; `health` has one for each service."""

    gateway: int
    nats: int
    nats_monitor: int
    local_llm: int
    health: tuple[int, ...]

    @property
    def nats_url(self) -> str:
        """For clients of the bus."""
        return f"nats://{LOOPBACK}:{self.nats}"

    @property
    def media_url(self) -> str:
        """For callers that speak Twilio Media Streams."""
        return f"ws://{LOOPBACK}:{self.gateway}/media/twilio"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: where data lies, who may be called, which processes there are and who they are to the bus.

    `voice` names the text-to-speech engine that is loaded before the first call; empty is its service's own.
    `spread` gives each light service a process of its own. `environment` is what every child gets besides.
    """

    home: Path
    tenants: Path
    ports: Ports
    environment: Mapping[str, str]
    voice: str = ""
    spread: bool = False
    local_llm: bool = True
    users: BusUsers = field(default_factory=BusUsers)


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
    groups = [(name,) for name in HEAVY] + ([(name,) for name in LIGHT] if plan.spread else [LIGHT])
    names = ["+".join(group) for group in groups]
    foundation = [_nats(plan, groups, shared)]
    if plan.local_llm:
        foundation.append(_local_llm(plan, shared))
    services = [
        _services(group, port, {**shared, **_own_environment(group, plan)}, _stops_before(group, names))
        for group, port in zip(groups, plan.ports.health, strict=False)
    ]
    return tuple(foundation + services)


def _nats(plan: Plan, groups: Sequence[tuple[str, ...]], env: Mapping[str, str]) -> Placed:
    users = [*(plan.users.of(*group) for group in groups), plan.users.operator]
    config = write_config(plan.home / "nats", plan.ports.nats, plan.ports.nats_monitor, users)
    argv = (str(find_nats_server()), "-c", str(config))
    return Placed(ProcessSpec(NATS, argv, NatsGreets(plan.ports.nats), env, tethered=True), None)


def _local_llm(plan: Plan, env: Mapping[str, str]) -> Placed:
    port = plan.ports.local_llm
    argv = (sys.executable, "-m", "llm_service.local_server", "--port", str(port))
    return Placed(ProcessSpec(LOCAL_LLM, argv, HttpOk(port, "/health"), env), None)


def _services(
    group: tuple[str, ...], health_port: int, env: Mapping[str, str], stops_before: tuple[str, ...]
) -> Placed:
    module = (f"{group[0]}_service",) if len(group) == 1 else ("trunkline.host", *group)
    own = {"TRUNKLINE_HEALTH_PORT": str(health_port)}
    spec = ProcessSpec(
        "+".join(group),
        (sys.executable, "-m", *module),
        HttpOk(health_port),
        {**env, **own},
        needs=(NATS,),
        stops_before=stops_before,
    )
    return Placed(spec, health_port)


def _stops_before(group: tuple[str, ...], names: list[str]) -> tuple[str, ...]:
    """The gateway goes first, so that its calls end in order; analytics goes last and records all of it."""
    if group == ("gateway",):
        return tuple(name for name in names if name != "gateway")
    return () if group == ("analytics",) else ("analytics",)


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
        "TRUNKLINE_DRAIN_TIMEOUT_S": inherited.get("TRUNKLINE_DRAIN_TIMEOUT_S", str(_DRAIN_S)),
    }


def _own_environment(group: tuple[str, ...], plan: Plan) -> dict[str, str]:
    own = dict(plan.users.of(*group).environment)
    if "gateway" in group:
        own["TRUNKLINE_GATEWAY_PORT"] = str(plan.ports.gateway)
    if "stt" in group and "OMP_NUM_THREADS" not in plan.environment:
        own["OMP_NUM_THREADS"] = str(min(os.cpu_count() or 1, _MOST_THREADS))
    if "tts" in group and plan.voice:
        own["TRUNKLINE_TTS_PRELOAD"] = json.dumps([plan.voice])
    return own
