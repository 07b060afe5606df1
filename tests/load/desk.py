"""Measure the list of a day at the desk and a search, with the 300 appointments of a large prefecture."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from statistics import median

from chalicelib.desk import day
from chalicelib.domain import codec, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import items, seat_store
from chalicelib.storage.items import Item

APPOINTMENTS, DESKS = 300, 10
ROUNDS, CALLS = 5, 5
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


def cpu(service: Service, now: datetime) -> dict[str, float]:
    """Put the appointments on a day, and return the milliseconds of CPU of each use case by the name of its row."""
    today = now.astimezone(service.zone).date()
    with Item.batch_write() as batch:
        for number in range(APPOINTMENTS):
            for row in _appointment(service, today, number, now):
                batch.save(row)
    last = "Exemple " + _letters(APPOINTMENTS - 1)
    rows = [row for row in day.read_day(service, today, now) if row.person]
    if len(rows) != APPOINTMENTS or len(day.find(service, last, now).rows) != 1:
        raise ValueError(f"{len(rows)} appointments are listed instead of {APPOINTMENTS}")
    return {
        "the list of 300 appointments": _milliseconds(lambda: day.read_day(service, today, now)),
        "a search by name among 300": _milliseconds(lambda: day.find(service, last, now)),
    }


def _appointment(service: Service, today: date, number: int, now: datetime) -> list[Item]:
    start = (datetime.combine(today, clock_time(8)) + timedelta(minutes=15 * (number // DESKS))).time()
    key = SeatKey(today, start, 1 + number % DESKS, service.id)
    details = replace(AWA, last_name=f"Exemple {_letters(number)}")
    hold = tokens.digest(key.ref)
    seat = seat_store.new_item(key, now)
    seat.state, seat.hold, seat.until, seat.filed_at = State.CONFIRMED, hold, now, now
    seat.person = keys().person_key(details.first_name, details.last_name, details.birth_date)
    person = items.person_item(seat.person, service.id)
    person.seat, person.hold, person.filed_at = key.ref, hold, now
    person.reference, person.details = keys().reference(service.id, hold), codec.details_to_document(details)
    person.erase_at = int((now + timedelta(days=90)).timestamp())
    return [seat, person]


def _letters(number: int) -> str:
    return "".join("bcdfghijkl"[int(digit)] for digit in f"{number:03}")


def _milliseconds(call: Callable[[], object]) -> float:
    def once() -> float:
        began = time.process_time()
        call()
        return (time.process_time() - began) * 1000

    return min(median(once() for _ in range(CALLS)) for _ in range(ROUNDS))
