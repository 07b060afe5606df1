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
from chalicelib import appointment, booking, edge, errors, locks, store, timetable, upkeep
from chalicelib.booking import Wish
from chalicelib.model import Details, Seat, State

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
        return appointment.file_request(hold, details, now=edge.now()).reference
    except errors.AlreadyRequested:
        return ""


def live() -> list[Seat]:
    """The seats that carry a request."""
    weeks = timetable.open_weeks(store.service("aes", edge.now()), edge.now())
    return [seat for week in weeks for seat in store.seats("aes", week) if seat.state is State.PENDING]


def rush(holds: list[str], who: Callable[[int], Details]) -> dict[str, int]:
    """All file at once; then everything is given back."""
    start = Barrier(THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda n: file(holds[n], who(n), start), range(THREADS)))
    found = live()
    kept = [seat for seat in found if locks.person(seat.person, "aes")]
    for seat in found:
        store.end_request(seat, State.CANCELLED, edge.now(), edge.now())
    for hold in holds:
        booking.end_hold(hold, edge.now())
    return {
        "filed": sum(answer != "" for answer in answers),
        "references": len(set(answers) - {""}),
        "refused": answers.count(""),
        "live": len(found),
        "with its details": len(kept),
    }


def proven() -> str:
    """A new hold, its captcha passed."""
    now = edge.now()
    return prove(booking.place_hold("aes", FIRST, now=now), now).id


def play() -> list[dict[str, object]]:
    """Every scene, ten times."""
    rounds: list[dict[str, object]] = []
    with fresh_table():
        put_service()
        upkeep.release(edge.now())
        for number in range(ROUNDS):
            for scene, who in (("one person", one_person), ("one address", one_address)):
                rounds.append({"scene": scene, "round": number, **rush([proven() for _ in range(THREADS)], who)})
            hold = proven()
            rounds.append({"scene": "one hold", "round": number, **rush([hold] * THREADS, lambda _number: AWA)})
    return rounds


if __name__ == "__main__":
    with somewhere():
        sys.stdout.write(json.dumps(play()))
