"""What can be wrong with a model before any engine opens it.

ModelError                the base: the model cannot be used
├── ManifestError         models/manifest.toml is not what this build reads
├── ModelMissing          not installed, or no model of that name
├── ModelCorrupt          installed, but not the bytes that the manifest promises
├── ModelHomeUnusable     the folder for joined models cannot be written
└── HubUnavailable        a hub id was given and the hub cannot be asked (retryable when it may come back)
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class ModelError(TrunklineError):
    """A model that cannot be used; the mend is a command or a setting."""

    code = ErrorCode.MODEL_MISSING


class ManifestError(ModelError):
    """The manifest does not parse or contradicts itself."""

    code = ErrorCode.BAD_CONFIGURATION


class ModelMissing(ModelError):
    """The model, or a package that carries a part of it, is not on this machine."""


class ModelCorrupt(ModelError):
    """The model's files are there and differ from the manifest in size, hash or name."""


class ModelHomeUnusable(ModelError):
    """The folder in which models are joined and remembered cannot be written."""

    code = ErrorCode.BAD_CONFIGURATION


class HubUnavailable(ModelError):
    """A hub id cannot be resolved: hub access is off, its client is not installed, or it does not answer."""
