"""The search box of the desk, and the page of one person."""

from itertools import groupby

from chalicelib.booking import availability
from chalicelib.desk import audit, day
from chalicelib.desk.day import Row
from chalicelib.domain import tokens
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import AlreadyRecorded, InvalidFields, NotDue, NotFound, Refusal
from chalicelib.domain.seat import APPOINTMENT, State
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, desk_day_views, desk_rows, fields
from chalicelib.web.desk_access import CSRF, Agent
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

WORDS_LENGTH = 200
"""The longest search: a scanned code is a URL at most."""
PERSON_PAGES = (
    ("convocation", "Réimprimer la convocation", APPOINTMENT),
    ("label", "Étiquette", APPOINTMENT),
    ("details", "Modifier", {State.CONFIRMED, State.PENDING}),
    ("move", "Déplacer", {State.CONFIRMED, State.DISPLACED}),
    ("cancellation", "Annuler le rendez-vous", {State.CONFIRMED, State.PENDING}),
)
"""The pages of an appointment: their names, and in which states they can be opened."""
NO_WORDS = "Écrivez un nom ou une référence, ou scannez une convocation."


def search(service_id: str, visit: Visit) -> Page | Redirect:
    """Find somebody by name, reference or scan. A single one has a page; with the box ticked, a scan is an arrival."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    reader = fields.Reader(visit.body(), (*desk_day_views.SEARCH, "date", "show", CSRF))
    words = reader.text("q", WORDS_LENGTH)
    if reader.errors.get("q") == fields.MISSING:
        reader.errors["q"] = NO_WORDS
    reader.finish()
    everywhere = visit.body().get("everywhere") == "on"
    found = day.find(service, words, visit.now, everywhere=everywhere)
    day.note_search(service, found, agent.account.id, visit.now)
    if len(found.rows) == 1:
        return _only(service, found.rows[0], words, agent, visit)
    days = [(when, list(rows)) for when, rows in groupby(found.rows, lambda row: row.seat.key.day)]
    values = {"words": words, "days": days, "found": found, "everywhere": everywhere}
    today = visit.now.astimezone(service.zone).date()
    return Page("desk/found.html", {**desk_day_views.context(agent, service, today, visit), **values})


def _only(service: Service, row: Row, words: str, agent: Agent, visit: Visit) -> Page | Redirect:
    """Go on to the only person, or record the arrival of a scan at once."""
    reference = row.person.reference.replace("-", "")[-10:] if row.person else ""
    is_scan = bool(reference) and tokens.spelled_reference(words).replace("-", "").endswith(reference)
    if visit.body().get("scan") != "on" or not is_scan:
        return Redirect(f"desk/{service.id}/seats/{row.seat.key.ref}")
    try:
        desk_day_views.perform(service, row.seat.key, State.ARRIVED, agent, visit)
    except (AlreadyRecorded, NotDue, NotFound) as refusal:
        today = visit.now.astimezone(service.zone).date()
        refused = {row.seat.key: refusal}
        return desk_day_views.list_page(visit, agent, service, today, refused=refused, typed={"scan": "on"}, status=409)
    return Redirect(f"desk/{service.id}/day?at={desk_rows.row_id(row.seat.key)}&scan=on")


def person(service_id: str, ref: str, visit: Visit) -> Page:
    """Show one person with their appointment."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    return _person_page(availability.service(service_id, visit.now), ref, agent, visit)


def act(service_id: str, ref: str, visit: Visit) -> Redirect:
    """Record what became of one appointment, and go back to today's list for the next person."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    asked = desk_rows.read_act(service_id, visit.body())
    if asked.ticked or asked.keys[0].ref != ref:
        raise NotFound
    desk_day_views.perform(service, asked.keys[0], asked.state, agent, visit, undo=asked.undo)
    return Redirect(desk_day_views.after(service, asked.keys[0], "", top=True))


def page_after_refusal(visit: Visit, refusal: Refusal, service: str, seat: str) -> RefusalPage:
    """Show the person again, with the reason; without a session, the way to sign in and then here."""
    if not isinstance(refusal, InvalidFields | AlreadyRecorded | NotDue):
        return desk_access.refusal_page(refusal, f"desk/{service}/seats/{seat}")
    agent = desk_access.agent_of(visit, service, Role.AGENT)
    return _person_page(availability.service(service, visit.now), seat, agent, visit, refusal)


def _person_page(service: Service, ref: str, agent: Agent, visit: Visit, refusal: Refusal | None = None) -> Page:
    row = day.read_row(service, ref, visit.now)
    key, hold = row.seat.key, row.request[1]
    audit.record_view(service.id, agent.account.id, f"seat {key.ref}", visit.now, hold=hold)
    values = {"row": row, "refusal": refusal, "PERSON_PAGES": PERSON_PAGES}
    return Page("desk/person.html", {**desk_day_views.context(agent, service, row.seat.key.day, visit), **values})
