"""Bookings that the tests of the operator program start from."""

from datetime import date, datetime, time, timedelta

from chalicelib.booking import requests
from chalicelib.booking.locks import lock_rule
from chalicelib.booking.requests import Request
from chalicelib.desk import closing
from chalicelib.desk.closing import Closing
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Seat, SeatKey
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import outbox
from chalicelib.storage import request_store, seat_store, service_store
from chalicelib.storage.items import Image
from tests.conftest import MONDAY

NOW = MONDAY + timedelta(seconds=1)
TUESDAY = Closing("aes", date(2026, 12, 8))
ERASED = NOW + timedelta(days=60)


def key(day: str = "2026-12-08", start: str = "09:15", unit: int = 1) -> SeatKey:
    return SeatKey(date.fromisoformat(day), time.fromisoformat(start), unit, "aes")


def book(seat: SeatKey, number: int = 1, *, confirmed: bool = True) -> Request:
    """File a request for this seat, and confirm it."""
    hold = f"hold{number}"
    person = f"person{number}"
    email = f"awa{number}@example.org"
    details = Details("Awa", "Exemple", "", date(1990, 5, 17), email, "06 12 34 56 78", "fr")
    assert seat_store.take(seat, hold, NOW + timedelta(minutes=3), NOW)
    assert seat_store.pass_captcha(seat, hold, 1, NOW + timedelta(minutes=15), NOW, most=5)
    owner = Person(person, "aes", seat, hold, details, f"AES-{number:05}-AAAAA", NOW)
    until, address = NOW + timedelta(days=2), keys().email_key(email)
    assert request_store.file(owner, address, until, now=NOW, erase_at=ERASED, is_live=lock_rule(aes(), NOW))
    if confirmed:
        assert seat_store.confirm(seat, hold, NOW)
    return requests.view(str(keys().link_token(seat, hold)), NOW)


def letter_due(before: Seat, after: Seat) -> outbox.LetterDue | None:
    """Return the letter that a change of a seat requires."""
    return outbox.letter_due(_image(before), _image(after))


def _image(seat: Seat) -> Image:
    item = seat_store.new_item(seat.key, seat.opens_at)
    item.state, item.hold, item.person, item.until = seat.state, seat.hold or None, seat.person or None, seat.until
    item.past, item.past_state, item.reserve = seat.past or None, seat.past_state, seat.reserve or None
    return dict(item.serialize())


def close(closed: Closing, now: datetime = NOW) -> dict[str, int]:
    return dict(closing.close(closed, closing.prepare(closed, now), now))


def aes() -> Service:
    return service_store.read("aes", NOW)
