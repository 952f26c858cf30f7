from typing import Any

import pytest
from pydantic import ValidationError

from contracts.examples.practice import NUMBER, RECEPTION, TENANT, WORKERS
from contracts.messages import Heartbeat, OpenCallReply, Role, SqlQuery, WireError

FULL = WireError.model_validate({"code": "number_full", "message": "full", "status": 486})
ASSIGNMENT: dict[str, Any] = {
    "tenant": TENANT,
    "number": NUMBER,
    "workers": WORKERS,
    "assistant": RECEPTION,
}


def test_an_accepted_call_names_whom_to_talk_to() -> None:
    accepted = OpenCallReply(**ASSIGNMENT)

    assert accepted.error is None
    assert accepted.epoch == 1
    assert accepted.workers[Role.STT] == "stt-1"


def test_a_rejected_call_says_why_and_nothing_else() -> None:
    assert OpenCallReply(error=FULL).assistant is None


@pytest.mark.parametrize("missing", sorted(ASSIGNMENT))
def test_half_an_assignment_is_none(missing: str) -> None:
    with pytest.raises(
        ValidationError, match="an accepted call names its tenant, number, workers and assistant"
    ):
        OpenCallReply.model_validate({key: value for key, value in ASSIGNMENT.items() if key != missing})


def test_neither_error_nor_assignment_is_refused() -> None:
    with pytest.raises(ValidationError, match="an accepted call names"):
        OpenCallReply()


@pytest.mark.parametrize("also", sorted(ASSIGNMENT))
def test_an_error_beside_an_assignment_is_refused(also: str) -> None:
    with pytest.raises(ValidationError, match="a rejected call carries its error and no assignment"):
        OpenCallReply.model_validate({"error": FULL, also: ASSIGNMENT[also]})


def test_both_forms_cross_the_wire() -> None:
    for reply in (OpenCallReply(**ASSIGNMENT), OpenCallReply(error=FULL)):
        assert OpenCallReply.model_validate_json(reply.model_dump_json()) == reply


def test_every_heartbeat_has_its_own_quiet_calls() -> None:
    first, second = (
        Heartbeat(role=Role.STT, process="stt-1", at_us=1, calls=0, capacity=1) for _ in range(2)
    )

    assert first.quiet_ms == {}
    assert first.quiet_ms is not second.quiet_ms


def test_a_quiet_call_is_a_call_and_a_time_since() -> None:
    beat = {"role": "gateway", "process": "gateway-1", "at_us": 1, "calls": 1, "capacity": 1}
    for quiet in ({"not-a-call": 5}, {"019b78c9-0a80-78f1-91b7-584a2265b1f5": -5}):
        with pytest.raises(ValidationError, match="quiet_ms"):
            Heartbeat.model_validate({**beat, "quiet_ms": quiet})


@pytest.mark.parametrize(
    "query", [{"sql": ""}, {"sql": "SELECT 1", "max_rows": 0}, {"sql": "SELECT 1", "max_rows": 100_001}]
)
def test_a_query_without_a_statement_or_a_sensible_limit_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SqlQuery.model_validate(query)
