"""Personal data is erased by its date: requests reach every possible end, then the clock moves through a year."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import pytest
from moto import mock_aws

from chalicelib import settings
from chalicelib.booking import captcha, filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.booking.requests import Request
from chalicelib.desk import booking, closing
from chalicelib.desk.booking import Order
from chalicelib.desk.closing import Closing
from chalicelib.domain.agent import Account, Role
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import dynamodb, seat_store, service_store
from tests.conftest import MONDAY, document
from tests.long import IS_LONG
from tests.unit.infra.ops.program import ops

NOW = MONDAY + timedelta(seconds=1)
DAY = timedelta(days=1)
HOURS = [{"days": ["thursday"], "from": "10:00", "to": "10:30"}]
FIRST, SECOND, THIRD = date(2026, 12, 3), date(2026, 12, 10), date(2026, 12, 17)
IP_ADDRESS = "192.0.2.77"
PEOPLE = {
    "Awa": (FIRST, 0),  # attends
    "Bintou": (FIRST, 5),  # does not confirm
    "Cesaria": (FIRST, 10),  # cancels
    "Dao": (THIRD, 0),  # moves
    "Elikia": (SECOND, 0),  # displaced by a closed morning, chooses another slot
    "Fayola": (SECOND, 5),  # displaced by a closed morning, does not choose
    "Gilberto": (FIRST, 15),  # erases a live request
    "Halima": (FIRST, 20),  # erases an ended request
    "Irie": (THIRD, 5),  # cancelled by the operator
}
FAMILY = {
    "Jalil": (THIRD, 15),  # booked by the desk, attends
    "Kadi": (THIRD, 20),  # booked with Jalil, erases the data
}
AGENT = Account("a" * 16, "agnes@example.net", "Agnès", {"aes": Role.AGENT}, 1, 1, "operator", NOW)
KINDS = ("PERSON#", "EMAIL#", "AUDIT#", "ORIGIN#", "VISIT#", '"person"', '"hold"', '"past"')
"""Texts in the table that show personal data or its digests."""


@dataclass
class Applicant:
    """An invented person, and the time until which their data may be stored."""

    details: Details
    request: Request
    until: datetime

    @property
    def words(self) -> set[str]:
        """Return every text that identifies them: their details, and the keyed digests of the details."""
        details = self.details
        born = details.birth_date
        digests = {keys().person_key(details.first_name, details.last_name, born), keys().email_key(details.email)}
        return {details.first_name, details.last_name, details.email, details.phone, born.isoformat()} | digests


@pytest.fixture
def aes(table: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:  # noqa: ARG001  # a fixture for its effect
    """Put a service with one desk and six slots each Thursday, and a limit of 30 holds for a client network."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "30")
    settings.current.cache_clear()
    stored = service_store.put(document(plannings=[{"desks": [1], "openings": HOURS}]))
    schedule.release_seats(MONDAY - timedelta(minutes=1))
    yield stored
    settings.current.cache_clear()
    service_store.clear_caches()


def book(service: Service, name: str, day: date, minute: int) -> Applicant:
    """Book an appointment. All but Bintou confirm it."""
    number = list(PEOPLE).index(name)
    contact = f"{name.lower()}@example.org", f"06 00 00 00 {number:02}"
    details = Details(name, f"{name}-Exemple", "", date(1990, 5, 10 + number), *contact, "fr")
    start = datetime.combine(day, time(10, minute), service.zone)
    visitor_token = holds.visitor_token("", NOW)
    placed = holds.place(
        service.id, Wish(start, conditions_accepted=True), now=NOW, visitor_token=visitor_token, ip_address=IP_ADDRESS
    )
    challenge = captcha.new_challenge(placed.id, NOW)
    captcha.answer(placed.id, challenge.id, challenge.picture, now=NOW)
    request = filing.file(holds.view_ready(placed.id, NOW), details, now=NOW)
    if name != "Bintou":
        request = requests.confirm(request.token, NOW)
    return Applicant(details, request, start + timedelta(days=30))


def book_family(service: Service) -> list[Request]:
    """Book two people together, as an agent."""
    seats = [SeatKey(day, time(10, minute), 1, service.id) for day, minute in FAMILY.values()]
    family = [
        Details(
            name,
            f"{name}-Exemple",
            "",
            date(1991, 6, number),
            f"{name.lower()}@example.org",
            f"06 00 00 00 {number}",
            "fr",
        )
        for number, name in enumerate(FAMILY, start=21)
    ]
    return booking.book(service, Order(seats, family, "s" * 52), AGENT, NOW)


@pytest.fixture
def people(aes: Service) -> dict[str, Applicant]:
    """Return one applicant for each end that a request can have."""
    applicants = {name: book(aes, name, day, minute) for name, (day, minute) in PEOPLE.items()}
    for name, request in zip(FAMILY, book_family(aes), strict=True):
        assert request.person
        applicants[name] = Applicant(request.person.details, request, request.start + timedelta(days=30))
    personal_data.erase(applicants["Kadi"].request.token, NOW)
    applicants["Kadi"].until = NOW
    requests.cancel(applicants["Cesaria"].request.token, NOW)
    sooner = datetime.combine(FIRST, time(10, 25), aes.zone)
    assert moves.move(requests.view(applicants["Dao"].request.token, NOW), sooner, now=NOW).start == sooner
    applicants["Dao"].until = sooner + timedelta(days=30)
    morning = Closing(aes.id, SECOND)
    assert closing.close(morning, closing.prepare(morning, NOW), NOW)["written_to"] == 2
    token = applicants["Elikia"].request.token
    chosen = moves.move(requests.view(token, NOW), moves.choices(token, NOW)[1][-1], now=NOW)
    applicants["Elikia"].until = chosen.start + timedelta(days=30)
    personal_data.erase(applicants["Gilberto"].request.token, NOW)
    requests.cancel(applicants["Halima"].request.token, NOW)
    personal_data.erase(applicants["Halima"].request.token, NOW)
    applicants["Gilberto"].until = applicants["Halima"].until = NOW
    with mock_aws():  # the program looks up who runs it
        assert ops("requests", "cancel", applicants["Irie"].request.reference, "--yes", now=NOW).code == 0
    return applicants


def erase_as_dynamodb_would(now: datetime) -> str:
    """Delete expired items, as DynamoDB does for `TimeToLiveSpecification`; moto does not.

    Return all other items except the services, as text. DynamoDB itself may take some days.
    """
    table = dynamodb.connection().connection.client
    rows = table.scan(TableName="guichet-test")["Items"]
    expired = [item for item in rows if "erase_at" in item and int(item["erase_at"]["N"]) <= now.timestamp()]
    for item in expired:
        table.delete_item(TableName="guichet-test", Key={"pk": item["pk"], "sk": item["sk"]})
    left = [item for item in rows if item not in expired and item["pk"]["S"] != "SERVICES"]
    return json.dumps(left, ensure_ascii=False)


def days_to_check(people: dict[str, Applicant]) -> list[int]:
    """Return the days on which the table is read, counted from NOW.

    These are the first days, the days around each date by which something must be gone, and every 18th, when the
    clock's functions run. `make test-long` reads the table on each of the first 60 days.
    """
    ends = {(applicant.until - NOW).days for applicant in people.values()}
    last_days = {end + day for end in ends for day in (0, 1)}
    return sorted({*range(60 if IS_LONG else 5), *last_days, *range(6, 367, 18), 366})


def test_personal_data_is_erased_by_its_date_and_none_is_left_after_a_year(
    people: dict[str, Applicant],
) -> None:
    before = erase_as_dynamodb_would(NOW)
    assert [kind for kind in KINDS if kind not in before] == []
    visible, ends, left = set(), {}, ""
    for days in days_to_check(people):
        now = NOW + days * DAY
        if days < 5 or days % 18 == 6:
            schedule.end_expired(now, random_fraction=random.Random(days).random)
            schedule.release_seats(now)
        left = erase_as_dynamodb_would(now)
        assert IP_ADDRESS not in left
        if days == 1:
            assert [kind for kind in ("ORIGIN#", "VISIT#") if kind in left] == []
        if days == 3:  # the time to confirm has expired
            ends = {name: seat_store.read(person.request.seat.key).past_state for name, person in people.items()}
        for name, person in people.items():
            words = {word for word in person.words if word in left}
            assert person.until > now or not words, (name, now, words)
            visible |= {name} if words else set()
    assert ends == {  # checks that each request reached the intended end
        "Awa": None,
        "Bintou": State.EXPIRED,
        "Cesaria": State.CANCELLED,
        "Dao": State.MOVED,
        "Elikia": State.MOVED,
        "Fayola": State.DISPLACED,
        "Gilberto": State.CANCELLED,
        "Halima": State.CANCELLED,
        "Irie": State.WITHDRAWN,
        "Jalil": None,
        "Kadi": State.CANCELLED,
    }
    assert visible == set(people) - {"Gilberto", "Halima", "Kadi"}
    assert [kind for kind in KINDS if kind in left] == []
    assert "SEATS#aes#2027-W48" in left
    assert "SEATS#aes#2027-W40" not in left
