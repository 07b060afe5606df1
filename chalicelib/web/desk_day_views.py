"""The list of the day at the desk, with its buttons, and what follows from it: sheet and file."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from chalicelib.booking import availability
from chalicelib.desk import audit, day, register
from chalicelib.desk.day import Row
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import AlreadyRecorded, InvalidFields, NotDue, NotFound, Refusal
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, desk_rows, drafts, forms
from chalicelib.web.desk_access import Agent
from chalicelib.web.reply import File, Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

SEARCH = ("q", "scan", "everywhere")
"""The fields of the search box."""
CONFLICT = 409
CSV = "text/csv; charset=utf-8"


def show(service_id: str, visit: Visit) -> Page:
    """Show the list of a day: today's, unless the query has a date."""
    agent = desk_access.agent_of(visit, service_id)
    service, when = service_and_day(service_id, visit)
    return list_page(visit, agent, service, when)


def act(service_id: str, visit: Visit) -> Page | Redirect:
    """Record what became of one row, or of the ticked ones; or take it back. What was recorded before stays."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service, body = availability.service(service_id, visit.now), visit.body()
    asked = desk_rows.read_act(service_id, body)
    when = desk_rows.read_day(str(body.get("date", "")), _today(service, visit))
    shown = _filter(body)
    if not asked.ticked:
        perform(service, asked.keys[0], asked.state, agent, visit, undo=asked.undo)
        return Redirect(after(service, asked.keys[0], shown, top="top" in body))
    refused: dict[SeatKey, Refusal] = {}
    for key in asked.keys:
        try:
            perform(service, key, asked.state, agent, visit, undo=asked.undo)
        except (AlreadyRecorded, NotDue, NotFound) as refusal:
            refused[key] = refusal
    done = len(asked.keys) - len(refused)
    if refused:
        return list_page(visit, agent, service, when, done=(asked.state, done), refused=refused, status=CONFLICT)
    return Redirect(f"desk/{service.id}/day?date={when}&show={shown}&done={asked.state}&count={done}")


def perform(service: Service, key: SeatKey, state: State, agent: Agent, visit: Visit, *, undo: bool = False) -> None:
    """Record a state of a seat, or take it back. Raise as `register` does."""
    if undo:
        register.undo(service, key, state, agent.account.id, visit.now)
    elif state is State.ARRIVED:
        register.arrive(service, key, agent.account.id, visit.now)
    else:
        register.record(service, key, state, agent.account.id, visit.now)


def after(service: Service, key: SeatKey, shown: str, *, top: bool) -> str:
    """Return the URL of the list after a change: at its row, or at the top, where the search box has the focus."""
    row = desk_rows.row_id(key)
    if top:
        return f"desk/{service.id}/day?at={row}"
    return f"desk/{service.id}/day?date={key.day}&show={shown}&at={row}#r{row}"


def page_after_refusal(visit: Visit, refusal: Refusal, service: str, **_ids: str) -> RefusalPage:
    """Show the list again, with the reason and the ticked boxes. Without a session they wait for the sign-in."""
    values = visit.body() if visit.method == "POST" else visit.query
    names = (*SEARCH, *desk_rows.ticked(values))
    if not isinstance(refusal, InvalidFields | AlreadyRecorded | NotDue):
        if visit.method != "POST":
            return desk_access.page_after_refusal(visit, refusal)
        return desk_access.form_after_refusal(visit, refusal, _place(service, values), *names)
    agent = desk_access.agent_of(visit, service)
    described = availability.service(service, visit.now)
    try:
        when = desk_rows.read_day(str(values.get("date", "")), _today(described, visit))
    except InvalidFields:
        when = _today(described, visit)
    refused = {}
    if not isinstance(refusal, InvalidFields):
        refused = {desk_rows.read_act(service, values).keys[0]: refusal}
    return list_page(visit, agent, described, when, refused=refused, typed=forms.typed(values, names))


def sheet(service_id: str, visit: Visit) -> Page:
    """Show the day by desk, to print on one sheet."""
    agent = desk_access.agent_of(visit, service_id)
    service, when = service_and_day(service_id, visit)
    audit.record_view(service_id, agent.account.id, f"print {when}", visit.now)
    rows = [row for row in day.read_day(service, when, visit.now) if row.is_listed]
    rows.sort(key=lambda row: (row.seat.key.unit, row.seat.key.start))
    desks = [(unit, list(group)) for unit, group in groupby(rows, lambda row: row.seat.key.unit)]
    return Page("desk/print.html", {**context(agent, service, when, visit), "desks": desks, "count": len(rows)})


def export(service_id: str, visit: Visit) -> File:
    """Return the day as a file for a spreadsheet."""
    agent = desk_access.agent_of(visit, service_id, Role.AGENT)
    service, when = service_and_day(service_id, visit)
    audit.record_view(service_id, agent.account.id, f"export {when}", visit.now)
    return File(day.csv_text(day.read_day(service, when, visit.now)), CSV, download=f"{service.id}-{when}.csv")


def context(agent: Agent, service: Service, when: date, visit: Visit) -> dict[str, Any]:
    """Return the variables of every page about a day."""
    return {
        **agent.context,
        "service": service,
        "day": when,
        "today": _today(service, visit),
        "now": visit.now,
        "before": when - timedelta(days=1),
        "next": when + timedelta(days=1),
        "rows_of": desk_rows,
        "State": State,
    }


def list_page(
    visit: Visit,
    agent: Agent,
    service: Service,
    when: date,
    *,
    typed: Mapping[str, str] | None = None,
    done: tuple[State, int] | None = None,
    refused: Mapping[SeatKey, Refusal] | None = None,
    status: int = 200,
) -> Page:
    """Return the list of a day, with what was just recorded and what was refused."""
    audit.record_view(service.id, agent.account.id, f"day {when}", visit.now)
    rows = day.read_day(service, when, visit.now)
    by_key = {row.seat.key: row for row in rows}
    key = desk_rows.key_of(service.id, visit.query.get("at", ""))
    chosen = _filter(visit.body() if visit.method == "POST" else visit.query)
    if typed is None:
        place = _place(service.id, {"date": str(when), "show": chosen})
        typed = drafts.typed_at(visit, place, (*SEARCH, *map(desk_rows.row_id, by_key)))
    values = {
        "hours": desk_rows.by_hour(desk_rows.shown(rows, chosen, key)),
        "counts": {name: len(desk_rows.shown(rows, name, None)) for name in desk_rows.FILTERS},
        "show": chosen,
        "at_row": key is not None and "show" in visit.query,
        "changed": _row(service, by_key, key, visit),
        "done": done or _done(visit.query),
        "refused": [(_row(service, by_key, each, visit), reason) for each, reason in (refused or {}).items()],
        "typed": typed,
        "scan": "on" in {visit.query.get("scan"), typed.get("scan")},
    }
    cookies = drafts.drop_typed(visit) if typed and visit.method != "POST" else ()
    return Page("desk/day.html", {**context(agent, service, when, visit), **values}, status, cookies=cookies)


def _place(service_id: str, values: Mapping[str, Any]) -> str:
    """Return the page of the list on which a form was. What was typed waits for it."""
    return f"desk/{service_id}/day?date={values.get('date', '')}&show={_filter(values)}"


def _row(service: Service, rows: Mapping[SeatKey, Row], key: SeatKey | None, visit: Visit) -> Row | None:
    """Return the row of a seat, of this day or of another one; None if there is none."""
    if key is None or key in rows:
        return rows.get(key) if key else None
    try:
        return day.read_row(service, key.ref, visit.now)
    except NotFound:
        return None


def _filter(values: Mapping[str, Any]) -> str:
    chosen = str(values.get("show", ""))
    return chosen if chosen in desk_rows.FILTERS else desk_rows.OPEN


def _done(query: Mapping[str, str]) -> tuple[State, int] | None:
    """Read what was just recorded for the ticked rows, to say it. Anything else says nothing."""
    state, count = query.get("done", ""), query.get("count", "")
    if state not in {str(state) for state in desk_rows.BUTTONS} or not re.fullmatch("[0-9]{1,3}", count):
        return None
    return State(state), int(count)


def service_and_day(service_id: str, visit: Visit) -> tuple[Service, date]:
    """Return the service, and the day of the query or today. Raise InvalidFields."""
    service = availability.service(service_id, visit.now)
    return service, desk_rows.read_day(visit.query.get("date", ""), _today(service, visit))


def _today(service: Service, visit: Visit) -> date:
    return visit.now.astimezone(service.zone).date()
