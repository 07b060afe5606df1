"""Steps of a booking that several tests take."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from threading import Barrier
from zoneinfo import ZoneInfo

from chalicelib.booking import captcha, filing, holds, moves, requests
from chalicelib.booking.hold import Held, Hold
from chalicelib.booking.holds import Wish
from chalicelib.booking.requests import Request
from chalicelib.domain import refusals
from chalicelib.domain.person import Details, Person
from chalicelib.domain.rng import RNG
from chalicelib.keys import keys
from chalicelib.storage import person_store
from tests.conftest import MONDAY

NOW = MONDAY + timedelta(seconds=1)
PARIS = ZoneInfo("Europe/Paris")
START = datetime(2026, 12, 17, 10, 0, tzinfo=PARIS)
FIRST = Wish(None, conditions_accepted=True)
LIBRARY = "192.0.2.7"
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
BEN = Details("Ben", "Exemple", "", date(1985, 1, 2), "ben@example.org", "06 12 34 56 79", "en")


def hold(now: datetime = NOW, wish: Wish = FIRST) -> Held:
    placed = holds.place("aes", wish, now=now)
    assert isinstance(placed, Held)
    return placed


def solve(hold: Hold, now: datetime = NOW, visitor_token: str = "", ip_address: str = LIBRARY) -> Held:
    challenge = captcha.new_challenge(hold.id, now)
    passed = captcha.answer(
        hold.id, challenge.id, challenge.picture, now=now, visitor_token=visitor_token, ip_address=ip_address
    )
    assert isinstance(passed, Held)
    return passed


def captcha_passed(start: datetime | None = START, now: datetime = NOW) -> Held:
    return solve(hold(now, Wish(start, conditions_accepted=True)), now)


def send_details(hold_id: str, details: Details = AWA, *, now: datetime = NOW, ip_address: str = "") -> Request:
    return filing.file(holds.view_ready(hold_id, now), details, now=now, ip_address=ip_address)


def filed(details: Details = AWA, start: datetime | None = START, now: datetime = NOW) -> Request:
    return send_details(captcha_passed(start, now).id, details, now=now)


def confirmed(details: Details = AWA, start: datetime | None = START, now: datetime = NOW) -> Request:
    return requests.confirm(filed(details, start, now).token, now)


def move(link: str, start: datetime, *, now: datetime = NOW, rng: Random = RNG) -> Request:
    return moves.move(requests.view(link, now), start, now=now, rng=rng)


def person(details: Details = AWA) -> Person:
    stored = person_store.read(keys().person_key(details.first_name, details.last_name, details.birth_date), "aes")
    assert stored
    return stored


def somebody(number: int) -> Details:
    name = "Exemple " + "bcdfghijkl"[number % 10] * (1 + number // 10)
    return replace(AWA, last_name=name, email=f"awa{number}@example.org")


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Start all calls at the same moment. Return what each one returns or raises."""
    start = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        start.wait()
        try:
            return call()
        except refusals.Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
