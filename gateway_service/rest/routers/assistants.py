"""`/v1/assistants`: who answers. Every change is a revision, and each can be had back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request
from pydantic import Field

from contracts import messages as m
from contracts.channels import ROUTER_ASSISTANTS, ROUTER_PREVIEW
from contracts.errors import ErrorCode
from contracts.messages.tenancy import AssistantRef, DialledNumber, NewAssistantSlug
from gateway_service.rest.dependencies import Ask, IdempotencyKey, Page
from gateway_service.rest.errors import Answered, Changed
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Config, Items, Patch, link_to

router = APIRouter(prefix="/v1/assistants", tags=["assistants"], route_class=JsonRoute)

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern=r'^"[0-9]{1,9}"$',
        description="The ETag of the revision that is to be changed: 412 where it is no longer the newest.",
    ),
]


class NewAssistant(Body):
    """An assistant and its configuration."""

    id: NewAssistantSlug
    config: Config


class Revision(Body):
    """Which revision is to be had back."""

    revision: Annotated[int, Field(ge=0, le=1_000_000_000)]


class AssistantPreview(Body):
    """What to try: changes, and the number under whose override it would answer."""

    number: DialledNumber | None = None
    changes: Patch = Field(default_factory=dict)
    override: Patch | None = None


_AS_IT_IS: Final = AssistantPreview()


@router.get("")
async def list_assistants(ask: Ask, page: Page, request: Request) -> Items[m.AssistantView]:
    """The tenant's assistants, by id."""
    reply = await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, m.ListAssistants(**page.given()))
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("", status_code=201)
async def create_assistant(
    body: NewAssistant, ask: Ask, request: Request, idempotency_key: IdempotencyKey = None
) -> m.AssistantView:
    """A new assistant."""
    operation = m.CreateAssistant(**body.given())
    return _tagged(
        request, await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, operation, idempotency_key)
    )


@router.get("/{id}")
async def get_assistant(id: AssistantRef, ask: Ask, request: Request) -> m.AssistantView:  # noqa: A002
    """One assistant; its ETag is its revision."""
    return _tagged(request, await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, m.GetAssistant(id=id)))


@router.patch("/{id}")
async def update_assistant(
    id: AssistantRef,  # noqa: A002  # what it is called in the path
    changes: Patch,
    ask: Ask,
    request: Request,
    if_match: IfMatch = None,
) -> m.AssistantView:
    """Change the configuration by a JSON Merge Patch; the next call is answered accordingly."""
    revision = int(if_match.strip('"')) if if_match else None
    operation = m.UpdateAssistant(id=id, changes=changes, if_revision=revision)
    try:
        return _tagged(request, await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, operation))
    except Answered as refusal:
        if revision is not None and refusal.wire.code is ErrorCode.CONFLICT:
            raise Changed(refusal.wire.message, mend=refusal.wire.mend) from refusal
        raise


@router.delete("/{id}", status_code=204)
async def delete_assistant(id: AssistantRef, ask: Ask) -> None:  # noqa: A002
    """Remove an assistant that no number is answered by."""
    await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, m.DeleteAssistant(id=id))


@router.get("/{id}/revisions")
async def list_revisions(
    id: AssistantRef,  # noqa: A002
    ask: Ask,
    page: Page,
    request: Request,
) -> Items[m.AssistantView]:
    """Every change of an assistant, newest first."""
    operation = m.ListRevisions(id=id, **page.given())
    reply = await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, operation)
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("/{id}/restore")
async def restore_revision(
    id: AssistantRef,  # noqa: A002
    body: Revision,
    ask: Ask,
    request: Request,
    idempotency_key: IdempotencyKey = None,
) -> m.AssistantView:
    """Configure the assistant as it was at a revision; that is a new revision."""
    operation = m.RestoreRevision(id=id, revision=body.revision)
    return _tagged(
        request, await ask.router(ROUTER_ASSISTANTS, m.AssistantsReply, operation, idempotency_key)
    )


@router.post("/{id}/preview")
async def preview_assistant(
    id: AssistantRef,  # noqa: A002
    ask: Ask,
    body: AssistantPreview = _AS_IT_IS,
    idempotency_key: IdempotencyKey = None,
) -> m.AssistantSnapshot:
    """The merged configuration that would answer, if this were saved: nothing is."""
    asked = m.PreviewRequest(
        principal=ask.principal,
        tenant=ask.tenant,
        idempotency_key=idempotency_key,
        assistant=id,
        **body.given(),
    )
    merged = (await ask.services.ask(ROUTER_PREVIEW, m.PreviewReply, asked)).assistant
    assert merged is not None
    return merged


def _tagged(request: Request, reply: m.AssistantsReply) -> m.AssistantView:
    (one,) = reply.items
    headers: dict[str, Any] = request.state.headers
    headers["ETag"] = f'"{one.revision}"'
    return one
