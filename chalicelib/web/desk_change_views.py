"""Change what was booked, for somebody who calls, writes or comes: details, date, or no appointment any more."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from chalicelib.booking import availability
from chalicelib.booking.requests import Request
from chalicelib.desk import audit, changes
from chalicelib.domain import refusals
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import InvalidFields, NotFound, Refusal
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, desk_booking_forms, desk_paper_views, desk_rows, drafts, fields, forms
from chalicelib.web.desk_access import Agent
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

TYPED = (*(f"{name}_1" for name in desk_booking_forms.OF_EACH), *desk_booking_forms.OF_ALL, "share_email")
HOLD_LENGTH = 100


def details(service_id: str, ref: str, visit: Visit) -> Page:
    """Show the form with the details of somebody."""
    agent, service, request = _read(service_id, ref, visit)
    typed = drafts.typed_at(visit, _page_of(service_id, ref, "details"), TYPED)
    page = _details_page(agent, service, request, typed)
    return replace(page, cookies=drafts.drop_typed(visit) if typed else ())


def change_details(service_id: str, ref: str, visit: Visit) -> Redirect:
    """Replace the details of somebody."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service, values = availability.service(service_id, visit.now), forms.typed(visit.body(), TYPED)
    today = visit.now.astimezone(service.zone).date()
    (changed,) = desk_booking_forms.read_people(values, 1, today)
    key, share = _key(service, ref), "share_email" in values
    changes.change_details(service, key, changed, agent.account, visit.now, share_email=share)
    return Redirect(f"{_page_of(service_id, ref, 'convocation')}?done=changed", drafts.drop_typed(visit))


def details_after_refusal(visit: Visit, refusal: Refusal, service: str, seat: str) -> RefusalPage:
    """Show the form again with what was typed. Without a session it waits for the sign-in."""
    if visit.method != "POST":
        return desk_access.page_after_refusal(visit, refusal)
    again = (InvalidFields, refusals.EmailInUse, refusals.AlreadyRequested, refusals.FormOutdated)
    if not isinstance(refusal, again):
        page = _page_of(service, seat, "details")
        return desk_access.form_after_refusal(visit, refusal, page, *TYPED, must_keep=True)
    shown = _read(service, seat, replace(visit, method="GET"))
    return _details_page(*shown, forms.typed(visit.body(), TYPED), refusal)


def _details_page(
    agent: Agent, service: Service, request: Request, typed: Mapping[str, str], refusal: Refusal | None = None
) -> Page:
    values = typed or desk_booking_forms.typed_of(desk_paper_views.person_of(request).details)
    return Page("desk/book_details.html", {**_context(agent, service, request), "values": values, "refusal": refusal})


def move(service_id: str, ref: str, visit: Visit) -> Page:
    """Show the seats to which an appointment can move."""
    agent, service, request = _read(service_id, ref, visit)
    return _move_page(agent, service, request, visit)


def move_to(service_id: str, ref: str, visit: Visit) -> Redirect:
    """Move an appointment."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service, body = availability.service(service_id, visit.now), visit.body()
    key, to = _key(service, ref), desk_rows.key_of(service_id, str(body.get("seat", "")))
    if to is None:
        raise InvalidFields({"seat": fields.BAD_SLOT})
    changes.move(service, key, to, agent.account, visit.now, hold=_hold(body))
    return Redirect(f"{_page_of(service_id, to.ref, 'convocation')}?done=moved")


def move_after_refusal(visit: Visit, refusal: Refusal, service: str, seat: str) -> RefusalPage:
    """Show the seats again that are free now."""
    if visit.method != "POST" or not isinstance(refusal, refusals.SlotTaken | InvalidFields):
        return desk_access.refusal_page(refusal, _page_of(service, seat, "move"))
    return _move_page(*_read(service, seat, visit), visit)


def _move_page(agent: Agent, service: Service, request: Request, visit: Visit) -> Page:
    free = changes.choices(request, visit.now)
    days = {day: list(keys) for day, keys in groupby(sorted(free), key=lambda key: key.day)}
    asked = visit.query.get("date", "")
    day = next((each for each in days if str(each) == asked), next(iter(days), None))
    starts = {key.start: key for key in reversed(days.get(day, []))} if day else {}
    context = {
        "days": [(each, len({key.start for key in keys})) for each, keys in days.items()],
        "chosen_day": day,
        "starts": [starts[start] for start in sorted(starts)],
    }
    return Page("desk/move.html", {**_context(agent, service, request), **context})


def cancellation(service_id: str, ref: str, visit: Visit) -> Page:
    """Ask whether to cancel an appointment, or say that it is cancelled."""
    if "done" in visit.query:
        agent = desk_access.agent_of(visit, service_id, Role.AGENT)
        service = availability.service(service_id, visit.now)
        return Page("desk/cancelled.html", {**agent.context, "service": service})
    agent, service, request = _read(service_id, ref, visit)
    return Page("desk/cancel.html", _context(agent, service, request))


def cancel(service_id: str, ref: str, visit: Visit) -> Redirect:
    """Cancel an appointment."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    changes.cancel(service, _key(service, ref), agent.account, visit.now, hold=_hold(visit.body()))
    return Redirect(f"{_page_of(service_id, ref, 'cancellation')}?done=yes")


def _page_of(service_id: str, ref: str, page: str) -> str:
    return f"desk/{service_id}/seats/{ref}/{page}"


def _read(service_id: str, ref: str, visit: Visit) -> tuple[Agent, Service, Request]:
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    request = changes.read(service, _key(service, ref))
    hold = desk_paper_views.person_of(request).hold
    audit.record_view(service_id, agent.account.id, f"seat {ref}", visit.now, hold=hold)
    return agent, service, request


def _key(service: Service, ref: str) -> SeatKey:
    """Read the `ref` of a seat in a URL. Raise NotFound if it is none of this service."""
    key = desk_rows.key_of(service.id, ref.removeprefix(f"{service.id}."))
    if key is None or key.ref != ref:
        raise NotFound
    return key


def _hold(body: Mapping[str, Any]) -> str:
    return str(body.get("hold", ""))[:HOLD_LENGTH]


def _context(agent: Agent, service: Service, request: Request) -> dict[str, Any]:
    return {**agent.context, "service": service, "request": request, "person": request.person}
