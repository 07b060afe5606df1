"""Explore every state that two seats, three visitors and the clocks can reach, one call to the table at a time.

A pure model of `seat_store`, `request_store` and `filing`: each move is one call to the table, so all interleavings are
covered. The third visitor is the first person in a second browser, and files with the second visitor's e-mail address.
Any answer may be lost: then the visitor begins the call again. Of time only the order matters. A hold is at age 0
while it runs, 1 when it has ended by some clocks and not by others, 2 when it has ended by all and others may take it;
a request that waits for its confirmation is at 1 when some clock says that it ran out. The steps of a seat are in
`seat_rules`.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.proof.seat_rules import BOOKED, CONFIRMED, HELD, HOLDS, LATER, OPEN, PENDING, READY, STEPS, has_gap

PERSON, ADDRESS = (0, 1, 0), (2, 3, 3)
"""The lock of each visitor's person, and of their e-mail address."""
NONE = -1
OVER = 2
"""The age at which a hold or a request has ended by all clocks."""
TRIES = 3
EXPIRED = STEPS["expire"].next_state


class Seat(NamedTuple):
    """One seat: its state, its hold and the age of it, and the visitor who filed."""

    state: str = OPEN
    hold: int = NONE
    age: int = 0
    by: int = NONE


class Lock(NamedTuple):
    """The seat and hold that a lock names."""

    seat: int = NONE
    hold: int = NONE


class Visitor(NamedTuple):
    """The state of their seat as a visitor knows it, or the call they are in the middle of, and what it read.

    While they file: the locks that were read (e-mail address, person), which of them are still to be judged, and how
    many transactions were tried.
    """

    step: str = "away"
    seat: int = NONE
    hold: int = NONE
    late: bool = False
    read: tuple[Lock, Lock] = (Lock(), Lock())
    judge: tuple[int, ...] = ()
    tries: int = 0
    takes: int = 0


class World(NamedTuple):
    """The table, the visitors, and what the sweep has read."""

    seats: tuple[Seat, ...] = (Seat(), Seat())
    locks: tuple[Lock, ...] = (Lock(),) * 4
    visitors: tuple[Visitor, ...] = (Visitor(),) * 3
    sweep: tuple[int, Seat] | None = None


class Move(NamedTuple):
    """One call, by visitor 0 to 2 or by the clock (3). `lost` if its answer never arrives."""

    caller: int
    what: str
    seat: int = NONE
    lost: bool = False


CLOCK = 3
START = World()
STALE = World(locks=(Lock(0, 9), *(Lock(),) * 3))
"""A table in which the lock of a request that ended long ago is left over."""
CONDITIONS = {
    "a hold needs an open seat": "hold state",
    "a hold of a freed seat waits until it opens again": "hold later",
    "a hold waits until the one before has ended by all clocks": "hold gap",
    "passing the captcha compares the hold": "prove hold",
    "giving back compares the hold": "back hold",
    "filing compares the hold": "file hold",
    "filing needs the captcha": "file captcha",
    "a lock is put only where there is none": "lock put",
    "a lock in use is not replaced": "lock counts",
    "a lock counts while its request waits": "lock pending",
    "a lock counts once its request is confirmed": "lock confirmed",
    "a lock is replaced only as it was read": "lock read",
    "a refused filing leaves nothing behind": "file whole",
    "the e-mail address has a lock": "lock address",
    "the person has a lock": "lock person",
    "confirming compares the hold": "confirm hold",
    "cancelling compares the hold": "cancel hold",
    "the sweep compares the hold that it read": "sweep hold",
    "the sweep compares the state that it read": "sweep state",
    "the sweep ends requests": "sweep requests",
    "a freed seat opens again": "opens",
}
"""Each condition of the service with its name here. A mutant lacks one."""


class Wrong(AssertionError):
    """Raised for a state or a move that must not be possible."""


def put(seats: tuple[Seat, ...], n: int, new: Seat) -> tuple[Seat, ...]:
    return (new, seats[1]) if n == 0 else (seats[0], new)


def moves(world: World, lacks: str = "", takes: tuple[int, ...] = (1, 1, 1)) -> Iterator[tuple[Move, World]]:
    """Yield every call that may come next, and the world after it."""
    for number, visitor in enumerate(world.visitors):
        yield from by_visitor(Turn(world, number, lacks), visitor, takes[number])
    yield from by_clock(world, lacks)


class Turn(NamedTuple):
    """The turn of one visitor in a world."""

    world: World
    number: int
    lacks: str

    @property
    def me(self) -> Visitor:
        return self.world.visitors[self.number]

    def then(self, step: str, seat: Seat | None = None, **more: Any) -> World:
        """Return the world in which the visitor is at this step, with the new state of their seat."""
        return self.become(self.me._replace(step=step, **more), seat)

    def leave(self, seat: Seat | None = None) -> World:
        """Return the world in which the visitor has no hold any more."""
        return self.become(Visitor(takes=self.me.takes), seat)

    def become(self, new: Visitor, seat: Seat | None = None, locks: tuple[Lock, ...] | None = None) -> World:
        people = list(self.world.visitors)
        people[self.number] = new
        n = new.seat if new.seat != NONE else self.me.seat
        seats = put(self.world.seats, n, seat) if seat else self.world.seats
        return World(seats, locks or self.world.locks, tuple(people), self.world.sweep)

    def may(self, condition: str, holds: bool) -> bool:  # noqa: FBT001 - what the condition says here
        """Return whether a condition passes. In a mutant that lacks it, it always does."""
        return holds or self.lacks == condition


def by_visitor(turn: Turn, me: Visitor, takes: int) -> Iterator[tuple[Move, World]]:
    step, lacks = me.step, turn.lacks
    if step == "away":
        if me.takes < takes:
            yield from by_comer(turn)
        return
    seat = turn.world.seats[me.seat]
    if step in {*STEPS["end"].next_state, "leaving"}:
        yield from by_leaver(turn, seat)
    if step in STEPS["answer"].next_state:
        yield from by_prover(turn, seat)
    if step in STEPS["details"].next_state or (step == HELD and lacks == "file captcha"):
        yield from by_looker(turn, seat)
    elif step == "file":
        yield from by_filer(turn, seat)
    elif step in {*STEPS["cancel"].next_state, "cancelling"}:
        yield from by_owner(turn, seat)
    elif step in {"lock read", "lock seat"}:
        yield from by_judge(turn)


def by_comer(turn: Turn) -> Iterator[tuple[Move, World]]:
    """Take a seat. A lost answer loses the id of the hold too."""
    takes, state = turn.me.takes + 1, STEPS["hold"].next_state[OPEN]
    for n, seat in enumerate(turn.world.seats):
        early = turn.lacks == "hold gap" and seat.state in HOLDS and seat.age == 1
        if turn.may("hold state", is_free(seat) or early or (turn.lacks == "hold later" and seat.state == LATER)):
            hold = turn.number + 3 * turn.me.takes
            held = turn.become(Visitor(state, n, hold, takes=takes), Seat(state, hold))
            yield Move(turn.number, "hold", n), held
            people = (*held.visitors[: turn.number], Visitor(takes=takes), *held.visitors[turn.number + 1 :])
            yield Move(turn.number, "hold", n, lost=True), held._replace(visitors=people)


def is_free(seat: Seat) -> bool:
    """Return whether the seat can be held."""
    state = EXPIRED.get(seat.state, seat.state) if seat.age >= OVER else seat.state
    return state in STEPS["hold"].next_state


def by_leaver(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Give the seat back."""
    me, move, step = turn.me, Move(turn.number, "give back", turn.me.seat), STEPS["end"]
    is_holder = seat.hold == me.hold
    if seat.state in step.next_state and seat.age < OVER and turn.may("back hold", is_holder):
        free = Seat(step.next_state[seat.state])
        yield move, turn.leave(free)
        if me.step != "leaving":
            yield move._replace(lost=True), turn.then("leaving", free)
    elif step.for_anybody and not (is_holder and seat.state in BOOKED):
        yield move, turn.leave()


def by_prover(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Pass the captcha."""
    me, move, step = turn.me, Move(turn.number, "prove", turn.me.seat), STEPS["answer"]
    is_holder = seat.hold == me.hold
    if seat.state in step.next_state and seat.age < OVER and turn.may("prove hold", is_holder):
        after = seat._replace(state=step.next_state[seat.state], age=0)
        yield move, turn.then(after.state, after)
        yield move._replace(lost=True), turn.then(me.step, after)
    elif is_holder and seat.state in step.repeats and seat.age < OVER:
        yield move, turn.then(seat.state)


def by_looker(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Begin to send the details: read whether the hold is ready for them."""
    me, move, step = turn.me, Move(turn.number, "look", turn.me.seat), STEPS["details"]
    is_holder = seat.hold == me.hold
    if is_holder and turn.may("file captcha", seat.state in step.next_state) and seat.age < OVER:
        yield move, turn.then("file")
    elif is_holder and seat.state in step.repeats and seat.age < OVER:
        yield move, turn.then(seat.state)
    elif not is_holder or seat.age >= OVER:
        yield move, turn.leave()


def by_filer(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Turn the hold into a request and put both locks in one transaction."""
    me, move, locks, step = turn.me, Move(turn.number, "file", turn.me.seat), turn.world.locks, STEPS["details"]
    again = me._replace(step=READY, read=(Lock(), Lock()), judge=(), tries=0)
    captcha_passed = seat.state in step.next_state or (seat.state == HELD and turn.lacks == "file captcha")
    can_file = captcha_passed and seat.age < OVER and turn.may("file hold", seat.hold == me.hold)
    parts = tuple(part for part in (0, 1) if turn.lacks != ("lock address", "lock person")[part])
    lost = tuple(part for part in parts if not may_put(turn, part))
    put_locks = list(locks)
    for part in parts:
        if part not in lost:
            put_locks[lock_of(turn.number, part)] = Lock(me.seat, me.hold)
    if can_file and not lost:
        after = Seat(step.next_state[READY], seat.hold, 0, turn.number)
        yield move, turn.become(again._replace(step=after.state), after, tuple(put_locks))
        yield move._replace(lost=True), turn.become(again, after, tuple(put_locks))
        return
    left_locks = tuple(put_locks) if turn.lacks == "file whole" else locks
    if not can_file or me.tries == TRIES - 1:
        yield move, turn.become(again, locks=left_locks)
    else:
        yield move, turn.become(me._replace(step="lock read", judge=lost, tries=me.tries + 1), locks=left_locks)


def lock_of(visitor: int, part: int) -> int:
    """Return the lock of a visitor's e-mail address (part 0) or person (part 1)."""
    return (ADDRESS, PERSON)[part][visitor]


def may_put(turn: Turn, part: int) -> bool:
    """Return whether the condition of a lock lets this visitor put it."""
    lock, read = turn.world.locks[lock_of(turn.number, part)], turn.me.read[part]
    as_read = read.hold != NONE and turn.may("lock read", lock == read)
    return turn.may("lock put", lock.hold == NONE) if read.hold == NONE else as_read


def by_owner(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Confirm or cancel by the link."""
    me, n = turn.me, turn.me.seat
    is_holder = seat.hold == me.hold
    if me.step in STEPS["confirm"].next_state:
        move, step = Move(turn.number, "confirm", n), STEPS["confirm"]
        if seat.state in step.next_state and seat.age < OVER and turn.may("confirm hold", is_holder):
            after = seat._replace(state=step.next_state[seat.state], age=0)
            yield move, turn.then(after.state, after, late=False)
            yield move._replace(lost=True), turn.then(me.step, after)
        elif is_holder and seat.state in step.repeats:
            yield move, turn.then(seat.state, late=False)
    move, step = Move(turn.number, "cancel", n), STEPS["cancel"]
    if seat.state in step.next_state and seat.age < OVER and turn.may("cancel hold", is_holder):
        after = Seat(step.next_state[seat.state])
        yield move, turn.leave(after)
        if me.step != "cancelling":
            yield move._replace(lost=True), turn.then("cancelling", after)
    else:
        yield move, turn.leave()


def by_judge(turn: Turn) -> Iterator[tuple[Move, World]]:
    """Read a lock that is in the way, then its seat: the lock may not count any more."""
    me, move = turn.me, Move(turn.number, turn.me.step)
    part = me.judge[0]
    if me.step == "lock read":
        read = list(me.read)
        read[part] = turn.world.locks[lock_of(turn.number, part)]
        yield move, turn.become(me._replace(step="lock seat", read=(read[0], read[1])))
        return
    lock = me.read[part]
    if counts(turn.world.seats[lock.seat], lock.hold, turn.lacks):
        yield move, turn.become(me._replace(step=READY, read=(Lock(), Lock()), judge=(), tries=0))
    else:
        left = me.judge[1:]
        yield move, turn.become(me._replace(step="lock read" if left else "file", judge=left))


def counts(seat: Seat, hold: int, lacks: str) -> bool:
    """Return whether the lock of this hold counts."""
    if seat.hold != hold or lacks == "lock counts":
        return False
    return seat.state in BOOKED and lacks != f"lock {seat.state}"


def by_clock(world: World, lacks: str) -> Iterator[tuple[Move, World]]:
    """Let time pass at a seat, or let the sweep make its next call."""
    for n, seat in enumerate(world.seats):
        if seat.state in STEPS["return"].next_state and lacks != "opens":
            opened = Seat(STEPS["return"].next_state[seat.state])
            yield Move(CLOCK, "opens", n), world._replace(seats=put(world.seats, n, opened))
        elif seat.state in EXPIRED and seat.age < OVER:
            older = seat._replace(age=seat.age + 1)
            is_over = older.age == expires_at(seat.state)
            people = tuple(
                visitor._replace(late=True) if is_over and (visitor.seat, visitor.hold) == (n, seat.hold) else visitor
                for visitor in world.visitors
            )
            yield Move(CLOCK, "passes", n), World(put(world.seats, n, older), world.locks, people, world.sweep)
        is_expired = seat.state in EXPIRED and seat.age >= expires_at(seat.state)
        if world.sweep is None and is_expired and not (seat.state == PENDING and lacks == "sweep requests"):
            yield Move(CLOCK, "sweep reads", n), world._replace(sweep=(n, seat))
    if world.sweep is not None:
        n, read = world.sweep
        seat, state = world.seats[n], EXPIRED[read.state]
        same_hold = seat.hold == read.hold or lacks == "sweep hold"
        same_state = EXPIRED.get(seat.state) == state or lacks == "sweep state"
        is_expired = seat.age >= expires_at(read.state) or lacks in {"sweep hold", "sweep state"}
        ends = same_hold and same_state and is_expired
        after = put(world.seats, n, Seat(state)) if ends else world.seats
        yield Move(CLOCK, "sweep ends", n), World(after, world.locks, world.visitors, None)


def expires_at(state: str) -> int:
    """Return the age at which a seat in this state may be given to others."""
    return OVER if has_gap(state) else 1


def check(world: World) -> None:
    """Raise Wrong for a holder who lost a seat in time, or for two live requests of a person or an e-mail address."""
    for me in world.visitors:
        if me.seat == NONE or me.late or me.step in {"leaving", "cancelling"}:
            continue
        seat = world.seats[me.seat]
        if seat.hold != me.hold or (me.step in BOOKED and seat.state not in BOOKED):
            raise Wrong(f"{me} was answered that they have the seat: {seat}")
        if me.step == CONFIRMED and seat.state != CONFIRMED:
            raise Wrong(f"{me} was answered that it is confirmed: {seat}")
    first, second = world.seats
    both = first.state in BOOKED and second.state in BOOKED
    if both and (PERSON[first.by] == PERSON[second.by] or ADDRESS[first.by] == ADDRESS[second.by]):
        raise Wrong(f"two live requests: {world.seats}")
    for lock in world.locks:
        if lock.hold != NONE and world.seats[lock.seat].hold == lock.hold and world.seats[lock.seat].state in HOLDS:
            raise Wrong(f"{lock} of a hold that has filed nothing keeps others out")
    for seat in world.seats:
        if seat.state in BOOKED and seat.by != seat.hold % 3:
            raise Wrong(f"somebody else's hold carries the request: {seat}")


def check_move(move: Move, before: World, after: World) -> None:
    """Raise Wrong for a move that takes a seat before it returns, or files without the captcha."""
    if move.what == "hold" and before.seats[move.seat].state not in {OPEN, *HOLDS}:
        raise Wrong(f"{move} takes {before.seats[move.seat]}")
    is_holder = move.caller == CLOCK or before.visitors[move.caller].hold == before.seats[move.seat].hold
    if move.what == "prove" and not is_holder and before.seats != after.seats:
        raise Wrong(f"{move} passes the captcha of {before.seats[move.seat]}")
    if move.what == "file" and before.seats[move.seat].state == HELD and after.seats[move.seat].state == PENDING:
        raise Wrong(f"{move} without a captcha")


def explore(
    lacks: str = "", *, takes: tuple[int, ...] = (1, 1, 1), most: int = 0, start: World = START
) -> Mapping[World, tuple[World, Move] | None]:
    """Return every reachable state, breadth first, each with the state and the move by which it was first reached.

    `takes` is how many holds each visitor may place. `most` ends the search early. Raise Wrong for a state that must
    not be, or from which a seat is lost: the clock alone must bring it to open or confirmed, with its owner to open.
    """
    came: dict[World, tuple[World, Move] | None] = {start: None}
    back: defaultdict[World, list[tuple[World, bool]]] = defaultdict(list)
    queue = deque([start])
    while queue and not (most and len(came) > most):
        world = queue.popleft()
        for move, after in moves(world, lacks, takes):
            check_move(move, world, after)
            back[after].append((world, move.caller == CLOCK))
            if after not in came:
                check(after)
                came[after] = world, move
                queue.append(after)
    if not queue:
        for n in (0, 1):
            check_back(n, {OPEN, CONFIRMED}, came, back, by_clock_only=True)
            check_back(n, {OPEN}, came, back, by_clock_only=False)
    return came


def check_back(
    n: int,
    states: set[str],
    came: Mapping[World, object],
    back: Mapping[World, list[tuple[World, bool]]],
    *,
    by_clock_only: bool,
) -> None:
    """Raise Wrong for a state from which no moves lead to one of these states of seat `n`."""
    alive = {world for world in came if world.seats[n].state in states}
    work = list(alive)
    while work:
        for before, by_clock in back.get(work.pop(), ()):
            if before not in alive and (by_clock or not by_clock_only):
                alive.add(before)
                work.append(before)
    if len(alive) < len(came):
        raise Wrong(f"seat {n} is lost: {next(world for world in came if world not in alive)}")
