"""What an operator can set about the dialogue and its engines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from runtime.settings import ProcessSettings

_Port = Annotated[int, Field(ge=0, le=65_535)]
_Positive = Annotated[float, Field(gt=0)]


class Settings(ProcessSettings):
    """Settings of the llm service."""

    llm_capacity: Annotated[int, Field(ge=1)] = 300
    llm_preload: tuple[str, ...] = ("faq", "openai")

    llm_retry_tries: Annotated[int, Field(ge=1, le=3)] = 3
    llm_retry_first_wait_s: Annotated[float, Field(ge=0)] = 0.2
    llm_retry_within_s: Annotated[float, Field(ge=0)] = 2.0
    llm_first_token_timeout_s: _Positive = 4.0
    llm_token_timeout_s: _Positive = 3.0

    llm_slots: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=lambda: {"faq": 1, "openai": 16, "synthetic": 256}
    )
    llm_queue_timeout_s: _Positive = 4.0
    llm_wait_budget_s: _Positive = 0.3

    # What is asked in place of an engine that many wait for; how many exchanges a busy one is told.
    llm_relief: dict[str, str] = Field(default_factory=dict)
    llm_busy_exchanges: Annotated[int, Field(ge=0)] = 2

    llm_openai_base_url: str = "http://127.0.0.1:8091/v1"
    llm_openai_api_key: SecretStr = SecretStr("")
    llm_openai_model: str = "smollm2-135m"
    llm_openai_max_tokens: Annotated[int, Field(ge=1)] = 60
    llm_openai_max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    llm_openai_temperature: Annotated[float, Field(ge=0, le=2)] | None = 0.2
    llm_openai_stop: tuple[str, ...] = ()
    llm_openai_connect_timeout_s: _Positive = 2.0
    llm_openai_warm_up: bool = False

    # The engine `relief`: another endpoint, or another model of the same one (where the address is empty).
    llm_relief_base_url: str = ""
    llm_relief_api_key: SecretStr = SecretStr("")
    llm_relief_model: str = ""

    llm_faq_model: str = "minilm-int8"
    llm_faq_threads: Annotated[int, Field(ge=1)] = 1
    llm_faq_indexes: Annotated[int, Field(ge=1)] = 256

    llm_synthetic_text: Annotated[str, Field(min_length=1)] = (
        "Thank you for asking about that today. Here is your synthetic answer."
    )
    llm_synthetic_first_token_ms: Annotated[float, Field(ge=0)] = 0.0
    llm_synthetic_token_ms: Annotated[float, Field(ge=0)] = 0.0

    llm_local_port: _Port = 8091
    llm_local_model: str = "smollm2-135m"
    llm_local_threads: Annotated[int, Field(ge=1)] = 1
    llm_local_context: Annotated[int, Field(ge=256)] = 2048
    llm_local_slots: Annotated[int, Field(ge=1)] = 1
    llm_local_prefix_cache_mib: Annotated[int, Field(ge=0)] = 128
