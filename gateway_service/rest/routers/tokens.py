"""`POST /v1/token`: OAuth2 with a password. A token that has expired is followed by another sign-in."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, Field, model_validator

from contracts import messages as m
from contracts.errors import SubjectError
from contracts.identities import TenantSlug, check_token
from gateway_service.rest.dependencies import TheRest, address_of
from gateway_service.rest.errors import NotForm
from gateway_service.rest.json_route import JsonRoute

router = APIRouter(prefix="/v1/token", tags=["tokens"], route_class=JsonRoute)

_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class Token(BaseModel):
    """A token, and whose it is."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105  # a type, not a secret
    expires_in: int
    tenant: str
    role: m.MemberRole


class PasswordGrant(BaseModel):
    """The form of OAuth2's password grant.

    `tenant`, or a scope `tenant:SLUG`, is for one who belongs to several.
    """

    grant_type: Literal["password"]
    username: Annotated[str, Field(max_length=254, pattern=r"^[^\x00]*$", description="the email")]
    password: Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
    tenant: TenantSlug | None = None
    scope: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""

    @model_validator(mode="after")
    def _scope_names_a_tenant(self) -> PasswordGrant:
        try:
            check_token("tenant", self.whose or "none")
        except SubjectError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def whose(self) -> str | None:
        """The tenant that the form or its scope names."""
        named = [one.removeprefix("tenant:") for one in self.scope.split() if one.startswith("tenant:")]
        return self.tenant or (named[0] if named else None)


def form_only(request: Request) -> None:
    """Refuse what is no form: the framework would find it to be an empty one."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _FORMS:
        raise NotForm


@router.post("", dependencies=[Depends(form_only)])
async def sign_in(request: Request, rest: TheRest, form: Annotated[PasswordGrant, Form()]) -> Token:
    """Sign in."""
    operation = m.SignIn(email=form.username, password=form.password, tenant=form.whose)
    principal = await rest.gate.sign_in(operation, address_of(request))
    assert principal.tenant is not None
    assert principal.role is not None
    return Token(
        access_token=rest.gate.tokens.issue(principal),
        expires_in=rest.settings.rest_token_s,
        tenant=principal.tenant,
        role=principal.role,
    )
