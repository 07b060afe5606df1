"""Play paths of the walk of calls with the code, call by call on the emulator, and compare the table after each call.

The step of a window runs in a thread of its own that stops before each call to the table until the path lets it go on.
"""

import random
from collections.abc import Callable
from datetime import date, time, timedelta
from functools import partial

import pytest

from chalicelib.desk import calls, register
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import call_store, seat_store, service_store
from tests.conftest import MONDAY, document
from tests.long import IS_LONG
from tests.proof import call_walk, inprocess, running
from tests.proof.call_rules import MISSED, SEEN, Appointment
from tests.proof.call_walk import AGENTS, DESKS, NOBODY, Move, World
from tests.proof.running import Running

PATHS = 600 if IS_LONG else 20
STEPS = (7, 5, 7)
KEYS = tuple(SeatKey(date(2026, 12, 8), time(9, 15), desk, "aes") for desk in (1, 2))
NOW = MONDAY + timedelta(days=8, hours=3)
RARE = {SEEN: 0.3, MISSED: 0.3, "undo arrived": 0.1}
"""Steps that end an appointment are drawn less often."""


class Play:
    """The code on the emulator's table, one call at a time."""

    def __init__(self, emulator: inprocess.Emulator, seats: tuple[Appointment, ...] = call_walk.WAITING) -> None:
        self.service = service_store.put(document())
        for key, seat in zip(KEYS, seats, strict=True):
            row = seat_store.new_item(key, MONDAY)
            row.state, row.hold, row.person = State(seat.state), "hold", "person"
            row.arrived_at, row.arrived_by = NOW, seat.arrived_by
            row.outcome_at, row.outcome_by = (NOW, seat.outcome_by) if seat.outcome_by else (None, None)
            row.save()
        self.running: dict[int, Running] = {}
        emulator.before = running.wait

    def do(self, move: Move) -> None:
        """Make the call of a move."""
        if move.what == "read":
            self.running[move.window] = Running(self.step(move))
            self.running[move.window].go_on()
            return
        step = self.running.pop(move.window)
        step.go_on()
        step.end()

    def step(self, move: Move) -> Callable[[], object]:
        """Return the call of the use case."""
        service, key, agent, desk = self.service, KEYS[move.seat], AGENTS[move.window], DESKS[move.window]
        undone = move.step.removeprefix("undo ")
        if undone != move.step:
            return partial(register.undo, service, key, State(undone), agent, NOW)
        steps: dict[str, Callable[[], object]] = {
            "next": partial(calls.call_next, service, desk, agent, NOW),
            "call": partial(calls.call, service, key, desk, agent, NOW),
            "park": partial(calls.park, service, key, agent, NOW),
            "arrive": partial(register.arrive, service, key, agent, NOW),
        }
        return steps.get(move.step) or partial(register.record, service, key, State(move.step), agent, NOW)


def table(service_id: str) -> tuple[tuple[Appointment, ...], tuple[int, ...]]:
    """Return the table as the walk models it."""
    has = {call.desk: call.number for call in call_store.read_calls(service_id, KEYS[0].day)}
    numbers = [key.number for key in KEYS]
    desks = tuple(numbers.index(has[desk]) if desk in has else NOBODY for desk in (1, 2))
    return tuple(as_in_walk(seat_store.read(key)) for key in KEYS), desks


def as_in_walk(seat: Seat) -> Appointment:
    by = seat.arrived_by, seat.called_by, seat.outcome_by
    return Appointment(str(seat.state), seat.called_to, seat.calls, seat.parked, *by)


def path(seed: int) -> list[tuple[Move, World, World]]:
    """Return random moves one after another, each with the world before and after it."""
    chance, world, steps = random.Random(seed), call_walk.start(*STEPS), []  # noqa: S311 - drawn again
    while can := list(call_walk.moves(world)):
        weights = [RARE.get(move.step, 1) if move.what == "read" else 2 for move, _ in can]
        move, after = chance.choices(can, weights)[0]
        steps.append((move, world, after))
        world = after
    return steps


@pytest.mark.parametrize("first", range(0, PATHS, 10))
def test_the_table_is_what_the_walk_says_after_each_call_of_a_path(first: int) -> None:
    for seed in range(first, first + 10):
        with inprocess.emulator() as emulator:
            play = Play(emulator)
            try:
                for move, _, after in path(seed):
                    play.do(move)
                    assert table("aes") == (after.seats, after.desks), move
            finally:
                emulator.before = lambda _name: None
                for step in play.running.values():
                    step.end()


def test_an_outcome_is_not_taken_back_with_an_arrival_that_was_taken_back_meanwhile() -> None:
    with inprocess.emulator() as emulator:
        play = Play(emulator, call_walk.RECORDED)
        play.do(Move(0, "read", "undo seen", 0))
        for window, step in ((1, "undo seen"), (2, "undo arrived"), (1, "seen")):
            play.do(Move(window, "read", step, 0))
            play.do(Move(window, "write", step, 0))
        play.do(Move(0, "write", "undo seen", 0))
        assert table("aes")[0][0] == Appointment(SEEN, outcome_by="a")


def test_the_paths_take_every_step_and_lose_some_writes() -> None:
    moves = [move for seed in range(PATHS) for move in path(seed)]
    assert {move.step for move, _, _ in moves} == {*call_walk.WRITES}
    assert any(move.what == "write" and before.seats == after.seats for move, before, after in moves)
