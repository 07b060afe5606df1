"""Personal data is gone by its date: people live through all that can happen, then the clock walks a year."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import boto3
import pytest

from chalicelib import settings
from chalicelib.booking import captcha, filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.booking.requests import Request
from chalicelib.domain.person import Details
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.storage import seat_store, service_store
from infra.ops import closing
from infra.ops.closing import Closing
from tests.conftest import MONDAY, document
from tests.unit.infra.ops.program import ops

NOW = MONDAY + timedelta(seconds=1)
DAY = timedelta(days=1)
HOURS = [{"days": ["thursday"], "from": "10:00", "to": "10:30"}]
FIRST, SECOND, THIRD = date(2026, 12, 3), date(2026, 12, 10), date(2026, 12, 17)
PLACE = "192.0.2.77"
PEOPLE = {
    "Awa": (FIRST, 0),  # comes
    "Bintou": (FIRST, 5),  # does not confirm
    "Cesaria": (FIRST, 10),  # cancels
    "Dao": (THIRD, 0),  # moves
    "Elikia": (SECOND, 0),  # the morning is closed: chooses another
    "Fayola": (SECOND, 5),  # the same, and does not choose
    "Gilberto": (FIRST, 15),  # erases a live request
    "Halima": (FIRST, 20),  # erases one that has ended
    "Irie": (THIRD, 5),  # is cancelled by the office
}


KINDS = ("PERSON#", "EMAIL#", "AUDIT#", "ORIGIN#", "VISIT#", '"person"', '"hold"', '"past"')
"""What the table has of people, their digests included."""


@dataclass
class Owner:
    """An invented person, and until when something may be kept about them."""

    details: Details
    request: Request
    until: datetime

    @property
    def words(self) -> set[str]:
        """All that leads to them: what they wrote, and the keyed digests of it."""
        of = self.details
        own = {of.first_name, of.last_name, of.email, of.phone, of.birth_date.isoformat()}
        return own | {keys().person_key(of.first_name, of.last_name, of.birth_date), keys().email_key(of.email)}


@pytest.fixture
def aes(table: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:  # noqa: ARG001  # a fixture for its effect
    """One desk, six places each Thursday; holds are counted by the place they come from."""
    monkeypatch.setenv("GUICHET_ORIGIN_HOLDS", "30")
    settings.current.cache_clear()
    put = service_store.put(document(plannings=[{"desks": [1], "openings": HOURS}]))
    schedule.release_seats(MONDAY - timedelta(minutes=1))
    yield put
    settings.current.cache_clear()
    service_store.forget()


def owner(service: Service, name: str, day: date, minute: int) -> Owner:
    """Somebody with a confirmed request."""
    number = list(PEOPLE).index(name)
    words = f"{name.lower()}@example.org", f"06 00 00 00 {number:02}"
    details = Details(name, f"{name}-Exemple", "", date(1990, 5, 10 + number), *words, "fr")
    start = datetime.combine(day, time(10, minute), service.zone)
    visit = holds.visitor_token("", NOW)
    kept = holds.place(
        service.id, Wish(start, conditions_accepted=True), now=NOW, visitor_token=visit, ip_address=PLACE
    )
    asked = captcha.new_challenge(kept.id, NOW)
    captcha.answer(kept.id, asked.id, asked.picture, now=NOW)
    filed = filing.file(kept.id, details, now=NOW)
    if name != "Bintou":
        filed = requests.confirm(filed.token, NOW)
    return Owner(details, filed, start + timedelta(days=30))


@pytest.fixture
def people(aes: Service) -> dict[str, Owner]:
    """One for each thing that can become of a request."""
    made = {name: owner(aes, name, day, minute) for name, (day, minute) in PEOPLE.items()}
    requests.cancel(made["Cesaria"].request.token, NOW)
    sooner = datetime.combine(FIRST, time(10, 25), aes.zone)
    assert moves.move(made["Dao"].request.token, sooner, now=NOW).start == sooner
    made["Dao"].until = sooner + timedelta(days=30)
    morning = Closing(aes.id, SECOND)
    assert closing.close(morning, closing.prepare(morning, NOW), NOW)["written_to"] == 2
    token = made["Elikia"].request.token
    chosen = moves.move(token, moves.choices(token, NOW)[1][-1], now=NOW)
    made["Elikia"].until = chosen.start + timedelta(days=30)
    personal_data.erase(made["Gilberto"].request.token, NOW)
    requests.cancel(made["Halima"].request.token, NOW)
    personal_data.erase(made["Halima"].request.token, NOW)
    made["Gilberto"].until = made["Halima"].until = NOW
    assert ops("requests", "cancel", made["Irie"].request.reference, "--yes", now=NOW).code == 0
    return made


def erase_as_dynamodb_would(now: datetime) -> str:
    """Play what DynamoDB documents of `TimeToLiveSpecification`, which moto does not: what is past its second goes.

    What is left but the services, as text. The real one may take some days over it.
    """
    table = boto3.client("dynamodb")
    found = table.scan(TableName="guichet-test")["Items"]
    past = [one for one in found if "erase_at" in one and int(one["erase_at"]["N"]) <= now.timestamp()]
    for one in past:
        table.delete_item(TableName="guichet-test", Key={"pk": one["pk"], "sk": one["sk"]})
    left = [one for one in found if one not in past and one["pk"]["S"] != "SERVICES"]
    return json.dumps(left, ensure_ascii=False)


def test_each_persons_data_is_gone_by_its_date_and_after_a_year_nothing_personal_is_left(
    people: dict[str, Owner],
) -> None:
    before = erase_as_dynamodb_would(NOW)
    assert [kind for kind in KINDS if kind not in before] == []
    seen, became, left = set(), {}, ""
    for days in [*range(60), *range(60, 367, 9)]:  # each day until all dates are past: then nothing happens each day
        now = NOW + days * DAY
        if days < 5 or days % 18 == 6:
            schedule.end_expired(now, random_fraction=random.Random(days).random)
            schedule.release_seats(now)
        left = erase_as_dynamodb_would(now)
        assert PLACE not in left
        if days == 1:
            assert [kind for kind in ("ORIGIN#", "VISIT#") if kind in left] == []
        if days == 3:  # the time to confirm is over
            became = {name: seat_store.read(one.request.seat.key).past_state for name, one in people.items()}
        for name, one in people.items():
            there = {word for word in one.words if word in left}
            assert one.until > now or not there, (name, now, there)
            seen |= {name} if there else set()
    assert became == {  # else the walk would prove less than it says
        "Awa": None,
        "Bintou": State.EXPIRED,
        "Cesaria": State.CANCELLED,
        "Dao": State.MOVED,
        "Elikia": State.MOVED,
        "Fayola": State.DISPLACED,
        "Gilberto": State.CANCELLED,
        "Halima": State.CANCELLED,
        "Irie": State.WITHDRAWN,
    }
    assert seen == set(PEOPLE) - {"Gilberto", "Halima"}
    assert [kind for kind in KINDS if kind in left] == []
    assert "SEATS#aes#2027-W48" in left
    assert "SEATS#aes#2027-W40" not in left
