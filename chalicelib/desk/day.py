"""The list of a day at the desk, the search for an applicant, and the figures of the evening."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from chalicelib.desk import audit, spreadsheet
from chalicelib.domain import names, timetable, tokens
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import APPOINTMENT, BOOKED, OUTCOMES, Seat, SeatKey, State, monday_of, week_of
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import person_store, seat_store

MOST_FOUND = 50
MOST_LETTERS = 100
"""How much of the searched words is read."""
WEEKS = 8
"""How many weeks before and after this one a search covers."""
MOST_PEOPLE = 4000
"""How many people a search by name reads at most: 40 BatchGets, about a second."""
_DATE = re.compile("(?<![0-9])([0-9]{1,2})[./ -]([0-9]{1,2})[./ -]([0-9]{4})(?![0-9])")
COLUMNS = ("Heure", "Numéro", "Guichet", "Nom", "Prénom", "Référence", "État")
STATE_NAMES = {
    State.PENDING: "à confirmer",
    State.CONFIRMED: "attendu",
    State.ARRIVED: "arrivé",
    State.CALLED: "appelé",
    State.SEEN: "reçu",
    State.MISSED: "absent",
    State.INCOMPLETE: "dossier incomplet",
    State.DISPLACED: "créneau supprimé",
}
"""The state of each listed row, as agents read it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A seat in the list. `person` is None if nobody has it, or if their data was erased."""

    seat: Seat
    person: Person | None

    @property
    def number(self) -> str:
        """The short number by which the applicant is called."""
        return self.seat.key.number

    @property
    def state(self) -> State:
        """The state to show. DISPLACED: the seat was closed, and its applicant may come all the same."""
        is_displaced = self.seat.past_state is State.DISPLACED and bool(self.seat.person)
        return State.DISPLACED if is_displaced and self.seat.state is State.CLOSED else self.seat.state

    @property
    def state_name(self) -> str:
        """The state as agents read it: of who was called, to which desk."""
        if self.state is State.CALLED:
            return f"{STATE_NAMES[State.CALLED]} au guichet {self.seat.called_to}"
        return STATE_NAMES.get(self.state, "sans rendez-vous")

    @property
    def is_listed(self) -> bool:
        """Tell whether somebody has or had the seat: an appointment, a pending request, a displaced applicant."""
        return self.seat.state in BOOKED or self.state is State.DISPLACED

    @property
    def request(self) -> tuple[str, str]:
        """The person key and the hold of the request, which name its person item."""
        return self.seat.person, self.seat.past if self.state is State.DISPLACED else self.seat.hold


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found, the nearest days first, and the days that it covered."""

    rows: list[Row]
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Totals:
    """The figures of a day."""

    planned: int
    """The seats that were not closed."""
    booked: int
    """The appointments, whatever became of them."""
    arrived: int
    """The applicants who wait now: arrived or put aside, without an outcome."""
    called: int
    """The applicants who are at a desk now: called, without an outcome."""
    seen: int
    missed: int
    incomplete: int
    open_: int
    """The appointments without an outcome: what remains to be recorded."""


def read_day(service: Service, day: date, now: datetime) -> list[Row]:
    """Read all seats of a day, free and closed ones included, by start and desk.

    One consistent Query, and one BatchGet for 100 applicants.
    """
    return with_people(service, seat_store.read_day(service.id, day), now)


def read_row(service: Service, ref: str, now: datetime) -> Row:
    """Read one seat by the `ref` of its key. Raise NotFound if nobody has or had it, or if it is of another service."""
    try:
        key = SeatKey.parse(ref)
    except ValueError as error:
        raise NotFound from error
    if key.service != service.id:
        raise NotFound
    (row,) = with_people(service, [seat_store.read(key)], now)
    if not row.is_listed:
        raise NotFound
    return row


def with_people(service: Service, seats: Iterable[Seat], now: datetime) -> list[Row]:
    """Return the rows of seats, in order, with the applicants whose data are not due for erasure."""
    rows = [Row(seat, None) for seat in sorted(seats, key=lambda seat: seat.key)]
    requests = {row.seat.key: row.request for row in rows if row.is_listed and service.erase_at(row.seat.key) > now}
    people = person_store.read_many(service.id, requests.values())
    return [replace(row, person=_of_seat(people, requests.get(row.seat.key), row.seat)) for row in rows]


def _of_seat(people: Mapping[str, Person], request: tuple[str, str] | None, seat: Seat) -> Person | None:
    person = people.get(request[1]) if request else None
    return person if person and person.seat == seat.key else None


def find(service: Service, words: str, now: datetime, *, everywhere: bool = False) -> SearchResult:
    """Find appointments by name, by name and date of birth, or by a reference, typed or scanned. At most 50.

    Case, accents and order do not matter, and the beginning of each name is enough. Today comes first. If it has what
    was searched for, the other days are read only with `everywhere`: from this week outwards, up to 8 weeks each way,
    until the data of MOST_PEOPLE were read. There is no index of names, on purpose. A name and a date of birth need
    one read on whatever day the appointment is. A reference needs no data of people: 17 Queries at most.
    """
    today = now.astimezone(service.zone).date()
    text = " ".join(words.split())[:MOST_LETTERS]
    name, born = _without_date(text)
    if born and (row := _by_birth_date(service, name, born, now)):
        return SearchResult([row], row.seat.key.day, row.seat.key.day)
    search = _Search(service, now, _reference(service, text), name, born)
    if not (search.reference or name):
        return SearchResult([], today, today)
    if search.read(seat_store.read_day(service.id, today)) and not everywhere:
        return SearchResult(search.found()[:MOST_FOUND], today, today)
    monday = first = last = monday_of(week_of(today))
    for number in (0, *(sign * distance for distance in range(1, WEEKS + 1) for sign in (1, -1))):
        if search.is_over:
            break
        week = monday + number * timetable.WEEK
        search.read(seat for seat in seat_store.read_week(service.id, week_of(week)) if seat.key.day != today)
        first, last = min(first, week), max(last, week)
    return SearchResult(search.found()[:MOST_FOUND], first, last + timetable.WEEK - timedelta(days=1))


def _without_date(text: str) -> tuple[str, date | None]:
    """Return a text without the date of birth that it ends with or begins with, and that date."""
    match = _DATE.search(text)
    if not match:
        return text, None
    try:
        born = date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        return text, None
    return " ".join(f"{text[: match.start()]} {text[match.end() :]}".split()), born


def _reference(service: Service, text: str) -> str:
    """Return the reference that a text is for this service, which it may leave out; empty if it is none."""
    spelled = tokens.spelled_reference(text)
    code = spelled.replace("-", "")[-10:]
    prefix = spelled.replace("-", "")[:-10]
    if len(code) < 10 or prefix not in {"", service.id.upper().replace("-", "")}:  # noqa: PLR2004  # as tokens says
        return ""
    if not prefix and code.isalpha():  # a name of ten letters
        return ""
    return f"{service.id.upper()}-{code[:5]}-{code[5:]}"


def _by_birth_date(service: Service, name: str, born: date, now: datetime) -> Row | None:
    """Return the appointment of a person whose whole name is known."""
    person = person_store.read(keys().person_key(name, "", born), service.id)
    if person is None or not isinstance(person.seat, SeatKey):
        return None
    with suppress(NotFound):
        row = read_row(service, person.seat.ref, now)
        return row if row.person else None
    return None


class _Search:
    """What a search has found so far."""

    def __init__(self, service: Service, now: datetime, reference: str, name: str, born: date | None) -> None:
        self.reference = reference
        self._service, self._now, self._name, self._born = service, now, name, born
        self._found: list[Row] = []
        self._people = 0

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more is to be read."""
        return bool(self.reference and self._found) or self._people >= MOST_PEOPLE or len(self._found) >= MOST_FOUND

    def read(self, seats: Iterable[Seat]) -> bool:
        """Search these seats. Return whether they had what was searched for."""
        listed = [seat for seat in seats if Row(seat, None).is_listed]
        if self.reference:
            listed = [seat for seat in listed if self._has_reference(seat)]
        rows = with_people(self._service, listed, self._now)
        self._people += len(rows)
        matching = rows if self.reference else [row for row in rows if self._matches(row.person)]
        self._found += matching
        return bool(matching)

    def _has_reference(self, seat: Seat) -> bool:
        return keys().reference(self._service.id, Row(seat, None).request[1]) == self.reference

    def _matches(self, person: Person | None) -> bool:
        if person is None or self._born not in {None, person.details.birth_date}:
            return False
        details = [person.details, *([person.as_filed] if person.as_filed else [])]
        return any(
            names.has_beginnings(f"{known.first_name} {known.last_name} {known.birth_name}", self._name)
            for known in details
        )

    def found(self) -> list[Row]:
        """Return what was found, the nearest days first."""
        today = self._now.astimezone(self._service.zone).date()
        return sorted(self._found, key=lambda row: (abs(row.seat.key.day - today), row.seat.key))


def totals(rows: Iterable[Row]) -> Totals:
    """Count a day."""
    counts = Counter(row.seat.state for row in rows)
    booked = sum(counts[state] for state in APPOINTMENT)
    return Totals(
        planned=counts.total() - counts[State.CLOSED],
        booked=booked,
        arrived=counts[State.ARRIVED],
        called=counts[State.CALLED],
        seen=counts[State.SEEN],
        missed=counts[State.MISSED],
        incomplete=counts[State.INCOMPLETE],
        open_=booked - sum(counts[state] for state in OUTCOMES),
    )


def csv_text(rows: Iterable[Row]) -> str:
    """Return the listed rows for a spreadsheet, which takes none of the cells for a formula."""
    lines = [_line(row) for row in rows if row.is_listed]
    return spreadsheet.as_csv([COLUMNS, *lines])


def _line(row: Row) -> tuple[str, ...]:
    key, details = row.seat.key, row.person.details if row.person else None
    name = (details.last_name, details.first_name) if details else ("", "")
    reference = row.person.reference if row.person else ""
    return (f"{key.start:%H:%M}", row.number, str(key.unit), *name, reference, row.state_name)


def note_search(service: Service, result: SearchResult, agent_id: str, now: datetime) -> None:
    """Record whom a search showed to an agent, and not the words: once for the same people in 15 minutes."""
    seats = " ".join(row.seat.key.ref for row in result.rows)
    audit.record_view(service.id, agent_id, f"search {tokens.digest(seats)[:8]}", now, seats=seats)
