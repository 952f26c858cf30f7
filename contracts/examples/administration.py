"""Before the practice's first call: a tenant, its people, number and assistant, as people set them up."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import Final

from contracts import channels as ch
from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.examples.practice import BEGUN_MS, NUMBER, PRICE, RECEPTION, SHARE, TENANT
from contracts.examples.story import Story
from contracts.identities import uuid7

_ADMIN: Final = m.Principal(subject="key:operations", admin=True)
_OWNER: Final = m.Principal(subject="user:dr-lee", tenant=TENANT, role=m.MemberRole.OWNER)
_SECRET: Final = "tlk_Jx0fVb3Wc8mQ2dYt7RkzN5hLgA1sUeP9oXi4BqCwE6M"  # noqa: S105  # nobody's key
_CONFIG: Final = RECEPTION.model_dump(
    mode="json", exclude_defaults=True, exclude={"id": True, "knowledge": True}
)


def _id(seed: int) -> str:
    return uuid7(BEGUN_MS - 86_400_000, Random(seed))


def administration(story: Story) -> None:
    """The operator lets the practice in, and the practice sets itself up."""
    _tenant(story)
    _number(story)
    _assistant(story)
    _people(story)
    _keys(story)
    _accounts(story)
    _preview(story)


def _tenant(story: Story) -> None:
    story.say(
        ch.ROUTER_TENANTS,
        m.TenantsRequest(
            principal=_ADMIN,
            idempotency_key="onboarding-41",
            operation=m.CreateTenant(slug=TENANT, name="Bright Smile", plan="standard"),
        ),
        "A new business.",
    )
    story.answer(
        m.TenantsReply(items=(m.TenantView(slug=TENANT, name="Bright Smile", created_us=story.now_us),)),
        "It is there.",
    )
    story.say(
        ch.ROUTER_TENANTS,
        m.TenantsRequest(principal=_OWNER, tenant="other-smile", operation=m.GetTenant()),
        "A member looks for a tenant that is not its own.",
        name="router.tenants.other",
    )
    story.answer(
        m.TenantsReply(error=_refusal(ErrorCode.NOT_FOUND, 404, "there is no tenant 'other-smile'")),
        "There is none that it could see.",
        name="router.tenants.not-found",
    )


def _number(story: Story) -> None:
    story.say(
        ch.ROUTER_NUMBERS,
        m.NumbersRequest(
            principal=_ADMIN, tenant=TENANT, operation=m.AssignNumber(number=NUMBER, assistant=RECEPTION.id)
        ),
        "The operator gives the practice its number.",
    )
    story.answer(
        m.NumbersReply(
            items=(
                m.NumberView(
                    number=NUMBER,
                    tenant=TENANT,
                    label="",
                    assistant=RECEPTION.id,
                    override={},
                    max_concurrent_calls=2,
                    active=True,
                    assigned_by=_ADMIN.subject,
                    assigned_at_us=story.now_us,
                    created_us=story.now_us - 3_600_000_000,
                ),
            )
        ),
        "It is the practice's now.",
    )
    story.say(
        ch.ROUTER_NUMBERS,
        m.NumbersRequest(
            principal=_OWNER, operation=m.UpdateNumber(number=NUMBER, override={"greting": "Good morning."})
        ),
        "An override with a slip of the pen.",
        name="router.numbers.override",
    )
    story.answer(
        m.NumbersReply(
            error=_refusal(
                ErrorCode.BAD_CONFIGURATION,
                422,
                "override: there is no setting 'greting'",
                mend="did you mean 'greeting'?",
            )
        ),
        "Refused, naming the key.",
        name="router.numbers.refused",
    )


def _assistant(story: Story) -> None:
    story.say(
        ch.ROUTER_ASSISTANTS,
        m.AssistantsRequest(
            principal=_OWNER,
            operation=m.UpdateAssistant(
                id=RECEPTION.id, changes={"voice": {"speed": 0.9}, "apology": None}, if_revision=3
            ),
        ),
        "Speak a little slower, and the usual apology.",
    )
    story.answer(
        m.AssistantsReply(
            items=(
                m.AssistantView(
                    id=RECEPTION.id,
                    tenant=TENANT,
                    config=_CONFIG,
                    revision=4,
                    changed_by=_OWNER.subject,
                    changed_us=story.now_us,
                ),
            )
        ),
        "Done; the next call hears it.",
    )


def _people(story: Story) -> None:
    story.say(
        ch.ROUTER_USERS,
        m.UsersRequest(
            principal=_OWNER,
            operation=m.AddUser(
                email="sam@brightsmile.example",
                name="Sam",
                role=m.MemberRole.AGENT,
                password="correct horse battery",  # noqa: S106  # nobody's password
            ),
        ),
        "A colleague is let in.",
    )
    sam = m.UserView(
        id=_id(11),
        email="sam@brightsmile.example",
        name="Sam",
        role=m.MemberRole.AGENT,
        active=True,
        created_us=story.now_us,
    )
    story.answer(m.UsersReply(items=(sam,)), "The colleague may sign in.")
    story.say(
        ch.ROUTER_AUTHENTICATE,
        m.AuthenticateRequest(operation=m.SignIn(email=sam.email, password="correct horse battery")),  # noqa: S106
        "The colleague signs in.",
    )
    story.answer(
        m.AuthenticateReply(
            principal=m.Principal(subject=f"user:{sam.id}", tenant=TENANT, role=sam.role),
            memberships=(m.MembershipView(tenant=TENANT, tenant_name="Bright Smile", role=sam.role),),
        ),
        "Who it is, and where.",
    )
    story.say(
        ch.ROUTER_AUTHENTICATE,
        m.AuthenticateRequest(operation=m.CheckKey(key="tlk_guess")),
        "Somebody guesses.",
        name="router.authenticate.guess",
    )
    story.answer(
        m.AuthenticateReply(error=_refusal(ErrorCode.UNAUTHENTICATED, 401, "this is not valid here")),
        "Nobody.",
        name="router.authenticate.refused",
    )


def _keys(story: Story) -> None:
    story.say(
        ch.ROUTER_KEYS,
        m.KeysRequest(principal=_OWNER, operation=m.CreateKey(label="Website", role=m.MemberRole.SUPERVISOR)),
        "A key for the practice's website.",
    )
    story.answer(
        m.KeysReply(
            items=(
                m.KeyView(
                    id=_id(12),
                    prefix=_SECRET[:12],
                    label="Website",
                    tenant=TENANT,
                    role=m.MemberRole.SUPERVISOR,
                    requests_per_minute=None,
                    created_by=_OWNER.subject,
                    created_us=story.now_us,
                    expires_us=None,
                    revoked_us=None,
                ),
            ),
            secret=_SECRET,
        ),
        "The key, shown this once.",
    )


def _accounts(story: Story) -> None:
    story.say(
        ch.ROUTER_SUBSCRIPTIONS,
        m.SubscriptionsRequest(
            principal=_ADMIN, tenant=TENANT, operation=m.PutSubscription(plan="standard", inbound_reserve=2)
        ),
        "The practice pays.",
    )
    story.answer(
        m.SubscriptionsReply(
            subscription=m.SubscriptionView(
                tenant=TENANT,
                plan="standard",
                active=True,
                ends_us=None,
                max_concurrent_calls=10,
                inbound_reserve=2,
                share=SHARE,
                price=PRICE,
            )
        ),
        "What is in force now.",
    )
    story.say(
        ch.ROUTER_CREDENTIALS,
        m.CredentialsRequest(
            principal=_OWNER,
            operation=m.PutCredential(provider="openai", secret="sk-example"),  # noqa: S106  # nobody's secret
        ),
        "The practice brings its own key.",
    )
    story.answer(
        m.CredentialsReply(
            items=(
                m.CredentialView(
                    id=_id(13),
                    provider="openai",
                    label="default",
                    shared=False,
                    updated_by=_OWNER.subject,
                    updated_us=story.now_us,
                ),
            )
        ),
        "It is kept, and not said again.",
    )
    story.say(ch.ROUTER_AUDIT, m.AuditRequest(principal=_OWNER), "What happened here?")
    story.answer(
        m.AuditReply(
            items=(
                m.AuditEntry(
                    id=_id(14),
                    at_us=story.now_us,
                    actor=_OWNER.subject,
                    tenant=TENANT,
                    action="credential.stored",
                    target="openai/default",
                    detail={},
                ),
            )
        ),
        "One change.",
    )


def _preview(story: Story) -> None:
    story.say(
        ch.ROUTER_PREVIEW,
        m.PreviewRequest(principal=_OWNER, assistant=RECEPTION.id, changes={"language": "de-DE"}),
        "What would a German reception be?",
    )
    story.answer(
        m.PreviewReply(assistant=RECEPTION.model_copy(update={"language": "de-DE"})),
        "This; nothing is saved.",
    )
    story.say(
        ch.KEPT_ANSWER,
        m.KeptAnswer(
            mark=sha256(b"POST /v1/media-tokens").hexdigest(),
            answer={"call": _id(16), "called": NUMBER, "caller": "front-desk", "tenant": TENANT},
        ),
        "What a program was answered that asked for a media token, should it ask again.",
        digest=sha256(b"a program's idempotency key").hexdigest(),
    )
    story.say(
        ch.CONFIGURATION_BROKEN,
        m.ConfigurationBroken(
            id=_id(15),
            at_us=story.now_us,
            tenant=TENANT,
            number=NUMBER,
            fault="assistant reception of bright-smile: voice.speed: Input should be less than or equal to 2",
            mend="correct voice.speed in the assistant or in the number's override",
            answered_with=m.AnsweredWith.LAST_GOOD,
        ),
        "After an upgrade, a setting no longer holds.",
        tenant=TENANT,
    )


def _refusal(code: ErrorCode, status: int, message: str, *, mend: str = "") -> m.WireError:
    return m.WireError(code=code, message=message, mend=mend, status=status)
