"""KV is kept equal to the directory: only what changed is written, and what is broken stays as it was."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.directory import Directory
from router_service.errors import DirectoryUnreadable, NumberMisconfigured
from router_service.publishing import Publisher
from runtime.errors import BusUnavailable, MessageTooLarge

ASSISTANT = {"name": "Desk", "greeting": "Hello.", "prompt": "You answer."}


def a_directory() -> dict[str, Any]:
    return {
        "anna": {
            "name": "Anna's",
            "assistants": {"desk": dict(ASSISTANT)},
            "numbers": {"+15550101": {"assistant": "desk"}, "+15550102": {"assistant": "desk"}},
        },
        "bert": {
            "name": "Bert's",
            "assistants": {"desk": dict(ASSISTANT)},
            "numbers": {"+15550103": {"assistant": "desk"}},
        },
    }


@dataclass
class Paper:
    """A DirectorySource that a test writes on."""

    tenants: dict[str, Any] = field(default_factory=a_directory)
    fault: DirectoryUnreadable | None = None
    written: int = 0

    def revision(self) -> object:
        return self.written

    def read(self) -> Directory:
        if self.fault is not None:
            raise self.fault
        return Directory.model_validate({"tenants": copy.deepcopy(self.tenants)})


@dataclass
class Board:
    """A SnapshotStore that remembers each writing."""

    shown: dict[str, NumberSnapshot] = field(default_factory=dict)
    writings: list[str] = field(default_factory=list)
    away: bool = False
    refuses: str = ""

    async def put(self, key: str, value: NumberSnapshot) -> None:
        self._reach()
        if key == self.refuses:
            raise MessageTooLarge("too large")
        self.shown[key] = value
        self.writings.append(f"{key} r{value.revision}")

    async def delete(self, key: str) -> None:
        self._reach()
        del self.shown[key]
        self.writings.append(f"{key} gone")

    async def all(self) -> dict[str, NumberSnapshot]:
        return dict(self.shown)

    def _reach(self) -> None:
        if self.away:
            raise BusUnavailable("KV is away")


@dataclass
class Bell:
    """An Alerts that remembers what it rang for."""

    rung: list[tuple[str, AnsweredWith]] = field(default_factory=list)

    async def configuration_broken(self, fault: NumberMisconfigured, answered_with: AnsweredWith) -> None:
        self.rung.append((fault.number, answered_with))


@dataclass
class Office:
    """A publisher between a paper and a board."""

    paper: Paper = field(default_factory=Paper)
    board: Board = field(default_factory=Board)
    bell: Bell = field(default_factory=Bell)
    publisher: Publisher = field(init=False)

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.paper, self.board, self.bell)

    async def begin(self) -> None:
        await self.publisher.begin()
        self.board.writings.clear()

    async def change(self) -> list[str]:
        """The paper was changed; what was written on the board for it."""
        self.paper.written += 1
        self.board.writings.clear()
        await self.publisher.refresh()
        return sorted(self.board.writings)

    @property
    def assistants(self) -> dict[str, Any]:
        found: dict[str, Any] = self.paper.tenants["anna"]["assistants"]
        return found

    @property
    def numbers(self) -> dict[str, Any]:
        found: dict[str, Any] = self.paper.tenants["anna"]["numbers"]
        return found


async def test_the_first_time_everything_is_published() -> None:
    office = Office()
    await office.publisher.begin()
    assert sorted(office.board.writings) == ["15550101 r1", "15550102 r1", "15550103 r1"]
    assert not await office.publisher.refresh(), "nothing has changed"


async def test_only_what_changed_is_published_with_its_next_revision() -> None:
    office = Office()
    await office.begin()
    office.numbers["+15550101"]["max_concurrent_calls"] = 5
    assert await office.change() == ["15550101 r2"]
    assert await office.change() == [], "touched, and the same"
    office.assistants["desk"]["greeting"] = "Good day."
    assert await office.change() == ["15550101 r3", "15550102 r2"], "both numbers of the assistant"
    office.paper.tenants["bert"]["subscription_active"] = False
    assert await office.change() == ["15550103 r2"]
    assert not office.board.shown["15550103"].subscription_active


async def test_what_is_gone_is_withdrawn_and_may_come_back() -> None:
    office = Office()
    await office.begin()
    entry = office.numbers.pop("+15550102")
    assert await office.change() == ["15550102 gone"]
    office.numbers["+15550102"] = entry
    assert await office.change() == ["15550102 r1"]
    del office.paper.tenants["bert"]
    assert await office.change() == ["15550103 gone"]


async def test_a_number_that_moves_is_written_once() -> None:
    office = Office()
    await office.begin()
    office.paper.tenants["bert"]["numbers"]["+15550101"] = office.numbers.pop("+15550101")
    assert await office.change() == ["15550101 r2"]
    assert office.board.shown["15550101"].tenant == "bert"


@pytest.mark.parametrize(
    ("number", "entry", "says"),
    [
        ("+15550101", {"assistant": "desk", "override": {"greetings": "Hi"}}, "greetings: Extra inputs"),
        ("+15550103", {"assistant": "desk"}, "belongs to anna and to bert"),
    ],
    ids=["a broken override", "a second owner"],
)
async def test_a_number_that_breaks_keeps_what_it_had_and_says_so_while_others_change(
    number: str, entry: dict[str, Any], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office()
    await office.begin()
    before = office.board.shown[number.removeprefix("+")]
    office.numbers[number] = entry
    office.numbers["+15550102"]["max_concurrent_calls"] = 9
    caplog.clear()
    assert await office.change() == ["15550102 r2"]
    assert office.board.shown[number.removeprefix("+")] == before
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.message.startswith(f"number {number}: ")
    assert says in record.message
    assert record.message.endswith("; it keeps what it had")


async def test_a_number_that_was_never_whole_is_not_published_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = Office()
    office.numbers["+15550101"] = {"assistant": "none"}
    await office.publisher.begin()
    assert set(office.board.shown) == {"15550102", "15550103"}
    assert "number +15550101: tenant anna has no assistant 'none'" in caplog.text
    assert "; it is not published" in caplog.text


async def test_an_unreadable_directory_keeps_everything_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = Office()
    await office.begin()
    office.paper.fault = DirectoryUnreadable("tenants file: not YAML", mend="correct it")
    for _ in range(3):
        assert await office.change() == []
    assert caplog.text.count("the directory is kept as it was: tenants file: not YAML (correct it)") == 1
    assert len(office.board.shown) == 3
    office.paper.fault = None
    office.numbers.pop("+15550101")
    assert await office.change() == ["15550101 gone"]
    office.paper.fault = DirectoryUnreadable("tenants file: not YAML", mend="correct it")
    await office.change()
    assert caplog.text.count("the directory is kept as it was") == 2, "it is news again"


async def test_an_unreadable_directory_at_the_start_is_an_error() -> None:
    office = Office(Paper(fault=DirectoryUnreadable("tenants file: not YAML")))
    with pytest.raises(DirectoryUnreadable):
        await office.publisher.begin()


async def test_after_a_restart_only_the_difference_is_written() -> None:
    office = Office()
    await office.begin()
    office.numbers["+15550101"]["max_concurrent_calls"] = 5
    office.numbers.pop("+15550102")
    again = Office(office.paper, office.board)
    await again.publisher.begin()
    assert sorted(office.board.writings) == ["15550101 r2", "15550102 gone"]


@pytest.mark.parametrize("withdrawn", [False, True])
async def test_a_store_that_is_away_is_tried_again_and_nothing_is_skipped(withdrawn: bool) -> None:
    office = Office()
    await office.begin()
    office.numbers["+15550101"]["max_concurrent_calls"] = 5
    if withdrawn:
        office.numbers.pop("+15550102")
    office.board.away = True
    for _ in range(3):
        assert await office.change() == []
    office.board.away = False
    assert await office.publisher.refresh(), "without another change of the directory"
    assert sorted(office.board.writings) == ["15550101 r2", *(["15550102 gone"] if withdrawn else [])]
    assert not await office.publisher.refresh()


async def test_a_number_that_the_store_refuses_costs_no_other_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    office = Office(board=Board(refuses="15550101"))
    await office.publisher.begin()
    assert set(office.board.shown) == {"15550102", "15550103"}
    assert "number +15550101 cannot be published: too large" in caplog.text


ONE = "+15550101"


async def test_the_operator_is_told_once_of_each_fault_and_again_when_it_comes_back() -> None:
    office = Office()
    await office.begin()
    for override in ({"greetings": "Hi"}, {"greetings": "Hello"}, {"language": "Klingon"}):
        office.numbers[ONE] = {"assistant": "desk", "override": override}
        await office.change()
    assert office.bell.rung == [(ONE, AnsweredWith.LAST_GOOD)] * 2, "the same fault twice, then another"

    office.numbers[ONE] = {"assistant": "desk"}
    await office.change()
    office.numbers[ONE] = {"assistant": "desk", "override": {"language": "Klingon"}}
    await office.change()
    assert len(office.bell.rung) == 3


async def test_a_broken_number_keeps_its_last_good_assistant_under_todays_terms() -> None:
    office = Office()
    office.numbers[ONE] = {"assistant": "desk", "override": {"greeting": "Before."}}
    await office.begin()
    office.numbers[ONE] = {"assistant": "desk", "override": {"greetings": "Hi"}, "max_concurrent_calls": 7}
    office.paper.tenants["anna"]["subscription_active"] = False
    await office.change()
    found = office.board.shown["15550101"]
    assert (found.assistant.greeting, found.max_concurrent_calls) == ("Before.", 7)
    assert not found.subscription_active


async def test_a_number_that_moved_and_broke_is_not_answered_by_its_former_tenant() -> None:
    office = Office()
    office.numbers[ONE] = {"assistant": "desk", "override": {"greeting": "The former tenant."}}
    await office.begin()
    office.numbers.pop(ONE)
    office.paper.tenants["bert"]["numbers"][ONE] = {"assistant": "desk", "override": {"greetings": "x"}}
    await office.change()
    found = office.board.shown["15550101"]
    assert (found.tenant, found.assistant.greeting) == ("bert", "Hello.")
    assert office.bell.rung == [(ONE, AnsweredWith.ASSISTANT_ALONE)]


async def test_with_nothing_of_its_own_to_fall_back_to_a_moved_number_is_withdrawn() -> None:
    office = Office()
    await office.begin()
    office.numbers.pop(ONE)
    office.paper.tenants["bert"]["numbers"][ONE] = {"assistant": "none"}
    assert await office.change() == ["15550101 gone"]
    assert office.bell.rung == [(ONE, AnsweredWith.NOTHING)]
