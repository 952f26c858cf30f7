from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from analytics_service.errors import BadStoreUrl
from analytics_service.stores import QueryLimits, store_opener
from analytics_service.stores.address import ServerAddress

LIMITS = QueryLimits(5, 2**28, 1)


def test_a_server_is_named_in_full_or_by_its_host() -> None:
    full = ServerAddress.of(urlsplit("clickhouses://ana%40x:p%3Aw@db.example:9443/reports"))
    assert full == ServerAddress("db.example", 9443, "ana@x", "p:w", "reports", secure=True)
    assert ServerAddress.of(urlsplit("clickhouse://db")) == ServerAddress(
        "db", 8123, "default", "", "trunkline", secure=False
    )


def test_no_password_is_shown() -> None:
    address = ServerAddress.of(urlsplit("clickhouse://ana:secret@db"))
    assert "secret" not in repr(address)
    assert "secret" not in str(address)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "no store for a URL"),
        ("postgresql://ana:secret@db/x", "no store for a URL"),
        ("/var/lib/analytics", "no store for a URL"),
        ("chdb://", "names no folder"),
        ("chdb:///", "names no folder"),
        ("chdb://:memory:", "names no folder"),
        ("clickhouse://", "without a host"),
        ("clickhouse://ana:secret@db:99999/x", "db: Port out of range"),
        ("clickhouse://ana:secret@db:http/x", "db: Port could not be cast"),
    ],
)
def test_a_url_of_no_store_is_refused_at_once(url: str, words: str) -> None:
    with pytest.raises(BadStoreUrl, match=words) as caught:
        store_opener(url, LIMITS)
    assert caught.value.mend
    assert "secret" not in str(caught.value)
