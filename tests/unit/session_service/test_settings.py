"""What an operator may set, and what would make every worker seem lost."""

from __future__ import annotations

import pytest

from runtime.errors import SettingsError
from runtime.settings import load
from session_service.settings import Settings


@pytest.mark.parametrize(
    ("heartbeat_s", "lost_after_s"), [("1", "2.9"), ("2", None)], ids=["lowered", "default"]
)
def test_a_process_is_not_lost_for_one_missed_heartbeat(
    monkeypatch: pytest.MonkeyPatch, heartbeat_s: str, lost_after_s: str | None
) -> None:
    monkeypatch.setenv("TRUNKLINE_HEARTBEAT_S", heartbeat_s)
    if lost_after_s is not None:
        monkeypatch.setenv("TRUNKLINE_SESSION_LOST_AFTER_S", lost_after_s)
    with pytest.raises(SettingsError, match="must be at least three heartbeats") as caught:
        load(Settings)
    assert caught.value.mend == "correct TRUNKLINE_SESSION_LOST_AFTER_S"


def test_a_leader_may_miss_a_renewal_and_lead_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_SESSION_LEASE_S", "1.2")
    with pytest.raises(SettingsError, match="must be at most a third of the lease") as caught:
        load(Settings)
    assert caught.value.mend == "correct TRUNKLINE_SESSION_LEASE_RENEW_S"


def test_the_defaults_hold() -> None:
    settings = load(Settings)
    assert (settings.session_ghost_after_s, settings.session_max_calls) == (12.0, 0)


def test_a_process_that_was_cut_off_is_given_time_to_be_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_SESSION_SUSPECT_S", "0.3")
    with pytest.raises(SettingsError, match=r"must be longer than a heartbeat of 0\.3 s") as caught:
        load(Settings)
    assert caught.value.mend == "correct TRUNKLINE_SESSION_SUSPECT_S"
