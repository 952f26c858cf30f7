"""Two ways to the reporting store: through the platform that runs, or, where none does, straight to it.

An embedded store belongs to one process at a time, so the second way is only for when nobody holds it.
"""

from __future__ import annotations

from pathlib import Path

from analytics_service.answers import json_value
from analytics_service.settings import Settings
from analytics_service.statements import checked
from analytics_service.stores import QueryLimits, store_opener
from contracts.messages import SqlResult
from runtime import settings
from trunkline.bus_client import ask_analytics, open_bus
from trunkline.errors import NotRunning


async def ask_running(nats_url: str, sql: str, max_rows: int) -> SqlResult:
    """Ask the platform on that bus; raises QueryFailed, RequestTimeout or BusUnavailable."""
    async with open_bus(nats_url) as bus:
        return await ask_analytics(bus, sql, max_rows)


def ask_store(home: Path, sql: str, max_rows: int) -> SqlResult:
    """Open the store that a platform of this home would use, ask it and close it again.

    Raises NotRunning where nothing was ever recorded, or an AnalyticsError.
    """
    statement = checked(sql)
    known = settings.load(Settings).model_copy(update={"home": home})
    if not known.analytics_url and not (home / "analytics").is_dir():
        raise NotRunning(
            f"no platform runs in {home} and none has recorded anything there",
            mend=f"start one (trunkline up --home {home}) or name another --home",
        )
    limits = QueryLimits(
        timeout_s=known.analytics_query_timeout_s,
        memory_bytes=known.analytics_query_memory_mb * 1024 * 1024,
        threads=known.analytics_query_threads,
    )
    store = store_opener(known.store_url, limits)()
    try:
        answer = store.query(statement, max_rows)
    finally:
        store.close()
    rows = tuple(tuple(json_value(value) for value in row) for row in answer.rows)
    return SqlResult(columns=answer.columns, rows=rows, truncated=answer.truncated)
