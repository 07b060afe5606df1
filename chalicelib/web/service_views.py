"""Replies about services: the home page, the description of a service and its calendar."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from chalicelib.allocation import publication
from chalicelib.booking import availability, holds
from chalicelib.booking.hold import Hold
from chalicelib.domain import draw_window, refusals, timetable, tokens
from chalicelib.domain.calendar import Calendar, WeekCount
from chalicelib.domain.draw_window import Window
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import EntryKey, week_of
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import service_store
from chalicelib.web import drafts, fields, forms, problems, reply
from chalicelib.web.reply import Json, Page, Redirect, RefusalPage, Result
from chalicelib.web.steps import DESCRIPTION, HOME, SLOTS
from chalicelib.web.visit import Visit

RESTARTS = (
    refusals.HoldExpired,
    refusals.LinkExpired,
    refusals.SlotTaken,
    refusals.NothingFree,
    refusals.WrongAllocation,
)
"""The refusals after which a visitor begins again on the page of the service."""
HOURS_AND_MINUTES = slice(11, 16)
"""Where an ISO 8601 moment has its hours and minutes."""
STRIP = 6
"""How many open weeks a calendar links to. A service may open a year at once."""


def home(services: list[Service]) -> Result:
    """List the services."""
    data = {
        "services": [
            {"id": service.id, "name": service.name, "paused": service.paused is not None} for service in services
        ]
    }
    return Result(Json(data), Page("home.html", {"services": services, "step": HOME}))


def service_page(service: Service, weeks: Sequence[WeekCount], visit: Visit) -> Result:
    """Describe a service, what is free, and its conditions. Give a visitor without a valid visitor token a new one."""
    release = timetable.next_release(service, visit.now)
    pause = None if service.paused is None else problems.pause_message(service.paused, visit.locale)
    visitor_token = holds.visitor_token(visit.visitor_token, visit.now)
    data: dict[str, Any] = {
        "id": service.id,
        "name": service.name,
        "intro": service.intro,
        "not_for": service.not_for,
        "documents": service.documents,
        "slot_minutes": service.minutes,
        "timezone": service.zone.key,
        "office": service.office,
        "address": service.postal_address,
        "contact": visit.locale.text(service.contact),
        "next_release": release and release.isoformat(),
        "seat_after": str(service.seat_after),
        "weeks": _weeks_data(weeks),
        "allocation": str(service.allocation),
        "paused": pause,
    }
    draw: dict[str, Any] | None = None
    if window := draw_window.current_window(service, visit.now):
        data["draw"] = window_data(service, window)
        seats = len(timetable.planned_seats(service, window.week))
        draw = {**data["draw"], "window": window, "is_open": window.is_open(visit.now), "seats": seats}
    context = {
        "service": service,
        "weeks": weeks,
        "nothing_free": _nothing_free(weeks),
        "next_release": release,
        "draw": draw,
        "pause": pause,
        "office": service.office,
        "step": DESCRIPTION,
    }
    page = Page("service.html", context, visitor_token=visitor_token, is_shared=True)
    return Result(Json(data, visitor_token=visitor_token), page)


def documents_page(service: Service, visit: Visit) -> Result:
    """List the documents to bring, on a page to print and as a PDF."""
    from chalicelib.rendering import documents_pdf  # noqa: PLC0415  # its libraries are slow to load

    data = {
        "service": service.id,
        "name": service.name,
        "documents": service.documents,
        "documents_note": service.documents_note,
    }
    pdf = "" if visit.wants_json else documents_pdf.data_uri(service, visit.locale)
    return Result(Json(data), Page("documents.html", {"service": service, "office": service.office, "pdf": pdf}))


def window_data(service: Service, window: Window) -> dict[str, Any]:
    """Return a window, what can be ranked in it, and the promise of its draw."""
    return {
        "opens": window.opens.astimezone(service.zone).isoformat(),
        "closes": window.closes.astimezone(service.zone).isoformat(),
        "week": window.week,
        "half_days": timetable.half_days(service, window.week),
        "promise": publication.promise(service.id, window.week),
    }


def _weeks_data(weeks: Iterable[WeekCount]) -> list[dict[str, Any]]:
    return [{"week": count.week, "free": count.free} for count in weeks]


def _nothing_free(weeks: Iterable[WeekCount]) -> bool:
    """Tell whether every open week is full. A week that could not be read may have free seats."""
    return all(count.free == 0 for count in weeks)


def calendar(calendar: Calendar, visit: Visit) -> Json | Page | Redirect:
    """Show the calendar of one week, as JSON or as a page. It renders one of them only: no route is as busy.

    In a draw nobody chooses a slot: a person is led to the page of the service.
    """
    if visit.wants_json:
        return Json(_calendar_data(calendar, visit.now), cache=reply.ONE_SECOND)
    if calendar.service.draw:
        return Redirect(f"services/{calendar.service.id}")
    slot = visit.query.get("slot", "")
    refusal = _refusal(visit.query.get("refused", ""), calendar.service, slot, visit.now)
    page = _calendar_page(
        calendar,
        visit.now,
        conditions_accepted=fields.yes(visit.query, "conditions_accepted"),
        nearest=refusal.nearest if isinstance(refusal, refusals.SlotTaken) else (),
        chosen=slot if isinstance(refusal, refusals.ConditionsNotAccepted) else "",
    )
    return replace(page, context={**page.context, **problems.shown(refusal, visit.locale)})


def _refusal(code: str, service: Service, slot: str, now: datetime) -> Refusal | None:
    """Return why a slot could not be held, from the query that `calendar_after_refusal` made.

    What is free is looked up again. Everybody with this query sees the same page, so that it can be cached.
    """
    match code:
        case "conditions-not-accepted":
            return refusals.ConditionsNotAccepted()
        case "invalid-fields":
            return refusals.InvalidFields({"slot": fields.BAD_SLOT})
        case "slot-taken":
            return availability.refusal(service, forms.start_of_slot(slot, service) or now, now, include_wished=False)
        case "nothing-free" if not availability.first_free(service, now):
            return refusals.NothingFree(timetable.next_release(service, now))
        case "not-open-yet" if release := timetable.next_release(service, now):
            return refusals.NotOpenYet(release)
    return None


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
        "weeks": _weeks_data(calendar.weeks),
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
    """Return when the seats of a week open; None if they have opened, or are drawn."""
    service = calendar.service
    if service.draw:
        return None
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
    previous_week, next_week = _weeks_beside(calendar, now)
    context = {
        "calendar": calendar,
        "strip": _strip(calendar),
        "nothing_free": _nothing_free(calendar.weeks),
        "other_week": next((count for count in calendar.weeks if count.free and count.week != calendar.week), None),
        "conditions_accepted": conditions_accepted,
        "previous_week": previous_week,
        "next_week": next_week,
        "opens_at": _opens_at(calendar, now),
        "next_release": timetable.next_release(service, now),
        "nearest": nearest,
        "chosen": chosen,
        "office": service.office,
        "step": SLOTS,
    }
    return Page("slots.html", context, cache=reply.ONE_SECOND)


def _strip(calendar: Calendar) -> Sequence[WeekCount]:
    """Return the open weeks that the page links to: those around the week that it shows."""
    before = sum(count.week < calendar.week for count in calendar.weeks)
    first = max(0, min(before - STRIP // 2, len(calendar.weeks) - STRIP))
    return calendar.weeks[first : first + STRIP]


def _weeks_beside(calendar: Calendar, now: datetime) -> tuple[str | None, str | None]:
    """Return the nearest weeks before and after the shown one that have something free, or open next."""
    offered = [count.week for count in calendar.weeks if count.free != 0]
    opened = timetable.open_weeks(calendar.service, now)
    coming = [week for week in timetable.weeks_to_create(calendar.service, now) if week not in opened]
    previous = max((week for week in offered if week < calendar.week), default=None)
    following = min((week for week in (*offered, *coming) if week > calendar.week), default=None)
    return previous, following


# Pages on which a person reads a refusal


def calendar_after_refusal(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Lead to the week of the slot that could not be held; to the week that was shown if no slot was chosen.

    Its page has nothing that was typed, so this needs no cookie.
    """
    if isinstance(refusal, refusals.NotFound | refusals.TooManyRequests | refusals.Unavailable):
        return None
    if isinstance(refusal, refusals.WrongAllocation | refusals.Paused):
        return _problem_page(service_store.read(service, visit.now), refusal)
    body, described = visit.body(), availability.service(service, visit.now)
    if isinstance(refusal, refusals.InvalidFields) and refusal.errors.keys() - {"slot", "date", "start"}:
        return _calendar_page(  # which no form of ours sends
            availability.week_calendar(service, None, visit.now),
            visit.now,
            conditions_accepted=fields.yes(body, "conditions_accepted"),
        )
    wants_first = fields.yes(body, "first_free")
    start = None if wants_first else forms.start_of_slot(str(body.get("slot", "")), described)
    week = week_of(start.date()) if start else str(body.get("week", ""))
    query = {
        "week": week if week in availability.weeks_shown(described, visit.now) else "",
        "refused": problems.code_of(refusal),
        "slot": f"{start:%Y-%m-%dT%H:%M}" if start else "",
        "conditions_accepted": "true" if fields.yes(body, "conditions_accepted") else "",
    }
    pairs = urlencode({name: value for name, value in query.items() if value}, safe=":")
    return Redirect(f"services/{described.id}/slots?{pairs}")


def paused_page(visit: Visit, refusal: Refusal, service: str) -> RefusalPage:
    """Return the page that says that a service is paused."""
    if not isinstance(refusal, refusals.Paused):
        return None
    return _problem_page(service_store.read(service, visit.now), refusal)


def calendar_path(service: Service, start: datetime) -> str:
    """Return the path of the week of a slot. A visitor who held a slot has accepted the conditions."""
    return f"services/{service.id}/slots?week={week_of(start.date())}&conditions_accepted=true"


def choice_path(hold: Hold) -> str:
    """Return the path of the step before the captcha: the calendar, or the form of an entry with what was chosen."""
    if not hold.is_entry:
        return calendar_path(hold.service, hold.start)
    chosen = {f"preference_{rank}": preference for rank, preference in enumerate(hold.preferences, start=1)}
    return f"services/{hold.service.id}/entries?{urlencode({'conditions_accepted': 'true', **chosen})}"


def restart_page(visit: Visit, refusal: Refusal, **ids: str) -> RefusalPage:
    """Return a page with a link to the service, after a hold or a link that has expired.

    It offers the slots that are nearest to the one that was held, which take one click. A form leads to this page.
    """
    if isinstance(refusal, refusals.AlreadyRequested) and "hold" in ids:
        return Redirect(f"holds/{ids['hold']}")  # the page says that the hold has become a request
    if isinstance(refusal, refusals.AppointmentBegun):
        return Redirect(f"requests/{ids['token']}?refused={problems.code_of(refusal)}")
    if not isinstance(refusal, RESTARTS):
        return None
    if visit.method == "POST" and isinstance(refusal, refusals.HoldExpired | refusals.LinkExpired):
        return Redirect(f"{'holds' if 'hold' in ids else 'requests'}/{next(iter(ids.values()))}")
    service = service_store.read(tokens.service_of_token(next(iter(ids.values()))), visit.now)
    free = refusal
    if isinstance(refusal, refusals.HoldExpired):
        key = keys().read_hold_token(ids["hold"]).key
        if isinstance(key, EntryKey):
            return _problem_page(service, refusal, kept=bool(drafts.details(visit)), is_entry=True)
        start = service.start_of(key)
        free = availability.refusal(service, start, visit.now)
    return _problem_page(service, free, kept=bool(drafts.details(visit)))


def _problem_page(service: Service, refusal: Refusal, *, kept: bool = False, is_entry: bool = False) -> Page:
    context = {
        "retry": None,
        "service": service,
        "next_release": refusal.next_release if isinstance(refusal, refusals.NothingFree) else None,
        "nearest": refusal.nearest if isinstance(refusal, refusals.SlotTaken) else (),
        "kept": kept,
        "is_entry": is_entry,
    }
    return Page("problem.html", context)
