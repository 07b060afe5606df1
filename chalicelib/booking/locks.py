"""When the lock of a person or of an e-mail address keeps others out."""

from datetime import datetime

from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import SeatKey
from chalicelib.domain.service import Service
from chalicelib.storage import request_store, seat_store


def lock_rule(service: Service, now: datetime) -> request_store.LockRule:
    """Return the rule of the locks: one counts while its seat carries its request and the appointment is to come."""

    def counts(key: SeatKey, hold: str, person: str) -> bool:
        try:
            return service.start_of(key) > now and seat_store.read(key).carries(hold, person)
        except NotFound:  # its seat is gone from the timetable
            return False

    return counts
