"""Eight threads that file at the same moment, in this process, on an engine's table: `python -m tests.stack.rivals`.

Prints one JSON list: for each scene and round, how many were filed, how many refused, and how many live requests the
table then has, with their details. Anything else that a thread meets ends the program.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

# The first names the table that the second reads.
from tests.load.units import AWA, fresh_table, prove, put_service, somewhere

# isort: split
from chalicelib.booking import filing, holds, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable
from chalicelib.domain.person import Details
from chalicelib.domain.seat import Seat, State
from chalicelib.storage import person_store, seat_store, service_store
from chalicelib.web import clock

THREADS = 8
ROUNDS = 10
FIRST = Wish(None, conditions_accepted=True)
NAMES = ("Awa", "Bilal", "Chloé", "Dario", "Elif", "Fanta", "Goran", "Hana")


def one_person(number: int) -> Details:
    """The same person with eight addresses."""
    return replace(AWA, email=f"awa.{number}@example.org")


def one_address(number: int) -> Details:
    """Eight people with the same address, written in eight ways."""
    return replace(AWA, first_name=NAMES[number], email=f"a.w.a+{number}@gmail.com")


def file(hold: str, details: Details, start: Barrier) -> str:
    """The reference of the request, or nothing when there is another."""
    start.wait()
    try:
        return filing.file(hold, details, now=clock.now()).reference
    except refusals.AlreadyRequested:
        return ""


def live() -> list[Seat]:
    """The seats that carry a request."""
    weeks = timetable.open_weeks(service_store.read("aes", clock.now()), clock.now())
    return [seat for week in weeks for seat in seat_store.read_week("aes", week) if seat.state is State.PENDING]


def rush(hold_ids: list[str], who: Callable[[int], Details]) -> dict[str, int]:
    """All file at once; then everything is given back."""
    start = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda n: file(hold_ids[n], who(n), start), range(THREADS)))
    found = live()
    kept = [seat for seat in found if person_store.read(seat.person, "aes")]
    for seat in found:
        seat_store.end_request(seat, State.CANCELLED, clock.now(), clock.now())
    for hold in hold_ids:
        holds.end(hold, clock.now())
    return {
        "filed": sum(answer != "" for answer in answers),
        "references": len(set(answers) - {""}),
        "refused": answers.count(""),
        "live": len(found),
        "with its details": len(kept),
    }


def captcha_passed() -> str:
    """A new hold, its captcha passed."""
    now = clock.now()
    return prove(holds.place("aes", FIRST, now=now), now).id


def play() -> list[dict[str, object]]:
    """Every scene, ten times."""
    rounds: list[dict[str, object]] = []
    with fresh_table():
        put_service()
        schedule.release_seats(clock.now())
        for number in range(ROUNDS):
            for scene, who in (("one person", one_person), ("one address", one_address)):
                rounds.append(
                    {"scene": scene, "round": number, **rush([captcha_passed() for _ in range(THREADS)], who)}
                )
            hold = captcha_passed()
            rounds.append({"scene": "one hold", "round": number, **rush([hold] * THREADS, lambda _number: AWA)})
    return rounds


if __name__ == "__main__":
    with somewhere():
        sys.stdout.write(json.dumps(play()))
