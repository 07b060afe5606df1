"""What the office does for somebody who came by post, by phone or in person: enter them in the same list as all others.

The rule of the draw, the window and the lock of the person are the same. The office has seen who the person is, so an
entry without an e-mail address needs no proof, and a seat that it gets is confirmed at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.allocation import entries, publication
from chalicelib.booking import entering, requests
from chalicelib.booking.locks import lock_rule, other_keys
from chalicelib.booking.requests import Request
from chalicelib.domain import entry, tokens
from chalicelib.domain.call import Call, Reason
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import AlreadyRequested, HoldExpired
from chalicelib.domain.seat import EntryKey, Seat, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import entry_store, lock_store, person_store, request_store, seat_store, service_store
from chalicelib.storage.items import Item


@dataclass(frozen=True, slots=True)
class PaperForm:
    """What somebody wants who does not use the pages. The e-mail address in `details` may be empty."""

    details: Details
    preferences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Clerk:
    """The agent who enters somebody, and what is written in the same transaction."""

    account: str
    records: Sequence[Item] = ()
    updates: Sequence[lock_store.Update] = ()


def enter(service_id: str, form: PaperForm, *, secret: str, now: datetime, by: Clerk | None = None) -> Request:
    """Enter somebody in the draws of a service. Idempotent for the same `secret`, which the caller makes.

    Without an e-mail address, the entry takes part at once. With one, it waits for its proof as any other entry does.
    `by` is None for an operator. An agent's entry does not lock the e-mail address: helpers have one for many people.
    Raises WrongAllocation, NotInWindow, InvalidFields for the preferences, or AlreadyRequested, and leaves nothing.
    Raises HoldExpired if the time for the form is over, or the condition of an update of the agent fails.
    """
    service = service_store.read(service_id, now)
    hold, details = tokens.digest(secret), form.details
    key = tokens.entry_key(service.id, hold)
    preferences = entries.check_preferences(service, form.preferences, now)
    until = now + service.limits.form
    entry_store.create(key, hold, preferences, until, until + entering.UNFILED)
    person = Person(
        key=keys().person_key(details.first_name, details.last_name, details.birth_date),
        service=service.id,
        seat=key,
        hold=hold,
        details=details,
        reference=keys().reference(service.id, hold),
        filed_at=now,
        booked_by=by.account if by else "",
        unlocked_email=by is not None,
    )
    try:
        _file(service, key, person, now, by or Clerk(""))
    except AlreadyRequested:
        if by:
            entry_store.discard(key, hold)
        else:
            seat_store.give_back(key, hold, now)
        raise
    stored = seat_store.read(key)
    if not stored.carries(hold, person.key):
        if by:
            entry_store.discard(key, hold)
        raise HoldExpired
    return requests.request_of(service, stored)


def _file(service: Service, key: EntryKey, person: Person, now: datetime, by: Clerk) -> None:
    """File the request of an entry, unless an earlier call has."""
    email = person.details.email
    filed = Entry(key, State.PENDING if email else State.CONFIRMED)
    until = service.confirm_before(key, now) if email else now + entry.LIFE
    request_store.file(
        person,
        keys().email_key(email) if email else "",
        until,
        now=now,
        erase_at=entry.erase_at(service, filed, until),
        is_live=lock_rule(service, now),
        receipt="" if email else tokens.new_receipt(),
        other_keys=other_keys(keys(), person.details),
        records=by.records,
        updates=by.updates,
    )


def calls(service: Service, week: str, now: datetime) -> Iterator[Call]:
    """Yield whom to call or write to after the draw of a week, because no e-mail reaches them.

    First those with a seat in that week, in the order of their appointments. Then those who are still in the list: who
    was not drawn the last time, and whose entry ends soon. Reads all entries of the service.
    """
    for seat in seat_store.read_week(service.id, week, consistent=True):
        call = _call_about_seat(service, seat)
        if call and service.start_of(seat.key) > now:
            yield call
    for stored in entry_store.read_all(service.id):
        if stored.is_of_office and stored.state is State.CONFIRMED and stored.until and stored.until > now:
            yield from _calls_about_entry(service, stored, now)


def _call_about_seat(service: Service, seat: Seat) -> Call | None:
    person = person_store.read(seat.person, service.id) if seat.person else None
    if person is None or person.details.email:
        return None
    if seat.carries(person.hold, person.key):
        return Call(Reason(seat.by_draw), person, seat.key) if seat.by_draw else None
    is_displaced = seat.past_state is State.DISPLACED and seat.past == person.hold
    return Call(Reason.DISPLACED, person, seat.key) if is_displaced else None


def _calls_about_entry(service: Service, stored: Entry, now: datetime) -> Iterator[Call]:
    person = person_store.read(stored.person, service.id)
    if person is None or person.details.email:
        return
    place = publication.place_of(service.id, stored.receipt)
    if place.rank:
        yield Call(Reason.NOT_DRAWN, person, rank=place.rank, waited=place.waited)
    if stored.until and stored.until - now <= entry.ENDS_SOON:
        yield Call(Reason.ENDS_SOON, person, until=stored.until)


def entry_of(person: Person) -> Entry | None:
    """Return the live entry of a person; None if their request has a seat, or has ended."""
    if not isinstance(person.seat, EntryKey):
        return None
    stored = seat_store.read(person.seat)
    return stored if stored.carries(person.hold, person.key) else None
