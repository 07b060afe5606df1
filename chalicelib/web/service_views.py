"""Replies about services: the home page, the description of a service and its calendar."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chalicelib.booking import availability, holds
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.calendar import Calendar
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.domain.timetable import WEEK
from chalicelib.storage import service_store
from chalicelib.web import forms, reply
from chalicelib.web.reply import Json, Page, Result
from chalicelib.web.steps import DESCRIPTION, HOME, SLOTS
from chalicelib.web.visit import Visit

HOURS_AND_MINUTES = slice(11, 16)
"""Where an ISO 8601 moment has its hours and minutes."""


def home(services: list[Service]) -> Result:
    """List the services."""
    data = {"services": [{"id": service.id, "name": service.name} for service in services]}
    return Result(Json(data), Page("home.html", {"services": services, "step": HOME}))


def service_page(service: Service, visit: Visit) -> Result:
    """Describe a service and its conditions. Give a visitor who has no valid visitor token a new one."""
    release = timetable.next_release(service, visit.now)
    visitor_token = holds.visitor_token(visit.visitor_token, visit.now)
    data = {
        "id": service.id,
        "name": service.name,
        "intro": service.intro,
        "not_for": service.not_for,
        "documents": service.documents,
        "slot_minutes": service.minutes,
        "timezone": service.zone.key,
        "office": service.office,
        "address": service.postal_address,
        "contact": service.contact,
        "next_release": release and release.isoformat(),
        "seat_after": str(service.seat_after),
    }
    context = {
        "service": service,
        "next_release": release,
        "conditions_missing": False,
        "office": service.office,
        "step": DESCRIPTION,
    }
    return Result(Json(data, visitor_token=visitor_token), Page("service.html", context, visitor_token=visitor_token))


def calendar(calendar: Calendar, now: datetime, *, conditions_accepted: bool) -> Result:
    """Show the calendar of one week."""
    page = _calendar_page(calendar, now, conditions_accepted=conditions_accepted)
    return Result(Json(_calendar_data(calendar, now), cache=reply.ONE_SECOND), page)


def _calendar_data(calendar: Calendar, now: datetime) -> dict[str, Any]:
    service = calendar.service
    release = timetable.next_release(service, now)
    first = calendar.first_free
    data: dict[str, Any] = {
        "service": service.id,
        "week": calendar.week,
        "timezone": service.zone.key,
        "slot_minutes": service.minutes,
        "generated_at": now.astimezone(service.zone).isoformat(timespec="seconds"),
        "next_release": release and release.isoformat(),
        "first_free": {"date": f"{first:%Y-%m-%d}", "start": f"{first:%H:%M}"} if first else None,
        "days": [
            {
                "date": day.isoformat(),
                "slots": [
                    {
                        "start": slot.start.isoformat()[HOURS_AND_MINUTES],  # five times as fast as strftime
                        "end": (slot.start + service.slot).isoformat()[HOURS_AND_MINUTES],
                        "free": slot.free,
                        "capacity": slot.capacity,
                    }
                    for slot in slots
                ],
            }
            for day, slots in calendar.days
        ],
    }
    if opens_at := _opens_at(calendar, now):
        data["opens_at"] = opens_at.isoformat()
    return data


def _opens_at(calendar: Calendar, now: datetime) -> datetime | None:
    """Return when the seats of a week open; None if they have opened."""
    service = calendar.service
    opens_at = timetable.opens_at(service, calendar.week).astimezone(service.zone)
    return opens_at if opens_at > now else None


def _calendar_page(
    calendar: Calendar,
    now: datetime,
    *,
    conditions_accepted: bool,
    nearest: Sequence[datetime] = (),
    chosen: str = "",
) -> Page:
    """Return the page of a week. `nearest` are offered instead of a taken slot; `chosen` is the slot to preselect."""
    service = calendar.service
    public_weeks = timetable.weeks_to_create(service, now)
    previous_week, next_week = (week_of(monday_of(calendar.week) + step) for step in (-WEEK, WEEK))
    context = {
        "calendar": calendar,
        "conditions_accepted": conditions_accepted,
        "previous_week": previous_week if previous_week in public_weeks else None,
        "next_week": next_week if next_week in public_weeks else None,
        "opens_at": _opens_at(calendar, now),
        "next_release": timetable.next_release(service, now),
        "nearest": nearest,
        "chosen": chosen,
        "office": service.office,
        "step": SLOTS,
    }
    return Page("slots.html", context, cache=reply.ONE_SECOND)


# Pages on which a person reads a refusal


def calendar_after_refusal(visit: Visit, refusal: Refusal, service: str) -> Page | None:
    """Return the week of the slot that could not be held, with what was chosen and the nearest free slots."""
    if isinstance(refusal, refusals.NotFound | refusals.TooManyRequests | refusals.Unavailable):
        return None
    body = visit.body()
    chosen, week = str(body.get("slot", "")), None
    if isinstance(refusal, refusals.ConditionsNotAccepted | refusals.SlotTaken):
        week = forms.week_of_slot(chosen)
    return _calendar_page(
        availability.week_calendar(service, week, visit.now),
        visit.now,
        conditions_accepted=forms.yes(body, "conditions_accepted"),
        nearest=refusal.nearest if isinstance(refusal, refusals.SlotTaken) else (),
        chosen=chosen,
    )


def restart_page(visit: Visit, refusal: Refusal, **ids: str) -> Page | None:
    """Return a page with a link to the service, after a hold or a link that has expired."""
    if not isinstance(refusal, refusals.HoldExpired | refusals.LinkExpired | refusals.SlotTaken | refusals.NothingFree):
        return None
    service_id = tokens.service_of_token(next(iter(ids.values())))
    release = refusal.next_release if isinstance(refusal, refusals.NothingFree) else None
    context = {"retry": None, "service": service_store.read(service_id, visit.now), "next_release": release}
    return Page("problem.html", context)
