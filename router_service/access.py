"""Who may do what: one table, looked at before anything is looked up.

A refusal for a role depends on the operation alone, and what belongs to another tenant does not exist: so
neither tells whether an id is somebody's.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from contracts import messages as m
from router_service.errors import Forbidden


class Level(IntEnum):
    """How much a principal may do; each level may all that the lower ones may."""

    AGENT = 1
    SUPERVISOR = 2
    OWNER = 3
    ADMIN = 4


_LEVELS: Final = {
    m.MemberRole.AGENT: Level.AGENT,
    m.MemberRole.SUPERVISOR: Level.SUPERVISOR,
    m.MemberRole.OWNER: Level.OWNER,
}

NEEDED: Final[dict[type[m.Message], Level]] = {
    m.GetTenant: Level.AGENT,
    m.ListTenants: Level.AGENT,
    m.UpdateTenant: Level.OWNER,
    m.CreateTenant: Level.ADMIN,
    m.CloseTenant: Level.ADMIN,
    m.GetUser: Level.SUPERVISOR,
    m.ListUsers: Level.SUPERVISOR,
    m.ChangePassword: Level.AGENT,
    m.AddUser: Level.OWNER,
    m.UpdateUser: Level.OWNER,
    m.RemoveUser: Level.OWNER,
    m.GetNumber: Level.AGENT,
    m.ListNumbers: Level.AGENT,
    m.UpdateNumber: Level.SUPERVISOR,
    m.CreateNumber: Level.ADMIN,
    m.AssignNumber: Level.ADMIN,
    m.DeleteNumber: Level.ADMIN,
    m.GetAssistant: Level.AGENT,
    m.ListAssistants: Level.AGENT,
    m.ListRevisions: Level.SUPERVISOR,
    m.CreateAssistant: Level.SUPERVISOR,
    m.UpdateAssistant: Level.SUPERVISOR,
    m.DeleteAssistant: Level.SUPERVISOR,
    m.RestoreRevision: Level.SUPERVISOR,
    m.PreviewRequest: Level.AGENT,
    m.ListKeys: Level.OWNER,
    m.CreateKey: Level.OWNER,
    m.RevokeKey: Level.OWNER,
    m.ListCredentials: Level.OWNER,
    m.PutCredential: Level.OWNER,
    m.DeleteCredential: Level.OWNER,
    m.GetSubscription: Level.SUPERVISOR,
    m.ListPlans: Level.AGENT,
    m.PutPlan: Level.ADMIN,
    m.PutSubscription: Level.ADMIN,
    m.ListAudit: Level.OWNER,
}


def level_of(who: m.Principal) -> Level:
    """What the principal may do."""
    return Level.ADMIN if who.admin or who.role is None else _LEVELS[who.role]


def check(who: m.Principal, operation: type[m.Message]) -> None:
    """Return if the principal may run the operation on what is its own; raises Forbidden."""
    needed = NEEDED[operation]
    if level_of(who) < needed:
        role = who.role.value if who.role else "nobody"
        raise Forbidden(
            f"the role {role} does not allow {operation.__name__}",
            mend=f"ask for one that is at least {needed.name.lower()}",
        )
