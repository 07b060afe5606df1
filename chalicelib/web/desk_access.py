"""The guard of the desk: which agent asks, with which role, and whether the form that came is one of this session."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from chalicelib import settings
from chalicelib.desk import sessions
from chalicelib.domain import sign_in
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.refusals import (
    FormOutdated,
    NotAllowed,
    NotFound,
    Refusal,
    SignInRefused,
    SignInRequired,
)
from chalicelib.keys import keys
from chalicelib.web import drafts, forms
from chalicelib.web.reply import Page, RefusalPage
from chalicelib.web.visit import Visit

SESSION, START = "__Host-desk", "__Host-desk-start"
"""The cookies: the session, and a sign-in on its way."""
CSRF = "csrf"
"""The hidden field of every form. Each form reader accepts it."""
ROLE_NAMES = {
    Role.VIEWER: "Lecture seule",
    Role.AGENT: "Agent",
    Role.PLANNER: "Planificateur",
    Role.ADMINISTRATOR: "Administrateur",
    Role.ASSOCIATION: "Association",
}


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent who asks. `role` is the one in the service that was asked for, if any."""

    account: Account
    csrf: str
    service_id: str = ""
    role: Role | None = None

    def may(self, needed: Role) -> bool:
        """Tell whether the role in this service includes another one."""
        return bool(self.role and self.role.includes(needed))

    @property
    def context(self) -> dict[str, Any]:
        """The variables of every page of the desk."""
        return {"agent": self, "csrf": self.csrf, "service_id": self.service_id, "Role": Role, "role_names": ROLE_NAMES}


def agent_of(visit: Visit, service_id: str = "", needed: Role = Role.VIEWER) -> Agent:
    """Return the agent who asks, with their role in a service as the table has it now.

    A page that refreshes itself says so (`?live=`): it does not prolong the session.
    Raise NotFound on a stage without a desk, SignInRequired without a live session, FormOutdated for a POST whose form
    is not one of this session, and NotAllowed without the needed role in the service.
    """
    require_desk()
    cookie = visit.cookies.get(SESSION, "")
    account = sessions.read(cookie, visit.now, prolong="live" not in visit.query)
    if account is None:
        raise SignInRequired
    csrf = keys().derive("desk form", cookie)
    if visit.method == "POST" and not hmac.compare_digest(csrf.encode(), str(visit.body().get(CSRF, "")).encode()):
        raise FormOutdated
    if not service_id:
        return Agent(account, csrf)
    role = account.role_in(service_id, needed)
    if role is None:
        raise NotAllowed
    return Agent(account, csrf, service_id, role)


def booker_of(visit: Visit, service_id: str) -> Agent:
    """Return the agent who asks, or the association: both book for others. Raise as `agent_of` does."""
    agent = agent_of(visit)
    role = agent.account.booking_role(service_id)
    if role is None:
        raise NotAllowed
    return replace(agent, service_id=service_id, role=role)


def require_desk() -> settings.Provider:
    """Return the identity provider. Raise NotFound on a stage without a desk."""
    provider = settings.current().provider
    if provider is None:
        raise NotFound
    return provider


def page_after_refusal(visit: Visit, refusal: Refusal, **_ids: str) -> RefusalPage:
    """Return the page of a refusal. A sign-in leads back to the page that was asked for."""
    query = urlencode(visit.query, errors="replace") if visit.method != "POST" else ""
    return refusal_page(refusal, f"{visit.path}?{query}" if query else visit.path)


def form_after_refusal(visit: Visit, refusal: Refusal, page: str, *names: str, must_keep: bool = False) -> RefusalPage:
    """Return the page of a refusal of a form on `page`. What was typed into these fields waits there in a cookie.

    With `must_keep` it waits after any refusal, and in this page itself if it is too long for a cookie.
    """
    keeps = must_keep or isinstance(refusal, SignInRequired | FormOutdated)
    if not keeps or not names or not sign_in.PAGE.fullmatch(page):
        return refusal_page(refusal, page)
    cookies = drafts.keep_typed(visit, page, names)
    carried = forms.typed(visit.body(), names) if must_keep and cookies is None else {}
    return refusal_page(refusal, page, kept=cookies is not None, cookies=cookies or (), carried=carried)


def refusal_page(
    refusal: Refusal,
    page: str,
    *,
    kept: bool = False,
    cookies: tuple[str, ...] = (),
    carried: Mapping[str, str] | None = None,
) -> RefusalPage:
    """Return the page of a refusal, with the way on: sign in, or go back to `page`."""
    if isinstance(refusal, NotFound):
        return None
    reason = refusal.reason if isinstance(refusal, SignInRefused) else None
    to = page if sign_in.PAGE.fullmatch(page) else sign_in.HOME
    context = {"to": to, "reason": reason, "kept": kept, "agent": None, "csrf": "", "service_id": ""}
    return Page("desk/refused.html", {**context, "carried": carried or {}}, cookies=cookies)


def cookie_header(name: str, value: str, seconds: int | None = None) -> str:
    """Return a Set-Cookie header for a cookie of the desk. Without seconds it ends with the browser, with 0 at once."""
    age = "" if seconds is None else f" Max-Age={seconds};"
    return f"{name}={value}; Path=/;{age} SameSite=Lax; Secure; HttpOnly"
