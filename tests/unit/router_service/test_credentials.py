import pytest

from contracts import messages as m
from router_service.credentials import Credentials
from router_service.errors import NotFound
from router_service.records import Credential, Tenant
from router_service.vault import Vault
from runtime.keyring import Keyring
from tests.support.office import ADMIN, KEYRING, Office

SECRET = "sk-very-secret"


async def reveal(desk: Office, tenant: str, provider: str = "openai", label: str = "default") -> str:
    async def run(tx: object) -> str:
        work = desk.work(tx, ADMIN, tenant)  # type: ignore[arg-type]  # the real transaction, told as an object
        return await desk.credentials.reveal(work, await work.tenant(), provider, label)

    return await desk.database.read(run)


async def test_a_credential_is_kept_sealed_and_never_said(desk: Office) -> None:
    owner = await desk.tenant("acme")
    view = (await desk.ask(owner, m.PutCredential(provider="openai", secret=SECRET))).items[0]
    assert (view.provider, view.label, view.shared, view.updated_by) == (
        "openai",
        "default",
        False,
        owner.subject,
    )

    for operation in (m.ListCredentials(), m.ListAudit()):
        assert SECRET not in (await desk.ask(owner, operation)).model_dump_json()
    async with desk.engine.connect() as connection:
        rows = [
            dict(row) for row in (await connection.exec_driver_sql("SELECT * FROM credentials")).mappings()
        ]
    assert SECRET.encode() not in bytes(rows[0]["sealed"])
    assert SECRET not in str(rows)
    assert await reveal(desk, "acme") == SECRET


async def test_storing_again_replaces(desk: Office) -> None:
    owner = await desk.tenant("acme")
    first = (await desk.ask(owner, m.PutCredential(provider="openai", secret="old"))).items[0]
    second = (await desk.ask(owner, m.PutCredential(provider="openai", secret="new"))).items[0]

    assert second.id == first.id
    assert await reveal(desk, "acme") == "new"


async def test_a_tenants_own_goes_before_the_shared_one(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.tenant("other")
    await desk.ask(ADMIN, m.PutCredential(provider="openai", secret="shared"))
    await desk.ask(ADMIN, m.PutCredential(provider="openai", secret="shared"))
    own = (await desk.ask(owner, m.PutCredential(provider="openai", secret="own"))).items[0]
    assert [(item.provider, item.shared) for item in (await desk.ask(owner, m.ListCredentials())).items] == [
        ("openai", False),
        ("openai", True),
    ]

    assert await reveal(desk, "acme") == "own"
    assert await reveal(desk, "other") == "shared"
    await desk.ask(owner, m.DeleteCredential(id=own.id))
    assert await reveal(desk, "acme") == "shared"
    with pytest.raises(NotFound, match="no credential 'deepgram/default'"):
        await reveal(desk, "acme", "deepgram")


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_the_own_and_then_the_shared_are_read_page_by_page(desk: Office, limit: int) -> None:
    owner = await desk.tenant("acme")
    other = await desk.tenant("beta")
    for who, labels in ((ADMIN, "ab"), (owner, "cde"), (other, "f")):
        for label in labels:
            await desk.ask(who, m.PutCredential(provider="openai", label=label, secret="x"))

    async def read(who: m.Principal) -> str:
        seen, after = "", None
        while True:
            reply = await desk.ask(who, m.ListCredentials(after=after, limit=limit))
            assert len(reply.items) <= limit
            seen, after = seen + "".join(item.label for item in reply.items), reply.next
            if after is None:
                return seen

    assert (await read(owner), await read(other), await read(ADMIN)) == ("cdeab", "fab", "ab")


async def test_a_tenant_does_not_delete_the_shared_one(desk: Office) -> None:
    owner = await desk.tenant("acme")
    shared = (await desk.ask(ADMIN, m.PutCredential(provider="openai", secret="shared"))).items[0]

    with pytest.raises(NotFound):
        await desk.ask(owner, m.DeleteCredential(id=shared.id))


async def test_old_keys_are_left_behind(desk: Office) -> None:
    owner = await desk.tenant("acme")
    for label in ("a", "b"):
        await desk.ask(owner, m.PutCredential(provider="openai", label=label, secret=label))
    newer = f"two:{KEYRING.split(':')[1].replace('A', 'B', 1)}"
    turned = Credentials(Vault(Keyring.parse(f"{newer},{KEYRING}")))

    assert await desk.database.write(lambda tx: turned.seal_anew(desk.work(tx))) == 2
    assert await desk.database.write(lambda tx: turned.seal_anew(desk.work(tx))) == 0

    rows = await desk.database.read(lambda tx: tx.rows(Credential).find())
    assert {row.key_id for row in rows} == {"two"}
    (tenant,) = await desk.database.read(lambda tx: tx.rows(Tenant).find())
    only_new = Credentials(Vault(Keyring.parse(newer)))
    assert await desk.database.read(lambda tx: only_new.reveal(desk.work(tx), tenant, "openai", "b")) == "b"


async def test_a_secret_whose_key_is_gone_stays_and_hinders_nobody(
    desk: Office, caplog: pytest.LogCaptureFixture
) -> None:
    owner = await desk.tenant("acme")
    await desk.ask(owner, m.PutCredential(provider="openai", secret="x"))
    other = Credentials(Vault(Keyring.parse(f"two:{KEYRING.split(':')[1].replace('A', 'B', 1)}")))

    assert await desk.database.write(lambda tx: other.seal_anew(desk.work(tx))) == 0
    assert "credential openai/default stays as it is" in caplog.text
    assert await reveal(desk, "acme") == "x"
