"""Models by hub id, for machines that may reach a hub: the seam, and Hugging Face behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from models.errors import HubUnavailable


class HubClient(Protocol):
    """Fetches whole model repositories; blocking."""

    def snapshot(self, repo_id: str, revision: str | None) -> Path:
        """The folder that holds `repo_id` at `revision`; raises HubUnavailable."""
        ...


class HuggingFaceHub:
    """Hugging Face through its own client, which keeps what it fetched in `cache` and works from there.

    `endpoint` is for mirrors; None means the client's own setting. Its client is imported when first used,
    because most machines never ask the hub.
    """

    def __init__(self, cache: Path, endpoint: str | None = None) -> None:
        self._cache = cache
        self._endpoint = endpoint

    def snapshot(self, repo_id: str, revision: str | None) -> Path:
        """The folder that holds `repo_id` at `revision`; raises HubUnavailable."""
        try:
            from huggingface_hub import HfApi, errors  # noqa: PLC0415  # optional, and slow to import
        except ImportError as error:
            raise HubUnavailable(
                f"{repo_id} is a hub id and the hub's client is not installed",
                mend="pip install huggingface_hub",
            ) from error
        final = (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError)
        try:
            return Path(
                HfApi(endpoint=self._endpoint).snapshot_download(
                    repo_id, revision=revision, cache_dir=self._cache
                )
            )
        except (
            Exception
        ) as error:  # its HTTP library's own errors come through, and which one that is changes
            raise HubUnavailable(
                f"{repo_id} could not be fetched from the hub: {' '.join(str(error).split())}",
                mend="check the id, the network and the token, or give the path of a folder that holds it",
                retryable=not isinstance(error, final),
            ) from error
