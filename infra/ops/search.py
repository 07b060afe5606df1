"""The people of a stage: found by what they say at the desk, as long as their details are kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain import emails, names
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import Seat, State
from chalicelib.storage import dynamodb, person_store, seat_store
from chalicelib.storage.items import LockItem, PersonItem

Watch = Callable[[Iterable[PersonItem]], Iterable[PersonItem]]


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

    def matches(self, row: PersonItem) -> bool:
        """Compare names and e-mail addresses in any spelling; each word begins a word of the name."""
        details = row.details
        name = f"{details['first_name']} {details['last_name']} {details['birth_name']}"
        return (
            names.has_beginnings(name, self.name)
            and self.reference.strip().upper() in {"", row.reference}
            and (not self.email or emails.mailbox_key(self.email) == emails.mailbox_key(details["email"]))
        )


def find(asked: Asked, now: datetime, *, watch: Watch = iter) -> Iterator[Found]:
    """Read the whole table for them: there is no index of people, on purpose."""
    for row in watch(_everybody(now)):
        if asked.matches(row):
            person = person_store.read(row.pk.removeprefix("PERSON#"), row.sk.removeprefix("SERVICE#"))
            if person:
                yield on_seat(person)


def _everybody(now: datetime) -> Iterator[PersonItem]:
    """All but those whose date to be erased is past: the table may take some days over it."""
    kept = PersonItem.pk.startswith("PERSON#") & PersonItem.sk.startswith("SERVICE#")
    kept &= PersonItem.details.exists() & (PersonItem.erase_at > int(now.timestamp()))
    with dynamodb.translated_errors():
        yield from PersonItem.scan(kept, consistent_read=True)


def addresses(person: Person) -> list[str]:
    """Return the lock keys of a person's e-mail address. They are found by the hold: deriving them needs the secret."""
    theirs = LockItem.pk.startswith("EMAIL#") & (LockItem.hold == person.hold)
    with dynamodb.translated_errors():
        return [row.pk.removeprefix("EMAIL#") for row in LockItem.scan(theirs, consistent_read=True)]


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
        seat = seat_store.read(person.seat)
    except NotFound:
        return Found(person)
    if seat.hold == person.hold and seat.state in {State.PENDING, State.CONFIRMED}:
        return Found(person, seat, seat.state)
    if seat.past == person.hold and seat.past_state:
        return Found(person, seat, seat.past_state)
    return Found(person)
