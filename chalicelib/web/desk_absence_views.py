"""The page of an absence: a planner chooses days, hours and desks, sees who is booked, and then closes them."""

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from chalicelib.booking import availability
from chalicelib.desk import audit, closing, day, history, places
from chalicelib.desk.closing import Closing, ClosingPlan, UnknownDesk
from chalicelib.desk.day import Row
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import (
    ApplicantsPresent,
    InvalidFields,
    PreviewOutdated,
    Refusal,
)
from chalicelib.domain.seat import Seat, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store
from chalicelib.web import desk_absence_forms as forms
from chalicelib.web import desk_access, desk_day_views, drafts, fields
from chalicelib.web.desk_access import Agent
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

MOST_WRITES = 400
"""How many seats one press of the button changes at most: about four of the twenty seconds that the function has."""
NOT_TICKED = "Cochez cette case pour fermer quand même."
CLOSE, REOPEN = "close", "reopen"


def show(service_id: str, visit: Visit) -> Page:
    """Show the form, or the preview of the closing that the query names."""
    agent = desk_access.agent_of(visit, service_id, Role.PLANNER)
    service = availability.service(service_id, visit.now)
    if "first" in visit.query and "edit" not in visit.query:
        return _preview(service, _read(service, visit.query, visit), agent, visit)
    return _form(service, agent, visit, forms.values_of(visit.query))


def act(service_id: str, visit: Visit) -> Redirect:
    """Go on to the preview of the form, or close what was previewed. Pressed twice, it closes once."""
    agent = desk_access.agent_of(visit, service_id, Role.PLANNER)
    service, body = availability.service(service_id, visit.now), visit.body()
    asked = _read(service, body, visit)
    if body.get("do") not in {CLOSE, REOPEN}:
        return Redirect(forms.page_of(asked))
    plan = _plan(asked, visit)
    if body["do"] == REOPEN:
        return _reopen(service, asked, plan, agent, visit)
    if plan.seats:
        _check(plan, body)
        audit.record(service.id, agent.account.id, CLOSE, visit.now, closing=asked.id)
        with history.recorded(service.id, agent.account.id, history.Act.CLOSING, visit.now, **asked.facts) as counts:
            counts.update(closing.close(asked, plan, visit.now, most=MOST_WRITES))
    return Redirect(f"{forms.page_of(asked)}&done=yes#done")


def _reopen(service: Service, asked: Closing, plan: ClosingPlan, agent: Agent, visit: Visit) -> Redirect:
    """Open again what was closed by mistake. Pressed twice, it opens once."""
    if plan.reopenable:
        who = agent.account.id
        audit.record(service.id, who, REOPEN, visit.now, closing=asked.id)
        with history.recorded(service.id, who, history.Act.REOPENED, visit.now, **asked.facts) as counts:
            counts["reopened"] = closing.reopen(service, plan)
    return Redirect(f"{forms.page_of(asked)}&reopened=yes#done")


def _check(plan: ClosingPlan, body: Mapping[str, Any]) -> None:
    """Refuse to close while applicants are here, or what the planner has not seen or not agreed to."""
    closing.check_nobody_is_present(plan)
    if body.get("seen") != plan.digest:
        raise PreviewOutdated
    if plan.missing and not fields.yes(body, "short"):
        raise InvalidFields({"short": NOT_TICKED})


def page_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Show the form or the preview again, with the reason. Without a session, what was typed waits for the sign-in."""
    values = visit.body() if visit.method == "POST" else visit.query
    if not isinstance(refusal, InvalidFields | ApplicantsPresent | PreviewOutdated):
        if visit.method != "POST":
            return desk_access.page_after_refusal(visit, refusal)
        page, names = f"desk/{service}/absence", (*forms.FIELDS, *forms.boxes(values))
        if values.get("do") in {CLOSE, REOPEN}:  # back to the preview, where nothing was typed
            page, names = f"{page}?{urlencode(forms.values_of(values))}", ()
        return desk_access.form_after_refusal(visit, refusal, page, *names)
    agent = desk_access.agent_of(visit, service, Role.PLANNER)
    described = availability.service(service, visit.now)
    if isinstance(refusal, InvalidFields) and "short" not in refusal.errors:
        return _form(described, agent, visit, forms.values_of(values))
    return _preview(described, _read(described, values, visit), agent, visit)


def _read(service: Service, values: Mapping[str, Any], visit: Visit) -> Closing:
    return forms.read(service.id, values, _today(service, visit))


def _plan(asked: Closing, visit: Visit) -> ClosingPlan:
    try:
        return closing.prepare(asked, visit.now)
    except UnknownDesk as refusal:
        raise InvalidFields({"desks": forms.NO_SUCH_DESK}) from refusal


def _form(service: Service, agent: Agent, visit: Visit, values: Mapping[str, str]) -> Page:
    """Return the form. It offers the desks of the opening hours and those with seats in this week."""
    today = _today(service, visit)
    desks = places.desks_of(service, seat_store.read_week(service.id, week_of(today)))
    cookies: tuple[str, ...] = ()
    if not values:
        boxes = [f"desk-{desk}" for desk in desks]
        values = forms.values_of(drafts.typed_at(visit, visit.path, (*forms.FIELDS, forms.ALL, *boxes)))
        cookies = drafts.drop_typed(visit)
    ticked = values.get("desks", "").split("-")
    context = {"service": service, "desks": desks, "values": values, "ticked": ticked, "today": today}
    return Page("desk/absence.html", {**agent.context, **context}, cookies=cookies)


def _preview(service: Service, asked: Closing, agent: Agent, visit: Visit) -> Page:
    """Return the page that shows who is booked and what they will be offered."""
    plan = _plan(asked, visit)
    audit.record_view(service.id, agent.account.id, f"absence {asked.id}", visit.now)

    def rows(seats: Sequence[Seat]) -> list[Row]:
        return day.with_people(service, seats, visit.now)

    context = {
        "closing": asked,
        "plan": plan,
        "booked": rows(plan.booked),
        "present": rows(plan.present),
        "unreached": [row for row in rows(plan.choosing) if row.person and not is_written_to(row)],
        "offered": by_day(plan.reserve),
        "fields": forms.query(asked),
        "done": "done" in visit.query,
        "reopened": "reopened" in visit.query,
        "is_written_to": is_written_to,
    }
    return Page("desk/closing.html", {**desk_day_views.context(agent, service, asked.day, visit), **context})


def is_written_to(row: Row) -> bool:
    """Tell whether a letter reaches the applicant: the address is there and takes letters."""
    return bool(row.person and row.person.details.email and not row.person.stopped)


def by_day(seats: Sequence[Seat]) -> list[tuple[date, list[Seat]]]:
    """Return the seats that are set aside, by day."""
    ordered = sorted(seats, key=lambda seat: seat.key)
    return [(when, list(group)) for when, group in groupby(ordered, lambda seat: seat.key.day)]


def _today(service: Service, visit: Visit) -> date:
    return visit.now.astimezone(service.zone).date()
