"""Explore every state that two appointments, two desks and three windows of agents can reach, one call at a time.

A pure model of `calls`, `register` and their stores: a step reads, and later writes what follows from what it read, if
the conditions of the write pass. Desk 1 has an agent who presses in two windows, desk 2 has another agent. A process
that is killed before its write leaves nothing, so it adds no state. Each write must be a right step at its moment,
whatever the table was when it was read. The steps of an appointment are in `call_rules`.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from tests.proof.call_rules import ARRIVED, CALLED, MISSED, SEEN, Appointment, after

T = TypeVar("T")
NOBODY = -1
AGENTS, DESKS = ("a", "a", "b"), (1, 1, 2)
"""The agent and the desk of each window."""
CALL = ("desk", "calls", "called_by")
WRITES: dict[str, tuple[str, ...]] = {
    "arrive": ("arrived_by",),
    **dict.fromkeys(("next", "call"), CALL),
    "park": ("parked",),
    **dict.fromkeys((SEEN, MISSED), ("outcome_by",)),
    "undo arrived": ("arrived_by", "parked", *CALL),
    "undo called": (),
    f"undo {SEEN}": ("outcome_by",),
    f"undo {MISSED}": ("outcome_by",),
}
"""The steps, each with what it writes beside the state. INCOMPLETE has the same writes as SEEN."""
UNDO_OUTCOME = {f"undo {SEEN}", f"undo {MISSED}"}
RECORDED_BY = {"undo arrived": "arrived_by", "undo called": "called_by"}
CONDITIONS = {
    "a write compares the state": "state",
    "a write compares how often the person was called": "calls",
    "a call needs a desk that has nobody else": "desk",
    "a call takes its desk": "takes",
    "the end of a call frees its desk": "frees",
    "only who recorded it takes it back": "agent",
    "an outcome is taken back only with the arrival that was read": "arrival",
    "who was put aside is not the next": "parked",
}
"""Each condition of the service with its name here. A mutant lacks one."""


class Wrong(AssertionError):
    """Raised for a state or a move that must not be possible."""


class Window(NamedTuple):
    """The step that a window has read for, the seat and what it read, and how many steps it will still begin."""

    left: int
    step: str = ""
    seat: int = NOBODY
    read: Appointment = Appointment()


class World(NamedTuple):
    """The appointments, the seat that the item of each desk names, and the windows."""

    seats: tuple[Appointment, ...]
    desks: tuple[int, ...]
    windows: tuple[Window, ...]


class Move(NamedTuple):
    """A window reads for a step, or writes it."""

    window: int
    what: str
    step: str
    seat: int


WAITING = (Appointment(ARRIVED, arrived_by="a"), Appointment(ARRIVED, arrived_by="b"))
RECORDED = (Appointment(SEEN, arrived_by="b", outcome_by="a"), Appointment(ARRIVED, arrived_by="b"))


def start(*steps: int, seats: tuple[Appointment, ...] = WAITING) -> World:
    """Return the world in which each window will begin this many steps, and no desk has called anybody."""
    return World(seats, (NOBODY, NOBODY), tuple(Window(left) for left in steps))


def put(items: tuple[T, ...], number: int, new: T) -> tuple[T, ...]:
    return (*items[:number], new, *items[number + 1 :])


def moves(world: World, lacks: str = "") -> Iterator[tuple[Move, World]]:
    """Yield every call that may come next, and the world after it."""
    for number, window in enumerate(world.windows):
        if window.step:
            yield Move(number, "write", window.step, window.seat), write(world, number, lacks)
        elif window.left:
            for step in WRITES:
                for seat in choices(world, number, step, lacks):
                    reads = Window(window.left - 1, step, seat, world.seats[seat])
                    windows = put(world.windows, number, reads)
                    yield Move(number, "read", step, seat), world._replace(windows=windows)


def choices(world: World, number: int, step: str, lacks: str) -> list[int]:
    """Return the seats for which a window goes on after it read them for a step; the others are refused."""
    desk, agent = DESKS[number], AGENTS[number]
    at_desk = [n for n, seat in enumerate(world.seats) if seat.state == CALLED and seat.desk == desk]
    if step == "next":
        waiting = (
            n for n, seat in enumerate(world.seats) if seat.waits or (lacks == "parked" and seat.state == ARRIVED)
        )
        first = next(waiting, NOBODY)
        return [first] if first != NOBODY and not at_desk else []
    is_undo_by_anybody = step.startswith("undo") and lacks == "agent"
    allowed = [n for n in (0, 1) if step != "call" or not at_desk or at_desk == [n]]
    return [
        n
        for n in allowed
        if (seat := world.seats[n]) != after(step, seat, desk, agent) is not None
        or (is_undo_by_anybody and step == f"undo {seat.state}")
    ]


def write(world: World, number: int, lacks: str) -> World:
    """Write what follows from what a window read, if the conditions pass; a window that loses begins again."""
    window, desk, agent = world.windows[number], DESKS[number], AGENTS[number]
    step, n, read, now = window.step, window.seat, window.read, world.seats[window.seat]
    is_call = step in {"next", "call"}
    passes = (
        (now.state == read.state or lacks == "state")
        and ((now.calls, now.desk) == (read.calls, read.desk) or lacks == "calls")
        and (not is_call or world.desks[desk - 1] in {NOBODY, n} or lacks == "desk")
        and (not step.startswith("undo") or recorder(now, step) == agent or lacks == "agent")
        and (step not in UNDO_OUTCOME or bool(now.arrived_by) == bool(read.arrived_by) or lacks == "arrival")
    )
    windows = put(world.windows, number, Window(window.left))
    if not passes:
        return world._replace(windows=windows)
    by = recorder(read, step) if lacks == "agent" else agent
    new = after("call" if step == "next" else step, read, desk, by)
    assert new
    names = {"state", *WRITES[step]}
    names |= {"parked"} if read.calls and step in UNDO_OUTCOME else set()
    names |= {*CALL} if step == "undo called" and not read.parked else set()
    after_write = replace(now, **{name: getattr(new, name) for name in names})
    if after_write != after(step, now, desk, agent):
        raise Wrong(f"{step} by {agent} at desk {desk} makes {now} {after_write}")
    desks = world.desks
    if is_call and lacks != "takes":
        desks = put(desks, desk - 1, n)
    elif read.state == CALLED and lacks != "frees":
        desks = put(desks, read.desk - 1, NOBODY)
    return World(put(world.seats, n, after_write), desks, windows)


def recorder(seat: Appointment, step: str) -> str:
    """Return who recorded what a step takes back."""
    by: str = getattr(seat, RECORDED_BY.get(step, "outcome_by"))
    return by


def check(world: World) -> None:
    """Raise Wrong if a desk has two people, or if its item does not name whom it has."""
    for desk, has in enumerate(world.desks, start=1):
        called = [n for n, seat in enumerate(world.seats) if seat.state == CALLED and seat.desk == desk]
        if called != [has] * (has != NOBODY):
            raise Wrong(f"desk {desk} has {called}, and its item names {has}")


def explore(world: World, lacks: str = "") -> Mapping[World, tuple[World, Move] | None]:
    """Return every reachable state, each with the state and the move by which it was first reached."""
    came: dict[World, tuple[World, Move] | None] = {world: None}
    queue = deque([world])
    while queue:
        world = queue.popleft()
        for move, next_world in moves(world, lacks):
            if next_world not in came:
                check(next_world)
                came[next_world] = world, move
                queue.append(next_world)
    return came
