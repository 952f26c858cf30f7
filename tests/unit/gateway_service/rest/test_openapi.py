"""The description: written down as it is, complete in its problems, as wide as what router takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts import messages as m
from gateway_service.rest.openapi import DEFAULT, text
from gateway_service.rest.routers import assistants, credentials, keys, numbers, plans, subscription, tenants
from gateway_service.rest.routers import users as people
from gateway_service.rest.routers.calls import CallView
from gateway_service.rest.web import description

OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in description()["paths"].items()
    for method, operation in methods.items()
]
BODIES = [
    (people.NewUser, m.AddUser),
    (people.UserChanges, m.UpdateUser),
    (tenants.NewTenant, m.CreateTenant),
    (tenants.TenantChanges, m.UpdateTenant),
    (numbers.NewNumber, m.CreateNumber),
    (numbers.NumberChanges, m.UpdateNumber),
    (assistants.NewAssistant, m.CreateAssistant),
    (credentials.NewCredential, m.PutCredential),
    (keys.NewKey, m.CreateKey),
    (plans.PlanBody, m.PlanView),
    (subscription.SubscriptionBody, m.PutSubscription),
]
IN_THE_PATH = {"op", "id", "number", "slug"}


def test_the_written_description_is_that_of_this_build() -> None:
    assert DEFAULT.read_text(encoding="utf-8") == text(), "run python -m gateway_service.rest.openapi"


def test_it_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "api.json"
    subprocess.run([sys.executable, "-m", "gateway_service.rest.openapi", path], check=True, timeout=60)
    assert path.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_operation_tells_of_its_problems(name: str, operation: dict[str, Any]) -> None:
    problems = {
        status
        for status, response in operation["responses"].items()
        if "application/problem+json" in response.get("content", {})
    }
    assert {"401", "404", "422", "429", "500", "504"} <= problems


def test_what_is_open_to_everybody_is_few() -> None:
    assert {name for name, operation in OPERATIONS if "security" not in operation} == {
        "POST /webhooks/twilio/status",
        "POST /webhooks/twilio/voice",
        "POST /v1/token",
        "GET /v1/health/live",
        "GET /v1/health/ready",
    }


def test_every_post_of_somebody_takes_an_idempotency_key() -> None:
    posts = [
        operation for name, operation in OPERATIONS if name.startswith("POST") and "security" in operation
    ]
    assert len(posts) > 10
    for operation in posts:
        assert "Idempotency-Key" in {one["name"] for one in operation["parameters"]}, operation["operationId"]


def test_problems_of_the_framework_are_not_described() -> None:
    assert "HTTPValidationError" not in text()


@pytest.mark.parametrize(("body", "operation"), BODIES, ids=lambda model: model.__name__)
def test_a_body_takes_what_its_operation_takes(body: type[BaseModel], operation: type[m.Message]) -> None:
    assert set(body.model_fields) | IN_THE_PATH == set(operation.model_fields) | IN_THE_PATH
    for name, field in body.model_fields.items():
        assert field.is_required() == operation.model_fields[name].is_required(), name
        assert field.default == operation.model_fields[name].default, name


def test_no_answer_but_a_new_keys_carries_a_secret() -> None:
    schemas = description()["components"]["schemas"]
    carriers = {
        name for name, schema in schemas.items() if {"secret", "password"} & set(schema.get("properties", {}))
    }
    assert carriers == {"MadeKey", "NewCredential", "NewUser", "NewPassword", "OwnPassword", "PasswordGrant"}


def test_what_a_caller_said_is_marked() -> None:
    assert "text_pii" in m.TranscriptLine.model_fields
    assert not [name for name in CallView.model_fields if "text" in name]
