"""From which week on the seats of a service have a partition for each day: decided when its file is put in place.

Seats never move. The first such week has no seat yet, and the releases do not reach it before every process has read
the services again, so that no process looks for a seat where another one does not write it.
"""

from collections.abc import Iterator
from datetime import datetime
from gettext import gettext as _

from chalicelib.domain import codec, timetable
from chalicelib.domain.seat import monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.storage import dynamodb, seat_keys, seat_store
from chalicelib.storage.items import SeatItem
from infra.ops import stored_services
from infra.ops.session import Refused

MANY = 1_000
"""Seats a week. A week of fewer seats is handed out in a second or two from one partition, and one Query reads it."""
AHEAD = 104
"""How many weeks are searched for seats that somebody added by hand."""
MARGIN = 2 * timetable.WEEK


def first_week(service: Service, now: datetime) -> str | None:
    """Return the week to record with the file of a service; None if one is recorded, or its weeks have few seats.

    Raise Refused if an older version of the service created seats that nobody sees.
    """
    row, in_place = stored_services.read_row(service.id)
    if row and row.by_day_from is not None:
        _refuse_if_left_behind(service, row.by_day_from, now)
        return None if in_place else str(row.by_day_from)
    if timetable.seats_a_week(service) < MANY:
        return None
    this_week = week_of(now.astimezone(service.zone).date())
    used = list(_weeks_with_seats(service.id, this_week))
    if row is None and not used:
        return this_week
    rules = [service, codec.service_from_document(row.document)] if row else [service]
    last = max([*used, *(timetable.weeks_to_create(each, now)[-1] for each in rules)])
    return week_of(monday_of(last) + MARGIN)


def _refuse_if_left_behind(service: Service, first: str, now: datetime) -> None:
    weeks = [week for week in timetable.weeks_to_create(service, now) if week >= first]
    with dynamodb.translated_errors():
        left = [week for week in weeks if any(SeatItem.query(seat_keys.week_partition(service.id, week), limit=1))]
    if left:
        raise Refused(
            _(
                "{}: an older version created seats of {}, which this one does not see: deploy that version again"
            ).format(service.id, ", ".join(left))
        )


def _weeks_with_seats(service_id: str, first: str) -> Iterator[str]:
    for number in range(AHEAD):
        week = week_of(monday_of(first) + number * timetable.WEEK)
        if seat_store.read_week(service_id, week, consistent=True):
            yield week
