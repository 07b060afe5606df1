"""File a request for a hold, and correct its e-mail address."""

from dataclasses import replace
from datetime import datetime

from chalicelib.booking import holds, request_limits, requests
from chalicelib.booking.holds import Hold
from chalicelib.booking.requests import Request
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRequested, HoldExpired, InvalidFields, NotFound
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import request_store, seat_store

EMAIL_CHANGES = 2
"""How often the e-mail address of a request may be corrected."""
EMAIL_FIXED = N_("Cette adresse e-mail ne peut plus être changée ici. Écrivez-nous pour la changer.")


def file(hold_id: str, details: Details, *, now: datetime, ip_address: str = "") -> Request:
    """Turn a hold into a request that waits for its confirmation by e-mail; one per person and per e-mail address.

    The same form again is the same request, or a correction of its e-mail address (see `change_email`). Raises
    AlreadyRequested when the person or the address has another live request; a refusal leaves nothing behind. Raises
    CaptchaRequired when the request owes another captcha over a limit (see `limits`); `address` is the IP address.
    """
    hold = holds.view_ready(hold_id, now)
    service, seat = hold.service, hold.seat
    person_key = keys().person_key(details.first_name, details.last_name, details.birth_date)
    if seat.state is not State.HELD:
        if seat.person != person_key:
            raise HoldExpired
        return _change_email(hold, requests.request_of(service, seat), details.email, now)
    person = Person(
        key=person_key,
        service=service.id,
        seat=seat.key,
        hold=seat.hold,
        details=details,
        reference=keys().reference(service.id, seat.hold),
        filed_at=now,
    )
    request_limits.check(hold, details.email, ip_address, now)
    until = _confirm_before(hold, now)
    try:
        done = request_store.file(
            person,
            keys().email_key(details.email),
            until,
            now=now,
            erase_at=service.erase_at(seat.key),
            counts=lock_rule(service, now),
        )
    except AlreadyRequested:
        request_limits.already_requested(hold, details.email, ip_address, now)
        raise
    if not done:  # the same form a moment ago, or the hold is over
        seat = holds.view_ready(hold_id, now).seat
        if seat.person != person_key:
            raise HoldExpired
        return requests.request_of(service, seat)
    filed = replace(seat, state=State.PENDING, person=person.key, filed_at=now, until=until)
    return requests.request_of(service, filed, person)


def lock_rule(service: Service, now: datetime) -> request_store.LockRule:
    """Return the rule of the locks: one counts while its seat carries its request and the appointment is to come."""

    def carried(key: SeatKey, hold: str, person: str) -> bool:
        try:
            return service.start_of(key) > now and seat_store.read(key).carries(hold, person)
        except NotFound:  # its seat is gone from the timetable
            return False

    return carried


def _confirm_before(hold: Hold, filed_at: datetime) -> datetime:
    until = hold.service.confirm_before(hold.seat.key, filed_at)
    return min(until, filed_at + holds.BRIEF) if hold.brief else until


def email_changes_left(hold: Hold, person: Person | None, now: datetime) -> int:
    """Count how often the e-mail address of a filed request may still be corrected: only early, and while pending."""
    seat = hold.seat
    if person is None or seat.state is not State.PENDING or seat.filed_at is None:
        return 0
    early = now < seat.filed_at + hold.service.limits.form
    return max(EMAIL_CHANGES - seat.generation - seat.emails_refused, 0) if early else 0


def view_filed(hold: Hold, now: datetime) -> tuple[str, int]:
    """Return the e-mail address that a filed request is written to, and how often it may still be corrected.

    The address is empty once it can no longer be corrected: after that, a hold's id shows no personal data.
    """
    person = requests.request_of(hold.service, hold.seat).person
    left = email_changes_left(hold, person, now)
    early = hold.seat.filed_at is not None and now < hold.seat.filed_at + hold.service.limits.form
    return (person.details.email if person and early and hold.seat.state is State.PENDING else ""), left


def change_email(hold_id: str, email: str, *, now: datetime) -> Request:
    """Correct the e-mail address of a request that waits for its confirmation; the links sent so far end.

    Twice at most, within the time of the form, by the id of the hold: only the browser that filed has it. Raises
    InvalidFields when it is too late or was done twice, AlreadyRequested when the address has another live request,
    HoldOver when there is no such request.
    """
    hold = holds.view_ready(hold_id, now)
    if hold.seat.state is State.HELD:
        raise HoldExpired
    return _change_email(hold, requests.request_of(hold.service, hold.seat), email, now)


def _change_email(hold: Hold, request: Request, email: str, now: datetime) -> Request:
    person, seat = request.person, hold.seat
    if person is None or seat.filed_at is None:
        raise HoldExpired
    if person.details.email == email:
        return request
    if not email_changes_left(hold, person, now):
        raise InvalidFields({"email": EMAIL_FIXED})
    try:
        done = request_store.change_email(
            seat,
            person,
            request_store.NewEmail(email, old=keys().email_key(person.details.email), new=keys().email_key(email)),
            _confirm_before(hold, seat.filed_at),
            now=now,
            erase_at=hold.service.erase_at(seat.key),
            counts=lock_rule(hold.service, now),
        )
    except AlreadyRequested:
        seat_store.spend_email_change(seat)  # or it would tell without end which addresses have a request
        raise
    request = requests.request_of(hold.service, holds.view(hold.id, now).seat)
    if not done and (request.person is None or request.person.details.email != email):  # confirmed a moment ago
        raise InvalidFields({"email": EMAIL_FIXED})
    return request
