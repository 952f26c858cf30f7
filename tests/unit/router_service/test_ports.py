"""What every DirectorySource must do; SQL and the YAML file both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts import messages as m
from router_service.errors import DirectoryUnreadable
from router_service.ports import DirectorySource
from router_service.sql.directory import SqlDirectory
from router_service.stores.yaml_file import YamlFile
from tests.support.office import ADMIN, CONFIG, Office, member

NUMBER = "+15550100"


@dataclass
class Kept:
    """A source with one tenant, and how to change the tenant's greeting or take the source away."""

    source: DirectorySource
    greet: Callable[[str], Awaitable[None]]
    lose: Callable[[], Awaitable[None]]


def written(greeting: str) -> str:
    tenant: dict[str, Any] = {
        "name": "Acme",
        "assistants": {"desk": {**CONFIG, "greeting": greeting}},
        "numbers": {NUMBER: {"assistant": "desk"}},
    }
    return yaml.safe_dump({"tenants": {"acme": tenant}})


async def in_yaml(folder: Path) -> Kept:
    path = folder / "tenants.yaml"
    path.write_text(written("Good morning."), encoding="utf-8")

    async def greet(greeting: str) -> None:
        path.write_text(written(greeting), encoding="utf-8")

    async def lose() -> None:
        path.unlink()
        YamlFile(path).revision()

    return Kept(YamlFile(path), greet, lose)


async def in_sql(desk: Office) -> Kept:
    await desk.tenant("acme")
    await desk.number(NUMBER, "acme")
    source = SqlDirectory(desk.engine, desk.clock.now_us)
    await source.load()

    async def greet(greeting: str) -> None:
        await desk.ask(member("acme"), m.UpdateAssistant(id="desk", changes={"greeting": greeting}))
        await source.load()

    async def lose() -> None:
        async with desk.engine.begin() as connection:
            await connection.exec_driver_sql("ALTER TABLE numbers RENAME TO gone")
            await connection.exec_driver_sql("UPDATE tenants SET revision = revision + 1")
        await source.load()

    return Kept(source, greet, lose)


@pytest.fixture(params=["yaml", "sql"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path, desk: Office) -> Kept:
    return await in_yaml(tmp_path) if request.param == "yaml" else await in_sql(desk)


async def test_a_directory_is_read_as_it_was_written(kept: Kept) -> None:
    tenant = kept.source.read().tenants["acme"]

    assert (tenant.name, tenant.subscription_active, tenant.max_concurrent_calls) == ("Acme", True, 10)
    assert tenant.assistants == {"desk": CONFIG}
    assert tenant.numbers[NUMBER].assistant == "desk"
    assert (tenant.numbers[NUMBER].active, tenant.numbers[NUMBER].max_concurrent_calls) == (True, 1)


async def test_the_revision_differs_after_a_change_and_only_then(kept: Kept) -> None:
    before = kept.source.revision()
    kept.source.read()
    assert kept.source.revision() == before

    await kept.greet("A longer greeting than before.")

    assert kept.source.revision() != before
    greeting = kept.source.read().tenants["acme"].assistants["desk"]["greeting"]
    assert greeting == "A longer greeting than before."


async def test_a_source_that_is_lost_says_so(kept: Kept) -> None:
    with pytest.raises(DirectoryUnreadable):
        await kept.lose()


async def test_sql_reads_again_only_whose_revision_changed(desk: Office) -> None:
    await in_sql(desk)
    await desk.tenant("other")
    source = SqlDirectory(desk.engine, desk.clock.now_us)
    await source.load()
    before = source.read().tenants
    edition = source.revision()
    await source.load()
    assert source.revision() == edition

    await desk.ask(member("other"), m.UpdateTenant(name="Others"))
    await source.load()

    after = source.read().tenants
    assert after["acme"] is before["acme"]
    assert after["other"].name == "Others"
    await desk.ask(ADMIN, m.CloseTenant(), "other")
    await source.load()
    assert set(source.read().tenants) == {"acme"}


async def test_one_tenant_whose_rows_do_not_hold_hinders_no_other(
    desk: Office, caplog: pytest.LogCaptureFixture
) -> None:
    kept = await in_sql(desk)
    await desk.tenant("other")
    async with desk.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE numbers SET number = 'nonsense'")
        await connection.exec_driver_sql("UPDATE tenants SET revision = revision + 1")
    source = kept.source
    assert isinstance(source, SqlDirectory)

    await source.load()

    assert set(source.read().tenants) == {"acme", "other"}
    assert NUMBER in source.read().tenants["acme"].numbers
    assert "tenant acme stays as it was" in caplog.text
