"""Appointments of invented people for today, so that the desk of the local stack has something to do on any day.

A service file cannot say so: its seats are booked days before.
"""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from chalicelib.domain import codec
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.domain.stage_secret import StageSecret
from chalicelib.domain.tokens import Keys, digest
from chalicelib.mail import outbox
from chalicelib.storage import items, seat_store, service_items
from chalicelib.storage.items import PersonItem, SeatItem
from infra.local.stack import Stack

SERVICE = "aes"
DESKS = (1, 2, 3)
BEFORE, SLOTS = timedelta(minutes=30), 12
"""The first appointment is so long before now, and then there is one every ten minutes at each desk."""
STEP = timedelta(minutes=10)
FIRST = ("Awa", "Moussa", "Li Na", "Fatoumata", "Nguyễn Thị", "Şeyma", "José", "Łucja", "Abd El Kader", "Mariam")
LAST = ("Exemple", "D’Exemple", "Bexemple", "Éxemplé", "Fexemple", "Jexemple", "Hexemplová", "Kexemple", "Lexemple")


def details(number: int) -> Details:
    """Return an invented person. Numbers below 90 have different names."""
    born = date(1970, 1, 1) + timedelta(days=number * 131)
    first, last = FIRST[number % len(FIRST)], LAST[number % len(LAST)]
    return Details(first, last, "", born, f"exemple{number}@example.org", "06 12 34 56 78", "fr")


def booking(
    service: Service, keys: Keys, key: SeatKey, applicant: Details, now: datetime
) -> tuple[SeatItem, PersonItem]:
    """Return the items of a confirmed appointment."""
    hold, erase_at = digest(f"practice {key.ref}"), int(service.erase_at(key).timestamp())
    filed_at = now - timedelta(days=7)
    person_key = keys.person_key(applicant.first_name, applicant.last_name, applicant.birth_date)
    seat = seat_store.new_item(key, filed_at)
    seat.state, seat.hold, seat.person, seat.filed_at = State.CONFIRMED, hold, person_key, filed_at
    seat.until, seat.extra, seat.reminded, seat.erase_at = service.start_of(key), True, True, erase_at
    person = items.person_item(person_key, service.id)
    person.seat, person.hold, person.reference = key.ref, hold, keys.reference(service.id, hold)
    person.filed_at, person.details, person.erase_at = filed_at, codec.details_to_document(applicant), erase_at
    person.sent = outbox.first_mark(generation=0)
    return seat, person


def starts(service: Service, now: datetime) -> list[datetime]:
    """Return the starts of today's appointments: around now, and all on this day."""
    local = now.astimezone(service.zone)
    midnight = datetime.combine(local.date(), time(0), service.zone)
    begin = local.replace(minute=local.minute // 10 * 10, second=0, microsecond=0) - BEFORE
    begin = min(max(begin, midnight), midnight + timedelta(days=1) - SLOTS * STEP)
    return [begin + number * STEP for number in range(SLOTS)]


def bookings(service: Service, keys: Keys, now: datetime) -> Iterator[SeatItem | PersonItem]:
    """Yield the items of today's appointments."""
    seats = [(start, desk) for start in starts(service, now) for desk in DESKS]
    for number, (start, desk) in enumerate(seats):
        key = SeatKey(start.date(), start.time(), desk, service.id)
        yield from booking(service, keys, key, details(number), now)


def fill(stack: Stack, now: datetime) -> None:
    """Write today's appointments to the table of a stack."""
    for item in items_of(stack, now):
        stack.client("dynamodb").put_item(TableName=stack.table, Item=item.serialize())


def items_of(stack: Stack, now: datetime) -> list[SeatItem | PersonItem]:
    """Return the items of the appointments of a day, for the table of a stack."""
    table, functions = stack.client("dynamodb"), stack.client("lambda")
    variables = functions.get_function_configuration(FunctionName=f"{stack.table}-desk")["Environment"]["Variables"]
    keys = Keys(StageSecret.parse(variables["GUICHET_SECRET"]).current)
    row = service_items.service_item(SERVICE)
    stored = table.get_item(TableName=stack.table, Key={"pk": {"S": row.pk}, "sk": {"S": row.sk}}, ConsistentRead=True)
    service = codec.service_from_document(json.loads(stored["Item"]["document"]["S"]))
    service_items.record_layout(SERVICE, stored["Item"].get("by_day_from", {}).get("S"))
    return list(bookings(service, keys, now))
