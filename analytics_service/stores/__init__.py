"""Which stores there are, by the scheme of their URL. Their packages are imported when one is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from analytics_service.errors import BadStoreUrl
from analytics_service.ports import ReportStore
from analytics_service.stores.limits import QueryLimits

__all__ = ["STORES", "QueryLimits", "store_opener"]

Opener = Callable[[], ReportStore]
_FORMS: Final = (
    "chdb:///absolute/path, chdb://relative/path, clickhouse://user:password@host:port/database "
    "or clickhouses://… with TLS"
)


def _chdb(url: SplitResult, limits: QueryLimits) -> Opener:
    path = f"{url.netloc}{url.path}"
    if not path.strip("/") or path.startswith(":"):
        raise BadStoreUrl(f"{url.geturl()!r} names no folder", mend=f"use {_FORMS}")

    def open_store() -> ReportStore:
        from analytics_service.stores.clickhouse import open_chdb

        return open_chdb(path, limits)

    return open_store


def _server(url: SplitResult, limits: QueryLimits) -> Opener:
    from analytics_service.stores.address import ServerAddress

    address = ServerAddress.of(url)

    def open_store() -> ReportStore:
        from analytics_service.stores.clickhouse import open_server

        return open_server(address, limits)

    return open_store


STORES: Final[dict[str, Callable[[SplitResult, QueryLimits], Opener]]] = {
    "chdb": _chdb,
    "clickhouse": _server,
    "clickhouses": _server,
}


def store_opener(url: str, limits: QueryLimits) -> Opener:
    """What opens the store of `url`, blocking; raises BadStoreUrl at once for one that is no store's."""
    split = urlsplit(url)
    if split.scheme not in STORES:
        raise BadStoreUrl(f"no store for a URL that begins {url[:12]!r}", mend=f"use {_FORMS}")
    return STORES[split.scheme](split, limits)
