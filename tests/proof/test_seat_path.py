"""The walk is tied to the code: paths of it are played call by call on the engine, and the table must agree each time.

A visitor's call runs in a thread of its own that stops before each call to the table until the path lets it go on.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, time, timedelta
from threading import Semaphore, Thread, current_thread

import pytest

from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.domain import lifecycle, refusals, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import seat_store, service_store
from tests.conftest import MONDAY, document
from tests.long import IS_LONG
from tests.proof import inprocess, walk
from tests.proof.walk import CLOCK, Lock, Move, World

PATHS = 600 if IS_LONG else 60
LENGTH = 40
NOW = MONDAY + timedelta(minutes=1)
SLOW = NOW - timedelta(seconds=4)
"""The clock that serves who has a hold; the others, and the sweep, are served by NOW."""
AGES = (timedelta(hours=1), timedelta(seconds=-2), timedelta(seconds=-30))
"""Of a hold at age 0, 1 and 2: until when it runs, from NOW."""
KEYS = tuple(SeatKey(date(2026, 12, 8), time(9, minute), 1, "aes") for minute in (15, 20))
RARE = {"give back": 0.1, "cancel": 0.1, "passes": 0.1, "sweep reads": 0.3, "hold": 0.3}
"""Moves that end a booking: drawn less often, so that some go to their end."""
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
PEOPLE = (AWA, replace(AWA, first_name="Ben", email="ben@gmail.com"), replace(AWA, email="b.e.n+2@gmail.com"))


class Ended(BaseException):
    """Raised in a call that its visitor has given up."""


class Running(Thread):
    """One call of a visitor, which makes one call to the table at a time."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.call, self.given_up = call, False
        self.may_go, self.stands = Semaphore(0), Semaphore(0)
        self.start()
        self.stands.acquire()

    def run(self) -> None:
        with suppress(refusals.Refusal, Ended):
            self.call()
        self.stands.release()

    def stop(self) -> None:
        self.stands.release()
        self.may_go.acquire()
        if self.given_up:
            raise Ended

    def go_on(self) -> None:
        self.may_go.release()
        self.stands.acquire()

    def end(self) -> None:
        self.given_up = True
        self.may_go.release()
        self.join()


class Play:
    """The code on the engine's table, one call at a time."""

    def __init__(self, engine: inprocess.Engine) -> None:
        self.engine = engine
        self.tickets: dict[int, str] = {}
        self.running: dict[int, Running] = {}
        self.read: Seat | None = None
        service_store.put(document())
        for key in KEYS:
            seat_store.create(key, MONDAY, MONDAY + timedelta(days=90))
        service_store.read_all(NOW)
        service_store.read_all(SLOW)
        engine.before = self.wait

    def wait(self, _name: str) -> None:
        """In a visitor's thread: stop until it is its turn."""
        thread = current_thread()
        if isinstance(thread, Running):
            thread.stop()

    def do(self, move: Move, before: World) -> None:
        """Make this one call."""
        if move.who == CLOCK:
            self.pass_time(move, before)
            return
        me = before.visitors[move.who]
        if move.what == "hold":
            hold = move.who + 3 * me.takes
            ticket = keys().hold_token(KEYS[move.seat])
            self.tickets[hold] = str(ticket)
            digest = tokens.digest(ticket.secret)
            assert seat_store.take(KEYS[move.seat], digest, NOW + AGES[0], NOW)
            return
        if move.what in {"give back", "prove", "confirm", "cancel"}:
            self.whole(move, me)
            return
        if move.what == "look":
            details, name = PEOPLE[move.who], self.tickets[me.hold]
            self.running[move.who] = Running(lambda: filing.file(name, details, now=SLOW))
        self.running[move.who].go_on()

    def after(self, move: Move, world: World) -> None:
        """End a call that its visitor will make again, and hold the table against the world."""
        if move.who in self.running and world.visitors[move.who].step in {"proven", "away", *walk.BOOKED}:
            self.running.pop(move.who).end()
        assert self.world() == (world.seats, world.locks)
        for key, seat in zip(KEYS, world.seats, strict=True):
            if not walk.is_free(seat):
                assert not seat_store.take(key, "somebody", NOW + AGES[0], NOW)

    def world(self) -> tuple[tuple[walk.Seat, ...], tuple[Lock, ...]]:
        """The table as the walk sees it."""
        holds = {self.digest(hold): hold for hold in self.tickets}
        by = {tokens_of(details)[0]: who for who, details in reversed([*enumerate(PEOPLE)])}
        rows = {item["pk"]["S"]: item for item in self.engine.items() if item["sk"]["S"].startswith("SERVICE#")}
        locks = []
        for who, part in ((0, 0), (1, 0), (0, 1), (1, 1)):
            kind = ("PERSON", "EMAIL")[part]
            row = rows.get(f"{kind}#{tokens_of(PEOPLE[who])[part]}")
            ref = row and SeatKey.parse(row["seat"]["S"])
            locks.append(Lock(KEYS.index(ref), holds[row["hold"]["S"]]) if row and ref else Lock())
        return tuple(seen(seat_store.read(key), holds, by) for key in KEYS), tuple(locks)

    def whole(self, move: Move, me: walk.Visitor) -> None:
        """A call of which one write decides, and the reads around it change nothing."""
        name = self.tickets[me.hold]
        link = str(keys().link_token(KEYS[me.seat], self.digest(me.hold)))
        with suppress(refusals.Refusal):
            if move.what == "give back":
                holds.end(name, SLOW)
            elif move.what == "prove":
                asked = captcha.new_challenge(name, SLOW)
                captcha.answer(name, asked.id, asked.sound, now=SLOW)
            elif move.what == "confirm":
                requests.confirm(link, SLOW)
            elif move.what == "cancel":
                requests.cancel(link, SLOW, random_fraction=lambda: 0.5)

    def pass_time(self, move: Move, before: World) -> None:
        if move.what == "passes":
            seat = before.seats[move.seat]
            self.engine.change(KEYS[move.seat], until=NOW + AGES[seat.age + 1])
        elif move.what == "opens":
            self.engine.change(KEYS[move.seat], opens_at=MONDAY)
        elif move.what == "sweep reads":
            self.read = seat_store.read(KEYS[move.seat])
        else:
            assert self.read
            if lifecycle.expired_state(self.read, NOW) is State.OPEN:
                seat_store.end_expired_hold(self.read, NOW)
            else:
                seat_store.end_request(self.read, State.EXPIRED, NOW + timedelta(days=1), NOW)

    def digest(self, hold: int) -> str:
        return tokens.digest(keys().read_token("hold", self.tickets[hold]).secret)


def tokens_of(details: Details) -> tuple[str, str]:
    """The keys of a person and of an address."""
    return keys().person_key(details.first_name, details.last_name, details.birth_date), keys().email_key(details.email)


def seen(seat: Seat, holds: dict[str, int], by: dict[str, int]) -> walk.Seat:
    """A seat as the walk sees it; of two visitors who are one person, the one whose hold it is."""
    if seat.state is State.OPEN:
        return walk.Seat("later" if seat.opens_at > NOW else "open")
    hold = holds[seat.hold]
    state = "proven" if seat.captcha_passed else str(seat.state)
    age = 0
    if state != "confirmed" and seat.until is not None and seat.until <= NOW:
        age = 1 if seat.until >= NOW - timedelta(seconds=5) else 2
    who = hold % 3 if seat.person and by[seat.person] == walk.PERSON[hold % 3] else by.get(seat.person, walk.NONE)
    return walk.Seat(state, hold, age, who)


def path(seed: int, takes: tuple[int, ...] = (2, 2, 2)) -> list[tuple[Move, World, World]]:
    """Some moves one after another."""
    chance, world, made = random.Random(seed), walk.START, []  # noqa: S311 - drawn again
    for _ in range(LENGTH):
        can = list(walk.moves(world, takes=takes))
        if not can:
            break
        weights = [RARE.get(move.what, 1) * (0.3 if move.lost else 1) for move, _ in can]
        move, after = chance.choices(can, weights)[0]
        made.append((move, world, after))
        world = after
    return made


@pytest.mark.parametrize("first", range(0, PATHS, 10))
def test_the_table_is_what_the_walk_says_after_each_call_of_a_path(first: int) -> None:
    for seed in range(first, first + 10):
        with inprocess.engine() as engine:
            play, steps = Play(engine), path(seed)
            try:
                for move, before, after in steps:
                    play.do(move, before)
                    play.after(move, after)
            finally:
                engine.before = lambda _name: None
                for left in play.running.values():
                    left.end()


def test_the_paths_make_every_kind_of_call() -> None:
    made = {move.what for seed in range(PATHS) for move, _, _ in path(seed)}
    assert made == {
        *("hold", "prove", "give back", "look", "file", "confirm", "cancel"),
        *("lock read", "lock seat"),
        *("passes", "opens", "sweep reads", "sweep ends"),
    }
