"""The first page of the desk, and the ways in and out."""

from chalicelib.booking import availability
from chalicelib.desk import audit, sessions
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import Refusal, SignInRequired
from chalicelib.web import desk_access
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit


def home(visit: Visit) -> Page | Redirect:
    """Show the services of the agent, or go on to today's list of the only one."""
    agent = desk_access.agent_of(visit)
    own = [service for service in availability.services(visit.now) if service.id in agent.account.roles]
    if len(own) == 1 and "all" not in visit.query:
        page = "book" if agent.account.roles[own[0].id] is Role.ASSOCIATION else "day"
        return Redirect(f"desk/{own[0].id}/{page}")
    return Page("desk/home.html", {**agent.context, "services": own})


def sign_out(visit: Visit) -> Redirect:
    """End this session."""
    agent = desk_access.agent_of(visit)
    sessions.end(visit.cookies[desk_access.SESSION])
    audit.record(audit.NO_SERVICE, agent.account.id, "sign-out", visit.now)
    return _left()


def sign_out_everywhere(visit: Visit) -> Redirect:
    """End all sessions of the agent, on every computer."""
    agent = desk_access.agent_of(visit)
    sessions.end_all(agent.account)
    audit.record(audit.NO_SERVICE, agent.account.id, "sign-out-everywhere", visit.now)
    return _left()


def left_after_refusal(visit: Visit, refusal: Refusal) -> RefusalPage:
    """Whoever has no session any more has signed out."""
    return _left() if isinstance(refusal, SignInRequired) else desk_access.form_after_refusal(visit, refusal, "desk")


def _left() -> Redirect:
    return Redirect("desk", (desk_access.cookie_header(desk_access.SESSION, "", 0),))
