"""What an applicant does with a request, from the details on. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import booking, filing, limits, locks, places, store, timetable, upkeep
from chalicelib.booking import Hold, keys
from chalicelib.chance import CHANCE
from chalicelib.errors import AlreadyRequested, HoldOver, InvalidFields, LinkOver, NoMovesLeft, NotFound, SlotTaken
from chalicelib.model import Details, Person, Seat, SeatKey, Service, State, week_of
from chalicelib.tokens import Ticket
from chalicelib.words import N_

LINK_PAUSE = timedelta(minutes=2)
"""How long an address waits before it can ask for its link again."""
EMAIL_CHANGES = 2
"""How often the e-mail address of a request may be corrected."""
EMAIL_FIXED = N_("Cette adresse e-mail ne peut plus être changée ici. Écrivez-nous pour la changer.")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its owner sees it; `person` is None once it has ended."""

    token: str
    service: Service
    seat: Seat
    start: datetime
    state: State
    reference: str
    confirm_before: datetime | None = None
    filed_at: datetime | None = None
    person: Person | None = None


def file_request(hold_id: str, details: Details, *, now: datetime, address: str = "") -> Request:
    """Turn a hold into a request that waits for its confirmation by e-mail; one per person and per e-mail address.

    The same form again is the same request, or a correction of its e-mail address (see `change_email`). Raises
    AlreadyRequested when the person or the address has another live request; a refusal leaves nothing behind. Raises
    CaptchaRequired when the request owes another captcha over a limit (see `limits`); `address` is the IP address.
    """
    hold = booking.check_hold(hold_id, now)
    service, seat = hold.service, hold.seat
    person_key = keys().person(details.first_name, details.last_name, details.birth_date)
    if seat.state is not State.HELD:
        if seat.person != person_key:
            raise HoldOver
        return _readdress(hold, _request(service, seat), details.email, now)
    person = Person(
        key=person_key,
        service=service.id,
        seat=seat.key,
        hold=seat.hold,
        details=details,
        reference=keys().reference(service.id, seat.hold),
        filed_at=now,
    )
    limits.check(hold, details.email, address, now)
    until = _confirm_before(hold, now)
    try:
        done = filing.file(
            person,
            keys().address(details.email),
            until,
            now=now,
            erase_at=service.erase_at(seat.key),
            counts=counts(service, now),
        )
    except AlreadyRequested:
        limits.already_requested(hold, details.email, address, now)
        raise
    if not done:  # the same form a moment ago, or the hold is over
        seat = booking.check_hold(hold_id, now).seat
        if seat.person != person_key:
            raise HoldOver
        return _request(service, seat)
    filed = replace(seat, state=State.PENDING, person=person.key, filed_at=now, until=until)
    return _request(service, filed, person)


def counts(service: Service, now: datetime) -> filing.Counts:
    """Return the rule of the locks: one counts while its seat carries its request and the appointment is to come."""

    def carried(key: SeatKey, hold: str, person: str) -> bool:
        try:
            return service.start_of(key) > now and store.seat(key).carries(hold, person)
        except NotFound:  # its seat is gone from the timetable
            return False

    return carried


def _confirm_before(hold: Hold, filed_at: datetime) -> datetime:
    until = hold.service.confirm_before(hold.seat.key, filed_at)
    return min(until, filed_at + booking.BRIEF) if hold.brief else until


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
    person = _request(hold.service, hold.seat).person
    left = email_changes_left(hold, person, now)
    early = hold.seat.filed_at is not None and now < hold.seat.filed_at + hold.service.limits.form
    return (person.details.email if person and early and hold.seat.state is State.PENDING else ""), left


def change_email(hold_id: str, email: str, *, now: datetime) -> Request:
    """Correct the e-mail address of a request that waits for its confirmation; the links sent so far end.

    Twice at most, within the time of the form, by the id of the hold: only the browser that filed has it. Raises
    InvalidFields when it is too late or was done twice, AlreadyRequested when the address has another live request,
    HoldOver when there is no such request.
    """
    hold = booking.check_hold(hold_id, now)
    if hold.seat.state is State.HELD:
        raise HoldOver
    return _readdress(hold, _request(hold.service, hold.seat), email, now)


def _readdress(hold: Hold, request: Request, email: str, now: datetime) -> Request:
    person, seat = request.person, hold.seat
    if person is None or seat.filed_at is None:
        raise HoldOver
    if person.details.email == email:
        return request
    if not email_changes_left(hold, person, now):
        raise InvalidFields({"email": EMAIL_FIXED})
    try:
        done = filing.change_email(
            seat,
            person,
            filing.NewEmail(email, old=keys().address(person.details.email), new=keys().address(email)),
            _confirm_before(hold, seat.filed_at),
            now=now,
            erase_at=hold.service.erase_at(seat.key),
            counts=counts(hold.service, now),
        )
    except AlreadyRequested:
        store.spend_email_change(seat)  # or it would tell without end which addresses have a request
        raise
    request = _request(hold.service, booking.view_hold(hold.id, now).seat)
    if not done and (request.person is None or request.person.details.email != email):  # confirmed a moment ago
        raise InvalidFields({"email": EMAIL_FIXED})
    return request


def _request(service: Service, seat: Seat, person: Person | None = None) -> Request:
    """The request that a pending or confirmed seat carries, with its person unless a newer request has replaced it."""
    person = person or locks.person(seat.person, service.id)
    return Request(
        token=str(keys().link(seat.key, seat.hold, seat.generation)),
        service=service,
        seat=seat,
        start=service.start_of(seat.key),
        state=seat.state,
        reference=keys().reference(service.id, seat.hold),
        confirm_before=seat.until,
        filed_at=seat.filed_at,
        person=person if person and person.hold == seat.hold else None,
    )


def view_request(token: str, now: datetime) -> Request:
    """The request of a link; once it has ended, only what became of it; LinkOver when its seat moved on.

    One whose place the office took back has its person as long as it can still choose another.
    """
    ticket = keys().read("link", token)
    service = store.service(ticket.seat.service, now)
    seat = store.seat(ticket.seat)
    if keys().opens(ticket, seat.hold, seat.generation) and seat.state in {State.PENDING, State.CONFIRMED}:
        if seat.state is State.PENDING and seat.until is not None and seat.until <= now:
            return _ended(service, seat, ticket, State.EXPIRED, seat.hold)
        return _request(service, seat)
    if not keys().opens(ticket, seat.past, seat.generation) or not seat.past_state:
        raise LinkOver
    found = _ended(service, seat, ticket, seat.past_state, seat.past)
    if seat.past_state is not State.DISPLACED or seat.until is None or seat.until <= now:
        return found
    person = locks.person(seat.person, service.id)
    live = person is not None and (person.hold, person.seat) == (seat.past, seat.key)
    return replace(found, person=person if live else None, confirm_before=seat.until)


def _ended(service: Service, seat: Seat, ticket: Ticket, state: State, hold: str) -> Request:
    reference = keys().reference(service.id, hold)
    return Request(str(ticket), service, seat, service.start_of(seat.key), state, reference)


def confirm_request(token: str, now: datetime) -> Request:
    """Confirm; again is the same; LinkOver when the time has run out or it was cancelled."""
    found = view_request(token, now)
    if found.state is State.PENDING:
        if store.confirm(found.seat.key, found.seat.hold, now):
            return replace(found, state=State.CONFIRMED)
        found = view_request(token, now)  # another click was faster
    if found.state is not State.CONFIRMED:
        raise LinkOver
    return found


def cancel_request(token: str, now: datetime, *, chance: Callable[[], float] = CHANCE.random) -> Request:
    """Cancel; again is the same. The seat opens again later, at a moment nobody knows."""
    found = view_request(token, now)
    if found.state in {State.PENDING, State.CONFIRMED}:
        back = timetable.return_moment(found.service, found.seat.key, now, chance())
        if store.end_request(found.seat, State.CANCELLED, back, now):
            return replace(found, state=State.CANCELLED, confirm_before=None, person=None)
        found = view_request(token, now)
    if found.state is not State.CANCELLED:
        raise LinkOver
    return found


def choices(token: str, now: datetime) -> tuple[Request, list[datetime]]:
    """A request and the slots it can move to, earliest first; NoMovesLeft, or LinkOver if it cannot move at all."""
    found = view_request(token, now)
    return found, sorted({found.service.start_of(key) for key in _choices(found, now)})


def _choices(found: Request, now: datetime) -> list[SeatKey]:
    """The seats that a request can move to: all that are free, and those that the office set aside for it."""
    if found.state not in {State.CONFIRMED, State.DISPLACED} or found.person is None:
        raise LinkOver
    if found.state is State.CONFIRMED and found.person.moves >= found.service.limits.moves:
        raise NoMovesLeft
    seats = booking.free_seats(found.service, now)
    if found.state is State.DISPLACED:
        seats += [seat.key for seat in _reserve(found, now)]
    return [key for key in seats if found.service.start_of(key) != found.start]


def _reserve(found: Request, now: datetime) -> list[Seat]:
    return [
        seat
        for _, seats in upkeep.weeks(found.service, now)
        for seat in seats
        if seat.reserve == found.seat.reserve and seat.is_set_aside(now)
    ]


def move_request(
    token: str,
    start: datetime,
    *,
    now: datetime,
    chance: random.Random = CHANCE,
) -> Request:
    """Move to another slot, whole or not at all: the new seat is taken and the old one given back in one transaction.

    Again is the same. The old seat opens again later, at a moment nobody knows; one that the office closed stays so.
    """
    found = view_request(token, now)
    if found.state is State.MOVED:
        return _moved(found, start, now)
    free = _choices(found, now)
    wished = [key for key in free if found.service.start_of(key) == start]
    for key in chance.sample(wished, min(booking.TRIES, len(wished))):
        back = timetable.return_moment(found.service, found.seat.key, now, chance.random())
        done = places.move(_move(found, key, back), now)
        if done is places.Moved.YES:
            return _request(found.service, store.seat(key))
        if done is places.Moved.NOT_ITS_OWN:  # another click was faster, or this address has a newer request
            again = view_request(token, now)
            if again.state is State.MOVED:
                return _moved(again, start, now)
            raise _why_not_moved(again)
    raise SlotTaken(timetable.nearest(found.service, free, start))


def _why_not_moved(request: Request) -> LinkOver | NoMovesLeft | AlreadyRequested:
    """Name what was in the way of a move: the request has ended, or was moved too often, or has a successor."""
    if request.state not in {State.CONFIRMED, State.DISPLACED}:
        return LinkOver()
    if request.person and request.person.moves >= request.service.limits.moves:
        return NoMovesLeft()
    return AlreadyRequested()


def _move(found: Request, to: SeatKey, back: datetime) -> places.Move:
    assert found.person is not None  # _choices  # noqa: S101  # for the types
    return places.Move(
        seat=found.seat,
        to=to,
        person=found.person,
        address=keys().address(found.person.details.email),
        opens_at=back,
        erase_at=found.service.erase_at(to),
        most=found.service.limits.moves if found.state is State.CONFIRMED else None,
    )


def _moved(found: Request, start: datetime, now: datetime) -> Request:
    """What a second click of the same move is told: the request where it is now; LinkOver for any other slot."""
    for seat in store.seats(found.service.id, week_of(start.date())):
        if found.service.start_of(seat.key) == start and seat.holds(found.seat.past, now):
            return _request(found.service, seat)
    raise LinkOver


def ask_link(reference: str, email: str, now: datetime) -> None:
    """Send the link of a request to its address again, if there is one; the answer tells nobody which."""
    service_id = reference.lower().rpartition("-")[0].rpartition("-")[0]
    locks.ask_link(keys().address(email), service_id, reference.upper(), now, pause=LINK_PAUSE)
