from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import openai
import pytest
from pydantic import SecretStr

from llm_service.engines.openai import OpenAiEngine, build, build_relief
from llm_service.errors import (
    EngineError,
    EngineGarbled,
    EngineRejected,
    EngineTimeout,
    EngineUnavailable,
)
from llm_service.ports import Delta, Line, Prompt, Speaker
from llm_service.settings import Settings
from tests.unit.llm_service.engines.endpoint import Endpoint, chunk, endpoint, status, stream
from tests.unit.llm_service.engines.port_suite import LanguageModelSuite
from tests.unit.llm_service.scripted import assistant

PROMPT = Prompt(assistant(), (Line(Speaker.CALLER, "Are you open?"),))


@pytest.fixture
async def served() -> AsyncIterator[Endpoint]:
    async with endpoint() as running:
        yield running


async def ask(url: str, **changes: Any) -> list[Delta]:
    engine = build(Settings(llm_openai_base_url=url, **changes))
    try:
        return [delta async for delta in engine.generate(PROMPT)]
    finally:
        await engine.close()


class TestOpenAiEngine(LanguageModelSuite):
    """Against the real model server."""

    @pytest.fixture
    async def engine(self, local_llm: str) -> AsyncIterator[OpenAiEngine]:
        engine = build(
            Settings(llm_openai_base_url=local_llm, llm_openai_max_tokens=12, llm_openai_warm_up=True)
        )
        yield engine
        await engine.close()

    async def test_tokens_are_counted(self, engine: OpenAiEngine) -> None:
        deltas = await self.collect(engine)
        assert deltas[-1].prompt_tokens > 50
        assert 1 <= deltas[-1].completion_tokens <= 12

    async def test_an_answer_at_its_limit_is_cut_short(self, local_llm: str) -> None:
        deltas = await ask(local_llm, llm_openai_max_tokens=2)
        assert any(delta.cut_short for delta in deltas)

    async def test_a_prompt_too_long_for_the_model_is_refused(self, engine: OpenAiEngine) -> None:
        with pytest.raises(EngineRejected, match=r"HTTP 400.*context") as raised:
            await self.collect(engine, self.prompt(snapshot=assistant(prompt="word " * 4000)))
        assert not raised.value.retryable


async def test_the_request_carries_model_limits_and_key(served: Endpoint) -> None:
    served.answer = stream(chunk("Yes."), "[DONE]")
    await ask(
        served.url,
        llm_openai_model="some-model",
        llm_openai_api_key=SecretStr("secret-key"),
        llm_openai_max_tokens=77,
        llm_openai_temperature=0.5,
        llm_openai_stop=("\n",),
    )
    (request,) = served.requests
    assert request["model"] == "some-model"
    assert (request["max_tokens"], request["temperature"], request["stop"]) == (77, 0.5, ["\n"])
    assert request["stream_options"] == {"include_usage": True}
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert "secret-key" in served.headers[0]


async def test_what_an_endpoint_does_not_take_is_left_out(served: Endpoint) -> None:
    served.answer = stream(chunk("Yes."), "[DONE]")
    await ask(served.url, llm_openai_max_tokens_field="max_completion_tokens", llm_openai_temperature=None)
    (request,) = served.requests
    assert request["max_completion_tokens"] == 60
    assert not {"max_tokens", "temperature", "stop"} & set(request)


async def test_deltas_usage_and_the_reason_to_stop_are_read(served: Endpoint) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    served.answer = stream(
        chunk("We"),
        chunk(" are"),
        chunk(finish="length"),
        {**chunk(), "choices": [], "usage": usage},
        "[DONE]",
    )
    assert await ask(served.url) == [Delta("We"), Delta(" are"), Delta(cut_short=True), Delta("", 9, 2)]


@pytest.mark.parametrize(
    ("code", "body", "kind", "says"),
    [
        (
            400,
            {"error": {"code": "context_length_exceeded"}},
            EngineRejected,
            "context_length_exceeded",
        ),
        (401, {"error": {"code": "invalid_api_key"}}, EngineRejected, "TRUNKLINE_LLM_OPENAI_API_KEY"),
        (403, {}, EngineRejected, "TRUNKLINE_LLM_OPENAI_API_KEY"),
        (404, {"error": {"type": "not_found"}}, EngineRejected, "TRUNKLINE_LLM_OPENAI_MODEL"),
        (408, {}, EngineUnavailable, "HTTP 408"),
        (422, {}, EngineRejected, "HTTP 422"),
        (429, {"error": {"code": "rate_limit_exceeded"}}, EngineUnavailable, "rate_limit_exceeded"),
        (429, {"error": {"code": "insufficient_quota"}}, EngineRejected, "insufficient_quota"),
        (500, {}, EngineUnavailable, "HTTP 500"),
        (503, "<html>busy</html>", EngineUnavailable, "HTTP 503"),
    ],
)
async def test_a_status_is_told_apart_by_whether_it_may_pass(
    served: Endpoint,
    code: int,
    body: dict[str, Any] | str,
    kind: type[EngineError],
    says: str,
) -> None:
    served.answer = status(code, body)
    with pytest.raises(kind) as raised:
        await ask(served.url)
    assert raised.value.retryable is (kind is EngineUnavailable)
    assert says in str(raised.value)
    assert len(served.requests) == 1, "the client does not try again by itself"


async def test_an_endpoints_message_stays_out_because_it_may_quote_the_caller(served: Endpoint) -> None:
    served.answer = status(422, {"error": {"message": "input: Are you open?", "type": "bad"}})
    with pytest.raises(EngineRejected) as raised:
        await ask(served.url)
    assert "open" not in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        status(200, "<html>a login page</html>"),
        status(200, {"object": "chat.completion"}),
        stream("this is no JSON"),
        stream('["a", "list"]'),
        stream({"choices": None}),
        stream({"choices": ["text"]}),
        stream({"choices": [{"delta": None, "finish_reason": None}]}),
        stream(),
    ],
)
async def test_junk_is_named_as_junk(served: Endpoint, answer: bytes) -> None:
    served.answer = answer
    with pytest.raises(EngineGarbled) as raised:
        await ask(served.url)
    assert not raised.value.retryable


async def test_an_error_in_the_middle_of_the_stream_may_pass(served: Endpoint) -> None:
    served.answer = stream(chunk("We"), {"error": {"message": "out of memory"}})
    with pytest.raises(EngineUnavailable):
        await ask(served.url)


async def test_a_connection_that_breaks_may_come_back(served: Endpoint) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n"
    served.answer = head + stream(chunk("We")).split(b"\r\n\r\n", 1)[1]
    with pytest.raises(EngineUnavailable):
        await ask(served.url)


async def test_a_filtered_answer_is_refused(served: Endpoint) -> None:
    served.answer = stream(chunk(finish="content_filter"), "[DONE]")
    with pytest.raises(EngineRejected, match="content filter"):
        await ask(served.url)


async def test_an_endpoint_that_is_not_there_may_come_back() -> None:
    async with endpoint() as gone:
        url = gone.url
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1 cannot be reached") as raised:
        await ask(url)
    assert raised.value.retryable


async def test_an_endpoint_that_never_answers_is_a_timeout(served: Endpoint) -> None:
    served.hold = True
    client = openai.AsyncOpenAI(base_url=served.url, api_key="none", timeout=0.05, max_retries=0)
    engine = OpenAiEngine(client, "some-model", {}, warm_up=False)
    with pytest.raises(EngineTimeout) as raised:
        await anext(engine.generate(PROMPT))
    assert raised.value.retryable
    await engine.close()


async def test_leaving_an_answer_hangs_up_on_the_endpoint(served: Endpoint) -> None:
    served.answer, served.hold = stream(chunk("We"), chunk(" are")), True
    engine = build(Settings(llm_openai_base_url=served.url))
    async with aclosing(engine.generate(PROMPT)) as deltas:
        assert await anext(deltas) == Delta("We")
    await asyncio.wait_for(served.left.wait(), timeout=20)
    await engine.close()


async def test_warming_up_is_off_unless_it_is_set(served: Endpoint) -> None:
    served.answer = stream(chunk("Hello"), "[DONE]")
    for warm_up, requests in ((False, 0), (True, 1)):
        engine = build(Settings(llm_openai_base_url=served.url, llm_openai_warm_up=warm_up))
        await engine.prepare(assistant())
        await engine.close()
        assert len(served.requests) == requests
    assert served.requests[0]["messages"][0]["role"] == "system"


async def test_warming_up_fails_as_asking_does(served: Endpoint) -> None:
    served.answer = status(500, {})
    engine = build(Settings(llm_openai_base_url=served.url, llm_openai_warm_up=True))
    with pytest.raises(EngineUnavailable):
        await engine.prepare(assistant())
    await engine.close()


def test_the_key_is_not_shown() -> None:
    assert "secret-key" not in repr(Settings(llm_openai_api_key=SecretStr("secret-key")))


async def test_a_relief_is_another_model_of_the_same_endpoint_or_of_another(served: Endpoint) -> None:
    served.answer = stream(chunk("Yes."), "[DONE]")
    main: dict[str, Any] = {"llm_openai_base_url": served.url, "llm_openai_api_key": SecretStr("main")}
    other: dict[str, Any] = {"llm_relief_base_url": served.url, "llm_relief_api_key": SecretStr("other")}
    for settings in (
        Settings(**main, llm_relief_model="small"),
        Settings(**other, llm_relief_model="smaller", llm_openai_base_url="http://127.0.0.1:9/v1"),
    ):
        engine = build_relief(settings)
        assert "".join([delta.text async for delta in engine.generate(PROMPT)]) == "Yes."
        await engine.close()
    assert [request["model"] for request in served.requests] == ["small", "smaller"]
    keys = [line for head in served.headers for line in head.lower().splitlines() if "authorization" in line]
    assert keys == ["authorization: bearer main", "authorization: bearer other"]


def test_a_relief_without_a_model_names_the_setting() -> None:
    with pytest.raises(EngineRejected, match="TRUNKLINE_LLM_RELIEF_MODEL"):
        build_relief(Settings())
