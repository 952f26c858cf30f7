"""Between the bus and the core: events in, questions answered."""

from __future__ import annotations

import logging

from nats.aio.msg import Msg

from analytics_service import reports
from analytics_service.answers import reply_of
from analytics_service.errors import StoreUnavailable
from analytics_service.intake import Intake
from analytics_service.ports import Answer
from analytics_service.recording import Delivery, Recorder
from analytics_service.statements import checked
from analytics_service.threads import StoreThreads
from contracts.messages import CallRecords, GetTranscript, ListCalls, SqlQuery, SqlResult, Transcript

log = logging.getLogger(__name__)


class EventHandler:
    """Gathers events, has them recorded, and only then acknowledges them."""

    def __init__(self, intake: Intake, recorder: Recorder) -> None:
        self._intake = intake
        self._recorder = recorder
        self._stopping = False

    async def run(self) -> None:
        """Until `finish`: what was sent to this process is recorded and acknowledged first."""
        try:
            while not self._stopping:
                await self._record(await self._intake.gather())
            await self._record(await self._intake.gather_rest())
        except StoreUnavailable as error:
            log.warning("the events in hand stay in the stream: %s", error)

    def finish(self) -> None:
        """Gather nothing new, and do not wait for a store that is away."""
        self._stopping = True
        self._recorder.wait_no_more()

    async def _record(self, messages: list[Msg]) -> None:
        if messages:
            await self._recorder.record([_delivery(message) for message in messages])
            await self._intake.acknowledge(messages)


class QueryHandler:
    """Answers questions; a reply is at most `budget_bytes` long."""

    def __init__(self, store: StoreThreads, budget_bytes: int) -> None:
        self._store = store
        self._budget_bytes = budget_bytes

    async def answer(self, query: SqlQuery) -> SqlResult:
        """Rows, or QueryRefused."""
        answer = await self._store.query(checked(query.sql), query.max_rows)
        return reply_of(answer, self._budget_bytes)

    async def calls(self, asked: ListCalls) -> CallRecords:
        """rpc.analytics.calls."""
        return reports.calls_found(asked, await self._ask(reports.calls_asked(asked)))

    async def transcript(self, asked: GetTranscript) -> Transcript:
        """rpc.analytics.transcript; raises UnknownCall."""
        call = await self._ask(reports.call_asked(asked))
        return reports.lines_found(asked, call, await self._ask(reports.lines_asked(asked)))

    async def _ask(self, question: reports.Question) -> Answer:
        return await self._store.query(question.sql, question.max_rows, question.parameters)


def _delivery(message: Msg) -> Delivery:
    stored_us = int(message.metadata.timestamp.timestamp() * 1_000_000)
    return Delivery(message.subject, message.data, message.metadata.sequence.stream, stored_us)
