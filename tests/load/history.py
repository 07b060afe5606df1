"""Is a recorded history one that a fair service can have? A single-holder register with leases, one per seat.

Every operation has the moments between which it happened, and an outcome: ok, refused, or unknown (no answer, or one
that says neither: it happened once, later than its start, or never). A seat's operations are put in an order that
keeps to these moments and in which each answer is right; when there is none, the history is rejected. The search is
Wing and Gong's, with the states that were seen before left out, as Lowe does.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
OPEN, HELD, PENDING, CONFIRMED = "open", "held", "pending", "confirmed"
OVER = {"hold-over", "link-over"}
"""Refusals that say something of the seat: whoever asked does not have it."""
LOOKS = {"view", "table"}
MOST_STATES = 200_000


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one seat; moments are seconds since 1970.

    `kind`: hold, extend, answer, details, confirm, end, cancel, leave and arrive (the halves of a move), view (the
    holder looks) or table (the office looks). `hold` is the digest of the hold id. `until` is the end of the lease
    that the answer told, or the moment at which an open seat that the office saw opens. `state` is what a look saw.
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


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service promises, in seconds, and how exactly the history knows the time.

    A hold that ran out keeps its seat for `gap`; a freed seat stays away for `back`. The service's clocks are at most
    `slack` from the one that recorded; the ends of leases are told in steps of `grain`.
    """

    gap: float = 5.0
    back: float = 7200.0
    slack: float = 0.0
    grain: float = 0.0


@dataclass(frozen=True, slots=True)
class Register:
    """A seat between two operations; `since` and `until` bound the end of its lease, or the moment it opens."""

    state: str = OPEN
    hold: str = ""
    since: float = -math.inf
    until: float = -math.inf
    captcha_passed: bool = False
    past: str = ""

    def __str__(self) -> str:
        """What it was, for whoever reads a rejection."""
        if self.state == OPEN:
            return "nobody's" + (f", closed until {clock(self.since)}" if self.since > 0 else "")
        lease = f" until {clock(self.since)}" if self.state != CONFIRMED else ""
        return f"{self.state} by {self.hold[:8]}{lease}" + (", captcha passed" if self.captcha_passed else "")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A seat whose history no fair service can have, where it breaks, and the kind of operation that shows it."""

    seat: str
    why: str
    kind: str = ""


def clock(moment: float) -> str:
    """A moment as people read it: hours, minutes, seconds (UTC)."""
    if not math.isfinite(moment):
        return "ever"
    minutes, seconds = divmod(moment, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours % 24:02}:{minutes:02}:{seconds:06.3f}"


# The register


def after(now: Register, done: Operation, rules: Rules, at: float) -> Iterator[tuple[Register, float]]:
    """The registers that this operation may leave, each with the earliest moment of it; none if it cannot be."""
    at = max(at, done.start)
    if done.outcome == REFUSED:
        if not _surely_has(now, done, rules):
            yield now, at
        return
    if done.kind in {"hold", "arrive"}:
        yield from _taken(now, done, rules, at)
    elif done.kind == "table":
        yield from _looked(now, done, rules, at)
    else:
        yield from _gone_on(now, done, rules, at)


def _in_time(now: Register, done: Operation, rules: Rules) -> bool:
    """May the service have read its clock before the lease was over?"""
    return done.start - rules.slack < now.until


def _maybe_late(now: Register, done: Operation, rules: Rules) -> bool:
    """May the service have read its clock after the lease was over?"""
    return done.end + rules.slack >= now.since


def _surely_has(now: Register, done: Operation, rules: Rules) -> bool:
    """Was this refused to the one who had the seat?"""
    if now.hold != done.hold or (done.kind == "leave" and now.state != CONFIRMED):
        return False
    return now.state == CONFIRMED or (now.state in {HELD, PENDING} and not _maybe_late(now, done, rules))


def _lease(done: Operation, rules: Rules) -> tuple[float, float]:
    """The end of the lease: as it was told, or some time after the operation began."""
    if done.until is None:
        return done.start, math.inf
    return done.until, done.until + rules.grain


def _freed(now: Register, rules: Rules, at: float) -> float | None:
    """The earliest moment from `at` on at which somebody else may take this seat; None for a booked one."""
    if now.state == CONFIRMED:
        return None
    if now.state == OPEN:
        return max(at, now.since - rules.slack)
    wait = rules.gap if now.state == HELD else rules.back
    return max(at, now.since + wait - rules.slack)


def _taken(now: Register, done: Operation, rules: Rules, at: float) -> Iterator[tuple[Register, float]]:
    if done.kind == "arrive" and (now.state, now.hold) == (CONFIRMED, done.hold):
        yield now, at
        return
    free = _freed(now, rules, at)
    if free is None or free > done.end:
        return
    if now.state == HELD and free == done.end and free == now.since + rules.gap - rules.slack:
        return  # the gap is over after its last moment, not at it
    if done.kind == "arrive":
        yield Register(CONFIRMED, done.hold), free
    else:
        yield Register(HELD, done.hold, *_lease(done, rules)), free


def _looked(now: Register, done: Operation, rules: Rules, at: float) -> Iterator[tuple[Register, float]]:
    """The office sees the seat as it is; one that ran out may have been opened by the clock."""
    if done.state == OPEN:
        opens = -math.inf if done.until is None else done.until
        if now.state == OPEN and opens >= now.since - rules.slack:
            yield replace(now, since=opens, until=opens), at
        if now.state == HELD and done.end > now.since + rules.gap - rules.slack:
            yield Register(OPEN, since=opens, until=opens), at
        if now.state == PENDING and _maybe_late(now, done, rules) and opens >= now.since + rules.back - rules.slack:
            yield Register(OPEN, since=opens, until=opens), at
    elif (now.state, now.hold) == (done.state, done.hold) and _told_right(now, done, rules):
        yield now, at


def _told_right(now: Register, done: Operation, rules: Rules) -> bool:
    """Does a look tell the end of the lease as it is?"""
    if done.until is None or now.state == CONFIRMED:
        return True
    return now.since - rules.grain <= done.until <= now.until


def _gone_on(now: Register, done: Operation, rules: Rules, at: float) -> Iterator[tuple[Register, float]]:
    """What the holder does. The same again is the same answer, and changes nothing."""
    mine = now.hold == done.hold
    has = mine and (now.state == CONFIRMED or (now.state in {HELD, PENDING} and _in_time(now, done, rules)))
    if done.kind == "end":
        if has and now.state == HELD:
            yield Register(OPEN), at
        if not mine or (now.state in {HELD, PENDING} and _maybe_late(now, done, rules)):
            yield now, at
    elif done.kind in {"cancel", "leave"}:
        if has and (now.state == CONFIRMED or (now.state == PENDING and done.kind == "cancel")):
            back = done.start + rules.back  # the service read its clock before it wrote
            yield Register(OPEN, since=back, until=math.inf, past=f"{done.kind} {done.hold}"), at
        elif now.past == f"{done.kind} {done.hold}":
            yield now, at
    elif has:
        yield from _stepped(now, done, rules, at)


def _stepped(now: Register, done: Operation, rules: Rules, at: float) -> Iterator[tuple[Register, float]]:
    if done.kind == "view":
        if done.state in {"", now.state} and _told_right(now, done, rules):
            yield now, at
    elif done.kind == "confirm":
        if now.state in {PENDING, CONFIRMED}:
            yield replace(now, state=CONFIRMED), at
    elif now.state != HELD:
        yield now, at
    elif done.kind == "extend":
        yield Register(HELD, done.hold, *_lease(done, rules), now.captcha_passed), at
    elif done.kind == "answer":
        yield (now if now.captcha_passed else Register(HELD, done.hold, *_lease(done, rules), captcha_passed=True)), at
    elif done.kind == "details" and now.captcha_passed:
        yield Register(PENDING, done.hold, *_lease(done, rules)), at


# The search


@dataclass
class _Search:
    """One seat's operations, and how far they could be put in order."""

    seat: str
    done: Sequence[Operation]
    rules: Rules
    best: int = -1
    where: Register = field(default_factory=Register)
    stuck: tuple[int, ...] = ()

    def run(self, first: Register) -> Rejection | None:
        """None when there is an order."""
        must = sum(1 << number for number, one in enumerate(self.done) if one.outcome != UNKNOWN)
        seen: dict[tuple[int, Register], float] = {}
        todo: list[tuple[int, Register, float]] = [(0, first, -math.inf)]
        while todo:
            taken, now, at = todo.pop()
            if taken & must == must:
                return None
            if seen.get((taken, now), math.inf) <= at:
                continue
            seen[taken, now] = at
            if len(seen) > MOST_STATES:
                return Rejection(self.seat, "undecided: too many operations at once")
            todo += self._onwards(taken, now, at)
        blocked = min((self.done[number] for number in self.stuck), key=lambda one: one.end)
        return Rejection(self.seat, f"{told(blocked)} while it was {self.where}", blocked.kind)

    def _onwards(self, taken: int, now: Register, at: float) -> list[tuple[int, Register, float]]:
        left = [number for number in range(len(self.done)) if not taken >> number & 1]
        due = min(self.done[number].end for number in left if self.done[number].outcome != UNKNOWN)
        may = [number for number in left if self.done[number].start <= due]
        if (placed := (taken.bit_count())) > self.best:
            self.best, self.where = placed, now
            self.stuck = tuple(number for number in may if self.done[number].outcome != UNKNOWN)
        steps = [
            (taken | 1 << number, then, moment)
            for number in may
            for then, moment in after(now, self.done[number], self.rules, at)
            if self.done[number].outcome != UNKNOWN or then != now
        ]
        # The last is tried first: known before unknown, early before late.
        known = {taken | 1 << number: self.done[number] for number in may}
        return sorted(steps, key=lambda step: (known[step[0]].outcome == UNKNOWN, known[step[0]].end), reverse=True)


def told(one: Operation) -> str:
    """An operation and its answer, in words."""
    who = f" {one.hold[:8]}" if one.hold else ""
    what = f"seen {one.state}" if one.kind in LOOKS and one.outcome == OK else f"{one.outcome} {one.code}".rstrip()
    lease = f" until {clock(one.until)}" if one.until is not None else ""
    return f"{one.kind}{who} {what}{lease} ({clock(one.start)} to {clock(one.end)})"


def check(history: Iterable[Operation], opens: Mapping[str, float], rules: Rules) -> list[Rejection]:
    """What is wrong with a history, seat by seat; empty for a fair one. `opens`: each seat and when it opens."""
    seats: defaultdict[str, list[Operation]] = defaultdict(list)
    lost: list[Operation] = []
    for one in history:
        if one.outcome == REFUSED and one.code not in OVER:
            continue  # who is told to come back is told nothing of the seat
        if one.outcome == UNKNOWN:
            if not one.seat:
                lost.append(one)
            elif one.kind not in LOOKS:
                seats[one.seat].append(replace(one, end=math.inf))
        else:
            seats[one.seat].append(one)
    found = [*_unheard(seats, lost), *_twice(seats), *_two_seats(seats)]
    for seat, done in sorted(seats.items()):
        if seat not in opens:
            found.append(Rejection(seat, f"{told(done[0])}, but there is no such seat", done[0].kind))
            continue
        first = Register(since=opens[seat], until=opens[seat])
        wrong = _Search(seat, sorted(done, key=lambda one: one.start), rules).run(first)
        if wrong:
            found.append(wrong)
    return found


def _unheard(seats: defaultdict[str, list[Operation]], lost: list[Operation]) -> Iterator[Rejection]:
    """Whom the table knows and nobody was told of: as many as there are holds without an answer, and no more."""
    left = sorted(lost, key=lambda one: one.start)
    for seat, done in seats.items():
        heard = {one.hold for one in done if one.kind in {"hold", "arrive"}}
        for hold in sorted({one.hold for one in done if one.kind == "table" and one.hold} - heard):
            if not left:
                yield Rejection(seat, f"the table knows a holder {hold[:8]} whom nobody was told of", "table")
            else:
                unknown = left.pop(0)
                done.append(replace(unknown, seat=seat, hold=hold, end=math.inf, until=None))


def _twice(seats: Mapping[str, list[Operation]]) -> Iterator[Rejection]:
    """One hold on two seats, when the office looked last."""
    last: dict[str, Operation] = {}
    for seat, done in seats.items():
        looks = [one for one in done if one.kind == "table"]
        if looks:
            last[seat] = max(looks, key=lambda one: one.start)
    held = Counter(one.hold for one in last.values() if one.hold)
    for seat, one in last.items():
        if one.hold and held[one.hold] > 1:
            yield Rejection(seat, f"{one.hold[:8]} has {held[one.hold]} seats in the table", "table")


def _two_seats(seats: Mapping[str, Sequence[Operation]]) -> Iterator[Rejection]:
    """Reject a hold that was given two seats. A hold that loses its slot gets one seat, under whatever id."""
    given: defaultdict[str, set[str]] = defaultdict(set)
    for seat, done in seats.items():
        for operation in done:
            if operation.kind == "hold" and operation.outcome == OK:
                given[operation.hold].add(seat)
    for hold, its_seats in given.items():
        if len(its_seats) > 1:
            listed = ", ".join(sorted(its_seats))
            yield Rejection(min(its_seats), f"the hold {hold[:8]} was given {len(its_seats)} seats: {listed}")
