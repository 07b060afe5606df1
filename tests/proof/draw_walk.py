"""Explore every state that two entries, one seat, two runs of the draw and the clock can reach, one call at a time.

A pure model of `allocation.seats`, `entry_store`, `move_store.award` and the writes of `request_store` on a seat that a
draw gave. The first entry won the seat, the second is next in rank. Two runs assign and offer at the same time, again
and again; each reads before it writes, so everything may change in between. Of time only the order matters.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.proof.seat_rules import BOOKED, CONFIRMED, OPEN, PENDING

ENTERED, LEFT, EXPIRED, MOVED = "entered", "left", "expired", "moved"
CLOSED = "closed"
NONE = -1
WINNER, NEXT = 0, 1
CLOCK, OPERATOR = "clock", "operator"


class Person(NamedTuple):
    """An entry, whether its time is over, and what the person item names: `entry`, `seat`, `again` or nothing.

    `again` is another entry of the same person, made when the first kept nobody out any more.
    """

    state: str = ENTERED
    over: bool = False
    item: str = "entry"
    told: str = ""
    """The last answer that they had: that they have left, or that their seat is confirmed."""


class Run(NamedTuple):
    """One run of the draw: its next call, and what it has read."""

    step: str = "idle"
    rank: int = NONE
    seat_free: bool = False
    missed: bool = False
    passed: tuple[bool, bool] = (False, False)


class World(NamedTuple):
    """The table and the two runs."""

    people: tuple[Person, Person] = (Person(), Person())
    seat: str = OPEN
    holder: int = NONE
    over: bool = False
    """Whether the time to confirm the seat is over."""
    assigned: bool = False
    unassigned: bool = False
    """Whether the draw records that its winner has no seat."""
    log: tuple[str, str] = ("", "")
    """The line of each rank: what became of its entry."""
    runs: tuple[Run, Run] = (Run(), Run())


Move = tuple[str, str, World]
"""Who calls, what, and the world after it."""
CONDITIONS = {
    "a seat is given only to an entry that is entered": "entered",
    "a seat is given only while it is open": "seat open",
    "a seat is given only to the request that the person item names": "person",
    "a line of the log is written once": "line",
    "the seats of a draw are assigned once": "stage",
    "a winner whose seat was closed is recorded": "unassigned",
    "an entry leaves only while it is live": "leave",
    "preferences change only while the entry is live": "preferences",
    "an entry ends by time only while it is live": "sweep entry",
    "a person is erased only as they were read": "erase",
    "an entry keeps out another one until it is over": "lock",
    "only the holder confirms a seat": "confirm hold",
    "a seat is confirmed in time": "confirm time",
    "only the holder cancels a seat": "cancel hold",
    "a seat is freed by time only while it waits": "sweep seat",
    "only a free seat is closed": "close",
    "a seat that is free is offered": "offer",
    "a seat that nobody confirms is freed": "frees",
}
"""Each condition of the service with its name here. A mutant lacks one."""


class Wrong(AssertionError):
    """Raised for a state or a move that must not be possible."""


def moves(world: World, lacks: str) -> Iterator[Move]:
    """Yield every call that may come next, and the world after it."""
    for number in (0, 1):
        yield from by_applicant(world, number, lacks)
        yield from by_run(world, number, lacks)
    yield from by_clock(world, lacks)


def put(world: World, number: int, **changes: Any) -> World:
    people = list(world.people)
    people[number] = people[number]._replace(**changes)
    return world._replace(people=(people[0], people[1]))


def by_applicant(world: World, number: int, lacks: str) -> Iterator[Move]:
    """Leave, change preferences, erase, enter again; confirm and cancel the seat.

    What the applicant has read before may be old, so each write may come at any time: only its condition decides.
    """
    me, who, mine = world.people[number], f"applicant {number}", world.holder == number
    if me.state == ENTERED or lacks == "leave":
        yield who, "leaves", put(world, number, state=LEFT, told="left")
    if me.state != ENTERED and lacks == "preferences":
        raise Wrong(f"preferences of an entry that is {me.state}")
    if number == WINNER and (me.item == "entry" or lacks == "erase"):
        state = LEFT if me.state == ENTERED else me.state
        yield who, "erases", put(world, number, state=state, item="", told="left")
    can_enter = me.state in {LEFT, EXPIRED} or me.over or lacks == "lock"
    if number == WINNER and me.item == "entry" and can_enter:
        yield who, "enters again", put(world, number, item="again")
    in_time = not world.over or lacks == "confirm time"
    if world.seat == PENDING and in_time and (mine or lacks == "confirm hold"):
        yield who, "confirms", put(world._replace(seat=CONFIRMED, over=False), number, told="confirmed")
    if world.seat in BOOKED and not (mine and me.told) and (mine or lacks == "cancel hold"):
        yield who, "cancels", put(world._replace(seat=OPEN, holder=NONE, over=False), number, item="")


def by_clock(world: World, lacks: str) -> Iterator[Move]:
    """Let time pass, end what is over, and let an operator close and reopen the seat."""
    for number, person in enumerate(world.people):
        if number == WINNER and person.state == ENTERED and not person.over:
            yield CLOCK, "entry is over", put(world, number, over=True)
        if person.over and (person.state == ENTERED or (lacks == "sweep entry" and person.state == MOVED)):
            yield CLOCK, "ends entry", put(world, number, state=EXPIRED, over=False)
    if world.seat == PENDING and not world.over:
        yield CLOCK, "seat is over", world._replace(over=True)
    is_over = world.seat == PENDING and world.over and lacks != "frees"
    if is_over or (world.seat == CONFIRMED and lacks == "sweep seat"):
        yield CLOCK, "frees seat", put(world, world.holder, item="")._replace(seat=OPEN, holder=NONE, over=False)
    if world.seat == OPEN or (world.seat == PENDING and lacks == "close"):
        yield OPERATOR, "closes", world._replace(seat=CLOSED)
    if world.seat == CLOSED:
        yield OPERATOR, "reopens", world._replace(seat=OPEN)


def by_run(world: World, number: int, lacks: str) -> Iterator[Move]:
    """Make the next call of a run: assign the winner's seat if that was not done, then offer the seat."""
    run = world.runs[number]
    if run.step == "idle":
        if not world.assigned:
            yield go(world, number, "reads seat", step="read", rank=WINNER, seat_free=world.seat == OPEN)
        elif world.seat == OPEN and lacks != "offer":
            passed = (bool(world.log[0]) or not world.unassigned, bool(world.log[1]))
            yield go(world, number, "reads log", step="next", passed=passed)
    elif run.step in {"read", "award", "reread", "commit"}:
        yield by_assigner(world, number, lacks)
    else:
        yield by_offerer(world, number, lacks)


def go(after: World, number: int, what: str, **changes: Any) -> Move:
    """Return the move of a run, with what it knows then. Without changes it has ended."""
    runs = list(after.runs)
    runs[number] = runs[number]._replace(**changes) if changes else Run()
    runs.sort()  # the runs are alike
    return f"run {number}", what, after._replace(runs=(runs[0], runs[1]))


def by_assigner(world: World, number: int, lacks: str) -> Move:
    run, entry = world.runs[number], world.people[WINNER]
    if run.step == "read" and entry.state == ENTERED and run.seat_free:
        return go(world, number, "reads entry", step="award", seat_free=False)
    if run.step in {"read", "reread"}:
        missed = entry.state != MOVED
        return go(world, number, "reads entry", step="commit", rank=NONE, seat_free=False, missed=missed)
    if run.step == "award":
        return go(awarded(world, WINNER, lacks) or world, number, "awards", step="reread")
    if not world.assigned or lacks == "stage":
        unassigned = run.missed and lacks != "unassigned"
        return go(world._replace(assigned=True, unassigned=unassigned), number, "commits")
    return go(world, number, "commits")


def by_offerer(world: World, number: int, lacks: str) -> Move:
    run = world.runs[number]
    if run.step == "depart":
        return go(logged(world, run.rank, lacks), number, "logs departure", step="next", rank=NONE)
    if run.step == "offer":
        given = awarded(world, run.rank, lacks) if not world.log[run.rank] or lacks == "line" else None
        return go(logged(given, run.rank, lacks) if given else world, number, "offers")
    rank = next((rank for rank in (0, 1) if not run.passed[rank]), NONE)
    if rank == NONE:
        return go(world, number, "ends")
    if world.people[rank].state == ENTERED:
        return go(world, number, "reads entry", step="offer", rank=rank, passed=(False, False))
    departed = world.people[rank].state != MOVED
    step, whose = ("depart", rank) if departed else ("next", NONE)
    return go(world, number, "reads entry", step=step, rank=whose, passed=pass_over(run, rank))


def pass_over(run: Run, rank: int) -> tuple[bool, bool]:
    return (True, run.passed[1]) if rank == 0 else (run.passed[0], True)


def awarded(world: World, rank: int, lacks: str) -> World | None:
    """Return the world after the transaction that gives the seat to an entry; None if a condition fails."""
    entry = world.people[rank]
    is_entered = entry.state == ENTERED or lacks == "entered"
    is_named = entry.item == "entry" or lacks == "person"
    if not (is_entered and is_named and (world.seat == OPEN or lacks == "seat open")):
        return None
    item = "seat" if entry.item == "entry" else entry.item
    return put(world._replace(seat=PENDING, holder=rank, over=False), rank, state=MOVED, item=item)


def logged(world: World, rank: int, lacks: str) -> World:
    """Return the world after a line was put, unless the rank has one."""
    if world.log[rank] and lacks != "line":
        return world
    if world.log[rank]:
        raise Wrong(f"a published line is written again: {world.log}")
    line = world.people[rank].state
    return world._replace(log=(line, world.log[1]) if rank == 0 else (world.log[0], line))


def check(world: World) -> None:
    """Raise Wrong for a person with two live requests, a seat without its person, or a winner whose place is lost."""
    for number, person in enumerate(world.people):
        has_seat = world.seat in BOOKED and world.holder == number
        lives = (person.state == ENTERED and not person.over) + has_seat + (person.item == "again")
        if lives > 1:
            raise Wrong(f"two live requests: {world}")
        if has_seat != (person.item == "seat") and not (person.item == "seat" and world.seat == CLOSED):
            raise Wrong(f"the person item and the seat disagree: {world}")
        if has_seat and person.state != MOVED:
            raise Wrong(f"the link of the entry does not lead to its seat: {world}")
        if person.told == "confirmed" and not (has_seat and world.seat == CONFIRMED):
            raise Wrong(f"a confirmed seat is lost: {world}")
        if person.told == "left" and has_seat:
            raise Wrong(f"who has left got a seat: {world}")
    if world.seat == CLOSED and any(person.item == "seat" for person in world.people):
        raise Wrong(f"a seat that somebody has was closed: {world}")
    winner = world.people[WINNER]
    if world.assigned and not world.unassigned and winner.state == ENTERED and not winner.over:
        raise Wrong(f"the winner has no seat and no place in the list: {world}")


def check_move(what: str, before: World, after: World) -> None:
    """Raise Wrong for a move that confirms what is over, or assigns the seats again."""
    if what == "confirms" and before.over and after.seat == CONFIRMED:
        raise Wrong("a seat was confirmed after its time")
    if what == "commits" and before.assigned and before.unassigned != after.unassigned:
        raise Wrong("the seats of a draw were assigned twice, with another outcome")


def explore(lacks: str = "") -> set[World]:
    """Return every reachable state. Raise Wrong for one that must not be, or in which somebody waits for ever."""
    start = World()
    seen, queue = {start}, deque([start])
    back: defaultdict[World, list[World]] = defaultdict(list)
    while queue:
        world = queue.popleft()
        for who, what, after in moves(world, lacks):
            check_move(what, world, after)
            if not who.startswith(("applicant", OPERATOR)):
                back[after].append(world)
            if after not in seen:
                check(after)
                seen.add(after)
                queue.append(after)
    check_progress(seen, back)
    return seen


def check_progress(seen: set[World], back: dict[World, list[World]]) -> None:
    """Raise Wrong for a state from which runs and clock alone do not bring the seat to somebody who waits for it.

    A seat that an operator has closed, and one that is confirmed, stays as it is.
    """
    good = {world for world in seen if not is_waiting(world)}
    work = list(good)
    while work:
        for before in back.get(work.pop(), ()):
            if before not in good:
                good.add(before)
                work.append(before)
    if len(good) < len(seen):
        raise Wrong(f"somebody waits for ever: {next(world for world in seen if world not in good)}")


def is_waiting(world: World) -> bool:
    """Return whether a seat could go to the next in rank, who is still entered and was not passed over."""
    following = world.people[NEXT]
    can_take = following.state == ENTERED and following.item == "entry" and not following.over
    return can_take and not world.log[NEXT] and (world.seat == OPEN or (world.seat == PENDING and world.over))
