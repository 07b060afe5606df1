"""Book for people who came by phone, by post or in person, or enter them in the draws.

Each order is one transaction with its audit item, and may be repeated. `changes` has what an agent does later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.allocation import office
from chalicelib.allocation.office import PaperForm
from chalicelib.booking import requests
from chalicelib.booking.locks import is_email_in_use, lock_rule, other_keys, person_keys
from chalicelib.booking.requests import Request
from chalicelib.desk import audit, places
from chalicelib.domain import tokens
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import (
    AlreadyRequested,
    CeilingReached,
    EmailInUse,
    HoldExpired,
    InvalidFields,
    LinkExpired,
    NotAllowed,
    SlotTaken,
    TooManyRequests,
    WrongAllocation,
)
from chalicelib.domain.seat import SeatKey, week_of
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import booking_store, lock_store, person_store, seat_store
from chalicelib.storage.booking_store import Booking, Ceiling
from chalicelib.storage.desk_items import DeskAuditItem

MOST_PEOPLE = 6
"""How many people can be booked together: so many fit in one transaction and in one morning."""
TRIES = 3
COUNTED = timedelta(days=35)
"""How long the count of an association's week is kept."""
TOO_MANY = f"Au plus {MOST_PEOPLE} personnes à la fois. Réservez les autres ensuite."
TWICE = "La même personne est là deux fois. Enlevez-la une fois."
NONE_FREE = "Il n’y a pas de place libre ici. Choisissez un autre jour."
ROW_TOO_LONG = (
    "Il n’y a pas {people} places à la suite. Au plus {most} à la suite : choisissez un autre jour, ou séparez."
)
NOT_A_ROW = "Ces places ne se suivent pas à un même guichet. Choisissez-les à nouveau."


@dataclass(frozen=True, slots=True)
class Order:
    """Seats for people: one for each, in the same order. `secret` is made with the form (`tokens.new_secret`)."""

    seats: Sequence[SeatKey]
    people: Sequence[Details]
    """The e-mail address of each may be empty."""
    secret: str

    def hold(self, index: int) -> str:
        """Return the digest that stands for the hold of a person.

        It differs for another person or another seat, so the secret of a form that was changed books nothing twice.
        """
        details, seat = self.people[index], self.seats[index]
        person = keys().person_key(details.first_name, details.last_name, details.birth_date)
        return tokens.digest(f"{self.secret}\n{index}\n{seat.ref}\n{person}")


def rows(service: Service, free: Sequence[SeatKey], people: int) -> list[tuple[SeatKey, ...]]:
    """Return each row of so many free seats that follow each other on one desk on one day, in the order of `free`.

    `free` is what `places.free_for` or `places.now_seats` returned, or a part of it, such as one day.
    Raise InvalidFields (`people`), which says how many are possible, if there is none.
    """
    if not 0 < people <= MOST_PEOPLE:
        raise InvalidFields({"people": TOO_MANY})
    lengths: dict[SeatKey, int] = {}
    for key in sorted(free, reverse=True):
        follower = _follower(service, key)
        lengths[key] = 1 + lengths.get(follower, 0)
    possible = [_row(service, key, people) for key in free if lengths[key] >= people]
    if not possible:
        most = min(max(lengths.values(), default=0), MOST_PEOPLE)
        raise InvalidFields({"people": ROW_TOO_LONG.format(people=people, most=most) if most else NONE_FREE})
    return possible


def _follower(service: Service, key: SeatKey) -> SeatKey:
    """Return the key of the seat after this one on the same desk, whether it exists or not."""
    after = datetime.combine(key.day, key.start) + service.slot
    return replace(key, day=after.date(), start=after.time())


def _row(service: Service, key: SeatKey, people: int) -> tuple[SeatKey, ...]:
    row = [key]
    while len(row) < people:
        row.append(_follower(service, row[-1]))
    return tuple(row)


def book(
    service: Service,
    order: Order,
    account: Account,
    now: datetime,
    *,
    walk_in: bool = False,
    share_email: bool = False,
) -> list[Request]:
    """Book the seats of an order for its people, all or none. Return their requests in the order of the seats.

    Idempotent for the same secret: a repetition returns the same requests. Raise SlotTaken with the nearest free
    starts, AlreadyRequested (with `index`, and for an agent with `seat`), EmailInUse (not with `share_email`),
    CeilingReached for an association, NotAllowed for a role that may not, InvalidFields (`people`) for more than
    MOST_PEOPLE or for the same person twice, LinkExpired for a repetition after all requests have ended, and
    WrongAllocation in a draw. `walk_in` is for seats of `places.now_seats`: PLANNER only.

    Costs 8 write units for a person with an e-mail address, and 2 or 4 for the order.
    """
    is_association = _role(service, account, Role.PLANNER if walk_in else None) is Role.ASSOCIATION
    _check_order(service, order)
    if booked := _booked_before(service, order):
        return booked
    if service.draw and not walk_in:
        raise WrongAllocation
    ceiling = _ceiling(service, account, now, len(order.people)) if is_association else None
    if not (share_email or is_association):
        _check_emails(service, order, now)
    for _ in range(TRIES):
        try:
            bookings = _bookings(service, order, account, now, walk_in=walk_in, public=not is_association)
            record = _record(service, bookings, account, now, walk_in=walk_in)
            rule = lock_rule(service, now)
            if booking_store.book(bookings, _other_keys(order), [record], ceiling, is_live=rule, now=now):
                return [requests.request_of(service, seat_store.read(b.seat.key), b.person) for b in bookings]
            if ceiling:
                _ceiling(service, account, now, len(order.people))
        except (SlotTaken, CeilingReached):
            if booked := _booked_before(service, order):  # the same form was sent a moment ago
                return booked
            raise
        except AlreadyRequested as refusal:
            raise _already(refusal, order.people, show=not is_association) from refusal
    raise TooManyRequests


def _other_keys(order: Order) -> lock_store.OtherKeys:
    """Return the keys of the people under the other secrets of the stage. Their e-mail addresses are not locked."""
    return lock_store.OtherKeys([key for details in order.people for key in other_keys(keys(), details).people])


def _role(service: Service, account: Account, needed: Role | None = None) -> Role:
    """Return the role with which an account books, at least `needed`. Raise NotAllowed if it may not."""
    role = account.role_in(service.id, needed) if needed else account.booking_role(service.id)
    if role is None:
        raise NotAllowed
    return role


def _check_order(service: Service, order: Order) -> None:
    people = len(order.people)
    if not 0 < people <= MOST_PEOPLE:
        raise InvalidFields({"people": TOO_MANY})
    if not order.seats or tuple(order.seats) != _row(service, order.seats[0], people):
        raise InvalidFields({"people": NOT_A_ROW})
    if len({person_keys(details)[0] for details in order.people}) < people:
        raise InvalidFields({"people": TWICE})


def _booked_before(service: Service, order: Order) -> list[Request]:
    """Return the requests that an order has become; none if it was not booked.

    Raise LinkExpired if all of them have ended.
    """
    booked, was_booked = [], False
    for index, details in enumerate(order.people):
        person = person_store.read(person_keys(details)[0], service.id)
        if person is None or person.hold != order.hold(index):
            continue
        was_booked, carrier = True, seat_store.read(person.seat)
        if carrier.carries(person.hold, person.key):
            booked.append(requests.request_of(service, carrier, person))
    if was_booked and not booked:
        raise LinkExpired
    return booked


def _check_emails(service: Service, order: Order, now: datetime) -> None:
    """Raise EmailInUse if an e-mail address has a live request of somebody who is not in the order."""
    ours = {key for details in order.people for key in person_keys(details)}
    for index, details in enumerate(order.people):
        if is_email_in_use(service, details.email, ours, now):
            raise EmailInUse(index)


def _bookings(
    service: Service, order: Order, account: Account, now: datetime, *, walk_in: bool, public: bool
) -> list[Booking]:
    """Read the seats of an order, and return who gets which. Raise SlotTaken if one of them is not free."""
    free = places.read_free(service, order.seats, now, public=public, walk_in=walk_in, agent_id=account.id)
    seats, own = {seat.key: seat for seat in free}, keys()
    family = tuple(person_keys(details)[0] for details in order.people)
    return [
        Booking(
            seats[seat],
            Person(
                key=family[index],
                service=service.id,
                seat=seat,
                hold=order.hold(index),
                details=details,
                reference=own.reference(service.id, order.hold(index)),
                filed_at=now,
                booked_by=account.id,
                family=family if len(family) > 1 else (),
                unlocked_email=True,
            ),
            own.email_key(details.email) if details.email else "",
            service.erase_at(seat),
        )
        for index, (seat, details) in enumerate(zip(order.seats, order.people, strict=True))
    ]


def _record(
    service: Service, bookings: Sequence[Booking], account: Account, now: datetime, *, walk_in: bool
) -> DeskAuditItem:
    seats = " ".join(booking.seat.key.ref for booking in bookings)
    holds = " ".join(booking.person.hold for booking in bookings)
    return audit.item(service.id, account.id, "book walk-in" if walk_in else "book", now, seats=seats, holds=holds)


def _already(refusal: AlreadyRequested, people: Sequence[Details], *, show: bool) -> AlreadyRequested:
    """Return the refusal with whom it is about, and without their seat for an association."""
    index = next((number for number, who in enumerate(people) if refusal.lock in person_keys(who)), 0)
    return AlreadyRequested(refusal.seat, index=index) if show else AlreadyRequested(index=index)


def _ceiling(service: Service, account: Account, now: datetime, people: int) -> Ceiling:
    """Return the ceiling of an association's week. Raise CeilingReached if so many more people are over it."""
    most = service.limits.association_bookings
    left = most - booked_this_week(service, account, now)
    if people > left:
        raise CeilingReached(most, max(left, 0))
    return Ceiling(service.id, _week(service, now), account.id, most, now + COUNTED)


def _week(service: Service, now: datetime) -> str:
    return week_of(now.astimezone(service.zone).date())


def booked_this_week(service: Service, account: Account, now: datetime) -> int:
    """Return for how many people an association has booked in the ISO week of `now`.

    The most is `service.limits.association_bookings`. Agents are not counted.
    """
    return booking_store.count(service.id, _week(service, now), account.id)


def enter(service: Service, form: PaperForm, account: Account, now: datetime, *, secret: str) -> Request:
    """Enter somebody in the draws of a service, as `allocation.office.enter` does. Idempotent for the same secret.

    Raise what it raises, CeilingReached, and NotAllowed.
    """
    is_association = _role(service, account) is Role.ASSOCIATION
    secret = f"{secret}\n{person_keys(form.details)[0]}"  # a form that was changed enters the other person as another
    hold = tokens.digest(secret)
    record = audit.item(service.id, account.id, "enter", now, entry=tokens.entry_key(service.id, hold).ref, hold=hold)
    ceiling = booking_store.count_in(_ceiling(service, account, now, 0), 1) if is_association else None
    by = office.Clerk(account.id, [record], [ceiling] if ceiling else [])
    try:
        return office.enter(service.id, form, secret=secret, now=now, by=by)
    except AlreadyRequested as refusal:
        raise _already(refusal, [form.details], show=not is_association) from refusal
    except HoldExpired:
        if is_association:
            _ceiling(service, account, now, 1)
        raise
