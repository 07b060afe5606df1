"""Steps of a booking that several tests take."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from threading import Barrier

from chalicelib.booking import captcha, holds
from chalicelib.booking.holds import Hold, Wish
from chalicelib.domain import refusals
from chalicelib.domain.person import Details
from tests.conftest import MONDAY

NOW = MONDAY + timedelta(seconds=1)
FIRST = Wish(None, conditions_accepted=True)
LIBRARY = "192.0.2.7"
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


def hold(now: datetime = NOW, wish: Wish = FIRST) -> holds.Hold:
    return holds.place("aes", wish, now=now)


def captcha_passed(now: datetime = NOW) -> holds.Hold:
    kept = hold(now)
    asked = captcha.new_challenge(kept.id, now)
    return captcha.answer(kept.id, asked.id, asked.picture, now=now)


def solve(kept: Hold, now: datetime = NOW, visit: str = "", address: str = LIBRARY) -> Hold:
    asked = captcha.new_challenge(kept.id, now)
    return captcha.answer(kept.id, asked.id, asked.picture, now=now, visitor_token=visit, ip_address=address)


def somebody(number: int) -> Details:
    name = "Exemple " + "bcdfghijkl"[number % 10] * (1 + number // 10)
    return replace(AWA, last_name=name, email=f"awa{number}@example.org")


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What calls return or raise that all start at the same moment."""
    start = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        start.wait()
        try:
            return call()
        except refusals.Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))
