import pytest

from contracts.generate.rights import permissions_page
from contracts.permissions import SERVICES, permissions_of

SECTIONS = dict(section.split("\n", 1) for section in permissions_page().split("\n## ")[1:])


def test_every_service_has_its_section() -> None:
    assert list(SECTIONS) == list(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_section_says_all_that_the_service_may(service: str) -> None:
    may = permissions_of(service)
    told = SECTIONS[service]

    assert [one for one in (*may.publish, *may.subscribe, *may.unheard) if f"`{one}`" not in told] == []
    assert ("| answer |" in told) is may.answers
    assert ("| but not |" in told) is bool(may.unheard)
