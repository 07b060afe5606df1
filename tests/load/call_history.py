"""Check whether a correct service can have produced a recorded day at the desk: one register of people and desks.

Every operation has the moments between which it happened, and an outcome. The operations are put in one order that
respects these moments and in which each answer is right, as in `history`, but for all people and desks together: a call
changes a person and a desk at once. Who was killed has no answer: the audit says whether the operation happened. The
steps of an appointment are in `tests.proof.call_rules`.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.load.history import MOST_STATES, OK, REFUSED, UNKNOWN, Rejection, clock
from tests.proof.call_rules import ARRIVED, CALLED, Appointment, after

LOOKS = {"table", "desk"}
"""What is read at the end: an appointment, or whom a desk has called."""
NOBODY, BUSY = "nobody-waits", "desk-busy"
TELLING = {NOBODY, BUSY, "already-recorded", "not-arrived"}
"""The refusals that say something about the register."""
ACTS = {"arrive": "arrived", "next": "called", "call": "called", "park": "parked"}
"""The act in the audit of each step whose name differs."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an agent at a desk on the appointment of a seat; `start` and `end` are in seconds.

    `kind`: a step of `call_rules`, table or desk. `moment` is when it was by the clock of the service, and names its
    audit item: no two operations have the same. Of the answer: `state`, the desk that called last and how often
    (`calls`), or `code` for a refusal. For the refusal `desk-busy`, `seat` is whom the desk has.
    """

    kind: str
    seat: str
    desk: int
    agent: str
    start: float
    end: float
    moment: str = ""
    outcome: str = OK
    code: str = ""
    state: str = ""
    called_to: int = 0
    calls: int = 0
    parked: bool = False
    is_change: bool = False
    """Whether an audit item says that the operation changed something."""

    def __str__(self) -> str:
        """Return the operation and its answer, for a rejection."""
        if self.kind in LOOKS:
            seen = f"{self.state}, {self.calls} calls, desk {self.called_to}{', parked' if self.parked else ''}"
            return f"the table has {self.seat}: {seen}" if self.kind == "table" else f"desk {self.desk} has {self.seat}"
        answer = self.code if self.outcome == REFUSED else self.outcome
        times = f"({clock(self.start)} to {clock(self.end)})"
        return f"{self.kind} {self.seat} by {self.agent} at desk {self.desk}: {answer} {times}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An audit item: who did what with which seat, and when by the clock of the service."""

    moment: str
    agent: str
    act: str
    seat: str


Register = Mapping[str, Appointment | str]
"""Between two operations: the appointment of each seat, and whom each desk has called (empty for nobody)."""


def desk_key(desk: int) -> str:
    return f"desk {desk}"


def changes(register: Register, operation: Operation) -> Register | None:
    """Return what an operation changes in the register; None if it cannot have happened now."""
    if operation.kind == "desk" or operation.code == BUSY:
        return {} if register[desk_key(operation.desk)] == operation.seat else None
    appointment = register[operation.seat]
    assert isinstance(appointment, Appointment)
    if operation.kind == "table":
        return {} if _shows(operation, appointment) else None
    if operation.kind == "call" and operation.outcome == OK and not operation.is_change:  # the desk has called again
        return {} if appointment.state == CALLED and _shows(operation, appointment) else None
    new = after(operation.kind, appointment, operation.desk, operation.agent)
    if new is None or operation.outcome == REFUSED:
        return {} if new is None and operation.outcome == REFUSED else None
    is_right = operation.outcome == UNKNOWN or _shows(operation, new)
    return _with_desk(register, appointment, new, operation) if is_right else None


def _shows(operation: Operation, appointment: Appointment) -> bool:
    """Return whether an answer shows the appointment as it is."""
    answer = operation.state, operation.called_to, operation.calls, operation.parked
    return answer == (appointment.state, appointment.desk, appointment.calls, appointment.parked)


def _with_desk(register: Register, old: Appointment, new: Appointment, operation: Operation) -> Register | None:
    """Return the changes of an appointment and of its desk. A desk that has somebody cannot call another."""
    if (new != old) != operation.is_change:
        return None
    if new.state == CALLED:
        desk = desk_key(new.desk)
        return {operation.seat: new, desk: operation.seat} if register[desk] in {"", operation.seat} else None
    return {operation.seat: new, desk_key(old.desk): ""} if old.state == CALLED else {operation.seat: new}


# The audit


def _decided(operation: Operation, audit: Mapping[tuple[str, str], AuditEntry]) -> Operation | None:
    """Return an operation as the audit decides it; None if it did not happen, or says nothing about the register."""
    entry = audit.get((operation.moment, operation.agent))
    if operation.outcome == UNKNOWN:
        return replace(operation, seat=entry.seat, is_change=True) if entry else None
    if operation.outcome == REFUSED and operation.code not in TELLING:
        return None
    return replace(operation, is_change=entry is not None)


def _unmatched(operations: Sequence[Operation], audit: Sequence[AuditEntry]) -> Iterator[Rejection]:
    """Reject an audit item that no operation left, one that says something else, and two of one operation."""
    by_moment = {(operation.moment, operation.agent): operation for operation in operations if operation.moment}
    count = Counter((entry.moment, entry.agent) for entry in audit)
    for entry in audit:
        operation = by_moment.get((entry.moment, entry.agent))
        if operation is None:
            yield Rejection(entry.seat, f"nobody did what the audit has: {entry.act} by {entry.agent}", "audit")
        elif operation.outcome == REFUSED:
            yield Rejection(entry.seat, f"the audit says that this was done: {operation}", operation.kind)
        elif ACTS.get(operation.kind, operation.kind) != entry.act or operation.seat not in {"", entry.seat}:
            yield Rejection(entry.seat, f"the audit has {entry.act} of {entry.seat} for {operation}", operation.kind)
        elif count[entry.moment, entry.agent] > 1:
            yield Rejection(entry.seat, f"the audit has it twice: {operation}", operation.kind)


# Who waits


def _skipped(operations: Sequence[Operation], first: Mapping[str, Appointment]) -> Iterator[Rejection]:
    """Reject a call of the next person, or the answer that nobody waits, while somebody before them certainly waited.

    The service may have read who waits at any moment of its call, so only who waited all the time was passed over.
    """
    waits = {seat: list(_certain_waits(seat, operations, first[seat])) for seat in first}
    for operation in operations:
        if operation.kind != "next" or operation.code not in {"", NOBODY}:
            continue
        for seat, intervals in sorted(waits.items()):
            before = operation.code == NOBODY or _order(seat) < _order(operation.seat)
            if before and any(begin < operation.start and operation.end < end for begin, end in intervals):
                yield Rejection(seat, f"waited and was passed over: {operation}", operation.kind)
                break


def _certain_waits(seat: str, operations: Sequence[Operation], first: Appointment) -> Iterator[tuple[float, float]]:
    """Yield the times during which the applicant of a seat waited whatever the order of the operations."""
    own = [operation for operation in operations if operation.seat == seat and operation.is_change]
    if first.waits:
        yield -math.inf, min((operation.start for operation in own), default=math.inf)
    for operation in own:
        if operation.outcome == OK and (operation.state, operation.parked) == (ARRIVED, False):
            others = [other.start for other in own if other is not operation and other.end > operation.start]
            yield operation.end, min(others, default=math.inf)


def _order(seat: str) -> tuple[str, int]:
    """Return the place of a seat in the order of calls: by start, then by desk."""
    _, day, start, desk = seat.split(".")
    return day + start, int(desk)


# The end of the day


def _left(operations: Sequence[Operation]) -> Iterator[Rejection]:
    """Reject a table in which a desk has called several people, or has somebody who is not called to it."""
    called = [operation for operation in operations if operation.kind == "table" and operation.state == CALLED]
    has = {operation.desk: operation.seat for operation in operations if operation.kind == "desk"}
    people = Counter(operation.called_to for operation in called)
    for operation in called:
        if people[operation.called_to] > 1:
            yield Rejection(
                operation.seat, f"desk {operation.called_to} has called {people[operation.called_to]} people"
            )
        elif has.get(operation.called_to) != operation.seat:
            yield Rejection(operation.seat, f"lost: called to desk {operation.called_to}, which does not have them")
    for desk, seat in has.items():
        if seat and seat not in {operation.seat for operation in called}:
            yield Rejection(seat, f"desk {desk} has somebody who is not called")


# The search


@dataclass
class _Search:
    """The search for an order of all operations, which are sorted by their start. The other fields say how far it came.

    Of operations that overlap, one that ends first and concerns neither the seat nor the desk of another is put first:
    in every order that has it later, it can be put first too.
    """

    operations: Sequence[Operation]
    best: int = -1
    where: Register = field(default_factory=dict)
    stuck: Sequence[int] = ()

    def run(self, first: Register) -> Rejection | None:
        """Return None when there is an order. A set of operations is an integer with one bit for each."""
        everything = (1 << len(self.operations)) - 1
        tried: set[tuple[int, tuple[Appointment | str, ...]]] = set()
        stack: list[tuple[int, Register]] = [(0, first)]
        while stack:
            ordered, register = stack.pop()
            if ordered == everything:
                return None
            if len(tried) > MOST_STATES:
                return Rejection("", "undecided: too many operations at once")
            candidates = self._candidates(ordered)
            if ordered.bit_count() > self.best:
                self.best, self.where, self.stuck = ordered.bit_count(), register, candidates
            if self._is_alone(candidates, register):
                candidates = candidates[:1]
            elif (state := (ordered, tuple(register.values()))) in tried:
                continue
            else:
                tried.add(state)
            stack += [
                (ordered | 1 << number, {**register, **change})
                for number in reversed(candidates)
                if (change := changes(register, self.operations[number])) is not None
            ]
        return self._rejection()

    def _candidates(self, ordered: int) -> list[int]:
        """Return the operations that may come next, by their end: those that begin before the first of them ends."""
        lowest = (~ordered & ordered + 1).bit_length() - 1
        candidates, due = [], math.inf
        for number in range(lowest, len(self.operations)):
            operation = self.operations[number]
            if operation.start > due:
                break
            if not ordered >> number & 1:
                candidates.append(number)
                due = min(due, operation.end)
        candidates = [number for number in candidates if self.operations[number].start <= due]
        return sorted(candidates, key=lambda number: self.operations[number].end)

    def _is_alone(self, candidates: Sequence[int], register: Register) -> bool:
        """Return whether the first candidate concerns no seat and no desk that another one concerns."""
        first, *others = (self._concerns(self.operations[number], register) for number in candidates)
        return all(first.isdisjoint(other) for other in others)

    @staticmethod
    def _concerns(operation: Operation, register: Register) -> set[str]:
        """Return the seat and the desks that an operation may read or change."""
        concerned = {operation.seat, desk_key(operation.desk)} & {*register}
        appointment = register.get(operation.seat)
        if isinstance(appointment, Appointment) and appointment.state == CALLED:
            concerned.add(desk_key(appointment.desk))
        return concerned

    def _rejection(self) -> Rejection:
        blocked = self.operations[self.stuck[0]]
        known = [f"{seat} was {self.where[seat]}" for seat in sorted(self._concerns(blocked, self.where))]
        return Rejection(blocked.seat, f"{blocked} while {'; '.join(known)}", blocked.kind)


def check(
    history: Iterable[Operation], audit: Iterable[AuditEntry], first: Mapping[str, Appointment], desks: Iterable[int]
) -> list[Rejection]:
    """Return what is wrong with a day. `first` has the appointments before it."""
    operations, entries = list(history), list(audit)
    rejections = list(_unmatched(operations, entries))
    by_moment = {(entry.moment, entry.agent): entry for entry in entries}
    decided = [known for operation in operations if (known := _decided(operation, by_moment))]
    if strange := sorted({operation.seat for operation in decided} - {*first, ""}):
        return [*rejections, *(Rejection(seat, "there is no such seat") for seat in strange)]
    rejections += [*_skipped(decided, first), *_left(decided)]
    register: Register = {**first, **{desk_key(desk): "" for desk in desks}}
    ordered = [operation for operation in decided if operation.code != NOBODY]
    rejection = _Search(sorted(ordered, key=lambda operation: operation.start)).run(register)
    return [*rejections, rejection] if rejection else rejections
