"""The page on which administrators of a service manage the accounts of its agents."""

from collections.abc import Mapping

from chalicelib.booking import availability
from chalicelib.desk import accounts, audit
from chalicelib.domain import emails
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import AccessChanged, InvalidFields, LastAdministrator, Refusal
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, drafts, fields, forms
from chalicelib.web.desk_access import CSRF, Agent
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

INVITED = ("email", "name", "role")
NO_ACCESS = "none"
"""The choice that takes an access away."""
BAD_ROLE = "Choisissez un rôle."


def show(service_id: str, visit: Visit) -> Page:
    """Show the agents of a service, and the form that invites another one."""
    agent = desk_access.agent_of(visit, service_id, Role.ADMINISTRATOR)
    audit.record_view(service_id, agent.account.id, "accounts", visit.now)
    typed = drafts.typed_at(visit, visit.path, INVITED)
    cookies = drafts.drop_typed(visit) if typed else ()
    return _page(
        availability.service(service_id, visit.now), agent, typed, saved=visit.query.get("saved", ""), cookies=cookies
    )


def invite(service_id: str, visit: Visit) -> Redirect:
    """Invite an agent by e-mail address."""
    agent = desk_access.agent_of(visit, service_id, Role.ADMINISTRATOR)
    reader = fields.Reader(visit.body(), (*INVITED, CSRF))
    email, name = reader.text("email", fields.EMAIL_LENGTH), reader.text("name", fields.NAME_LENGTH)
    role = _role(reader)
    if email:
        try:
            email = emails.deliverable(email)
        except ValueError:
            reader.errors["email"] = fields.BAD_EMAIL
    reader.finish(INVITED)
    accounts.invite(email, name, [service_id], Role(role), by=agent.account, now=visit.now)
    return Redirect(f"desk/{service_id}/accounts?saved=invited#saved")


def change(service_id: str, account_id: str, visit: Visit) -> Redirect:
    """Change the role of an agent, or take the access away."""
    agent = desk_access.agent_of(visit, service_id, Role.ADMINISTRATOR)
    reader = fields.Reader(visit.body(), ("role", CSRF))
    role = _role(reader, NO_ACCESS)
    reader.finish()
    new = None if role == NO_ACCESS else Role(role)
    accounts.change_role(account_id, service_id, new, by=agent.account, now=visit.now)
    if new is None and account_id == agent.account.id:
        return Redirect("desk")
    return Redirect(f"desk/{service_id}/accounts?saved=changed#saved")


def page_after_refusal(visit: Visit, refusal: Refusal, service: str, **_ids: str) -> RefusalPage:
    """Show the accounts again, with what was typed; without a session, the way to sign in and then here."""
    if not isinstance(refusal, InvalidFields | LastAdministrator | AccessChanged):
        return desk_access.form_after_refusal(visit, refusal, f"desk/{service}/accounts", *INVITED)
    agent = desk_access.agent_of(visit, service, Role.ADMINISTRATOR)
    typed = forms.typed(visit.body(), INVITED) if "email" in visit.body() else {}
    return _page(availability.service(service, visit.now), agent, typed)


def _role(reader: fields.Reader, *others: str) -> str:
    role = reader.text("role", fields.LANGUAGE_LENGTH)
    if role and role not in {*Role, *others}:
        reader.errors["role"] = BAD_ROLE
    return role


def _page(
    service: Service, agent: Agent, values: Mapping[str, str], *, saved: str = "", cookies: tuple[str, ...] = ()
) -> Page:
    context = {"service": service, "accounts": accounts.of_service(service.id), "values": values, "saved": saved}
    return Page("desk/accounts.html", {**agent.context, **context}, cookies=cookies)
