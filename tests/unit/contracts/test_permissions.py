from typing import Any

import pytest

from contracts.channel import Channel, Plane
from contracts.channels import (
    ACTIVE_CALL,
    ASSIGN,
    CALL_ENDED,
    CHANNELS,
    HEARTBEAT,
    NUMBER_SNAPSHOT,
    TURN_ENDED,
)
from contracts.errors import ContractError
from contracts.permissions import (
    OPERATOR,
    RECORD_KEEPER,
    SERVICES,
    inbox_prefix,
    permissions_of,
    user_of,
)

ROWS = pytest.mark.parametrize("row", CHANNELS, ids=lambda row: row.name)
WITHOUT_ROLE = [row for row in CHANNELS if "role" not in row.tokens]


def covers(allowed: tuple[str, ...], subject: str) -> bool:
    """NATS' own rule, in its plainest form."""
    return any(_matches(pattern.split("."), subject.split(".")) for pattern in allowed)


def _matches(pattern: list[str], subject: list[str]) -> bool:
    if pattern and pattern[-1] == ">":
        return len(subject) >= len(pattern) and _matches(pattern[:-1], subject[: len(pattern) - 1])
    return len(pattern) == len(subject) and all(
        one in ("*", other) for one, other in zip(pattern, subject, strict=True)
    )


def hears(service: str, subject: str) -> bool:
    may = permissions_of(service)
    return covers(may.subscribe, subject) and not covers(may.unheard, subject)


@pytest.mark.parametrize("row", WITHOUT_ROLE, ids=lambda row: row.name)
def test_producers_may_publish_and_consumers_hear_and_nobody_else(row: Channel[Any]) -> None:
    same = [other for other in CHANNELS if other.pattern == row.pattern]
    producers = {service for one in same for service in one.producers}
    consumers = {service for one in same for service in one.consumers}
    publish = {one for one in SERVICES if covers(permissions_of(one).publish, row.wildcard())}
    hear = {one for one in SERVICES if hears(one, row.wildcard())}

    assert publish == producers
    assert hear == (set() if row.plane is Plane.KV else consumers)


def test_a_worker_speaks_for_its_own_role_and_is_spoken_to_in_it() -> None:
    def publishers(row: Channel[Any], role: str) -> set[str]:
        subject = row.wildcard(role=role)
        return {one for one in SERVICES if covers(permissions_of(one).publish, subject)}

    def hearers(row: Channel[Any], role: str) -> set[str]:
        return {one for one in SERVICES if hears(one, row.wildcard(role=role))}

    assert (publishers(HEARTBEAT, "stt"), hearers(HEARTBEAT, "stt")) == ({"stt"}, {"session"})
    assert (publishers(ASSIGN, "stt"), hearers(ASSIGN, "stt")) == ({"session"}, {"stt"})
    assert (publishers(ASSIGN, "gateway"), hearers(ASSIGN, "gateway")) == (set(), set())


def test_a_new_subject_below_a_call_reaches_no_one_by_accident_who_does_not_hold_calls() -> None:
    assert not hears("session", "call.*.*.brand.new")
    assert not hears("router", "call.*.*.brand.new")


@pytest.mark.parametrize("row", [NUMBER_SNAPSHOT, ACTIVE_CALL], ids=lambda row: row.name)
def test_a_bucket_is_written_by_its_owner_and_opened_by_those_who_use_it(row: Channel[Any]) -> None:
    create = f"$JS.API.CONSUMER.CREATE.KV_{row.pattern.split('.')[1]}"

    assert {one for one in SERVICES if row.wildcard() in permissions_of(one).publish} == set(row.producers)
    assert {one for one in SERVICES if create in permissions_of(one).publish} == {
        *row.producers,
        *row.consumers,
    }


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_may_do_everything(service: str) -> None:
    may = permissions_of(service)

    assert not {">", "*", "$JS.>", "$JS.API.>", "_INBOX.>", "$KV.>"} & {*may.publish, *may.subscribe}
    assert [one for one in may.subscribe if one.startswith("_INBOX")] == [f"_INBOX.{service}.>"]
    assert not [one for one in may.publish if one.startswith("_INBOX")]
    assert not [one for one in may.publish if "DELETE" in one or "PURGE" in one]
    assert f"$JS.API.STREAM.MSG.GET.{'CALLS'}" not in may.publish


@pytest.mark.parametrize("service", SERVICES)
def test_whoever_is_asked_may_answer(service: str) -> None:
    asked = any(row.reply is not None and service in row.consumers for row in CHANNELS)

    assert permissions_of(service).answers is asked


def test_only_one_may_change_the_stream() -> None:
    update = "$JS.API.STREAM.UPDATE.CALLS"

    assert [one for one in SERVICES if update in permissions_of(one).publish] == [RECORD_KEEPER]


def test_who_raises_alerts_keeps_their_stream() -> None:
    update = "$JS.API.STREAM.UPDATE.ALERTS"

    assert [one for one in SERVICES if update in permissions_of(one).publish] == ["router"]


def test_together_they_may_do_what_each_may_and_listen_in_one_inbox() -> None:
    group = ("router", "session", "llm")
    together, each = permissions_of(*group), [permissions_of(one) for one in group]

    assert set(together.publish) == {subject for one in each for subject in one.publish}
    own = {f"_INBOX.{name}.>" for name in group}
    assert (
        set(together.subscribe) - {"_INBOX.router+session+llm.>"}
        == {subject for one in each for subject in one.subscribe} - own
    )
    assert CALL_ENDED.wildcard() not in together.unheard  # llm hears it
    assert "call.*.*.leg.ended" not in together.unheard  # session hears it
    assert TURN_ENDED.wildcard() not in together.unheard
    assert "call.*.*.playout.started" in together.unheard  # none of them does
    assert together.answers


@pytest.mark.parametrize(
    ("user", "prefix"),
    [
        ("stt", "_INBOX.stt"),
        (user_of(["router", "llm"]), "_INBOX.router+llm"),
        ("ann@example.com", "_INBOX.ann_example_com"),
        ("> *", "_INBOX.___"),
    ],
)
def test_an_inbox_is_one_branch_whatever_the_user_is_called(user: str, prefix: str) -> None:
    assert inbox_prefix(user) == prefix


def test_a_service_that_there_is_not_is_named() -> None:
    with pytest.raises(ContractError, match="no channel names a service 'ftp'"):
        permissions_of("stt", "ftp")


def test_the_operator_only_asks_and_reads() -> None:
    may = permissions_of(OPERATOR)

    asked = {row.wildcard() for row in CHANNELS if row.plane is Plane.RPC and OPERATOR in row.producers}
    assert {one for one in may.publish if not one.startswith("$JS")} == asked
    assert asked > {"rpc.analytics.query", "rpc.session.active"}
