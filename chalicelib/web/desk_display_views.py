"""The page on which planners make and revoke the links of the screens in the waiting room."""

from collections.abc import Mapping

from chalicelib.booking import availability
from chalicelib.desk import accounts, audit, displays
from chalicelib.domain import display, tokens
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import InvalidFields, NotFound, Refusal
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, drafts, fields, forms
from chalicelib.web.desk_access import CSRF, Agent
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

MADE = ("place", "secret")
TYPED = ("place",)
NO_PLACE = "Indiquez où est l’écran."
SECRET_LENGTH = 52


def show(service_id: str, visit: Visit) -> Page:
    """Show the links of a service, and the form that makes another one."""
    agent = desk_access.agent_of(visit, service_id, Role.PLANNER)
    audit.record_view(service_id, agent.account.id, "displays", visit.now)
    typed = drafts.typed_at(visit, visit.path, TYPED)
    cookies = drafts.drop_typed(visit) if typed else ()
    return _page(service_id, agent, visit, typed, revoked="revoked" in visit.query, cookies=cookies)


def act(service_id: str, visit: Visit) -> Page | Redirect:
    """Make a link and show it, this once; or revoke one. The form names the secret: pressed twice it makes one link."""
    agent = desk_access.agent_of(visit, service_id, Role.PLANNER)
    service, body = availability.service(service_id, visit.now), visit.body()
    if "revoke" in body:
        displays.revoke(service_id, str(body["revoke"]), agent.account.id, visit.now)
        return Redirect(f"desk/{service_id}/displays?revoked=yes#revoked")
    reader = fields.Reader(body, (*MADE, CSRF))
    place, secret = reader.text("place", display.PLACE_LENGTH), reader.text("secret", SECRET_LENGTH)
    if reader.errors.get("place") == fields.MISSING:
        reader.errors["place"] = NO_PLACE
    reader.finish(MADE)
    if not display.SECRET.fullmatch(secret):
        raise NotFound
    displays.add(service.id, place, secret, agent.account.id, visit.now)
    link = f"{visit.site}/display/{display.token_of(service.id, secret)}"
    return _page(service_id, agent, visit, {}, link=link, place=place)


def page_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Show the links again, with what was typed; without a session, the way to sign in and then here."""
    if not isinstance(refusal, InvalidFields):
        return desk_access.form_after_refusal(visit, refusal, f"desk/{service}/displays", *TYPED)
    agent = desk_access.agent_of(visit, service, Role.PLANNER)
    return _page(service, agent, visit, forms.typed(visit.body(), TYPED))


def _page(
    service_id: str,
    agent: Agent,
    visit: Visit,
    values: Mapping[str, str],
    *,
    link: str = "",
    place: str = "",
    revoked: bool = False,
    cookies: tuple[str, ...] = (),
) -> Page:
    service: Service = availability.service(service_id, visit.now)
    context = {
        "service": service,
        "displays": displays.of_service(service.id, visit.now),
        "name_of": accounts.name_of,
        "values": values,
        "secret": tokens.new_secret(),
        "link": link,
        "place": place,
        "revoked": revoked,
    }
    return Page("desk/displays.html", {**agent.context, **context}, cookies=cookies)
