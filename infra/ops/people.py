"""The people of a stage: found by what they say at the desk, as long as their request is on a seat or just ended."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from chalicelib import locks, rows, store
from chalicelib.errors import NotFound
from chalicelib.model import Details, Person, Seat, State
from chalicelib.rows import PersonRow
from chalicelib.tokens import normal_address, plain

Watch = Callable[[Iterable[PersonRow]], Iterable[PersonRow]]


@dataclass(frozen=True)
class Found:
    """A person, the seat of their request, and how far the request is, or how it ended."""

    person: Person
    seat: Seat
    state: State


@dataclass(frozen=True)
class Asked:
    """Who is looked for; what is empty does not matter."""

    name: str = ""
    reference: str = ""
    email: str = ""

    def matches(self, row: PersonRow) -> bool:
        """Is it them? Each word begins a word of the name; an address may be spelt as mailboxes allow."""
        details = row.details
        words = plain(f"{details['first_name']} {details['last_name']} {details['birth_name']}")
        return (
            all(any(word.startswith(asked) for word in words) for asked in plain(self.name))
            and self.reference.strip().upper() in {"", row.reference}
            and (not self.email or normal_address(self.email) == normal_address(details["email"]))
        )


def find(asked: Asked, *, watch: Watch = iter) -> Iterator[Found]:
    """Read the whole table for them: there is no index of people, on purpose."""
    for row in watch(_everybody()):
        if asked.matches(row):
            person = locks.person(row.pk.removeprefix("PERSON#"), row.sk.removeprefix("SERVICE#"))
            if person and (found := on_seat(person)):
                yield found


def _everybody() -> Iterator[PersonRow]:
    with rows.table():
        yield from PersonRow.scan(PersonRow.pk.startswith("PERSON#"), consistent_read=True)


def full_name(details: Details) -> str:
    """The family name first, as at the desk."""
    return f"{details.last_name} {details.first_name}"


def filed_as(person: Person) -> str | None:
    """The name before it was corrected: the desk sees both."""
    before = full_name(person.as_filed) if person.as_filed else None
    return before if before != full_name(person.details) else None


def on_seat(person: Person) -> Found | None:
    """Where their request is; None when its seat went on to somebody else."""
    try:
        seat = store.seat(person.seat)
    except NotFound:
        return None
    if seat.hold == person.hold and seat.state in {State.PENDING, State.CONFIRMED}:
        return Found(person, seat, seat.state)
    if seat.past == person.hold and seat.past_state:
        return Found(person, seat, seat.past_state)
    return None
