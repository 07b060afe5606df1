"""What the desk prints: the convocation of an appointment, its label, and the receipt of an entry in the draws."""

from chalicelib.allocation import publication
from chalicelib.booking import availability, families
from chalicelib.booking.requests import Request
from chalicelib.desk import audit, day
from chalicelib.domain import draw_window
from chalicelib.domain.agent import Role
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import APPOINTMENT
from chalicelib.domain.service import Service
from chalicelib.rendering import paper
from chalicelib.rendering.convocation import convocation_of
from chalicelib.rendering.i18n import locale_for
from chalicelib.web import desk_access, drafts
from chalicelib.web.desk_access import Agent
from chalicelib.web.reply import Page
from chalicelib.web.visit import Visit

CREATED = 201
DONE = {
    "booked": "C’est réservé",
    "moved": "Le rendez-vous est déplacé",
    "changed": "Les coordonnées sont enregistrées",
}
"""What has just been done, by the word in the query."""


def convocation(service_id: str, ref: str, visit: Visit) -> Page:
    """Show the convocation of an appointment, to print, to an agent."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    person = _read(service, ref, agent, visit)
    return convocation_page(agent, service, person, visit, done=visit.query.get("done", ""))


def convocation_page(agent: Agent, service: Service, person: Person, visit: Visit, *, done: str) -> Page:
    """Return the convocation of all who were booked with a person, with what was just done.

    An association sees it once, in the answer to its form.
    """
    members = families.members(person) or [person]
    context = {
        **agent.context,
        "service": service,
        "person": person,
        "members": members,
        "convocation": convocation_of(service, person, members),
        "own": locale_for(person.details.language),
        "done": DONE.get(done),
    }
    return Page("desk/convocation.html", context, cookies=drafts.drop_typed(visit))


def label(service_id: str, ref: str, visit: Visit) -> Page:
    """Show the number of an appointment, to print on a label; one label for each person of a family."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    person = _read(service, ref, agent, visit)
    members = families.members(person) or [person]
    return Page("desk/label.html", {**agent.context, "service": service, "members": members, "person": person})


def receipt_page(agent: Agent, service: Service, request: Request, visit: Visit) -> Page:
    """Return the receipt of an entry in the draws. It comes by letter if there is an e-mail address to be proven."""
    person, entry, text = person_of(request), request.carrier, ""
    if isinstance(entry, Entry) and entry.receipt:
        window = draw_window.current_window(service, visit.now)
        promise = publication.promise(service.id, window.week) if window else None
        text = paper.receipt_text(paper.Receipt(service, person, entry, window, promise))
    context = {**agent.context, "service": service, "person": person, "text": text}
    return Page("desk/receipt.html", context, CREATED, cookies=drafts.drop_typed(visit))


def person_of(request: Request) -> Person:
    """Return the person of a live request. Raise NotFound if it has ended."""
    if request.person is None:
        raise NotFound
    return request.person


def _read(service: Service, ref: str, agent: Agent, visit: Visit) -> Person:
    """Read the person with an appointment, past ones included. Raise NotFound if there is none."""
    row = day.read_row(service, ref, visit.now)
    if row.person is None or row.state not in APPOINTMENT:
        raise NotFound
    audit.record_view(service.id, agent.account.id, f"seat {ref}", visit.now, hold=row.seat.hold)
    return row.person
