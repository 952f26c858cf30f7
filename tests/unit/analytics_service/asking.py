"""Asking analytics over the bus, as the command line does, and putting calls on the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from nats.js.api import ConsumerInfo

from contracts.channels import ANALYTICS_QUERY
from contracts.examples.story import Example
from contracts.messages import SqlQuery, SqlResult
from contracts.streams import CALLS
from runtime.bus import Bus
from runtime.errors import RequestTimeout


async def reply_to(bus: Bus, sql: str, max_rows: int = 1000) -> SqlResult:
    query = SqlQuery(sql=sql, max_rows=max_rows)
    return await bus.request(ANALYTICS_QUERY, query, SqlResult, timeout_s=20)


async def rows_of(bus: Bus, sql: str) -> list[dict[str, Any]]:
    reply = await reply_to(bus, sql)
    assert reply.error is None, reply.error
    return [dict(zip(reply.columns, row, strict=True)) for row in reply.rows]


async def until_rows(bus: Bus, sql: str, wanted: list[dict[str, Any]], timeout_s: float = 30.0) -> None:
    """Ask again until the answer is `wanted`; errors too, because a service may be starting."""
    reply: object = "no answer"
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    result = await reply_to(bus, sql)
                    reply = result.error or [
                        dict(zip(result.columns, row, strict=True)) for row in result.rows
                    ]
                except RequestTimeout as error:
                    reply = error
                if reply == wanted:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{sql}\nwanted {wanted}\nlast {reply}") from None


async def publish(bus: Bus, told: Iterable[Example], *, with_id: bool = True) -> None:
    """Put events on the stream and wait until it has them; without ids it stores repetitions again."""
    for one in told:
        headers = {"Nats-Msg-Id": one.message.id} if with_id else None  # type: ignore[union-attr]  # events
        await bus.jetstream.publish_async(one.subject, one.data, headers=headers, wait_stall=30)
    await bus.jetstream.publish_async_completed()


async def until_acknowledged(bus: Bus) -> int:
    """Wait until nothing that the consumer took waits for its acknowledgement; how much it has not taken."""
    async with asyncio.timeout(30):
        while True:
            info: ConsumerInfo = await bus.jetstream.consumer_info(CALLS.name, "analytics")
            if not info.num_ack_pending:
                return info.num_pending or 0
            await asyncio.sleep(0.02)
