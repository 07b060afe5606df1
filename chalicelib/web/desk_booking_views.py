"""Book for somebody: choose a seat, write down who comes, print the convocation. In a draw: enter them.

Pages carry what was typed in hidden fields. After the end of a session it waits in a cookie or, if it is too long for
one, in the page that asks to sign in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from chalicelib.allocation import entries
from chalicelib.allocation.office import PaperForm
from chalicelib.booking import availability
from chalicelib.desk import booking, places
from chalicelib.desk.booking import Order
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.agent import Role
from chalicelib.domain.refusals import InvalidFields, Refusal
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.web import desk_access, desk_booking_forms, desk_paper_views, desk_rows, drafts, forms
from chalicelib.web.desk_access import Agent
from chalicelib.web.desk_booking_forms import TYPED
from chalicelib.web.reply import Page, Redirect, RefusalPage
from chalicelib.web.visit import Visit

Rows = Sequence[Sequence[SeatKey]]
NOT_ENOUGH = "Cette heure n’a pas assez de places qui se suivent. Choisissez-en une autre : rien n’est perdu."


def show(service_id: str, visit: Visit) -> Page:
    """Show the free seats, or the form for the seat that the query names; what was typed before a sign-in too."""
    agent = desk_access.booker_of(visit, service_id)
    service = availability.service(service_id, visit.now)
    typed = drafts.typed_at(visit, _path(service_id), TYPED)
    values = typed or forms.typed(visit.query, desk_booking_forms.CHOICE)
    page = (
        _form_page(agent, service, values, visit)
        if _has_form(service, values)
        else _seats(agent, service, values, visit, visit.query.get("date", ""))
    )
    return replace(page, cookies=drafts.drop_typed(visit) if typed else ())


def act(service_id: str, visit: Visit) -> Page | Redirect:
    """Book, or show a page again: with other seats, with a place for one person more, or with one less."""
    agent = desk_access.booker_of(visit, service_id)
    service, body = availability.service(service_id, visit.now), visit.body()
    values = forms.typed(body, TYPED)
    count, pressed = desk_booking_forms.count_of(values), body.get("do")
    if pressed == "book":
        return _enter(agent, service, values, visit) if service.draw else _book(agent, service, values, visit)
    if pressed in {"add", "remove"}:
        values["people"] = str(max(1, count + (1 if pressed == "add" else -1)))
    if pressed == "choose" or "date" in body or not _has_form(service, values):
        return _seats(agent, service, values, visit, str(body.get("date", "")))
    return _form_page(agent, service, values, visit)


def page_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Show the form again with what was typed. Without a session it waits for the sign-in."""
    if visit.method != "POST":
        return desk_access.page_after_refusal(visit, refusal)
    if isinstance(refusal, refusals.SignInRequired | refusals.Unavailable | refusals.TooManyRequests):
        return desk_access.form_after_refusal(visit, refusal, _path(service), *TYPED, must_keep=True)
    if isinstance(refusal, refusals.NotFound | refusals.NotAllowed | refusals.NotInWindow | refusals.WrongAllocation):
        return desk_access.refusal_page(refusal, _path(service))
    agent = desk_access.booker_of(replace(visit, method="GET"), service)
    described, values = availability.service(service, visit.now), forms.typed(visit.body(), TYPED)
    return _form_page(agent, described, values, visit, refusal)


def _path(service_id: str) -> str:
    return f"desk/{service_id}/book"


def _has_form(service: Service, values: Mapping[str, str]) -> bool:
    """Tell whether the values name all that the form needs: a seat, unless a draw gives it."""
    return service.draw is not None or desk_rows.key_of(service.id, values.get("seat", "")) is not None


# Seats


def _seats(agent: Agent, service: Service, values: Mapping[str, str], visit: Visit, day: str) -> Page:
    """Show the days and the starts at which so many people can come one after the other."""
    count, errors = desk_booking_forms.count_of(values), {}
    try:
        rows = _rows(agent, service, values, visit)
    except InvalidFields as invalid:
        rows, errors = [], dict(invalid.errors)
    days = sorted({row[0].day for row in rows})
    chosen = next((each for each in days if str(each) == day), days[0] if days else None)
    context = {
        **_context(agent, service, values, visit),
        "days": [(each, len(_starts(service, rows, each))) for each in days],
        "chosen_day": chosen,
        "starts": _starts(service, rows, chosen) if chosen else [],
        "count": count,
        "carried": {name: value for name, value in values.items() if name not in {"people", "seat"}},
        "errors": errors,
    }
    return Page("desk/book_seats.html", context)


def _rows(agent: Agent, service: Service, values: Mapping[str, str], visit: Visit) -> Rows:
    """Return the rows of free seats for the people of a form. Raise InvalidFields if there is none."""
    if "walk_in" in values:
        if not agent.may(Role.PLANNER):
            raise refusals.NotAllowed
        free: Sequence[SeatKey] = places.now_seats(service, visit.now)
    else:
        free = places.free_for(service, visit.now, public=agent.may(Role.AGENT))
    return booking.rows(service, free, desk_booking_forms.count_of(values))


def _starts(service: Service, rows: Rows, day: date) -> list[tuple[SeatKey, bool]]:
    """Return the first seat of one row for each start of a day, and whether it is an internal one. Those come first."""
    starts: dict[datetime, tuple[SeatKey, bool]] = {}
    for row in rows:
        if row[0].day == day:
            internal = row[0] in timetable.internal_seats(service, row[0].week)
            start = service.start_of(row[0])
            if start not in starts or (internal and not starts[start][1]):
                starts[start] = row[0], internal
    return [starts[start] for start in sorted(starts, key=lambda start: (not starts[start][1], start))]


# The form


def _form_page(
    agent: Agent, service: Service, values: Mapping[str, str], visit: Visit, refusal: Refusal | None = None
) -> Page:
    """Show the form for the people who come."""
    count = desk_booking_forms.count_of(values)
    if service.draw:
        choices = entries.choices(service, visit.now)
        context = {"choices": choices, "chosen": forms.ranked(values), "seats": [], "count": 1}
    else:
        seats = _row_from(service, values, count)
        if refusal is None and not any(seats[0] == row[0] for row in _rows_or_none(agent, service, values, visit)):
            page = _seats(agent, service, values, visit, str(seats[0].day))
            return replace(page, context={**page.context, "errors": {"seat": NOT_ENOUGH, **page.context["errors"]}})
        context = {"seats": seats, "count": count, "most": booking.MOST_PEOPLE}
    context |= {"values": {"secret": tokens.new_secret(), **values}, "refusal": refusal}
    return Page("desk/book.html", {**_context(agent, service, values, visit), **context})


def _rows_or_none(agent: Agent, service: Service, values: Mapping[str, str], visit: Visit) -> Rows:
    try:
        return _rows(agent, service, values, visit)
    except InvalidFields:
        return []


def _row_from(service: Service, values: Mapping[str, str], count: int) -> list[SeatKey]:
    """Return so many seats of one desk, from the seat of a form on. Raise NotFound for a form without one."""
    first = desk_rows.key_of(service.id, values.get("seat", ""))
    if first is None:
        raise refusals.NotFound
    begin = datetime.combine(first.day, first.start)
    return [replace(first, start=(begin + service.slot * number).time()) for number in range(count)]


def _context(agent: Agent, service: Service, values: Mapping[str, str], visit: Visit) -> dict[str, Any]:
    used = booking.booked_this_week(service, agent.account, visit.now) if agent.role is Role.ASSOCIATION else None
    return {**agent.context, "service": service, "walk_in": "walk_in" in values, "used": used}


# The booking


def _book(agent: Agent, service: Service, values: Mapping[str, str], visit: Visit) -> Page | Redirect:
    count = desk_booking_forms.count_of(values)
    people = desk_booking_forms.read_people(values, count, _today(service, visit))
    order = Order(_row_from(service, values, count), people, _secret(values))
    booked = booking.book(
        service,
        order,
        agent.account,
        visit.now,
        walk_in="walk_in" in values,
        share_email="share_email" in values,
    )
    if agent.may(Role.AGENT):
        paper = f"desk/{service.id}/seats/{order.seats[0].ref}/convocation?done=booked"
        return Redirect(paper, drafts.drop_typed(visit))
    page = desk_paper_views.convocation_page(
        agent, service, desk_paper_views.person_of(booked[0]), visit, done="booked"
    )
    return replace(page, status=desk_paper_views.CREATED)


def _enter(agent: Agent, service: Service, values: Mapping[str, str], visit: Visit) -> Page:
    (details,) = desk_booking_forms.read_people(values, 1, _today(service, visit))
    preferences = [preference for preference in forms.ranked(values) if preference]
    form = PaperForm(details, preferences)
    request = booking.enter(service, form, agent.account, visit.now, secret=_secret(values))
    return desk_paper_views.receipt_page(agent, service, request, visit)


def _secret(values: Mapping[str, str]) -> str:
    """Return the secret that the form was made with, which makes a second press harmless."""
    return values.get("secret", "") or tokens.new_secret()


def _today(service: Service, visit: Visit) -> date:
    return visit.now.astimezone(service.zone).date()
