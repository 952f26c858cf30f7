"""The table of processes: which there are, what each is told, in which order they come and go."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.settings import load
from trunkline.composition import LIGHT, Placed, Plan, Ports, compose, models_home
from trunkline.host import load_service
from trunkline.readiness import HttpOk, NatsGreets

PORTS = Ports(gateway=1, nats=2, nats_monitor=3, local_llm=4, health=(11, 12, 13, 14, 15, 16, 17))


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
    table = composed(tmp_path, voice="kokoro", spread=True)
    known = {
        f"TRUNKLINE_{field.upper()}"
        for name in ("gateway", "session", "router", "stt", "llm", "tts", "analytics")
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
        assert "TRUNKLINE_PROCESS" not in placed.spec.env
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


def test_nats_keeps_its_data_in_the_home_and_ends_with_its_parent(tmp_path: Path) -> None:
    nats = composed(tmp_path)["nats"].spec
    assert nats.ready == NatsGreets(2)
    assert nats.tethered
    config = Path(nats.argv[2]).read_text()
    assert str(tmp_path / "nats" / "jetstream") in config
    assert '"127.0.0.1:2"' in config


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


def test_models_lie_where_the_services_look(tmp_path: Path) -> None:
    assert models_home(tmp_path) == tmp_path / "models"
