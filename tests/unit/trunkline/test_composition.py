"""The table of processes: which there are, what each is told, in which order they come and go."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.settings import load
from trunkline.composition import Placed, Plan, Ports, compose, drain_s, models_home
from trunkline.errors import BadOption
from trunkline.host import load_service
from trunkline.readiness import HttpOk, NatsGreets
from trunkline.workers import LIGHT

PORTS = Ports(gateways=(1, 9), nats=2, nats_monitor=3, local_llm=4, rest=5, health=tuple(range(11, 31)))


def composed(home: Path, **changes: object) -> dict[str, Placed]:
    plan = Plan(home, home / "tenants.yaml", PORTS, {"PATH": "/bin"})
    for name, value in changes.items():
        plan = Plan(**{**{one: getattr(plan, one) for one in Plan.__dataclass_fields__}, name: value})
    return {placed.spec.name: placed for placed in compose(plan)}


def test_light_services_share_a_process(tmp_path: Path) -> None:
    table = composed(tmp_path)
    assert list(table) == ["nats", "smollm2", "gateway", "stt", "tts", "analytics", "router+session+llm"]
    assert table["router+session+llm"].spec.argv == (
        sys.executable,
        "-m",
        "trunkline.host",
        "router",
        "session",
        "llm",
    )
    assert table["stt"].spec.argv == (sys.executable, "-m", "stt_service")


def test_spread_gives_each_its_own(tmp_path: Path) -> None:
    table = composed(tmp_path, spread=True)
    assert {"router", "session", "llm"} < set(table)
    ports = [placed.health_port for placed in table.values() if placed.health_port]
    assert len(set(ports)) == len(ports) == 7
    assert all(table[name].spec.ready == HttpOk(table[name].health_port or 0) for name in LIGHT)


def test_every_service_is_told_where_everything_is(tmp_path: Path) -> None:
    table = composed(tmp_path)
    for name in ("gateway", "stt", "tts", "analytics", "router+session+llm"):
        env = table[name].spec.env
        assert env["TRUNKLINE_NATS_URL"] == "nats://127.0.0.1:2"
        assert env["TRUNKLINE_HOME"] == str(tmp_path)
        assert env["TRUNKLINE_EXIT_WITH_PARENT"] == "true"
        assert env["TRUNKLINE_HEALTH_PORT"] == str(table[name].health_port)
        assert env["TRUNKLINE_LLM_OPENAI_BASE_URL"] == "http://127.0.0.1:4/v1"
        assert env["PATH"] == "/bin"
    assert table["gateway"].spec.env["TRUNKLINE_GATEWAY_PORT"] == "1"
    assert table["router+session+llm"].spec.env["TRUNKLINE_ROUTER_TENANTS_FILE"] == str(
        tmp_path / "tenants.yaml"
    )


def test_every_setting_it_sets_is_one_of_its_service(tmp_path: Path) -> None:
    table = composed(tmp_path, voice="kokoro", spread=True, rest=True)
    known = {
        f"TRUNKLINE_{field.upper()}"
        for name in ("gateway", "rest", "session", "router", "stt", "llm", "tts", "analytics")
        for field in load_service(name).settings.model_fields
    }
    told = {name for placed in table.values() for name in placed.spec.env if name.startswith("TRUNKLINE_")}
    assert told <= known


def test_without_a_local_llm_the_users_own_endpoint_stays(tmp_path: Path) -> None:
    environment = {"TRUNKLINE_LLM_OPENAI_BASE_URL": "http://vllm:8000/v1"}
    table = composed(tmp_path, local_llm=False, environment=environment)
    assert "smollm2" not in table
    assert table["router+session+llm"].spec.env["TRUNKLINE_LLM_OPENAI_BASE_URL"] == "http://vllm:8000/v1"


def test_what_only_one_process_can_have_is_not_inherited(tmp_path: Path) -> None:
    environment = {"TRUNKLINE_PROCESS": "mine", "TRUNKLINE_HEALTH_PORT": "99", "OMP_NUM_THREADS": "3"}
    table = composed(tmp_path, environment=environment)
    for placed in table.values():
        assert placed.spec.env.get("TRUNKLINE_PROCESS") != "mine"
        assert placed.spec.env.get("TRUNKLINE_HEALTH_PORT") != "99"
        assert placed.spec.env["OMP_NUM_THREADS"] == "3"


def test_the_voice_is_loaded_before_the_first_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "TRUNKLINE_TTS_PRELOAD" not in composed(tmp_path)["tts"].spec.env
    for name, value in composed(tmp_path, voice="kokoro")["tts"].spec.env.items():
        monkeypatch.setenv(name, value)
    settings = load(load_service("tts").settings)
    assert settings.model_dump()["tts_preload"] == ("kokoro",)


def test_nats_comes_first_and_goes_last_and_analytics_records_the_rest(tmp_path: Path) -> None:
    table = composed(tmp_path)
    services = {"gateway", "stt", "tts", "analytics", "router+session+llm"}
    assert all(table[name].spec.needs == ("nats",) for name in services)
    assert set(table["gateway"].spec.stops_before) == services - {"gateway"}
    assert all(
        table[name].spec.stops_before == ("analytics",) for name in services - {"gateway", "analytics"}
    )
    assert table["analytics"].spec.stops_before == ()


def test_reports_give_way_to_calls(tmp_path: Path) -> None:
    table = composed(tmp_path)
    assert {name: placed.spec.niceness for name, placed in table.items() if placed.spec.niceness} == {
        "analytics": 10
    }


def test_nats_keeps_its_data_in_the_home_and_ends_with_its_parent(tmp_path: Path) -> None:
    nats = composed(tmp_path)["nats"].spec
    assert nats.ready == NatsGreets(2)
    assert nats.tethered
    config = Path(nats.argv[2]).read_text()
    assert str(tmp_path / "nats" / "jetstream") in config
    assert '"127.0.0.1:2"' in config


def test_nats_has_few_threads_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    assert composed(tmp_path)["nats"].spec.env["GOGC"] == "200"
    assert int(composed(tmp_path)["nats"].spec.env["GOMAXPROCS"]) >= 1
    own = composed(tmp_path, environment={"GOMAXPROCS": "7"})
    assert own["nats"].spec.env["GOMAXPROCS"] == "7"
    assert "GOGC" not in own["stt"].spec.env


def test_each_process_is_a_user_of_its_own_to_the_bus(tmp_path: Path) -> None:
    table = composed(
        tmp_path, spread=True, environment={"TRUNKLINE_NATS_USER": "me", "TRUNKLINE_NATS_PASSWORD": "x"}
    )
    services = [placed for placed in table.values() if placed.health_port]
    assert all(placed.spec.env["TRUNKLINE_NATS_USER"] == placed.spec.name for placed in services)
    assert len({placed.spec.env["TRUNKLINE_NATS_PASSWORD"] for placed in services}) == 7
    for name in ("nats", "smollm2"):
        assert "TRUNKLINE_NATS_PASSWORD" not in table[name].spec.env
    assert composed(tmp_path)["router+session+llm"].spec.env["TRUNKLINE_NATS_USER"] == "router+session+llm"


def test_the_bus_knows_its_users_and_nobody_else_reads_that(tmp_path: Path) -> None:
    plan = Plan(tmp_path, tmp_path / "tenants.yaml", PORTS, {})
    table = {placed.spec.name: placed.spec for placed in compose(plan)}
    config = Path(table["nats"].argv[2])
    assert config.stat().st_mode & 0o077 == 0
    told = config.read_text()
    for name in ("gateway", "stt", "tts", "analytics", "router+session+llm"):
        assert f'"user": "{name}"' in told
        assert table[name].env["TRUNKLINE_NATS_PASSWORD"] in told
    assert plan.users.operator.password in told


def test_several_of_a_service_are_told_apart(tmp_path: Path) -> None:
    table = composed(tmp_path, workers={"stt": 2, "gateway": 2, "llm": 2})
    assert list(table) == [
        "nats",
        "smollm2",
        "gateway-1",
        "gateway-2",
        "stt-1",
        "stt-2",
        "tts",
        "analytics",
        "llm-1",
        "llm-2",
        "router+session",
    ]
    for name in ("gateway-1", "gateway-2", "stt-1", "stt-2", "llm-1", "llm-2"):
        env = table[name].spec.env
        assert env["TRUNKLINE_PROCESS"] == env["TRUNKLINE_NATS_USER"] == name
    assert table["tts"].spec.env["TRUNKLINE_PROCESS"] == "tts-1"
    assert table["router+session"].spec.env["TRUNKLINE_PROCESS"] == "1"
    ports = [placed.health_port for placed in table.values() if placed.health_port]
    assert len(set(ports)) == len(ports) == 9
    assert [table[name].spec.env["TRUNKLINE_GATEWAY_PORT"] for name in ("gateway-1", "gateway-2")] == [
        "1",
        "9",
    ]
    passwords = {one.spec.env["TRUNKLINE_NATS_PASSWORD"] for one in table.values() if one.health_port}
    assert len(passwords) == 9


def test_rest_is_a_process_of_its_own_that_knows_where_calls_come_in(tmp_path: Path) -> None:
    assert "rest" not in composed(tmp_path)
    rest = composed(tmp_path, rest=True)["rest"].spec
    assert rest.argv == (sys.executable, "-m", "gateway_service.rest")
    assert rest.env["TRUNKLINE_REST_PORT"] == "5"
    assert rest.env["TRUNKLINE_REST_MEDIA_URL"] == "ws://127.0.0.1:1/media/twilio"
    assert rest.env["TRUNKLINE_NATS_USER"] == "rest"
    public = {"TRUNKLINE_REST_MEDIA_URL": "wss://voice.example/media/twilio"}
    told = composed(tmp_path, rest=True, environment=public)["rest"].spec.env
    assert told["TRUNKLINE_REST_MEDIA_URL"] == public["TRUNKLINE_REST_MEDIA_URL"]


def test_every_gateway_goes_before_every_worker(tmp_path: Path) -> None:
    table = composed(tmp_path, workers={"gateway": 2, "stt": 2})
    for name in ("gateway-1", "gateway-2"):
        assert set(table[name].spec.stops_before) == {
            "stt-1",
            "stt-2",
            "tts",
            "analytics",
            "router+session+llm",
        }


def test_the_first_router_makes_what_the_others_find(tmp_path: Path) -> None:
    table = composed(tmp_path, workers={"router": 3})
    assert table["router-1"].spec.needs == ("nats",)
    assert table["router-3"].spec.needs == ("nats", "router-1")


def test_the_time_to_drain_is_the_users(tmp_path: Path) -> None:
    assert drain_s({}) == 20.0
    assert drain_s({"TRUNKLINE_DRAIN_TIMEOUT_S": "3"}) == 3.0
    table = composed(tmp_path, environment={"TRUNKLINE_DRAIN_TIMEOUT_S": "3"})
    assert table["stt"].spec.env["TRUNKLINE_DRAIN_TIMEOUT_S"] == "3.0"
    with pytest.raises(BadOption, match="TRUNKLINE_DRAIN_TIMEOUT_S='soon' is no number"):
        drain_s({"TRUNKLINE_DRAIN_TIMEOUT_S": "soon"})


def test_models_lie_where_the_services_look(tmp_path: Path) -> None:
    assert models_home(tmp_path) == tmp_path / "models"
