"""Every state that two seats, three visitors and the clocks can reach, one single write or read of the table at a time.

A pure model of `store` and `filing`: each move is one call to the table, so all interleavings are there.
The third visitor is the first person in a second browser, and writes with the second visitor's address. Any answer may
get lost: then the visitor begins the call again, as people do. Of time only the order matters. A hold is at age 0
while it runs, 1 when it has ended by some clocks and not by others, 2 when it has ended by all and others may take it;
a request that waits for its confirmation is at 1 when some clock says that it ran out.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

PERSON, ADDRESS = (0, 1, 0), (2, 3, 3)
"""The lock of each visitor's person, and of their address."""
NONE = -1
OVER = 2
TRIES = 3
HELD, BOOKED = ("held", "proven"), ("pending", "confirmed")


class Seat(NamedTuple):
    """One seat: open, later (opens again some time), held, ready (captcha passed), pending or confirmed; and whose."""

    state: str = "open"
    hold: int = NONE
    age: int = 0
    by: int = NONE


class Lock(NamedTuple):
    """The seat and hold that a lock names."""

    seat: int = NONE
    hold: int = NONE


class Visitor(NamedTuple):
    """What a visitor has been told, or which call they are in the middle of, and what it read.

    While they file: the locks that were read (address, person), which of them are still to be judged, and how many
    transactions were tried.
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
    """The table, who is in the middle of what, and what the sweep has read."""

    seats: tuple[Seat, ...] = (Seat(), Seat())
    locks: tuple[Lock, ...] = (Lock(),) * 4
    visitors: tuple[Visitor, ...] = (Visitor(),) * 3
    sweep: tuple[int, Seat] | None = None


class Move(NamedTuple):
    """One call, by visitor 0 to 2 or by the clock; `lost` if its answer never arrives."""

    who: int
    what: str
    seat: int = NONE
    lost: bool = False


CLOCK = 3
START = World()
STALE = World(locks=(Lock(0, 9), *(Lock(),) * 3))
"""A table in which the lock of a request that ended long ago is left over."""
CONDITIONS = {
    "a hold asks whether the seat is open": "hold state",
    "a hold asks whether a freed seat has opened again": "hold later",
    "a hold waits until no clock lets the one before go on": "hold gap",
    "passing the captcha asks whose the seat is": "prove hold",
    "giving back asks whose the seat is": "back hold",
    "filing asks whose the seat is": "file hold",
    "filing asks for the captcha": "file proven",
    "a lock is put only where there is none": "lock put",
    "a lock in use is not replaced": "lock counts",
    "a lock counts while its request waits": "lock pending",
    "a lock counts once its request is confirmed": "lock confirmed",
    "a lock is replaced only as it was read": "lock read",
    "a refused filing leaves nothing behind": "file whole",
    "the address has a lock": "lock address",
    "the person has a lock": "lock person",
    "confirming asks whose the seat is": "confirm hold",
    "cancelling asks whose the seat is": "cancel hold",
    "the sweep asks whether the seat is as it was read": "sweep hold",
    "the sweep asks for the state that it read": "sweep state",
    "the sweep ends requests": "sweep requests",
    "a freed seat opens again": "opens",
}
"""Each condition by what it says; a mutant lacks one."""


class Wrong(AssertionError):
    """Raised for a state, or a move, that must never be."""


def put(of: tuple[Seat, ...], n: int, new: Seat) -> tuple[Seat, ...]:
    return (new, of[1]) if n == 0 else (of[0], new)


def moves(world: World, lacks: str = "", takes: tuple[int, ...] = (1, 1, 1)) -> Iterator[tuple[Move, World]]:
    """Every call that may come next, and the world after it."""
    for who, visitor in enumerate(world.visitors):
        yield from by_visitor(world, who, visitor, lacks, takes[who])
    yield from by_clock(world, lacks)


class Turn(NamedTuple):
    """It is this visitor's turn."""

    world: World
    who: int
    lacks: str

    @property
    def me(self) -> Visitor:
        return self.world.visitors[self.who]

    def then(self, step: str, seat: Seat | None = None, **more: Any) -> World:
        """The world after it: what they are told, and what became of their seat."""
        return self.become(self.me._replace(step=step, **more), seat)

    def leave(self, seat: Seat | None = None) -> World:
        """The same when they have no hold any more."""
        return self.become(Visitor(takes=self.me.takes), seat)

    def become(self, new: Visitor, seat: Seat | None = None, locks: tuple[Lock, ...] | None = None) -> World:
        people = list(self.world.visitors)
        people[self.who] = new
        n = new.seat if new.seat != NONE else self.me.seat
        seats = put(self.world.seats, n, seat) if seat else self.world.seats
        return World(seats, locks or self.world.locks, tuple(people), self.world.sweep)

    def may(self, condition: str, holds: bool) -> bool:  # noqa: FBT001 - what the condition says here
        """Does this condition let them pass? A mutant that lacks it always does."""
        return holds or self.lacks == condition


def by_visitor(world: World, who: int, me: Visitor, lacks: str, takes: int) -> Iterator[tuple[Move, World]]:
    turn, step = Turn(world, who, lacks), me.step
    if step == "away":
        if me.takes < takes:
            yield from by_comer(turn)
        return
    seat = world.seats[me.seat]
    if step in {*HELD, "leaving"}:
        yield from by_leaver(turn, seat)
    if step == "held":
        yield from by_prover(turn, seat)
    if step == "proven" or (step == "held" and lacks == "file proven"):
        yield from by_looker(turn, seat)
    elif step == "file":
        yield from by_filer(turn, seat)
    elif step in {*BOOKED, "cancelling"}:
        yield from by_owner(turn, seat)
    elif step in {"lock read", "lock seat"}:
        yield from by_judge(turn)


def by_comer(turn: Turn) -> Iterator[tuple[Move, World]]:
    """Takes a seat. If the answer is lost, so is the id of the hold."""
    takes = turn.me.takes + 1
    for n, seat in enumerate(turn.world.seats):
        early = turn.lacks == "hold gap" and seat.state in HELD and seat.age == 1
        if turn.may("hold state", is_free(seat) or early or (turn.lacks == "hold later" and seat.state == "later")):
            hold = turn.who + 3 * turn.me.takes
            held = turn.become(Visitor("held", n, hold, takes=takes), Seat("held", hold))
            yield Move(turn.who, "hold", n), held
            people = (*held.visitors[: turn.who], Visitor(takes=takes), *held.visitors[turn.who + 1 :])
            yield Move(turn.who, "hold", n, lost=True), held._replace(visitors=people)


def is_free(seat: Seat) -> bool:
    """May somebody take it?"""
    return seat.state == "open" or (seat.state in HELD and seat.age >= OVER)


def by_leaver(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Gives the seat back."""
    me, move = turn.me, Move(turn.who, "give back", turn.me.seat)
    mine = seat.hold == me.hold
    if seat.state in HELD and seat.age < OVER and turn.may("back hold", mine):
        yield move, turn.leave(Seat())
        if me.step != "leaving":
            yield move._replace(lost=True), turn.then("leaving", Seat())
    elif not (mine and seat.state in BOOKED):
        yield move, turn.leave()


def by_prover(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Passes the captcha."""
    me, move = turn.me, Move(turn.who, "prove", turn.me.seat)
    mine = seat.hold == me.hold
    if seat.state == "held" and seat.age < OVER and turn.may("prove hold", mine):
        after = seat._replace(state="proven", age=0)
        yield move, turn.then("proven", after)
        yield move._replace(lost=True), turn.then("held", after)
    elif mine and seat.state == "proven" and seat.age < OVER:
        yield move, turn.then("proven")


def by_looker(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Begins to send the details: is the hold ready for them?"""
    me, move = turn.me, Move(turn.who, "look", turn.me.seat)
    mine = seat.hold == me.hold
    if mine and turn.may("file proven", seat.state == "proven") and seat.age < OVER:
        yield move, turn.then("file")
    elif mine and seat.state in BOOKED and seat.age < OVER:
        yield move, turn.then(seat.state)
    elif not mine or seat.age >= OVER:
        yield move, turn.leave()


def by_filer(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Turns the hold into a request and puts both locks, all or nothing."""
    me, move, locks = turn.me, Move(turn.who, "file", turn.me.seat), turn.world.locks
    again = me._replace(step="proven", read=(Lock(), Lock()), judge=(), tries=0)
    captcha_passed = seat.state == "proven" or (seat.state == "held" and turn.lacks == "file proven")
    mine = captcha_passed and seat.age < OVER and turn.may("file hold", seat.hold == me.hold)
    parts = tuple(part for part in (0, 1) if turn.lacks != ("lock address", "lock person")[part])
    lost = tuple(part for part in parts if not may_put(turn, part))
    put_locks = list(locks)
    for part in parts:
        if part not in lost:
            put_locks[lock_of(turn.who, part)] = Lock(me.seat, me.hold)
    if mine and not lost:
        after = Seat("pending", seat.hold, 0, turn.who)
        yield move, turn.become(again._replace(step="pending"), after, tuple(put_locks))
        yield move._replace(lost=True), turn.become(again, after, tuple(put_locks))
        return
    kept = tuple(put_locks) if turn.lacks == "file whole" else locks
    if not mine or me.tries == TRIES - 1:
        yield move, turn.become(again, locks=kept)
    else:
        yield move, turn.become(me._replace(step="lock read", judge=lost, tries=me.tries + 1), locks=kept)


def lock_of(who: int, part: int) -> int:
    """Which lock is the address (part 0) or the person (part 1) of a visitor."""
    return (ADDRESS, PERSON)[part][who]


def may_put(turn: Turn, part: int) -> bool:
    """Does the condition of a lock let this visitor put it?"""
    lock, read = turn.world.locks[lock_of(turn.who, part)], turn.me.read[part]
    as_read = read.hold != NONE and turn.may("lock read", lock == read)
    return turn.may("lock put", lock.hold == NONE) if read.hold == NONE else as_read


def by_owner(turn: Turn, seat: Seat) -> Iterator[tuple[Move, World]]:
    """Confirms or cancels by the link."""
    me, n = turn.me, turn.me.seat
    mine = seat.hold == me.hold
    if me.step == "pending":
        move = Move(turn.who, "confirm", n)
        if seat.state == "pending" and seat.age < OVER and turn.may("confirm hold", mine):
            after = seat._replace(state="confirmed", age=0)
            yield move, turn.then("confirmed", after, late=False)
            yield move._replace(lost=True), turn.then("pending", after)
        elif mine and seat.state == "confirmed":
            yield move, turn.then("confirmed", late=False)
    move = Move(turn.who, "cancel", n)
    if seat.state in BOOKED and seat.age < OVER and turn.may("cancel hold", mine):
        yield move, turn.leave(Seat("later"))
        if me.step != "cancelling":
            yield move._replace(lost=True), turn.then("cancelling", Seat("later"))
    else:
        yield move, turn.leave()


def by_judge(turn: Turn) -> Iterator[tuple[Move, World]]:
    """Reads a lock that is in the way, and then its seat: does it still count?"""
    me, move = turn.me, Move(turn.who, turn.me.step)
    part = me.judge[0]
    if me.step == "lock read":
        read = list(me.read)
        read[part] = turn.world.locks[lock_of(turn.who, part)]
        yield move, turn.become(me._replace(step="lock seat", read=(read[0], read[1])))
        return
    lock = me.read[part]
    if counts(turn.world.seats[lock.seat], lock.hold, turn.lacks):
        yield move, turn.become(me._replace(step="proven", read=(Lock(), Lock()), judge=(), tries=0))
    else:
        left = me.judge[1:]
        yield move, turn.become(me._replace(step="lock read" if left else "file", judge=left))


def counts(seat: Seat, hold: int, lacks: str) -> bool:
    """Does the lock of this hold keep others out?"""
    if seat.hold != hold or lacks == "lock counts":
        return False
    return seat.state in BOOKED and lacks != f"lock {seat.state}"


def by_clock(world: World, lacks: str) -> Iterator[tuple[Move, World]]:
    """Time passes at a seat, or the sweep makes its next call."""
    for n, seat in enumerate(world.seats):
        if seat.state == "later" and lacks != "opens":
            yield Move(CLOCK, "opens", n), world._replace(seats=put(world.seats, n, Seat()))
        elif seat.hold != NONE and seat.state != "confirmed" and seat.age < OVER:
            older = seat._replace(age=seat.age + 1)
            over = older.age == (1 if seat.state == "pending" else OVER)
            people = tuple(
                who._replace(late=True) if over and who.hold == seat.hold and who.seat == n else who
                for who in world.visitors
            )
            yield Move(CLOCK, "passes", n), World(put(world.seats, n, older), world.locks, people, world.sweep)
        if world.sweep is None:
            held = seat.state in HELD and seat.age >= OVER
            if held or (seat.state == "pending" and seat.age >= 1 and lacks != "sweep requests"):
                yield Move(CLOCK, "sweep reads", n), world._replace(sweep=(n, seat))
    if world.sweep is not None:
        n, read = world.sweep
        seat = world.seats[n]
        same = seat.hold == read.hold or lacks == "sweep hold"
        state = seat.state in (HELD if read.state in HELD else ("pending",)) or lacks == "sweep state"
        old = seat.age >= (OVER if read.state in HELD else 1) or lacks in {"sweep hold", "sweep state"}
        after = world.seats
        if same and state and old:
            after = put(after, n, Seat() if read.state in HELD else Seat("later"))
        yield Move(CLOCK, "sweep ends", n), World(after, world.locks, world.visitors, None)


def check(world: World) -> None:
    """Who was told that a seat is theirs, and is in time, has it; no person and no address has two live requests."""
    for me in world.visitors:
        if me.seat == NONE or me.late or me.step in {"leaving", "cancelling"}:
            continue
        seat = world.seats[me.seat]
        if seat.hold != me.hold or (me.step in BOOKED and seat.state not in BOOKED):
            raise Wrong(f"{me} was told that they have it: {seat}")
        if me.step == "confirmed" and seat.state != "confirmed":
            raise Wrong(f"{me} was told that it is confirmed: {seat}")
    one, other = world.seats
    both = one.state in BOOKED and other.state in BOOKED
    if both and (PERSON[one.by] == PERSON[other.by] or ADDRESS[one.by] == ADDRESS[other.by]):
        raise Wrong(f"two live requests: {world.seats}")
    for lock in world.locks:
        if lock.hold != NONE and world.seats[lock.seat].hold == lock.hold and world.seats[lock.seat].state in HELD:
            raise Wrong(f"{lock} of a hold that has filed nothing keeps others out")
    for seat in world.seats:
        if seat.state in BOOKED and seat.by != seat.hold % 3:
            raise Wrong(f"somebody else's hold carries the request: {seat}")


def check_move(move: Move, before: World, after: World) -> None:
    """No move gives a seat that waits to return, nor one that waits for the captcha."""
    if move.what == "hold" and before.seats[move.seat].state not in {"open", *HELD}:
        raise Wrong(f"{move} takes {before.seats[move.seat]}")
    mine = move.who == CLOCK or before.visitors[move.who].hold == before.seats[move.seat].hold
    if move.what == "prove" and not mine and before.seats != after.seats:
        raise Wrong(f"{move} passes the captcha of {before.seats[move.seat]}")
    if move.what == "file" and before.seats[move.seat].state == "held" and after.seats[move.seat].state == "pending":
        raise Wrong(f"{move} without a captcha")


def explore(
    lacks: str = "", *, takes: tuple[int, ...] = (1, 1, 1), most: int = 0, start: World = START
) -> Mapping[World, tuple[World, Move] | None]:
    """Every state that can be reached, breadth first, each with the state and the move it was first reached by.

    `takes` is how many holds each visitor may place. Wrong for a state that must not be, or from which a seat is lost:
    the clock alone must bring it back to open, or leave it confirmed, and then its owner. `most` ends the search early.
    """
    came: dict[World, tuple[World, Move] | None] = {start: None}
    back: defaultdict[World, list[tuple[World, bool]]] = defaultdict(list)
    todo = deque([start])
    while todo and not (most and len(came) > most):
        world = todo.popleft()
        for move, after in moves(world, lacks, takes):
            check_move(move, world, after)
            back[after].append((world, move.who == CLOCK))
            if after not in came:
                check(after)
                came[after] = world, move
                todo.append(after)
    if not todo:
        for n in (0, 1):
            check_back(n, {"open", "confirmed"}, came, back, by_clock_only=True)
            check_back(n, {"open"}, came, back, by_clock_only=False)
    return came


def check_back(
    n: int,
    states: set[str],
    came: Mapping[World, object],
    back: Mapping[World, list[tuple[World, bool]]],
    *,
    by_clock_only: bool,
) -> None:
    """From every state some moves lead to one where seat `n` is in one of these states."""
    alive = {world for world in came if world.seats[n].state in states}
    work = list(alive)
    while work:
        for before, by_clock in back.get(work.pop(), ()):
            if before not in alive and (by_clock or not by_clock_only):
                alive.add(before)
                work.append(before)
    if len(alive) < len(came):
        raise Wrong(f"seat {n} is lost: {next(world for world in came if world not in alive)}")
