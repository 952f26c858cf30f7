from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.office import Office, office


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Office]:
    """Router's core on an empty database, once on each kind."""
    async with office(database_url) as opened:
        yield opened
