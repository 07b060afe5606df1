"""File a request for a hold, and correct its e-mail address."""

from dataclasses import replace
from datetime import datetime

from chalicelib.booking import holds, request_limits, requests
from chalicelib.booking.hold import BRIEF_CONFIRMATION, Held
from chalicelib.booking.locks import lock_rule, other_keys, person_keys
from chalicelib.booking.requests import Request
from chalicelib.domain import emails, entry
from chalicelib.domain.entry import Entry
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRequested, HoldExpired, InvalidFields, NotFound, WrongAllocation
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys, keys_of
from chalicelib.storage import request_store, seat_store

EMAIL_CHANGES = 2
"""How often the e-mail address of a request may be corrected."""
EMAIL_FIXED = N_("Cette adresse e-mail ne peut plus être changée ici. Écrivez-nous pour la changer.")


def file(hold: Held, details: Details, *, now: datetime, ip_address: str = "") -> Request:
    """File the request of a hold that was just read. It then waits for its confirmation by e-mail.

    Idempotent: the same form again returns the same request, or corrects its e-mail address. Raises AlreadyRequested
    when the person or the e-mail address has another live request, and CaptchaRequired when the request owes another
    captcha over a limit (see `request_limits`). Raises WrongAllocation for an entry in a service that has stopped
    drawing, and NotFound for a visitor in the draw of the canary. A refusal leaves nothing behind. Costs 6 write units,
    and 4 for each other secret of the stage.
    """
    if hold.is_filed:
        return _change_email(hold, _filed_request(hold, details), details.email, now)
    service, seat = hold.service, hold.carrier
    if isinstance(seat, Entry) and not service.draw:
        raise WrongAllocation
    _refuse_visitor_in_canary_draw(service, details.email)
    request_limits.check(hold, details.email, ip_address, now)
    person = Person(
        key=keys().person_key(details.first_name, details.last_name, details.birth_date),
        service=service.id,
        seat=seat.key,
        hold=seat.hold,
        details=details,
        reference=keys().reference(service.id, seat.hold),
        filed_at=now,
    )
    until = _confirm_before(hold, now)
    try:
        is_done = request_store.file(
            person,
            keys().email_key(details.email),
            until,
            now=now,
            erase_at=entry.erase_at(service, seat, until),
            is_live=lock_rule(service, now),
            other_keys=other_keys(keys(), details),
        )
    except AlreadyRequested:
        request_limits.already_requested(hold, details.email, ip_address, now)
        raise
    if not is_done:  # the same form came a moment ago, or the hold is over
        return _filed_request(holds.view_ready(hold.id, now), details)
    filed = replace(seat, state=State.PENDING, person=person.key, filed_at=now, until=until)
    return requests.request_of(service, filed, person)


def _refuse_visitor_in_canary_draw(service: Service, email: str) -> None:
    """Raise NotFound for a visitor in the draw of the canary. Nobody is drawn there, and every run ends all entries.

    Without this check a visitor could send letter after letter to the e-mail address of somebody else.
    """
    if service.is_canary_draw and not email.endswith(emails.SIMULATOR):
        raise NotFound


def _filed_request(hold: Held, details: Details) -> Request:
    """Return the request that a hold has become. Raises HoldExpired if it is another person's, or not filed."""
    if hold.carrier.person not in person_keys(details):
        raise HoldExpired
    return requests.request_of(hold.service, hold.carrier)


def _confirm_before(hold: Held, filed_at: datetime) -> datetime:
    until = hold.service.confirm_before(hold.carrier.key, filed_at)
    return min(until, filed_at + BRIEF_CONFIRMATION) if hold.brief else until


def _is_correctable(hold: Held, now: datetime) -> bool:
    """Tell whether the request of a hold is pending and within the time for the form."""
    seat = hold.carrier
    return seat.state is State.PENDING and seat.filed_at is not None and now < seat.filed_at + hold.service.limits.form


def email_changes_left(hold: Held, person: Person | None, now: datetime) -> int:
    """Count how often the e-mail address of a filed request may still be corrected."""
    if person is None or not _is_correctable(hold, now):
        return 0
    return max(EMAIL_CHANGES - hold.carrier.generation - hold.carrier.emails_refused, 0)


def view_filed(hold: Held, now: datetime) -> tuple[str, int]:
    """Return the e-mail address that a filed request is written to, and how often it may still be corrected.

    The e-mail address is empty after the time for the form: from then on, a hold token shows no personal data.
    """
    person = requests.request_of(hold.service, hold.carrier).person
    email = person.details.email if person and _is_correctable(hold, now) else ""
    return email, email_changes_left(hold, person, now)


def change_email(hold_id: str, email: str, *, now: datetime) -> Request:
    """Correct the e-mail address of a request that waits for its confirmation. The links sent so far end.

    It takes the hold token, which only the browser that filed has, within the time for the form, and at most
    EMAIL_CHANGES times. Raises InvalidFields after that, AlreadyRequested when the e-mail address has another live
    request, HoldExpired when there is no such request.
    """
    hold = holds.view_ready(hold_id, now)
    if not hold.is_filed:
        raise HoldExpired
    return _change_email(hold, requests.request_of(hold.service, hold.carrier), email, now)


def _change_email(hold: Held, request: Request, email: str, now: datetime) -> Request:
    person, seat = request.person, hold.carrier
    if person is None or seat.filed_at is None:
        raise HoldExpired
    if person.details.email == email:
        return request
    if not email_changes_left(hold, person, now):
        raise InvalidFields({"email": EMAIL_FIXED})
    _refuse_visitor_in_canary_draw(hold.service, email)
    until = _confirm_before(hold, seat.filed_at)
    own = keys_of(person)
    new_email = request_store.NewEmail(
        email,
        old_key=own.email_key(person.details.email),
        new_key=own.email_key(email),
        other_keys=other_keys(own, replace(person.details, email=email)).emails,
    )
    try:
        is_done = request_store.change_email(
            seat,
            person,
            new_email,
            until,
            now=now,
            erase_at=entry.erase_at(hold.service, seat, until),
            is_live=lock_rule(hold.service, now),
        )
    except AlreadyRequested:
        seat_store.count_refused_email_change(
            seat
        )  # otherwise any number of e-mail addresses could be tried for a request
        raise
    changed = requests.request_of(hold.service, holds.view_ready(hold.id, now).carrier)
    if not is_done and (changed.person is None or changed.person.details.email != email):  # confirmed a moment ago
        raise InvalidFields({"email": EMAIL_FIXED})
    return changed
