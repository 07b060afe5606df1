"""Search the people of a stage by what they say at the desk, as long as their details are kept."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain import emails, names
from chalicelib.domain.entry import Carrier
from chalicelib.domain.person import Details, Person
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import BOOKED, State
from chalicelib.storage import dynamodb, items, person_store, seat_store
from chalicelib.storage.items import LockItem, PersonItem

Watch = Callable[[Iterable[PersonItem]], Iterable[PersonItem]]
"""Passes on the items one by one, for a progress bar."""


@dataclass(frozen=True)
class PersonRequest:
    """A person, and the seat (or entry) and state of their request; both None once the seat went to somebody else."""

    person: Person
    seat: Carrier | None = None
    state: State | None = None

    @property
    def state_name(self) -> str:
        """The state as it is printed."""
        return str(self.state or "ended")


@dataclass(frozen=True)
class Query:
    """What is searched for. An empty field matches everybody."""

    name: str = ""
    reference: str = ""
    email: str = ""

    def matches(self, item: PersonItem) -> bool:
        """Tell whether each word begins a name, and reference and e-mail address are equal, in any spelling."""
        details = item.details
        name = f"{details['first_name']} {details['last_name']} {details['birth_name']}"
        return (
            names.has_beginnings(name, self.name)
            and (not self.reference or bare(self.reference) == bare(item.reference))
            and (not self.email or emails.mailbox_key(self.email) == emails.mailbox_key(details["email"]))
        )


def bare(reference: str) -> str:
    """Return a reference without hyphens and spaces, in capitals."""
    return "".join(c for c in reference.upper() if c.isalnum())


def search(query: Query, now: datetime, *, watch: Watch = iter) -> Iterator[PersonRequest]:
    """Yield the requests that match. Reads the whole table: there is no index of people, on purpose."""
    for item in watch(_kept_items(now)):
        if query.matches(item):
            person = person_store.read(item.key, item.service_id)
            if person:
                yield request_of(person)


def _kept_items(now: datetime) -> Iterator[PersonItem]:
    """Read the person items that are not due for erasure; DynamoDB may take days to delete those that are."""
    kept = items.is_person_item() & (PersonItem.erase_at > int(now.timestamp()))
    with dynamodb.translated_errors():
        yield from PersonItem.scan(kept, consistent_read=True)


def email_lock_keys(person: Person) -> list[str]:
    """Return the lock keys of a person's e-mail address, found by the hold: computing them needs the stage's secret."""
    with dynamodb.translated_errors():
        return [item.key for item in LockItem.scan(items.is_email_lock_of(person.hold), consistent_read=True)]


def full_name(details: Details) -> str:
    """Return the family name and the first name, as the desk calls them."""
    return f"{details.last_name} {details.first_name}"


def filed_as(person: Person) -> str | None:
    """Return the name before it was corrected; None if it was not."""
    before = full_name(person.as_filed) if person.as_filed else None
    return before if before != full_name(person.details) else None


def request_of(person: Person) -> PersonRequest:
    """Read the seat of a person's request."""
    try:
        seat = seat_store.read(person.seat)
    except NotFound:
        return PersonRequest(person)
    if seat.hold == person.hold and seat.state in BOOKED:
        return PersonRequest(person, seat, seat.state)
    if seat.past == person.hold and seat.past_state:
        return PersonRequest(person, seat, seat.past_state)
    return PersonRequest(person)
