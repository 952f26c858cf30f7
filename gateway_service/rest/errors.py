"""Why REST refuses a request, before or after it asked a service. Each becomes a problem (RFC 9457).

TrunklineError
└── RestError
    ├── Answered            the status of the service that said it
    ├── Unauthenticated     401  no token or key, or one that is not valid here
    ├── Forbidden           403  the role does not allow it
    ├── Forged              403  a webhook that its carrier did not sign
    ├── NotOffered          404  something that this platform is not set up for
    ├── NotFound            404  not there, or somebody else's: there is no difference
    ├── KeyReused           409  an idempotency key that came with another request
    ├── Changed             412  If-Match names a revision that is no longer the newest
    ├── BodyTooLarge        413
    ├── NotJson, NotForm    415
    ├── BadInput            422  every fault, by its place
    └── TooManyRequests     429  with the seconds after which to come again (retryable)
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.errors import ErrorCode, TrunklineError
from contracts.messages import MemberRole, WireError


class RestError(TrunklineError):
    """Base of what REST itself refuses."""


class Answered(RestError):
    """A service refused; its own words and status are passed on."""

    def __init__(self, wire: WireError) -> None:
        super().__init__(wire.message, mend=wire.mend, retryable=wire.retryable)
        self.wire = wire


class Unauthenticated(RestError):
    """No token or key, or one that is not valid here. One text for all reasons: a guess learns nothing."""

    code = ErrorCode.UNAUTHENTICATED
    status = 401

    def __init__(self, message: str = "this needs a token or an API key that is valid") -> None:
        super().__init__(message, mend="sign in at /v1/token, or send an API key in X-API-Key")


class Forbidden(RestError):
    """The role does not allow it, whatever it is about."""

    code = ErrorCode.FORBIDDEN
    status = 403

    def __init__(self, role: MemberRole, needed: MemberRole) -> None:
        mend = f"ask for one that is at least {needed}"
        super().__init__(f"the role {role} does not allow this", mend=mend)


class NotFound(RestError):
    """Not there, or somebody else's."""

    code = ErrorCode.NOT_FOUND
    status = 404

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is no {what} {name!r}", mend=f"list what there is; check the {what}'s name")


class Forged(RestError):
    """A webhook that its carrier did not sign."""

    code = ErrorCode.FORBIDDEN
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "the signature is not the carrier's",
            mend="check TRUNKLINE_REST_TWILIO_AUTH_TOKEN and TRUNKLINE_REST_PUBLIC_URL",
        )


class NotOffered(RestError):
    """Something that this platform is not set up for."""

    code = ErrorCode.NOT_FOUND
    status = 404


class KeyReused(RestError):
    """An idempotency key that came with another request."""

    code = ErrorCode.CONFLICT
    status = 409

    def __init__(self) -> None:
        super().__init__(
            "this idempotency key came with another request", mend="use a new key for each request"
        )


class Changed(RestError):
    """If-Match names a revision that is no longer the newest."""

    code = ErrorCode.CONFLICT
    status = 412


class BodyTooLarge(RestError):
    """A body beyond the limit; it is not read to its end."""

    code = ErrorCode.MESSAGE_TOO_LARGE
    status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a body may hold {limit_bytes} bytes", mend="say less in one request")


class NotJson(RestError):
    """A body in another form than JSON."""

    code = ErrorCode.BAD_MESSAGE
    status = 415

    def __init__(self) -> None:
        super().__init__("the body is not JSON", mend="send it as application/json")


class NotForm(RestError):
    """A body in another form than HTML's, where that is wanted."""

    code = ErrorCode.BAD_MESSAGE
    status = 415

    def __init__(self) -> None:
        super().__init__("the body is not a form", mend="send it as application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a request; `at` is a path such as `body.override.greting`."""

    at: str
    message: str


class BadInput(RestError):
    """What came does not fit; `faults` names every place."""

    code = ErrorCode.BAD_VALUE
    status = 422

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = faults[0]
        super().__init__(f"{first.at}: {first.message}", mend="see the API's description, /v1/openapi.json")
        self.faults = faults


class TooManyRequests(RestError):
    """More than may be asked now."""

    code = ErrorCode.TOO_MANY_REQUESTS
    status = 429
    retryable = True

    def __init__(self, message: str, after_s: float) -> None:
        super().__init__(message, mend="come again after Retry-After seconds")
        self.after_s = after_s
