"""What can be wrong with what router keeps, and with what it is asked.

TrunklineError
└── RouterError
    ├── BadConfiguration       422  a setting that does not hold, named
    │   ├── NumberMisconfigured     one number's configuration does not hold; the others are not touched
    │   └── DirectoryUnreadable     the directory's source cannot be read at all
    ├── BadValue               400  a value that cannot be taken, named
    ├── Unauthenticated        401  no such person or key, or not any more; never says which
    ├── Forbidden              403  the role does not allow the operation, whatever it is about
    ├── NotFound               404  not there, or somebody else's: there is no difference
    ├── Conflict               409  it contradicts what is there
    ├── Unsealable             500  a secret was sealed with a key that the keyring does not hold
    └── DatabaseUnavailable    503  SQL cannot be reached, or is too busy (retryable); calls do not notice
"""

from __future__ import annotations

from contracts.errors import ErrorCode, TrunklineError


class RouterError(TrunklineError):
    """Base of what this service raises."""


class BadConfiguration(RouterError):
    """A setting that does not hold."""

    code = ErrorCode.BAD_CONFIGURATION
    status = 422


class DirectoryUnreadable(BadConfiguration):
    """The source cannot be read at all."""


class NumberMisconfigured(BadConfiguration):
    """One number's configuration does not hold; the others are not touched."""

    def __init__(self, number: str, message: str, *, mend: str, tenant: str = "") -> None:
        super().__init__(f"{number}: {message}", mend=mend)
        self.number = number
        self.tenant = tenant


class BadValue(RouterError):
    """A value that cannot be taken."""

    code = ErrorCode.BAD_VALUE
    status = 400


class Unauthenticated(RouterError):
    """No such person or key, or not any more. One text for all reasons: a guess learns nothing."""

    code = ErrorCode.UNAUTHENTICATED
    status = 401

    def __init__(self) -> None:
        super().__init__("this is not valid here", mend="check it, or ask an owner for another")


class Forbidden(RouterError):
    """The role does not allow the operation; decided before anything is looked up."""

    code = ErrorCode.FORBIDDEN
    status = 403


class NotFound(RouterError):
    """Not there, or somebody else's."""

    code = ErrorCode.NOT_FOUND
    status = 404

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is no {what} {name!r}", mend=f"list what there is; check the {what}'s name")


class Conflict(RouterError):
    """It contradicts what is there."""

    code = ErrorCode.CONFLICT
    status = 409


class Unsealable(RouterError):
    """A secret was sealed with a key that the keyring does not hold."""


class DatabaseUnavailable(RouterError):
    """SQL cannot be reached, or is too busy."""

    code = ErrorCode.STORE_UNAVAILABLE
    retryable = True
    status = 503
