"""The figures of a day and of a week for the agents: pages, with the same numbers as a file."""

from collections.abc import Sequence
from urllib.parse import quote

from chalicelib.booking import availability
from chalicelib.desk import audit, day, workload
from chalicelib.desk.day import Row
from chalicelib.domain import timetable
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.seat import Seat, monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store
from chalicelib.web import desk_access, desk_day_views, desk_rows
from chalicelib.web.reply import Page
from chalicelib.web.visit import Visit

BAD_WEEK = "Écrivez une semaine, par exemple 2026-W49."


def evening(service_id: str, visit: Visit) -> Page:
    """Show the figures of a day: planned, booked, seen, missed, waiting times, and by desk."""
    agent = desk_access.agent_of(visit, service_id)
    service, when = desk_day_views.service_and_day(service_id, visit)
    audit.record_view(service_id, agent.account.id, f"evening {when}", visit.now)
    seats = seat_store.read_day(service.id, when)
    values = {
        "totals": day.totals(Row(seat, None) for seat in seats),
        "workload": workload.of_seats(service, seats),
        "desks": workload.by_desk(service, seats),
        "csv": _csv_uri(service, seats),
        "week": week_of(when),
    }
    return Page("desk/evening.html", {**desk_day_views.context(agent, service, when, visit), **values})


def week(service_id: str, visit: Visit) -> Page:
    """Show the figures of a week, by day and by desk: this week's, unless the query has another one."""
    agent = desk_access.agent_of(visit, service_id)
    service = availability.service(service_id, visit.now)
    today = visit.now.astimezone(service.zone).date()
    chosen = visit.query.get("week", "") or week_of(today)
    try:
        monday = monday_of(chosen)
    except ValueError as error:
        raise InvalidFields({"date": BAD_WEEK}) from error
    if monday.year not in desk_rows.YEARS:
        raise InvalidFields({"date": BAD_WEEK})
    audit.record_view(service_id, agent.account.id, f"week {chosen}", visit.now)
    seats = seat_store.read_week(service.id, chosen, consistent=True)
    values = {
        "workload": workload.of_seats(service, seats),
        "days": workload.by_day(service, seats),
        "desks": workload.by_desk(service, seats),
        "csv": _csv_uri(service, seats),
        "week": chosen,
        "this_week": week_of(today),
        "week_before": week_of(monday - timetable.WEEK),
        "week_after": week_of(monday + timetable.WEEK),
    }
    return Page("desk/week.html", {**desk_day_views.context(agent, service, monday, visit), **values})


def _csv_uri(service: Service, seats: Sequence[Seat]) -> str:
    """Return the figures as a `data:` URI of a CSV file: they have no name, and need no route of their own."""
    return f"data:text/csv;charset=utf-8,{quote(workload.csv_text(service, seats))}"
