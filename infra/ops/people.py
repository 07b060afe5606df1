"""The people of a stage: found by what they say at the desk, as long as their details are kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib import locks, names, rows, store
from chalicelib.errors import NotFound
from chalicelib.model import Details, Person, Seat, State
from chalicelib.rows import LockRow, PersonRow

Watch = Callable[[Iterable[PersonRow]], Iterable[PersonRow]]


@dataclass(frozen=True)
class Found:
    """A person, and how far their request is, or how it ended; no seat and no state once it went to somebody else."""

    person: Person
    seat: Seat | None = None
    state: State | None = None

    @property
    def told(self) -> str:
        """The state in a word."""
        return str(self.state or "ended")


@dataclass(frozen=True)
class Asked:
    """Who is looked for; what is empty does not matter."""

    name: str = ""
    reference: str = ""
    email: str = ""

    def matches(self, row: PersonRow) -> bool:
        """Compare names and e-mail addresses in any spelling; each word begins a word of the name."""
        details = row.details
        name = f"{details['first_name']} {details['last_name']} {details['birth_name']}"
        return (
            names.has_beginnings(name, self.name)
            and self.reference.strip().upper() in {"", row.reference}
            and (not self.email or names.email_key(self.email) == names.email_key(details["email"]))
        )


def find(asked: Asked, now: datetime, *, watch: Watch = iter) -> Iterator[Found]:
    """Read the whole table for them: there is no index of people, on purpose."""
    for row in watch(_everybody(now)):
        if asked.matches(row):
            person = locks.person(row.pk.removeprefix("PERSON#"), row.sk.removeprefix("SERVICE#"))
            if person:
                yield on_seat(person)


def _everybody(now: datetime) -> Iterator[PersonRow]:
    """All but those whose date to be erased is past: the table may take some days over it."""
    kept = PersonRow.pk.startswith("PERSON#") & PersonRow.sk.startswith("SERVICE#")
    kept &= PersonRow.details.exists() & (PersonRow.erase_at > int(now.timestamp()))
    with rows.table():
        yield from PersonRow.scan(kept, consistent_read=True)


def addresses(person: Person) -> list[str]:
    """Return the lock keys of a person's e-mail address. They are found by the hold: deriving them needs the secret."""
    theirs = LockRow.pk.startswith("EMAIL#") & (LockRow.hold == person.hold)
    with rows.table():
        return [row.pk.removeprefix("EMAIL#") for row in LockRow.scan(theirs, consistent_read=True)]


def full_name(details: Details) -> str:
    """The family name first, as at the desk."""
    return f"{details.last_name} {details.first_name}"


def filed_as(person: Person) -> str | None:
    """The name before it was corrected: the desk sees both."""
    before = full_name(person.as_filed) if person.as_filed else None
    return before if before != full_name(person.details) else None


def on_seat(person: Person) -> Found:
    """Where their request is."""
    try:
        seat = store.seat(person.seat)
    except NotFound:
        return Found(person)
    if seat.hold == person.hold and seat.state in {State.PENDING, State.CONFIRMED}:
        return Found(person, seat, seat.state)
    if seat.past == person.hold and seat.past_state:
        return Found(person, seat, seat.past_state)
    return Found(person)
