"""The router over a real KV bucket: a file goes in, snapshots come out, and changes follow."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.messages import NumberSnapshot
from contracts.streams import ASSISTANTS_BUCKET
from router_service.app import SERVICE
from router_service.errors import DirectoryUnreadable
from router_service.settings import Settings
from runtime.process import Context
from runtime.storage import Bucket
from tests.support.child import child
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.router_service.test_publishing import a_directory
from trunkline.nats_server import NatsServer


def write(path: Path, tenants: dict[str, Any] | str) -> Path:
    """Replace the file at once, as an editor does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(tenants if isinstance(tenants, str) else yaml.safe_dump({"tenants": tenants}))
    fresh.replace(path)
    return path


@asynccontextmanager
async def router(nats_url: str, path: Path) -> AsyncIterator[tuple[Context, Bucket[NumberSnapshot]]]:
    failures: list[BaseException] = []
    settings = Settings(
        nats_url=nats_url, router_tenants_file=path, router_reload_s=0.02, home=path.parent / "home"
    )
    async with service_context(settings, "router", on_task_failure=failures.append) as context:
        app = SERVICE.build(settings, context)
        await app.start()
        yield context, await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        await app.drain()
        await app.stop()
    assert not failures, failures


class Watched(dict[str, NumberSnapshot]):
    """The bucket as the session would see it."""

    async def changed(self, key: str, value: NumberSnapshot | None) -> None:
        if value is None:
            self.pop(key, None)
        else:
            self[key] = value


async def test_a_file_is_published_and_its_changes_follow(nats_url: str, tmp_path: Path) -> None:
    tenants = a_directory()
    path = write(tmp_path / "tenants.yaml", tenants)
    async with router(nats_url, path) as (context, bucket):
        seen = Watched()
        context.tasks.spawn(bucket.watch(seen.changed, lambda: None), "watch")
        await eventually(lambda: len(seen) == 3, "all numbers")
        assert {key: value.revision for key, value in seen.items()} == dict.fromkeys(seen, 1)

        tenants["anna"]["numbers"]["+15550101"]["override"] = {"greeting": "Good night."}
        tenants["anna"]["numbers"].pop("+15550102")
        write(path, tenants)
        await eventually(lambda: "15550102" not in seen, "the withdrawal")
        await eventually(lambda: seen["15550101"].revision == 2, "the change")
        assert seen["15550101"].assistant.greeting == "Good night."
        assert seen["15550103"].revision == 1


async def test_a_broken_file_keeps_the_last_good_one_and_says_so(
    nats_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tenants = a_directory()
    path = write(tmp_path / "tenants.yaml", tenants)
    async with router(nats_url, path) as (_, bucket):
        before = await bucket.all()
        write(path, "tenants: [")
        await eventually(lambda: "the directory is kept as it was" in caplog.text, "it is said")
        path.unlink()
        await eventually(lambda: "No such file" in caplog.text, "so is this")
        assert await bucket.all() == before
        tenants["bert"]["numbers"].clear()
        write(path, tenants)

        def said() -> list[str]:
            return [record.message for record in caplog.records if record.levelno == logging.INFO]

        caplog.set_level(logging.INFO)
        tenants["anna"]["max_concurrent_calls"] = 4
        write(path, tenants)
        await eventually(lambda: any("revision 2" in text for text in said()), "it goes on")
        assert set(await bucket.all()) == {"15550101", "15550102"}


async def test_it_publishes_again_when_nats_is_back(nats_server: NatsServer, tmp_path: Path) -> None:
    tenants = a_directory()
    path = write(tmp_path / "tenants.yaml", tenants)
    async with router(nats_server.url, path) as (context, bucket):
        nats_server.stop()
        await eventually(lambda: not context.bus.connected, "it notices")
        tenants["anna"]["numbers"].pop("+15550101")
        write(path, tenants)
        nats_server.start()
        seen = Watched()
        context.tasks.spawn(bucket.watch(seen.changed, lambda: None), "watch")
        await eventually(lambda: set(seen) == {"15550102", "15550103"}, "it is withdrawn")


async def test_a_file_that_is_missing_at_the_start_is_an_error(nats_url: str, tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnreadable, match="No such file"):
        async with router(nats_url, tmp_path / "none.yaml"):
            pass


async def test_as_a_process_it_names_the_file_and_the_setting(nats_url: str, tmp_path: Path) -> None:
    env = {
        "TRUNKLINE_NATS_URL": nats_url,
        "TRUNKLINE_HOME": str(tmp_path / "home"),
        "TRUNKLINE_ROUTER_TENANTS_FILE": str(tmp_path / "none.yaml"),
    }
    async with child("-m", "router_service", env=env) as process:
        assert await process.exits() == 1
        last = process.log.strip().splitlines()[-1]
        assert last.startswith(f"error: tenants file {tmp_path / 'none.yaml'}: No such file or directory")
        assert last.endswith("(set TRUNKLINE_ROUTER_TENANTS_FILE)")
    write(tmp_path / "none.yaml", a_directory())
    async with child("-m", "router_service", env=env) as process:
        await process.says("published .*15550103 of bert, revision 1")
        await process.says("ready")
        process.send(signal.SIGTERM)
        assert await process.exits() == 0
