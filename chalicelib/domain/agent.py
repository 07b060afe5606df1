"""Agents: their accounts, and their roles in each service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What an agent may do in a service. Each role but the last includes those before it."""

    VIEWER = "viewer"
    """Reads the list of the day."""
    AGENT = "agent"
    """Marks arrivals and outcomes, and books for others."""
    PLANNER = "planner"
    """Closes days and adds seats."""
    ADMINISTRATOR = "administrator"
    """Manages the accounts."""
    ASSOCIATION = "association"
    """Books for others, up to a ceiling, and sees nothing else. It is not in the order of the others."""

    def includes(self, needed: "Role") -> bool:
        """Tell whether this role is the needed one or a higher one."""
        if Role.ASSOCIATION in {self, needed}:
            return self is needed
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Account:
    """The account of an agent. Nobody but an operator or an administrator makes one."""

    id: str
    email: str
    name: str
    roles: Mapping[str, Role]
    """The role in each service, by its id. An account without roles is closed."""
    version: int
    """Counts the changes of the roles: a change names the version that it was decided on."""
    generation: int
    """Counts how often the agent signed out everywhere: a session belongs to one generation."""
    invited_by: str
    invited_at: datetime
    signed_in_at: datetime | None = None
    subject: str = ""
    """The digest of issuer and subject at the provider; empty until the first sign-in."""

    def role_in(self, service_id: str, needed: Role) -> Role | None:
        """Return the role in a service; None if there is none, or a lower one than needed."""
        role = self.roles.get(service_id)
        return role if role and role.includes(needed) else None

    def booking_role(self, service_id: str) -> Role | None:
        """Return the role with which the account books for others in a service; None if it may not."""
        return self.role_in(service_id, Role.AGENT) or self.role_in(service_id, Role.ASSOCIATION)
