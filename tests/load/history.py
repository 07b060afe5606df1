"""Check whether a correct service can have produced a recorded history: one register with leases per seat.

Every operation has the moments between which it happened, and an outcome: ok, refused, or unknown (no answer, or one
that says neither: it happened once, later than its start, or never). A seat's operations are put in an order that
respects these moments and in which each answer is right. When there is none, the history is rejected. The search is
Wing and Gong's, and leaves out the states that it has seen, as Lowe does. The steps of a seat are in
`tests.proof.seat_rules`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.proof.seat_rules import (
    CONFIRMED,
    GAP,
    LATER,
    OPEN,
    READY,
    RETURN_FIRST,
    STEPS,
    has_gap,
    stored,
)

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
OVER = {"hold-over", "link-over"}
"""The refusals that say something about the seat: the caller does not have it."""
LOOKS = {"view", "table"}
EXPIRED = STEPS["expire"].next_state
MOST_STATES = 200_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one seat; moments are seconds since 1970.

    `kind`: hold, extend, answer, details, confirm, end, cancel, leave and arrive (the halves of a move), view (the
    holder looks) or table (the operator reads the table). `hold` is the digest of the hold id. `until` is the end of
    the lease in the answer, or the moment at which an open seat in the table opens. `state` is what a look saw.
    """

    kind: str
    seat: str
    hold: str
    start: float
    end: float
    outcome: str = OK
    code: str = ""
    until: float | None = None
    state: str = ""

    def __str__(self) -> str:
        """Return the operation and its answer, for a rejection."""
        hold = f" {self.hold[:8]}" if self.hold else ""
        is_look = self.kind in LOOKS and self.outcome == OK
        answer = f"seen {self.state}" if is_look else f"{self.outcome} {self.code}".rstrip()
        lease = f" until {clock(self.until)}" if self.until is not None else ""
        return f"{self.kind}{hold} {answer}{lease} ({clock(self.start)} to {clock(self.end)})"


@dataclass(frozen=True, slots=True)
class Rules:
    """The periods that the service promises, in seconds, and how exactly the history knows the time.

    An expired hold keeps its seat for `gap`, and a freed seat opens after `back` at the earliest. The service's clocks
    differ from the recording one by at most `slack`. The ends of leases are told in steps of `grain`.
    """

    gap: float = GAP.total_seconds()
    back: float = RETURN_FIRST.total_seconds()
    slack: float = 0.0
    grain: float = 0.0


@dataclass(frozen=True, slots=True)
class Register:
    """A seat between two operations.

    `state` is one of `seat_rules`, and OPEN for a seat that is LATER. `since` and `until` bound the end of the lease,
    or the moment at which an open seat opens. `past` is the step and the hold that ended the last request.
    """

    state: str = OPEN
    hold: str = ""
    since: float = -math.inf
    until: float = -math.inf
    past: str = ""

    def __str__(self) -> str:
        """Return the state, for a rejection."""
        if self.state == OPEN:
            return "nobody's" + (f", closed until {clock(self.since)}" if self.since > 0 else "")
        lease = f" until {clock(self.since)}" if self.state != CONFIRMED else ""
        return f"{stored(self.state)} by {self.hold[:8]}{lease}" + (", captcha passed" if self.state == READY else "")

    def may_be_in_time(self, operation: Operation, rules: Rules) -> bool:
        """Return whether the service may have read its clock before the end of the lease."""
        return self.state == CONFIRMED or (self.state in EXPIRED and operation.start - rules.slack < self.until)

    def may_be_over(self, operation: Operation, rules: Rules) -> bool:
        """Return whether the service may have read its clock after the end of the lease."""
        return self.state in EXPIRED and operation.end + rules.slack >= self.since


@dataclass(frozen=True, slots=True)
class Rejection:
    """A seat whose history no correct service can have, why, and the kind of the operation that shows it."""

    seat: str
    why: str
    kind: str = ""


def clock(moment: float) -> str:
    """Return a moment as hours, minutes and seconds (UTC)."""
    if not math.isfinite(moment):
        return "ever"
    minutes, seconds = divmod(moment, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours % 24:02}:{minutes:02}:{seconds:06.3f}"


# The register

Successors = Iterator[tuple[Register, float]]
"""The registers that an operation may leave, each with the earliest moment of it; none if it cannot have happened."""


def successors(register: Register, operation: Operation, rules: Rules, at: float) -> Successors:
    """Yield what an operation at `at` or later may leave."""
    at = max(at, operation.start)
    if operation.outcome == REFUSED:
        if not _is_refused_wrongly(register, operation, rules):
            yield register, at
    elif operation.kind in {"hold", "arrive"}:
        yield from _after_taking(register, operation, rules, at)
    elif operation.kind == "table":
        yield from _after_reading(register, operation, rules, at)
    else:
        yield from _after_step(register, operation, rules, at)


def _is_refused_wrongly(register: Register, operation: Operation, rules: Rules) -> bool:
    """Return whether the caller certainly had the seat."""
    if register.hold != operation.hold or register.state == OPEN:
        return False
    if operation.kind == "leave" and register.state not in STEPS["leave"].next_state:
        return False
    return not register.may_be_over(operation, rules)


def _lease(operation: Operation, rules: Rules) -> tuple[float, float]:
    """Return the bounds of the end of the lease: as in the answer, or any time after the operation began."""
    if operation.until is None:
        return operation.start, math.inf
    return operation.until, operation.until + rules.grain


def _wait(state: str, rules: Rules) -> float:
    """Return how long after its end a lease still keeps the seat from others."""
    return rules.gap if has_gap(state) else rules.back


def _free_from(register: Register, rules: Rules, at: float) -> float | None:
    """Return the earliest moment from `at` on at which somebody else may take the seat; None for a booked one."""
    if register.state == OPEN:
        return max(at, register.since - rules.slack)
    if register.state not in EXPIRED:
        return None
    return max(at, register.since + _wait(register.state, rules) - rules.slack)


def _after_taking(register: Register, operation: Operation, rules: Rules, at: float) -> Successors:
    step = STEPS[operation.kind]
    if register.state in step.repeats and register.hold == operation.hold:
        yield register, at
        return
    free = _free_from(register, rules, at)
    if free is None or free > operation.end:
        return
    if has_gap(register.state) and free == operation.end and free == register.since + rules.gap - rules.slack:
        return  # the gap is over after its last moment, not at it
    yield _held(step.next_state[OPEN], operation, rules), free


def _held(state: str, operation: Operation, rules: Rules) -> Register:
    """Return the register of a seat that the operation brought into this state."""
    if state in EXPIRED:
        return Register(state, operation.hold, *_lease(operation, rules))
    return Register(state, operation.hold)


def _after_reading(register: Register, operation: Operation, rules: Rules, at: float) -> Successors:
    """Compare with what the operator read. The clock may have opened a seat whose lease was over."""
    if operation.state != OPEN:
        is_same = (stored(register.state), register.hold) == (operation.state, operation.hold)
        if is_same and _has_right_lease(register, operation, rules):
            yield register, at
        return
    opens = -math.inf if operation.until is None else operation.until
    if register.state == OPEN:
        if opens >= register.since - rules.slack:
            yield replace(register, since=opens, until=opens), at
    elif register.state in EXPIRED:
        free = register.since + _wait(register.state, rules) - rules.slack
        if EXPIRED[register.state] == LATER:
            is_opened = register.may_be_over(operation, rules) and opens >= free
        else:
            is_opened = operation.end > free
        if is_opened:
            yield Register(OPEN, since=opens, until=opens), at


def _has_right_lease(register: Register, operation: Operation, rules: Rules) -> bool:
    """Return whether a look shows the end of the lease as it is."""
    if operation.until is None or register.state == CONFIRMED:
        return True
    return register.since - rules.grain <= operation.until <= register.until


def _after_step(register: Register, operation: Operation, rules: Rules, at: float) -> Successors:
    """Take a step of the holder. Repeated, it has the same answer and changes nothing."""
    step, name = STEPS[operation.kind], f"{operation.kind} {operation.hold}"
    is_holder = register.hold == operation.hold
    has_seat = is_holder and register.may_be_in_time(operation, rules)
    is_repeated = register.state in step.repeats and (has_seat or register.past == name)
    state = step.next_state.get(register.state) if has_seat else None
    if state == OPEN:
        yield Register(OPEN), at
    elif state == LATER:
        back = operation.start + rules.back  # the service read its clock before it wrote
        yield Register(OPEN, since=back, until=math.inf, past=name), at
    elif state:
        yield _held(state, operation, rules), at
    elif is_repeated and _sees_right(register, operation, rules):
        yield register, at
    if step.for_anybody and (not is_holder or register.may_be_over(operation, rules)):
        yield register, at


def _sees_right(register: Register, operation: Operation, rules: Rules) -> bool:
    """Return whether a holder who looks sees the seat as it is."""
    if operation.kind != "view":
        return True
    is_same = operation.state in {"", stored(register.state)}
    return is_same and _has_right_lease(register, operation, rules)


# The search


@dataclass
class _Search:
    """The search for an order of one seat's operations. `best`, `where` and `stuck` say how far it came."""

    seat: str
    operations: Sequence[Operation]
    rules: Rules
    best: int = -1
    where: Register = field(default_factory=Register)
    stuck: tuple[int, ...] = ()

    def run(self, first: Register) -> Rejection | None:
        """Return None when there is an order. A set of operations is an integer with one bit for each."""
        must = sum(1 << number for number, operation in enumerate(self.operations) if operation.outcome != UNKNOWN)
        earliest: dict[tuple[int, Register], float] = {}
        stack: list[tuple[int, Register, float]] = [(0, first, -math.inf)]
        while stack:
            ordered, register, at = stack.pop()
            if ordered & must == must:
                return None
            if earliest.get((ordered, register), math.inf) <= at:
                continue
            earliest[ordered, register] = at
            if len(earliest) > MOST_STATES:
                return Rejection(self.seat, "undecided: too many operations at once")
            stack += self._next(ordered, register, at)
        blocked = min((self.operations[number] for number in self.stuck), key=lambda operation: operation.end)
        return Rejection(self.seat, f"{blocked} while it was {self.where}", blocked.kind)

    def _next(self, ordered: int, register: Register, at: float) -> list[tuple[int, Register, float]]:
        """Return every way to put one more operation into the order, the most promising last."""
        left = [number for number in range(len(self.operations)) if not ordered >> number & 1]
        due = min(self.operations[number].end for number in left if self.operations[number].outcome != UNKNOWN)
        candidates = [number for number in left if self.operations[number].start <= due]
        if (count := ordered.bit_count()) > self.best:
            self.best, self.where = count, register
            self.stuck = tuple(number for number in candidates if self.operations[number].outcome != UNKNOWN)
        steps = [
            (ordered | 1 << number, successor, moment)
            for number in candidates
            for successor, moment in successors(register, self.operations[number], self.rules, at)
            if self.operations[number].outcome != UNKNOWN or successor != register
        ]
        # The last is tried first: known before unknown, early before late.
        last = {ordered | 1 << number: self.operations[number] for number in candidates}
        return sorted(steps, key=lambda step: (last[step[0]].outcome == UNKNOWN, last[step[0]].end), reverse=True)


def check(history: Iterable[Operation], opens: Mapping[str, float], rules: Rules) -> list[Rejection]:
    """Return what is wrong with a history, seat by seat. `opens` has each seat and when it opens."""
    seats: defaultdict[str, list[Operation]] = defaultdict(list)
    lost: list[Operation] = []
    for operation in history:
        if operation.outcome == REFUSED and operation.code not in OVER:
            continue  # this refusal says nothing about the seat
        if operation.outcome == UNKNOWN:
            if not operation.seat:
                lost.append(operation)
            elif operation.kind not in LOOKS:
                seats[operation.seat].append(replace(operation, end=math.inf))
        else:
            seats[operation.seat].append(operation)
    rejections = [*_unknown_holders(seats, lost), *_holds_of_two_seats(seats), *_holds_given_two_seats(seats)]
    for seat, operations in sorted(seats.items()):
        if seat not in opens:
            rejections.append(Rejection(seat, f"{operations[0]}, but there is no such seat", operations[0].kind))
            continue
        first = Register(since=opens[seat], until=opens[seat])
        rejection = _Search(seat, sorted(operations, key=lambda operation: operation.start), rules).run(first)
        if rejection:
            rejections.append(rejection)
    return rejections


def _unknown_holders(seats: defaultdict[str, list[Operation]], lost: list[Operation]) -> Iterator[Rejection]:
    """Give each holder that only the table knows a hold without an answer. Reject those for whom there is none."""
    left = sorted(lost, key=lambda operation: operation.start)
    for seat, operations in seats.items():
        known = {operation.hold for operation in operations if operation.kind in {"hold", "arrive"}}
        in_table = {operation.hold for operation in operations if operation.kind == "table" and operation.hold}
        for hold in sorted(in_table - known):
            if not left:
                yield Rejection(seat, f"the table has a holder {hold[:8]} that no answer named", "table")
            else:
                operations.append(replace(left.pop(0), seat=seat, hold=hold, end=math.inf, until=None))


def _holds_of_two_seats(seats: Mapping[str, list[Operation]]) -> Iterator[Rejection]:
    """Reject a hold that has two seats when the operator reads the table for the last time."""
    last: dict[str, Operation] = {}
    for seat, operations in seats.items():
        looks = [operation for operation in operations if operation.kind == "table"]
        if looks:
            last[seat] = max(looks, key=lambda look: look.start)
    count = Counter(look.hold for look in last.values() if look.hold)
    for seat, look in last.items():
        if look.hold and count[look.hold] > 1:
            yield Rejection(seat, f"{look.hold[:8]} has {count[look.hold]} seats in the table", "table")


def _holds_given_two_seats(seats: Mapping[str, Sequence[Operation]]) -> Iterator[Rejection]:
    """Reject a hold that was given two seats. A hold that loses its slot gets one seat, under whatever id."""
    seats_of: defaultdict[str, set[str]] = defaultdict(set)
    for seat, operations in seats.items():
        for operation in operations:
            if operation.kind == "hold" and operation.outcome == OK:
                seats_of[operation.hold].add(seat)
    for hold, its_seats in seats_of.items():
        if len(its_seats) > 1:
            listed = ", ".join(sorted(its_seats))
            yield Rejection(min(its_seats), f"the hold {hold[:8]} was given {len(its_seats)} seats: {listed}")
