"""Any endpoint that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, OpenAI itself.

Through the official client, with its own retries off: ours know that a caller waits.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import openai
from openai.types.chat import ChatCompletionChunk

from contracts.messages import AssistantSnapshot
from llm_service.errors import EngineError, EngineGarbled, EngineRejected, EngineTimeout, EngineUnavailable
from llm_service.ports import Delta, Prompt
from llm_service.prompts import ChatMessage, chat_messages
from llm_service.settings import Settings

_NO_KEY: Final = "none"
"""What a server without keys gets: the client refuses an empty one."""

_MENDS: Final = {
    400: "is the prompt longer than the model's context? See the endpoint's log",
    401: "correct TRUNKLINE_LLM_OPENAI_API_KEY",
    403: "correct TRUNKLINE_LLM_OPENAI_API_KEY, or what it may do",
    404: "correct TRUNKLINE_LLM_OPENAI_BASE_URL or TRUNKLINE_LLM_OPENAI_MODEL",
    429: "raise the endpoint's limits, or its credit",
}
_MAY_PASS: Final = frozenset({408, 409, 425, 429})
_NO_CREDIT: Final = "insufficient_quota"


class OpenAiEngine:
    """Streams chat completions of one model. `options` go into every request as they are."""

    def __init__(
        self, client: openai.AsyncOpenAI, model: str, options: dict[str, Any], *, warm_up: bool
    ) -> None:
        self._client = client
        self._model = model
        self._options = options
        self._warm_up = warm_up

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """With `warm_up`: have the endpoint read the assistant's knowledge, so that its prefix is cached."""
        if not self._warm_up:
            return
        with _translated():
            async with await self._stream(chat_messages(Prompt(assistant, ()))) as chunks:
                async for _ in chunks:
                    return

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """The model's answer, token by token."""
        answered = False
        with _translated():
            async with await self._stream(chat_messages(prompt)) as chunks:
                async for chunk in chunks:
                    answered = True
                    yield _delta(chunk)
        if not answered:
            raise EngineGarbled(
                f"{self._client.base_url} sent no completion", mend="is TRUNKLINE_LLM_OPENAI_BASE_URL right?"
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _stream(self, chat: list[ChatMessage]) -> openai.AsyncStream[ChatCompletionChunk]:
        messages = [{"role": message.role, "content": message.content_pii} for message in chat]
        stream = await self._client.chat.completions.create(
            model=self._model,
            messages=cast("Any", messages),
            stream=True,
            stream_options={"include_usage": True},
            **self._options,
        )
        return cast("openai.AsyncStream[ChatCompletionChunk]", stream)


def _delta(chunk: ChatCompletionChunk) -> Delta:
    """What a chunk says; raises EngineGarbled for one that is none: the client builds them unchecked."""
    try:
        reasons = {choice.finish_reason for choice in chunk.choices}
        text = "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage
        tokens = (usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else (0, 0)
    except (AttributeError, TypeError) as error:
        raise EngineGarbled(
            "a chunk is no chat completion's", mend="is this an OpenAI-compatible endpoint?"
        ) from error
    if "content_filter" in reasons:
        raise EngineRejected("the endpoint's content filter stopped the answer", mend="see its log")
    return Delta(text, *tokens, cut_short="length" in reasons)


@contextmanager
def _translated() -> Iterator[None]:
    """The client's errors as ours."""
    try:
        yield
    except openai.APITimeoutError as error:
        raise EngineTimeout("the endpoint did not answer in time", mend="see to the endpoint") from error
    except openai.APIConnectionError as error:
        cause = error.__cause__
        raise EngineUnavailable(
            f"{error.request.url.host} cannot be reached: {cause or error}",
            mend="start it, or correct TRUNKLINE_LLM_OPENAI_BASE_URL",
        ) from error
    except openai.APIStatusError as error:
        raise _by_status(error) from error
    except openai.APIError as error:
        raise EngineUnavailable("the endpoint broke off with an error", mend="see its log") from error
    except (ValueError, openai.OpenAIError) as error:
        raise EngineGarbled(
            f"the answer cannot be read: {type(error).__name__}",
            mend="is this an OpenAI-compatible endpoint?",
        ) from error


def _by_status(error: openai.APIStatusError) -> EngineError:
    """By the HTTP status and the endpoint's code; its message stays out, it may quote the caller."""
    status = error.status_code
    what = f"HTTP {status} {error.code or error.type or ''}".rstrip()
    mend = _MENDS.get(status, "see the endpoint's log")
    if status >= 500 or (status in _MAY_PASS and error.code != _NO_CREDIT):
        return EngineUnavailable(what, mend=mend)
    return EngineRejected(what, mend=mend)


def build(settings: Settings) -> OpenAiEngine:
    """The engine on the endpoint that the settings name; nothing is asked yet."""
    slowest_s = max(settings.llm_first_token_timeout_s, settings.llm_token_timeout_s)
    client = openai.AsyncOpenAI(
        base_url=settings.llm_openai_base_url,
        api_key=settings.llm_openai_api_key.get_secret_value() or _NO_KEY,
        timeout=openai.Timeout(slowest_s + 1, connect=settings.llm_openai_connect_timeout_s),
        max_retries=0,
    )
    options: dict[str, Any] = {settings.llm_openai_max_tokens_field: settings.llm_openai_max_tokens}
    if settings.llm_openai_temperature is not None:
        options["temperature"] = settings.llm_openai_temperature
    if settings.llm_openai_stop:
        options["stop"] = list(settings.llm_openai_stop)
    return OpenAiEngine(client, settings.llm_openai_model, options, warm_up=settings.llm_openai_warm_up)


def build_relief(settings: Settings) -> OpenAiEngine:
    """The engine that relieves another: as `openai` in all that it is not told otherwise."""
    if not settings.llm_relief_model:
        raise EngineRejected("the relief engine has no model", mend="set TRUNKLINE_LLM_RELIEF_MODEL")
    elsewhere = {
        "llm_openai_base_url": settings.llm_relief_base_url,
        "llm_openai_api_key": settings.llm_relief_api_key,
    }
    model = {"llm_openai_model": settings.llm_relief_model, "llm_openai_warm_up": False}
    return build(settings.model_copy(update=model | (elsewhere if settings.llm_relief_base_url else {})))
