"""Play paths of the walk with the code, call by call on the emulator, and compare the table after each call.

A visitor's call runs in a thread of its own that stops before each call to the table until the path lets it go on.
"""

import random
from contextlib import suppress
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.domain import lifecycle, refusals, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.keys import keys
from chalicelib.storage import seat_store, service_store
from tests.conftest import MONDAY, document
from tests.long import IS_LONG
from tests.proof import inprocess, running, walk
from tests.proof.running import Running
from tests.proof.seat_rules import BOOKED, CONFIRMED, GAP, LATER, OPEN, READY, state_of
from tests.proof.walk import CLOCK, Lock, Move, World

PATHS = 600 if IS_LONG else 40
LENGTH = 40
NOW = MONDAY + timedelta(minutes=1)
SLOW = NOW - GAP + timedelta(seconds=1)
"""The clock that serves the holder of a seat. NOW serves the others and the sweep."""
AGES = (timedelta(hours=1), timedelta(seconds=-2), timedelta(seconds=-30))
"""The end of a hold of age 0, 1 and 2, from NOW."""
KEYS = tuple(SeatKey(date(2026, 12, 8), time(9, minute), 1, "aes") for minute in (15, 20))
RARE = {"give back": 0.1, "cancel": 0.1, "passes": 0.1, "sweep reads": 0.3, "hold": 0.3}
"""Moves that end a booking are drawn less often, so that some bookings are completed."""
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
PEOPLE = (AWA, replace(AWA, first_name="Ben", email="ben@gmail.com"), replace(AWA, email="b.e.n+2@gmail.com"))


class Play:
    """The code on the emulator's table, one call at a time."""

    def __init__(self, emulator: inprocess.Emulator, by_day_from: str | None = None) -> None:
        self.emulator = emulator
        self.hold_ids: dict[int, str] = {}
        self.running: dict[int, Running] = {}
        self.read: Seat | None = None
        service_store.put(document(), by_day_from=by_day_from)
        for key in KEYS:
            seat_store.create(key, MONDAY, MONDAY + timedelta(days=90))
        service_store.read_all(NOW)
        service_store.read_all(SLOW)
        emulator.before = running.wait

    def do(self, move: Move, before: World) -> None:
        """Make the call of a move."""
        if move.caller == CLOCK:
            self.pass_time(move, before)
            return
        me = before.visitors[move.caller]
        if move.what == "hold":
            hold = move.caller + 3 * me.takes
            token = keys().hold_token(KEYS[move.seat])
            self.hold_ids[hold] = str(token)
            digest = tokens.digest(token.secret)
            assert seat_store.take(KEYS[move.seat], digest, NOW + AGES[0], NOW)
            return
        if move.what in {"give back", "prove", "confirm", "cancel"}:
            self.call_at_once(move, me)
            return
        if move.what == "look":
            details, name = PEOPLE[move.caller], self.hold_ids[me.hold]
            self.running[move.caller] = Running(lambda: filing.file(holds.view_ready(name, SLOW), details, now=SLOW))
        self.running[move.caller].go_on()

    def after(self, move: Move, world: World) -> None:
        """End a call that its visitor will make again, and compare the table with the world."""
        if move.caller in self.running and world.visitors[move.caller].step in {READY, "away", *BOOKED}:
            self.running.pop(move.caller).end()
        assert self.world() == (world.seats, world.locks)
        for key, seat in zip(KEYS, world.seats, strict=True):
            if not walk.is_free(seat):
                assert not seat_store.take(key, "somebody", NOW + AGES[0], NOW)

    def world(self) -> tuple[tuple[walk.Seat, ...], tuple[Lock, ...]]:
        """Return the table as the walk models it."""
        holds = {self.digest(hold): hold for hold in self.hold_ids}
        visitors = {keys_of(details)[0]: number for number, details in reversed([*enumerate(PEOPLE)])}
        rows = {item["pk"]["S"]: item for item in self.emulator.items() if item["sk"]["S"].startswith("SERVICE#")}
        locks = []
        for visitor, part in ((0, 0), (1, 0), (0, 1), (1, 1)):
            kind = ("PERSON", "EMAIL")[part]
            row = rows.get(f"{kind}#{keys_of(PEOPLE[visitor])[part]}")
            ref = row and SeatKey.parse(row["seat"]["S"])
            locks.append(Lock(KEYS.index(ref), holds[row["hold"]["S"]]) if row and ref else Lock())
        return tuple(as_in_walk(seat_store.read(key), holds, visitors) for key in KEYS), tuple(locks)

    def call_at_once(self, move: Move, me: walk.Visitor) -> None:
        """Make a call that a single write decides, so that the reads around it change nothing."""
        name = self.hold_ids[me.hold]
        link = str(keys().link_token(KEYS[me.seat], self.digest(me.hold)))
        with suppress(refusals.Refusal):
            if move.what == "give back":
                holds.end(name, SLOW)
            elif move.what == "prove":
                challenge = captcha.new_challenge(name, SLOW)
                captcha.answer(name, challenge.id, challenge.sound, now=SLOW)
            elif move.what == "confirm":
                requests.confirm(link, SLOW)
            elif move.what == "cancel":
                requests.cancel(link, SLOW, random_fraction=lambda: 0.5)

    def pass_time(self, move: Move, before: World) -> None:
        if move.what == "passes":
            seat = before.seats[move.seat]
            self.emulator.change(KEYS[move.seat], until=NOW + AGES[seat.age + 1])
        elif move.what == "opens":
            self.emulator.change(KEYS[move.seat], opens_at=MONDAY)
        elif move.what == "sweep reads":
            self.read = seat_store.read(KEYS[move.seat])
        else:
            assert self.read
            if lifecycle.expired_state(self.read, NOW) is State.OPEN:
                seat_store.end_expired_hold(self.read, NOW)
            else:
                seat_store.end_request(self.read, State.EXPIRED, NOW + timedelta(days=1), NOW)

    def digest(self, hold: int) -> str:
        return tokens.digest(keys().read_hold_token(self.hold_ids[hold]).secret)


def keys_of(details: Details) -> tuple[str, str]:
    """Return the keys of a person and of an e-mail address."""
    return keys().person_key(details.first_name, details.last_name, details.birth_date), keys().email_key(details.email)


def as_in_walk(seat: Seat, holds: dict[str, int], visitors: dict[str, int]) -> walk.Seat:
    """Return a seat as the walk models it. Of two visitors who are one person, name the one whose hold it is."""
    if seat.state is State.OPEN:
        return walk.Seat(LATER if seat.opens_at > NOW else OPEN)
    hold = holds[seat.hold]
    state = state_of(str(seat.state), captcha_passed=seat.captcha_passed)
    age = 0
    if state != CONFIRMED and seat.until is not None and seat.until <= NOW:
        age = 1 if seat.until >= NOW - GAP else 2
    visitor = visitors.get(seat.person, walk.NONE)
    is_same_person = visitor != walk.NONE and visitor == walk.PERSON[hold % 3]
    return walk.Seat(state, hold, age, hold % 3 if is_same_person else visitor)


def path(seed: int, takes: tuple[int, ...] = (2, 2, 2)) -> list[tuple[Move, World, World]]:
    """Return random moves one after another, each with the world before and after it."""
    chance, world, steps = random.Random(seed), walk.START, []  # noqa: S311 - drawn again
    for _ in range(LENGTH):
        can = list(walk.moves(world, takes=takes))
        if not can:
            break
        weights = [RARE.get(move.what, 1) * (0.3 if move.lost else 1) for move, _ in can]
        move, after = chance.choices(can, weights)[0]
        steps.append((move, world, after))
        world = after
    return steps


@pytest.mark.parametrize("first", range(0, PATHS, 10))
def test_the_table_is_what_the_walk_says_after_each_call_of_a_path(first: int) -> None:
    for seed in range(first, first + 10):
        with inprocess.emulator() as emulator:
            by_day_from = KEYS[0].week if seed % 2 else None  # a partition for the day, or for the week
            play, steps = Play(emulator, by_day_from), path(seed)
            try:
                for move, before, after in steps:
                    play.do(move, before)
                    play.after(move, after)
            finally:
                emulator.before = lambda _name: None
                for call in play.running.values():
                    call.end()


def test_the_paths_make_every_kind_of_call() -> None:
    kinds = {move.what for seed in range(PATHS) for move, _, _ in path(seed)}
    assert kinds == {
        *("hold", "prove", "give back", "look", "file", "confirm", "cancel"),
        *("lock read", "lock seat"),
        *("passes", "opens", "sweep reads", "sweep ends"),
    }
