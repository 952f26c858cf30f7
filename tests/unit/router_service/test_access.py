import pytest

from contracts import messages as m
from router_service.access import NEEDED, Level, check, level_of
from router_service.desk import CHANGES, LOOKS
from router_service.errors import Forbidden
from tests.support.office import ADMIN, ASKED, member


def test_every_operation_has_its_level() -> None:
    before_anybody_is_known = {m.SignIn, m.CheckKey, m.CheckPrincipal}

    assert set(NEEDED) == set(ASKED) - before_anybody_is_known | {m.PreviewRequest}


def test_every_operation_is_carried_out() -> None:
    elsewhere = {m.AddUser, m.ChangePassword, m.ListCredentials, m.PutCredential, m.DeleteCredential}

    assert set(LOOKS) | set(CHANGES) | elsewhere == set(NEEDED)


def test_an_admin_may_everything() -> None:
    assert level_of(ADMIN) is Level.ADMIN
    for operation in NEEDED:
        check(ADMIN, operation)


@pytest.mark.parametrize("role", m.MemberRole)
def test_a_role_may_what_its_level_covers_and_no_more(role: m.MemberRole) -> None:
    who = member("acme", role)

    for operation, needed in NEEDED.items():
        if level_of(who) >= needed:
            check(who, operation)
        else:
            with pytest.raises(Forbidden, match=f"role {role} does not allow {operation.__name__}"):
                check(who, operation)


def test_only_the_operator_creates_and_assigns_numbers() -> None:
    assert {operation for operation, needed in NEEDED.items() if needed is Level.ADMIN} == {
        m.CreateTenant,
        m.CloseTenant,
        m.CreateNumber,
        m.AssignNumber,
        m.DeleteNumber,
        m.PutPlan,
        m.PutSubscription,
    }
