"""Who is let in by the bus of `trunkline up`, and what tells each process who it is."""

from __future__ import annotations

import json

import pytest

from contracts.errors import ContractError
from contracts.permissions import permissions_of
from trunkline.bus_users import BusUsers, accounts


def test_a_user_is_the_same_whenever_it_is_asked_for() -> None:
    users = BusUsers()
    assert users.of("stt") is users.of("stt")
    assert users.of("stt").environment == {
        "TRUNKLINE_NATS_USER": "stt",
        "TRUNKLINE_NATS_PASSWORD": users.of("stt").password,
    }


def test_no_two_share_a_password_in_any_run() -> None:
    passwords = {run.of(name).password for run in (BusUsers(), BusUsers()) for name in ("stt", "tts")}
    assert len(passwords) == 4
    assert all(len(password) >= 32 for password in passwords)


def test_a_password_is_not_shown_with_its_user() -> None:
    user = BusUsers().operator
    assert user.password not in repr(user)


def test_services_in_one_process_are_one_user() -> None:
    user = BusUsers().of("router", "session", "llm")
    assert user.name == "router+session+llm"
    assert user.permissions == permissions_of("router", "session", "llm")


def test_processes_that_run_the_same_are_users_of_their_own() -> None:
    users = BusUsers()
    one, two = users.of("stt", name="stt-1"), users.of("stt", name="stt-2")
    assert (one.name, two.name) == ("stt-1", "stt-2")
    assert one.password != two.password
    assert one.permissions.publish == two.permissions.publish
    assert "_INBOX.stt-1.>" in one.permissions.subscribe
    assert "_INBOX.stt-1.>" not in two.permissions.subscribe


def test_the_server_is_told_all_of_it() -> None:
    users = BusUsers()
    told = accounts([users.of("stt"), users.of("trunkline")])
    assert told.endswith("\nsystem_account: SYS\n")
    ours = json.loads(told.removeprefix("accounts ").removesuffix("system_account: SYS\n"))["TRUNKLINE"]
    stt, operator = ours["users"]
    may = users.of("stt").permissions
    assert (stt["user"], stt["password"]) == ("stt", users.of("stt").password)
    assert stt["permissions"]["publish"]["allow"] == list(may.publish)
    assert stt["permissions"]["subscribe"] == {"allow": list(may.subscribe), "deny": list(may.unheard)}
    assert stt["permissions"]["allow_responses"]["max"] == 1
    assert "allow_responses" not in operator["permissions"]


def test_a_service_that_there_is_not_is_no_user() -> None:
    with pytest.raises(ContractError, match="'ftp'"):
        BusUsers().of("ftp")


def test_a_replay_in_a_gateways_place_may_what_a_gateway_may_but_reads_its_own_answers() -> None:
    replayer, gateway = BusUsers().replayer.permissions, permissions_of("gateway")
    assert (replayer.publish, replayer.unheard, replayer.answers) == (
        gateway.publish,
        gateway.unheard,
        gateway.answers,
    )
    assert set(replayer.subscribe) ^ set(gateway.subscribe) == {"_INBOX.replay.>", "_INBOX.gateway.>"}
