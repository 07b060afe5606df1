"""The page on which an agent calls applicants to their desk and records what became of each."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from chalicelib.booking import availability
from chalicelib.desk import audit, calls, day
from chalicelib.desk.day import Row
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import (
    AlreadyRecorded,
    DeskBusy,
    InvalidFields,
    NobodyWaits,
    NotArrived,
    NotDue,
    NotFound,
    Refusal,
)
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, desk_day_views, desk_rows
from chalicelib.web.desk_access import Agent
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

SHOWN = (InvalidFields, AlreadyRecorded, NotDue, NotArrived, NobodyWaits, DeskBusy, NotFound)
"""The refusals after which the page is shown again, with the reason."""
NO_DESK = "Choisissez d’abord votre guichet."
NEXT = "next"
_DO = re.compile(rf"(?:call-([0-9]{{1,4}})|park)\.({desk_rows.SEAT})")
_DESK = re.compile("[1-9][0-9]{0,2}")


def show(service_id: str, visit: Visit) -> Page:
    """Show whom the desk of the query has called, and who waits."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service = availability.service(service_id, visit.now)
    desk = _read_desk(visit.query) if visit.query.get("desk") else None
    return _page(visit, agent, service, desk)


def act(service_id: str, visit: Visit) -> Redirect:
    """Call the next applicant or this one, put one aside, or record what became of an appointment."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service, body = availability.service(service_id, visit.now), visit.body()
    desk, button = _read_desk(body), str(body.get("do", ""))
    page = f"desk/{service.id}/call?desk={desk}"
    if button == NEXT:
        _call_next(service, desk, agent, visit)
        return Redirect(page)
    match, key = _DO.fullmatch(button), _key_of(service_id, button)
    if match and key and match[1]:
        calls.call(service, key, desk, agent.account.id, visit.now, calls=int(match[1]))
        return Redirect(page)
    if match and key:
        calls.park(service, key, agent.account.id, visit.now)
    else:
        asked = desk_rows.read_act(service_id, body)
        if asked.ticked:
            raise InvalidFields({"do": desk_rows.NO_BUTTON})
        key = asked.keys[0]
        desk_day_views.perform(service, key, asked.state, agent, visit, undo=asked.undo)
    return Redirect(f"{page}&at={desk_rows.row_id(key)}")


def _call_next(service: Service, desk: int, agent: Agent, visit: Visit) -> None:
    """Call the next applicant. A button that was pressed twice has called one, and the page shows who it is."""
    try:
        calls.call_next(service, desk, agent.account.id, visit.now)
    except DeskBusy as refusal:
        if refusal.seat.called_by != agent.account.id:
            raise


def page_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Show the page again, with the reason; without a session, the way to sign in and then here."""
    values = visit.body() if visit.method == "POST" else visit.query
    desk = str(values.get("desk", ""))
    if not isinstance(refusal, SHOWN) or (isinstance(refusal, NotFound) and visit.method != "POST"):
        place = f"desk/{service}/call"
        return desk_access.refusal_page(refusal, f"{place}?desk={desk}" if _DESK.fullmatch(desk) else place)
    agent = desk_access.agent_of(visit, service, Role.AGENT)
    known = int(desk) if _DESK.fullmatch(desk) else None
    return _page(visit, agent, availability.service(service, visit.now), known, refusal)


def _page(visit: Visit, agent: Agent, service: Service, desk: int | None, refusal: Refusal | None = None) -> Page:
    audit.record_view(service.id, agent.account.id, "call", visit.now)
    queue = calls.read_queue(service, agent.account.id, visit.now)
    if desk not in {None, *queue.desks}:
        if refusal is None:
            raise InvalidFields({"desk": calls.UNKNOWN_DESK})
        desk = None
    desk = queue.own_desk if desk is None and refusal is None else desk
    key = refusal.seat.key if isinstance(refusal, DeskBusy) else _key_of(service.id, str(_do(visit)))
    values = {
        "queue": queue,
        "here": desk,
        "mine": queue.at(desk),
        "changed": _row(service, desk_rows.key_of(service.id, visit.query.get("at", "")), visit),
        "refusal": refusal,
        "refused": _row(service, key, visit) if refusal else None,
    }
    today = visit.now.astimezone(service.zone).date()
    return Page("desk/call.html", {**desk_day_views.context(agent, service, today, visit), **values})


def _read_desk(values: Mapping[str, Any]) -> int:
    """Read the desk of a query or a form. Raise InvalidFields if it has none; `calls` knows which ones there are."""
    text = str(values.get("desk", ""))
    if not _DESK.fullmatch(text):
        raise InvalidFields({"desk": calls.UNKNOWN_DESK if text else NO_DESK})
    return int(text)


def _do(visit: Visit) -> Any:
    return visit.body().get("do", "") if visit.method == "POST" else ""


def _key_of(service_id: str, button: str) -> SeatKey | None:
    """Return the seat that a button names."""
    return desk_rows.key_of(service_id, button.partition(".")[2])


def _row(service: Service, key: SeatKey | None, visit: Visit) -> Row | None:
    if key:
        with suppress(NotFound):
            return day.read_row(service, key.ref, visit.now)
    return None
