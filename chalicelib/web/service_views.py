"""Replies about services: the home page, a service's notice and its calendar."""

from datetime import datetime
from typing import Any

from chalicelib.booking import availability, holds
from chalicelib.domain import refusals, timetable
from chalicelib.domain.calendar import Calendar
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.domain.timetable import WEEK
from chalicelib.storage import service_store
from chalicelib.web import forms, reply
from chalicelib.web.reply import Reply
from chalicelib.web.steps import DESCRIPTION, HOME, SLOTS
from chalicelib.web.visit import Visit

CLOCK = slice(11, 16)
"""Hours and minutes in an ISO 8601 moment."""


# Looking


def home(services: list[Service]) -> Reply:
    """The services offered."""
    data = {"services": [{"id": service.id, "name": service.name} for service in services]}
    return Reply(data, "home.html", {"services": services, "step": HOME})


def service_page(service: Service, visit: Visit) -> Reply:
    """The notice of a service, its conditions, and the two doors; who reads it gets a visitor's ticket."""
    release = timetable.next_release(service, visit.now)
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
    context = {"service": service, "next_release": release, "conditions_missing": False}
    shown = {**context, "office": service.office, "step": DESCRIPTION}
    return Reply(data, "service.html", shown, ticket=holds.visitor_token(visit.visitor_token, visit.now))


def calendar(found: Calendar, now: datetime, *, conditions_accepted: bool = False) -> Reply:
    """A week's calendar."""
    service = found.service
    release = timetable.next_release(service, now)
    opens_at = timetable.opens_at(service, found.week).astimezone(service.zone)
    first = found.first_free
    data: dict[str, Any] = {
        "service": service.id,
        "week": found.week,
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
                        "start": slot.start.isoformat()[CLOCK],  # strftime takes five times as long
                        "end": (slot.start + service.slot).isoformat()[CLOCK],
                        "free": slot.free,
                        "capacity": slot.capacity,
                    }
                    for slot in slots
                ],
            }
            for day, slots in found.days
        ],
    }
    if opens_at > now:
        data["opens_at"] = opens_at.isoformat()
    shown = timetable.weeks_to_create(service, now)
    before, after = (week_of(monday_of(found.week) + step) for step in (-WEEK, WEEK))
    context = {
        "calendar": found,
        "conditions_accepted": conditions_accepted,
        "previous_week": before if before in shown else None,
        "next_week": after if after in shown else None,
        "opens_at": opens_at if opens_at > now else None,
        "next_release": release,
        "nearest": [],
        "chosen": "",
        "office": service.office,
        "step": SLOTS,
    }
    return Reply(data, "slots.html", context, cache=reply.ONE_SECOND)


def calendar_again(visit: Visit, refusal: Refusal, service: str) -> Reply | None:
    """After a slot that could not be held: its week again, as it was chosen, with the nearest that are free."""
    if isinstance(refusal, refusals.NotFound | refusals.TooManyRequests | refusals.Unavailable):
        return None
    body = visit.body()
    accepted, chosen = forms.yes(body, "conditions_accepted"), str(body.get("slot", ""))
    week = (
        forms.week_wished(chosen) if isinstance(refusal, refusals.ConditionsNotAccepted | refusals.SlotTaken) else None
    )
    reply = calendar(availability.week_calendar(service, week, visit.now), visit.now, conditions_accepted=accepted)
    nearest = refusal.nearest if isinstance(refusal, refusals.SlotTaken) else []
    return Reply({}, reply.template, {**reply.context, "nearest": nearest, "chosen": chosen})


def start_again(visit: Visit, refusal: Refusal, **ids: str) -> Reply | None:
    """After a hold or a link that is over: its service, to begin anew."""
    if not isinstance(refusal, refusals.HoldExpired | refusals.LinkExpired | refusals.SlotTaken | refusals.NothingFree):
        return None
    service = service_store.read(next(iter(ids.values())).partition(".")[0].lower(), visit.now)
    release = refusal.next_release if isinstance(refusal, refusals.NothingFree) else None
    return Reply({}, "problem.html", {"retry": None, "service": service, "next_release": release})
