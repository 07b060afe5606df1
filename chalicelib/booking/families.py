"""People who were booked together: one convocation names them all."""

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain import emails
from chalicelib.domain.person import Person
from chalicelib.domain.seat import APPOINTMENT
from chalicelib.storage import person_store, seat_store

ERASED = "-"
"""Stands for somebody of a family whose data were erased."""


def members(person: Person) -> Sequence[Person]:
    """Return all who were booked with a person and still have their appointment, in the order of their seats.

    The person is one of them, if their own is live. Empty for a person alone, without a read. Costs one read unit for
    each person and each seat.
    """
    return [member for member in _booked_with(person) if _is_live(member)]


def _booked_with(person: Person) -> list[Person]:
    """Return all who were booked with a person and whose item is still that of this booking."""
    people = (person_store.read(key, person.service) for key in person.family if key != ERASED)
    return [member for member in people if member and _is_same(member.family, person.family)]


def _is_same(family: Sequence[str], other: Sequence[str]) -> bool:
    pairs = zip(family, other, strict=False)
    return len(family) == len(other) and all(one == two or ERASED in {one, two} for one, two in pairs)


def _is_live(person: Person) -> bool:
    seat = seat_store.read(person.seat)
    return seat.state in APPOINTMENT and seat.carries(person.hold, person.key)


def recipients(people: Sequence[Person]) -> list[Person]:
    """Return who receives the letters to all of these people: the first one of each e-mail address."""
    first: dict[str, Person] = {}
    for person in people:
        if person.details.email:
            first.setdefault(emails.mailbox_key(person.details.email), person)
    return list(first.values())


def forget(person: Person) -> None:
    """Remove the key of a person, whose data are erased next, from the items of those who were booked with them."""
    for member in _booked_with(person):
        if member.key != person.key:
            kept = tuple(ERASED if key == person.key else key for key in member.family)
            person_store.replace_family(member, kept)


def is_recipient(person: Person) -> bool:
    """Tell whether the letters to the family of a person go to this person. Somebody alone receives their own."""
    if not person.family:
        return True
    people = [person if member.key == person.key else member for member in members(person)]
    return any(recipient.key == person.key for recipient in recipients(people))


def send_convocations(person: Person, now: datetime, *, already_sent_to: str = "") -> None:
    """Send the convocation of a family again, as its members are now, but not to this person key."""
    for recipient in recipients(members(person)):
        if recipient.key != already_sent_to:
            person_store.renew_convocation(recipient, now)
