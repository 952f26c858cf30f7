"""A ClickHouse server's address, out of its URL."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote

from analytics_service.errors import BadStoreUrl

_PORTS = {"clickhouse": 8123, "clickhouses": 8443}
DATABASE = "trunkline"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Host and HTTP port of a server, who we are there, and the database that is ours."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    secure: bool

    @classmethod
    def of(cls, url: SplitResult) -> ServerAddress:
        """Raises BadStoreUrl that names the fault and never the password."""
        try:
            port = url.port
        except ValueError as error:
            raise BadStoreUrl(f"{url.scheme}://{url.hostname}: {error}", mend="correct the port") from error
        if not url.hostname:
            raise BadStoreUrl(
                f"{url.scheme}:// without a host", mend="clickhouse://user:password@host:port/database"
            )
        return cls(
            host=url.hostname,
            port=port or _PORTS[url.scheme],
            user=unquote(url.username or "default"),
            password=unquote(url.password or ""),
            database=unquote(url.path.strip("/")) or DATABASE,
            secure=url.scheme == "clickhouses",
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"
