from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.messages import AnsweredWith, NumberSnapshot
from router_service.directory import Directory
from router_service.errors import DirectoryUnreadable, NumberMisconfigured
from router_service.publishing import Publisher
from tests.support.office import CONFIG

ONE, TWO = "+15550100", "+15550101"


@dataclass
class Pages:
    """A directory that a test writes."""

    numbers: dict[str, dict[str, Any]]
    tenant: str = "acme"
    config: dict[str, Any] = field(default_factory=lambda: dict(CONFIG))
    edition: int = 0
    readable: bool = True

    def write(self, **numbers: Any) -> None:
        self.numbers = numbers.get("numbers", self.numbers)
        self.edition += 1

    def revision(self) -> object:
        return self.edition

    def read(self) -> Directory:
        if not self.readable:
            raise DirectoryUnreadable("smudged")
        tenant = {"name": "Acme", "assistants": {"desk": self.config}, "numbers": self.numbers}
        return Directory.model_validate({"tenants": {self.tenant: tenant}})


@dataclass
class Shelf:
    """A store that remembers what was put on it, in order, and may refuse."""

    kept: dict[str, NumberSnapshot] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    refuses: bool = False

    async def put(self, key: str, value: NumberSnapshot) -> None:
        if self.refuses:
            raise ConnectionError(key)
        self.puts.append(key)
        self.kept[key] = value

    async def delete(self, key: str) -> None:
        del self.kept[key]

    async def all(self) -> dict[str, NumberSnapshot]:
        return dict(self.kept)


@dataclass
class Bell:
    rung: list[tuple[str, AnsweredWith]] = field(default_factory=list)

    async def configuration_broken(self, fault: NumberMisconfigured, answered_with: AnsweredWith) -> None:
        self.rung.append((fault.number, answered_with))


def desk(**override: Any) -> dict[str, Any]:
    return {"assistant": "desk", "override": override}


async def published(pages: Pages) -> tuple[Publisher, Shelf, Bell]:
    shelf, bell = Shelf(), Bell()
    publisher = Publisher(pages, shelf, bell)
    await publisher.begin()
    return publisher, shelf, bell


async def test_only_what_changed_is_published_again() -> None:
    pages = Pages({ONE: desk(), TWO: desk()})
    publisher, shelf, _ = await published(pages)
    shelf.puts.clear()

    assert not await publisher.refresh()
    pages.write(numbers={ONE: desk(greeting="Hello."), TWO: desk()})
    assert await publisher.refresh()

    assert shelf.puts == ["15550100"]
    assert shelf.kept["15550100"].revision == 2
    assert shelf.kept["15550101"].revision == 1


async def test_what_is_gone_is_withdrawn() -> None:
    pages = Pages({ONE: desk(), TWO: desk()})
    publisher, shelf, _ = await published(pages)

    pages.write(numbers={TWO: desk()})
    await publisher.refresh()

    assert set(shelf.kept) == {"15550101"}


async def test_a_publisher_that_starts_again_publishes_nothing_twice() -> None:
    pages = Pages({ONE: desk()})
    _, shelf, _ = await published(pages)
    shelf.puts.clear()

    await Publisher(pages, shelf).begin()

    assert shelf.puts == []


async def test_a_store_that_refuses_gets_it_later() -> None:
    pages = Pages({ONE: desk()})
    publisher, shelf, _ = await published(pages)
    pages.write(numbers={ONE: desk(greeting="Hello.")})
    shelf.refuses = True
    with pytest.raises(ConnectionError):
        await publisher.refresh()

    shelf.refuses = False
    assert await publisher.refresh()

    assert shelf.kept["15550100"].assistant.greeting == "Hello."


async def test_an_unreadable_source_leaves_everything() -> None:
    pages = Pages({ONE: desk()})
    publisher, shelf, _ = await published(pages)
    pages.write(numbers={})
    pages.readable = False

    assert not await publisher.refresh()
    assert set(shelf.kept) == {"15550100"}

    pages.readable = True
    assert await publisher.refresh()
    assert not shelf.kept


async def test_a_broken_override_keeps_the_last_good_and_rings_once_for_each_fault() -> None:
    pages = Pages({ONE: desk(greeting="Hello.")})
    publisher, shelf, bell = await published(pages)

    for speed in (9, 9, 8):
        pages.write(numbers={ONE: desk(voice={"speed": speed})})
        await publisher.refresh()
    pages.write(numbers={ONE: desk(language="Klingon")})
    await publisher.refresh()

    assert shelf.kept["15550100"].assistant.greeting == "Hello."
    assert bell.rung == [(ONE, AnsweredWith.LAST_GOOD)] * 2

    pages.write(numbers={ONE: desk()})
    await publisher.refresh()
    assert shelf.kept["15550100"].assistant.greeting == CONFIG["greeting"]
    pages.write(numbers={ONE: desk(language="Klingon")})
    await publisher.refresh()
    assert len(bell.rung) == 3


async def test_a_number_that_moved_and_broke_is_not_answered_by_its_former_tenant() -> None:
    pages = Pages({ONE: desk(greeting="The former tenant.")})
    publisher, shelf, bell = await published(pages)

    pages.tenant = "other"
    pages.write(numbers={ONE: desk(voice={"speed": 9})})
    await publisher.refresh()

    found = shelf.kept["15550100"]
    assert (found.tenant, found.assistant.greeting) == ("other", CONFIG["greeting"])
    assert bell.rung == [(ONE, AnsweredWith.ASSISTANT_ALONE)]


async def test_with_nothing_to_fall_back_to_a_number_is_withdrawn() -> None:
    pages = Pages({ONE: desk()})
    publisher, shelf, bell = await published(pages)

    pages.tenant, pages.config = "other", {"name": "x"}
    pages.write(numbers={ONE: desk()})
    await publisher.refresh()

    assert not shelf.kept
    assert bell.rung == [(ONE, AnsweredWith.NOTHING)]
