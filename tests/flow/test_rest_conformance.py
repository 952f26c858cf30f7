"""Every endpoint against its own description: schemathesis makes the requests, the real services answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from contracts import messages as m
from gateway_service.rest.web import description
from tests.support.resting import Resting, everything_in_a_thread

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
API = schemathesis.openapi.from_dict(description())
API.config.phases.coverage.enabled = True


@dataclass
class Stand:
    """Where REST is, who may do everything in tenant `acme`, and what there is to name."""

    url: str
    key: str
    names: dict[str, str]


async def furnish(there: Resting) -> Stand:
    owner = await there.tenant("acme")
    number = await there.admin.done(
        "POST", "/numbers", {"number": "+12025550123", "assistant": "desk"}, params={"tenant": "acme"}
    )
    person = {"email": "a@example.com", "name": "A", "role": "agent", "password": "a long password"}
    user = await owner.done("POST", "/users", person)
    names = {"number": number["number"], "user": user["id"], "assistant": "desk", "slug": "acme"}
    return Stand(there.app.url, there.admin.headers["X-API-Key"], names)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with everything_in_a_thread(tmp_path_factory.mktemp("platform")) as (there, loop):
        yield asyncio.run_coroutine_threadsafe(furnish(there), loop).result(30)


def name_what_there_is(case: Any, names: dict[str, str]) -> None:
    """Half of the requests are about something that exists."""
    parameters = case.path_parameters or {}
    for parameter in parameters:
        kind = {"/v1/users": "user", "/v1/assistants": "assistant"}.get(case.path.split("/{")[0], parameter)
        if kind in names:
            parameters[parameter] = names[kind]
    case.query = {**(case.query or {}), "tenant": "acme"} if "tenant" in _query_of(case) else case.query


def _query_of(case: Any) -> set[str]:
    return {parameter.name for parameter in case.operation.query}


@pytest.mark.timeout(300)
@API.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_every_answer_is_as_described(case: Any, stand: Stand) -> None:
    if case.meta is not None and case.meta.generation.mode.is_positive:
        name_what_there_is(case, stand.names)
    headers = {"X-API-Key": stand.key}
    case.call_and_validate(base_url=stand.url, headers=headers, checks=CHECKS)


def test_what_is_described_is_all_there_is() -> None:
    assert len(list(API.get_all_operations())) > 40
    assert m.MemberRole.OWNER in str(description()["components"]["schemas"]["MemberRole"])
