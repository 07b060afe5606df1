"""A week of a service: its calendar as the office sees it, and its figures."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import typer

from chalicelib.domain import timetable
from chalicelib.domain.seat import Seat, monday_of
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store
from infra.ops import output
from infra.ops.session import STAGE_DEFAULT, Json, ServiceId, StageName, Week, at, documents
from infra.ops.status import Status, status
from infra.servicefile.holidays import names_of

OPENED = {Status.FREE, Status.HELD, Status.PENDING, Status.CONFIRMED, Status.RETURNING, Status.LATE, Status.SHORT}


def calendar(
    ctx: typer.Context,
    service: ServiceId,
    week: Week = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """A week, slot by slot: how many seats are free, held, booked, waiting to return, closed."""
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        named = session.week(of, week)
        seats = seat_store.read_week(of.id, named)
        days = _days(of, named, seats, session.now)
        notes = _notes(of, named, documents().get(of.id, {}))
        totals = Counter(status(of, seat, session.now) for seat in seats)
        document = {
            "service": of.id,
            "week": named,
            "timezone": str(of.zone),
            "days": [
                {
                    "date": day,
                    "notes": notes.get(day, []),
                    "slots": [{"start": start, **_named(counts)} for start, counts in slots],
                }
                for day, slots in days
            ],
            "totals": _named(totals),
        }
        columns = [each for each in Status if totals[each]]
        lines: list[list[object]] = []  # an empty one is a rule
        for day, slots in days:
            said = "; ".join(notes.get(day, []))
            if slots or said:
                first: list[object] = [f"{output.day(day)}{': ' if said else ''}{said}", "", *[""] * len(columns)]
                lines += [first, *(["", f"{start:%H:%M}", *_cells(columns, counts)] for start, counts in slots), []]
        lines.append([f"week {named}", "", *_cells(columns, totals)])
        session.show(document, output.table(["day", "slot", *columns], lines))


def _days(
    service: Service, week: str, seats: Sequence[Seat], now: datetime
) -> list[tuple[date, list[tuple[Any, Counter[Status]]]]]:
    """Monday to Sunday; each slot with how many of its seats are what."""
    slots: dict[tuple[date, Any], Counter[Status]] = {}
    for seat in sorted(seats, key=lambda seat: seat.key):
        slots.setdefault((seat.key.day, seat.key.start), Counter())[status(service, seat, now)] += 1
    by_day = {
        day: [(start, counts) for (_, start), counts in group]
        for day, group in groupby(slots.items(), key=lambda slot: slot[0][0])
    }
    return [(day, by_day.get(day, [])) for day in (monday_of(week) + timedelta(days=n) for n in range(7))]


def _notes(service: Service, week: str, document: Mapping[str, Any]) -> dict[date, list[str]]:
    """The closures and the public holidays of a week, by day, with the reason that the file gives."""
    reasons = [closure.get("reason", "") for closure in document.get("closures", ())]
    notes: dict[date, list[str]] = {}
    monday = monday_of(week)
    named = {}
    if department := document.get("public_holidays", {}).get("department"):
        named = names_of(department, {monday.year, monday.year + 1})
    for day in (monday + timedelta(days=n) for n in range(7)):
        if day in service.holidays:
            notes.setdefault(day, []).append(f"public holiday ({named[day]})" if day in named else "public holiday")
        for closure, reason in zip(service.closures, reasons, strict=True):
            if closure.first <= day <= closure.last:
                hours = "" if closure.start == closure.start.min else f" {closure.start:%H:%M}-{closure.end:%H:%M}"
                desks = f", desk {' '.join(map(str, closure.desks))}" if closure.desks else ""
                notes.setdefault(day, []).append(f"closed{hours}{desks}{f' ({reason})' if reason else ''}")
    return notes


def _named(counts: Mapping[Status, int]) -> dict[str, int]:
    return {each.replace(" ", "_"): counts.get(each, 0) for each in Status}


def _cells(columns: Sequence[Status], counts: Mapping[Status, int]) -> Iterator[int]:
    return (counts.get(each, 0) for each in columns)


def figures(
    ctx: typer.Context,
    service: ServiceId,
    week: Week = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """What became of a week's seats: opened, held, confirmed, freed, expired, seconds until full."""
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        named = session.week(of, week)
        seats = seat_store.read_week(of.id, named)
        now = session.now
        counts = Counter(status(of, seat, now) for seat in seats)
        releases = _releases(of, named, seats, now)
        document = {
            "service": of.id,
            "week": named,
            "seats": len(seats),
            "opened": sum(_has_opened(of, seat, now) for seat in seats),
            "holds": sum(seat.holds_had for seat in seats),
            "pending": counts[Status.PENDING],
            "confirmed": counts[Status.CONFIRMED],
            "freed": sum(seat.freed for seat in seats),
            "expired": sum(seat.expired for seat in seats),
            "free": counts[Status.FREE],
            "waiting_to_return": counts[Status.RETURNING],
            "closed": counts[Status.CLOSED],
            "releases": releases,
        }
        lines = [(name.replace("_", " "), str(value)) for name, value in document.items() if name != "releases"]
        lines += [
            (
                f"opened {output.moment(each['opens_at'], of.zone)}",
                f"{output.count(each['seats'], 'seat')}, {_until_full(each['seconds_until_full'])}",
            )
            for each in releases
        ]
        session.show(document, output.table(("figure", "value"), lines))


def _until_full(seconds: float | None) -> str:
    return "not full" if seconds is None else f"full after {seconds:,.1f} seconds"


def _has_opened(service: Service, seat: Seat, now: datetime) -> bool:
    """Could anybody take it yet? Of a closed seat it is known only if somebody did."""
    return status(service, seat, now) in OPENED or seat.holds_had > 0


def _releases(service: Service, week: str, seats: Sequence[Seat], now: datetime) -> list[dict[str, Any]]:
    """Each moment that has passed: its seats, and after how many seconds each of them had had a first hold.

    A seat that was given back opens again at another moment, so the rules say which one it opened at first.
    """
    planned = timetable.plan(service, week)
    opened: dict[datetime, list[Seat]] = {}
    for seat in seats:
        at_first = planned.get(seat.key)
        if at_first and at_first <= now and not seat.extra and _has_opened(service, seat, now):
            opened.setdefault(at_first, []).append(seat)
    return [
        {"opens_at": moment, "seats": len(group), "seconds_until_full": _seconds(moment, group)}
        for moment, group in sorted(opened.items())
    ]


def _seconds(opened: datetime, seats: Sequence[Seat]) -> float | None:
    firsts = [seat.first_at for seat in seats if seat.first_at]
    if len(firsts) < len(seats):
        return None
    return max((first - opened).total_seconds() for first in firsts)
