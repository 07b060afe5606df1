"""Eight threads file at the same moment, in this process, on the table of an emulator: `python -m tests.stack.rivals`.

Prints one JSON list: for each scene and round, how many were filed, how many refused, and how many live requests the
table then has, with their details. Any other exception in a thread ends the program.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

# This import sets the name of the table, which the next imports read.
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
    """Return the same person with one of eight e-mail addresses."""
    return replace(AWA, email=f"awa.{number}@example.org")


def one_mailbox(number: int) -> Details:
    """Return one of eight people with the same mailbox, spelt in eight ways."""
    return replace(AWA, first_name=NAMES[number], email=f"a.w.a+{number}@gmail.com")


def file(hold: str, details: Details, start: Barrier) -> str:
    """File a request. Return its reference, or an empty text if another request exists."""
    start.wait()
    try:
        return filing.file(holds.view_ready(hold, clock.now()), details, now=clock.now()).reference
    except refusals.AlreadyRequested:
        return ""


def live() -> list[Seat]:
    """Return the seats that have a request."""
    weeks = timetable.open_weeks(service_store.read("aes", clock.now()), clock.now())
    return [seat for week in weeks for seat in seat_store.read_week("aes", week) if seat.state is State.PENDING]


def rush(hold_ids: list[str], details_of: Callable[[int], Details]) -> dict[str, int]:
    """File with all threads at once. Then end all requests and holds."""
    start = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda n: file(hold_ids[n], details_of(n), start), range(THREADS)))
    seats = live()
    complete = [seat for seat in seats if person_store.read(seat.person, "aes")]
    for seat in seats:
        seat_store.end_request(seat, State.CANCELLED, clock.now(), clock.now())
    for hold in hold_ids:
        holds.end(hold, clock.now())
    return {
        "filed": sum(answer != "" for answer in answers),
        "references": len(set(answers) - {""}),
        "refused": answers.count(""),
        "live": len(seats),
        "with its details": len(complete),
    }


def captcha_passed() -> str:
    """Place a hold and pass its captcha."""
    now = clock.now()
    return prove(holds.place("aes", FIRST, now=now), now).id


def play() -> list[dict[str, object]]:
    """Play every scene ten times."""
    rounds: list[dict[str, object]] = []
    with fresh_table():
        put_service()
        schedule.release_seats(clock.now())
        for number in range(ROUNDS):
            for scene, details_of in (("one person", one_person), ("one mailbox", one_mailbox)):
                rounds.append(
                    {"scene": scene, "round": number, **rush([captcha_passed() for _ in range(THREADS)], details_of)}
                )
            hold = captcha_passed()
            rounds.append({"scene": "one hold", "round": number, **rush([hold] * THREADS, lambda _number: AWA)})
    return rounds


if __name__ == "__main__":
    with somewhere():
        sys.stdout.write(json.dumps(play()))
