"""Play paths of `draw_walk` with the code, call by call on the emulator, and compare the table after each call.

A run of the draw goes in a thread of its own that stops before each call to the table. An applicant's call is a single
write, made with what was read at the start of the path. Each write that the walk does not allow in a state is tried
there as well: the table must refuse it.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from chalicelib.allocation import draw, seats
from chalicelib.booking import ending, filing, holds
from chalicelib.domain import draw_window, refusals
from chalicelib.domain.draw_record import Draw, ListKind, Stage
from chalicelib.domain.entry import EntryState
from chalicelib.domain.seat import BY_OPERATOR, Seat, State
from chalicelib.storage import (
    draw_store,
    entry_keys,
    entry_store,
    items,
    move_store,
    person_store,
    seat_keys,
    seat_maintenance,
    seat_store,
    service_store,
)
from chalicelib.storage.draw_store import LogLine
from chalicelib.storage.move_store import MoveResult
from tests.long import IS_LONG, LONG
from tests.proof import draw_walk, inprocess, running
from tests.proof.draw_walk import ENTERED, MOVED, NEXT, NONE, WINNER, World
from tests.proof.running import Running
from tests.proof.seat_rules import OPEN, PENDING
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT, put
from tests.unit.allocation.entrants import OPENS, WEEK, entered, entry_of, ready, somebody

pytestmark = LONG

PATHS = 200 if IS_LONG else 20
LENGTH = 30
NOW = OPENS + timedelta(days=7, hours=1)
"""In the next window, so that who is in no draw any more can enter again."""
PAST = NOW - timedelta(seconds=1)
ONE_SEAT = [{"desks": [1], "openings": [{"days": ["tuesday"], "from": "09:15", "to": "09:20"}]}]
PEOPLE = (WINNER, NEXT)
RARE = {"leaves": 0.1, "erases": 0.1, "entry is over": 0.1, "closes": 0.1, "seat is over": 0.3, "cancels": 0.3}
"""Moves that end something are drawn less often, so that seats are given and confirmed."""
READS = {"reads seat", "reads entry", "reads log", "ends"}
"""Steps of a run that change nothing which the walk models."""
Step = tuple[str, str, World, World]
"""Who calls, what, and the world before and after it."""


class Play:
    """The code on the emulator's table, one call at a time, from the moment when the order of the draw is known."""

    def __init__(self, emulator: inprocess.Emulator) -> None:
        self.emulator = emulator
        self.service = put({"beacon": "commitment"}, plannings=ONE_SEAT)
        people = [entered(somebody(number), preferences=("any",)) for number in PEOPLE]
        promised = draw.promise(self.service, draw_window.window_of(self.service, WEEK), [], OPENS)
        assert promised
        frozen = draw.freeze(self.service, promised, FROZEN_AT)
        self.drawn = draw.draw_lots(self.service, frozen, DRAWN_AT, lambda _number: None)
        first = draw_store.read_list(self.drawn, ListKind.RESULTS).split(";")[1]
        self.requests = sorted(people, key=lambda request: entry_of(request).receipt != first)
        self.entries = [entry_of(request) for request in self.requests]
        self.persons = [request.person for request in self.requests if request.person]
        self.again = ready(("any",), NOW)
        self.seat = seat_store.read_week("aes", WEEK)[0]
        self.saved = deepcopy(emulator.items())
        self.runs: list[Running | None] = [None, None]
        self.refused: set[World] = set()
        emulator.before = running.wait

    def start(self) -> None:
        """Put the table back to the start of a path."""
        self.end()
        self.emulator.put_back(self.saved)

    def end(self) -> None:
        for run in self.runs:
            if run:
                run.end()
        self.runs = [None, None]

    # The calls of a path

    def do(self, step: Step) -> None:
        """Make the call of a step."""
        who, what, before, after = step
        if who.startswith("run"):
            self.go_on(int(who[-1]), what, before, after)
        elif who.startswith("applicant"):
            assert self.try_write(what, int(who[-1]), before), step
        else:
            self.pass_time(what, before, after)

    def go_on(self, number: int, what: str, before: World, after: World) -> None:
        """Let a run make the calls of one of the walk's steps."""
        if what in {"reads seat", "reads log"}:
            self.runs[number] = self.begin(what)
        run = self.runs[number]
        assert run
        other = before.runs[1 - number]
        now = after.runs[0] if after.runs[1] == other else after.runs[1]
        if what == "reads entry":
            is_told = before.runs[number].step == "reread" and run.next == "PutItem"  # it knows that the seat is given
            self.make(run, *([] if is_told else ["GetItem"]), *(["GetItem"] if now.step in {"award", "offer"} else []))
        elif what in {"awards", "offers"} and run.next == "TransactWriteItems":
            self.make(run, "TransactWriteItems")
        elif what in {"commits", "logs departure"}:
            self.make(run, "PutItem")
        if what in {"commits", "ends"}:
            while not run.has_ended:
                run.go_on()
        if now.step == "idle":
            run.end()
            self.runs[number] = None
        if after.runs[1 - number] != other:  # the walk keeps its runs in order
            self.runs.reverse()

    def begin(self, what: str) -> Running:
        """Begin a run, and read what it reads first."""
        if what == "reads seat":
            run = Running(lambda: seats.assign(self.service, self.drawn, NOW))
            self.make(run, "GetItem", "GetItem", "Query")
            return run
        current = self.stored_draw()
        run = Running(lambda: seats.offer(self.service, current, NOW))
        self.make(run, "Query")
        if not run.has_ended:  # it has if nobody is left for the seat, and the draw has recorded that
            self.make(run, "Query", "GetItem", "GetItem", "GetItem")
        return run

    def make(self, run: Running, *calls: str) -> None:
        for call in calls:
            assert run.next == call
            run.go_on()

    def pass_time(self, what: str, before: World, after: World) -> None:
        if what == "entry is over":
            self.set_until(seat_keys.seat_item(self.entries[WINNER].key).sk)
        elif what == "seat is over":
            self.set_until(seat_keys.seat_item(self.seat.key).sk)
        elif what == "ends entry":
            number = next(number for number in PEOPLE if before.people[number] != after.people[number])
            assert ending.end_request(self.service, self.entries[number], State.EXPIRED, now=NOW)
        elif what == "frees seat":
            assert self.end_seat(before.holder, State.EXPIRED)
        elif what == "closes":
            assert seat_maintenance.close(self.seat.key, BY_OPERATOR, NOW)
        else:
            assert seat_maintenance.reopen(self.seat.key, BY_OPERATOR, self.seat.opens_at)

    def set_until(self, sort_key: str) -> None:
        item = next(item for item in self.emulator.items() if item["sk"]["S"] == sort_key)
        item["until"] = {"N": str((PAST - items.EPOCH) // timedelta(milliseconds=1))}

    # The writes

    def try_write(self, what: str, number: int, world: World) -> bool:
        """Make a write of an applicant with what was read at the start. Return whether it changed anything."""
        entry = self.entries[number]
        if what == "leaves":
            return ending.end_request(self.service, entry, State.CANCELLED, now=NOW)
        if what == "erases":
            return self.erase(number, is_entered=world.people[number].state == ENTERED)
        if what == "enters again":
            with suppress(refusals.AlreadyRequested):
                filing.file(holds.view_ready(self.again.id, NOW), self.persons[number].details, now=NOW)
                return True
            return False
        return (
            seat_store.confirm(self.seat.key, entry.hold, NOW)
            if what == "confirms"
            else self.end_seat(number, State.CANCELLED)
        )

    def erase(self, number: int, *, is_entered: bool) -> bool:
        entry, person = self.entries[number], self.persons[number]
        keys = ending.email_keys_of(person)
        if is_entered:
            return ending.erase_request(self.service, entry, person, keys, State.CANCELLED, now=NOW)
        person_store.erase(person, keys)
        return person_store.read(person.key, "aes") is None

    def end_seat(self, number: int, ended: State) -> bool:
        """End the request on the seat as that of an entry."""
        seat: Seat = replace(self.seat, state=State.PENDING, hold=self.entries[number].hold)
        return ending.end_request(self.service, seat, ended, now=NOW)

    def award(self, number: int) -> bool:
        line = LogLine(NOW, number + 1, self.entries[number].receipt, seats.line_of(self.seat.key))
        award = move_store.Award(
            entry=self.entries[number],
            to=self.seat.key,
            by_draw=EntryState.OFFERED,
            until=self.service.confirm_before(self.seat.key, NOW),
            person=self.persons[number],
            email_keys=ending.email_keys_of(self.persons[number]),
            erase_at=self.service.erase_at(self.seat.key),
            also=[draw_store.log_item("aes", WEEK, line)],
        )
        return move_store.award(award, NOW) is MoveResult.DONE

    def not_allowed(self, world: World) -> Iterator[tuple[str, Callable[[], bool]]]:
        """Yield the writes that must be refused in this world."""
        for number in PEOPLE:
            yield from self._not_allowed_to(number, world)
        if not (world.seat == PENDING and world.over):
            for number in PEOPLE:
                yield "frees seat", lambda number=number: self.end_seat(number, State.EXPIRED)  # type: ignore[misc]
        if world.seat != OPEN:
            yield "closes", lambda: seat_maintenance.close(self.seat.key, BY_OPERATOR, NOW)
        if world.assigned:
            done = replace(self.drawn, stage=Stage.ASSIGNED)
            yield "commits", lambda: draw_store.advance(done, before=Stage.DRAWN)

    def _not_allowed_to(self, number: int, world: World) -> Iterator[tuple[str, Callable[[], bool]]]:
        me, entry = world.people[number], self.entries[number]
        allowed = {what for who, what, _ in draw_walk.by_applicant(world, number, "") if who.endswith(str(number))}
        tried = {"leaves", "confirms", "cancels"} - allowed - ({"cancels"} if world.holder == number else set())
        if number == WINNER:
            tried |= {"erases"} - allowed if me.item else set()
            tried |= {"enters again"} - allowed if me.item in {"entry", "seat"} else set()
        for what in sorted(tried):
            yield what, lambda what=what: self.try_write(what, number, world)  # type: ignore[misc]
        if me.state != ENTERED:
            yield "erases as entered", lambda: self.erase(number, is_entered=True)
        if me.state != ENTERED or me.over:
            yield "preferences", lambda: entry_store.change_preferences(entry, ["tue-am"], NOW)
        if me.state != ENTERED or not me.over:
            yield "ends entry", lambda: ending.end_request(self.service, entry, State.EXPIRED, now=NOW)
        if world.log[number] or draw_walk.awarded(world, number, "") is None:
            yield "is given the seat", lambda: self.award(number)
        if world.log[number]:
            yield "logs departure", lambda: draw_store.append_log("aes", WEEK, LogLine(NOW, number + 1, "x", None))

    def refuse(self, world: World) -> None:
        """Try each write that this world does not allow, once for each state of the table."""
        state = world._replace(runs=draw_walk.World().runs)
        if state in self.refused:
            return
        self.refused.add(state)
        saved = deepcopy(self.emulator.items())
        for what, write in self.not_allowed(world):
            assert not write(), (what, world)
            assert self.world() == shown(world), (what, world)
            self.emulator.put_back(saved)

    # The table

    def stored_draw(self) -> Draw:
        stored = draw_store.read("aes", WEEK)
        assert stored
        return stored

    def world(self) -> World:
        """Return the table as the walk models it."""
        seat, stored = seat_store.read(self.seat.key), self.stored_draw()
        holds = [entry.hold for entry in self.entries]
        log = ["", ""]
        for line in draw_store.read_log("aes", WEEK):
            log[line.rank - 1] = MOVED if line.seat else "left"
        people = [self.person(number, seat) for number in PEOPLE]
        return World(
            people=(people[0], people[1]),
            seat=str(seat.state),
            holder=holds.index(seat.hold) if seat.hold else NONE,
            over=seat.state is State.PENDING and seat.until is not None and seat.until < NOW,
            assigned=stored.stage is Stage.ASSIGNED,
            unassigned=self.entries[WINNER].receipt in stored.unassigned,
            log=(log[0], log[1]),
        )

    def person(self, number: int, seat: Seat) -> draw_walk.Person:
        entry, mine = seat_store.read(self.entries[number].key), self.entries[number]
        stored = person_store.read(self.persons[number].key, "aes")
        item = {(mine.key, mine.hold): "entry", (self.again.carrier.key, self.again.carrier.hold): "again"}
        if seat.hold:
            item[(self.seat.key, seat.hold)] = "seat"
        state = ENTERED if entry.state is State.CONFIRMED else str(entry.past_state)
        over = state == ENTERED and entry.until is not None and entry.until < NOW
        return draw_walk.Person(
            "left" if state == State.CANCELLED else state,
            over,
            item.get((stored.seat, stored.hold), "") if stored else "",
        )


def shown(world: World) -> World:
    """Return a world without what the table does not show."""
    people = [person._replace(over=person.over and person.state == ENTERED, told="") for person in world.people]
    log = [line if line in {"", MOVED} else "left" for line in world.log]
    return world._replace(people=(people[0], people[1]), log=(log[0], log[1]), runs=World().runs)


@cache
def paths() -> list[list[Step]]:
    """Return random paths. A call that was not yet made in a state is much more likely than one that was."""
    chance, made, all_paths = random.Random(1), set[Any](), []  # noqa: S311 - drawn again
    for _ in range(PATHS):
        world, steps = World(), []
        for _ in range(LENGTH):
            can = list(draw_walk.moves(world, ""))
            if not can:
                break
            keys = [(what, shown(world)) for _, what, _ in can]
            weights = [RARE.get(what, 1) * (1 if (what, state) in made else 10) for what, state in keys]
            number = chance.choices(range(len(can)), weights)[0]
            made.add(keys[number])
            steps.append((*can[number][:2], world, can[number][2]))
            world = can[number][2]
        all_paths.append(steps)
    return all_paths


@pytest.fixture(autouse=True)
def _few_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_keys, "SHARDS", 3)


@pytest.mark.slow
def test_the_table_is_what_the_walk_says_after_each_call_of_a_path() -> None:
    with inprocess.emulator() as emulator:
        play = Play(emulator)
        service_store.read_all(NOW)
        try:
            for steps in paths():
                play.start()
                for step in steps:
                    play.do(step)
                    if step[1] not in READS:
                        assert play.world() == shown(step[3]), step
                        play.refuse(step[3])
        finally:
            play.end()


def test_the_paths_make_every_kind_of_call() -> None:
    assert {what for steps in paths() for _, what, _, _ in steps} == {
        *("leaves", "erases", "enters again", "confirms", "cancels"),
        *("entry is over", "ends entry", "seat is over", "frees seat", "closes", "reopens"),
        *("reads seat", "reads entry", "awards", "commits", "reads log", "logs departure", "offers", "ends"),
    }
