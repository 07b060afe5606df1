"""The commands `calendar` and `figures`: a week of a service, slot by slot and in totals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from gettext import gettext as _
from itertools import groupby
from typing import Any

import typer

from chalicelib.domain import timetable
from chalicelib.domain.figures import is_desk_only, seconds_until_full
from chalicelib.domain.seat import RECORDED, Seat, State, monday_of
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store
from infra.ops import output, stored_services
from infra.ops.options import STAGE_DEFAULT, Json, ServiceId, StageName, Week
from infra.ops.seat_status import SeatStatus, seat_status
from infra.ops.session import open_session
from infra.servicefile.holidays import names_of

OPENED = set(SeatStatus) - {SeatStatus.COMING, SeatStatus.INTERNAL, SeatStatus.SET_ASIDE, SeatStatus.CLOSED}
"""The statuses of a seat that visitors could take at some time."""


def calendar(
    ctx: typer.Context,
    service_id: ServiceId,
    week: Week = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Show a week slot by slot: how many seats are free, held, booked, waiting to return, closed."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        week = session.week(service, week)
        seats = seat_store.read_week(service.id, week)
        days = _days(service, week, seats, session.now)
        notes = _notes(service, week, stored_services.read_all().get(service.id, {}))
        totals = Counter(seat_status(service, seat, session.now) for seat in seats)
        document = {
            "service": service.id,
            "week": week,
            "timezone": str(service.zone),
            "days": [
                {
                    "date": day,
                    "notes": notes.get(day, []),
                    "slots": [{"start": start, **_by_key(counts)} for start, counts in slots],
                }
                for day, slots in days
            ],
            "totals": _by_key(totals),
        }
        columns = [status for status in SeatStatus if totals[status]]
        lines: list[list[object]] = []
        for day, slots in days:
            day_notes = "; ".join(notes.get(day, []))
            if slots or day_notes:
                lines.append([f"{output.day(day)}{': ' if day_notes else ''}{day_notes}", "", *[""] * len(columns)])
                lines += [["", f"{start:%H:%M}", *(counts[status] for status in columns)] for start, counts in slots]
                lines.append([])  # a rule
        lines.append([_("week {}").format(week), "", *(totals[status] for status in columns)])
        nothing = [] if seats else [_("There is no seat in this week.")]
        session.show(document, output.table(["day", "slot", *columns], lines), *nothing)


def _days(
    service: Service, week: str, seats: Sequence[Seat], now: datetime
) -> list[tuple[date, list[tuple[time, Counter[SeatStatus]]]]]:
    """Return the days from Monday to Sunday, each with its slots and the number of their seats by status."""
    slots: dict[tuple[date, time], Counter[SeatStatus]] = {}
    for seat in sorted(seats, key=lambda seat: seat.key):
        slots.setdefault((seat.key.day, seat.key.start), Counter())[seat_status(service, seat, now)] += 1
    by_day = {
        day: [(start, counts) for (_, start), counts in group]
        for day, group in groupby(slots.items(), key=lambda slot: slot[0][0])
    }
    return [(day, by_day.get(day, [])) for day in (monday_of(week) + timedelta(days=n) for n in range(7))]


def _notes(service: Service, week: str, document: Mapping[str, Any]) -> dict[date, list[str]]:
    """Return the closures and the public holidays of a week by day, with the reason from the service file."""
    reasons = [closure.get("reason", "") for closure in document.get("closures", ())]
    notes: dict[date, list[str]] = {}
    monday = monday_of(week)
    names: dict[date, str] = {}
    if department := document.get("public_holidays", {}).get("department"):
        names = names_of(department, {monday.year, monday.year + 1})
    for day in (monday + timedelta(days=n) for n in range(7)):
        if day in service.holidays:
            notes.setdefault(day, []).append(
                _("public holiday ({})").format(names[day]) if day in names else _("public holiday")
            )
        for closure, reason in zip(service.closures, reasons, strict=True):
            if closure.first <= day <= closure.last:
                hours = "" if closure.start == closure.start.min else f" {closure.start:%H:%M}-{closure.end:%H:%M}"
                desks = _(", desk {}").format(" ".join(map(str, closure.desks))) if closure.desks else ""
                notes.setdefault(day, []).append(f"{_('closed')}{hours}{desks}{f' ({reason})' if reason else ''}")
    return notes


def _by_key(counts: Mapping[SeatStatus, int]) -> dict[str, int]:
    return {status.key: counts.get(status, 0) for status in SeatStatus}


def figures(
    ctx: typer.Context,
    service_id: ServiceId,
    week: Week = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Count the seats of a week: opened, held, confirmed, freed, expired, and the seconds until it was full."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        week = session.week(service, week)
        seats, now = seat_store.read_week(service.id, week), session.now
        counts = Counter(seat_status(service, seat, now) for seat in seats)
        releases = _releases(service, week, seats, now)
        numbers = {
            "seats": len(seats),
            "opened": sum(_has_opened(service, seat, now) for seat in seats),
            "holds": sum(seat.holds_had for seat in seats),
            "pending": counts[SeatStatus.PENDING],
            "confirmed": counts[SeatStatus.CONFIRMED],
            **{str(state): sum(seat.state is state for seat in seats) for state in State if state in RECORDED},
            "freed": sum(seat.freed for seat in seats),
            "expired": sum(seat.expired for seat in seats),
            "free": counts[SeatStatus.FREE],
            "waiting_to_return": counts[SeatStatus.RETURNING],
            "closed": counts[SeatStatus.CLOSED],
        }
        lines = [(_("service"), service.id), (_("week"), week)]
        lines += [(_(name.replace("_", " ")), str(number)) for name, number in numbers.items()]
        lines += [
            (
                _("opened {}").format(output.moment(release["opens_at"], service.zone)),
                f"{output.count(release['seats'], 'seat')}, {_until_full(release['seconds_until_full'])}",
            )
            for release in releases
        ]
        document = {"service": service.id, "week": week, **numbers, "releases": releases}
        session.show(document, output.table(("figure", "value"), lines))


def _until_full(seconds: float | None) -> str:
    return _("not full") if seconds is None else _("full after {:,.1f} seconds").format(seconds)


def _has_opened(service: Service, seat: Seat, now: datetime) -> bool:
    """Tell whether visitors could take the seat at some time. A closed seat tells it only if somebody took it."""
    is_public = seat_status(service, seat, now) in OPENED and not is_desk_only(service, seat)
    return is_public or seat.holds_had > 0


def _releases(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> list[dict[str, Any]]:
    """Return each past release of a week: its seats, and the seconds until each of them had had a hold.

    A seat that was given back opens again at another moment, so the rules say when it opened first. A draw has none.
    """
    if service.draw:
        return []
    planned = timetable.plan(service, week)
    opened: dict[datetime, list[Seat]] = {}
    for seat in seats:
        moment = planned.get(seat.key)
        if moment and moment <= now and not seat.extra and _has_opened(service, seat, now):
            opened.setdefault(moment, []).append(seat)
    return [
        {"opens_at": moment, "seats": len(group), "seconds_until_full": seconds_until_full(moment, group)}
        for moment, group in sorted(opened.items())
    ]
