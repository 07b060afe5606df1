"""One crowd against the service and broken copies of it: `python -m tests.load.mutants [--runs N] [--json] [NAME...]`.

The crowd runs in this process on a simulated clock. Each call to the table waits for a random time, mostly none and
sometimes a minute, while the others go on. So each run of the same number is the same, and what was read is often old
when it is used. In one run of five a hold takes its seat after the captcha. A broken copy is the service with one or
two functions changed (see `mutations`). Each copy is played until the checker rejects its history, at most N (16)
times. The service itself is played N times and must be accepted.
The table is created on the emulator of AWS_ENDPOINT_URL, or on an emulator started for it.
"""

import argparse
import heapq
import itertools
import json
import random
import string
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from types import ModuleType
from typing import Any, cast

from greenlet import getcurrent, greenlet

# The first names the table that the others read.
from tests.load.units import AWA, fresh_table, put_service, somewhere

# isort: split
from chalicelib.booking import captcha, filing, holds, moves, requests, schedule, waiting
from chalicelib.booking.hold import Held, Hold, Waiting
from chalicelib.booking.holds import Wish
from chalicelib.booking.requests import Request
from chalicelib.domain import lifecycle
from chalicelib.domain.refusals import Refusal
from chalicelib.domain.seat import Seat, SeatKey, State, week_of
from chalicelib.storage import (
    dynamodb,
    move_store,
    seat_expressions,
    seat_store,
    service_store,
    waiting_store,
)
from chalicelib.storage.items import Item
from chalicelib.web import problems
from tests.load.history import OK, OVER, REFUSED, UNKNOWN, Operation, Rejection, Rules, check
from tests.load.mutations import (
    Edit,
    argument,
    call,
    compare,
    drop,
    mutate,
    never,
    rebind,
    return_instead,
    subtract_nothing,
)

START = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
VISITORS, VISITS, STEPS, THIEVES, THEFTS = 6, 4, 9, 2, 14
LOOKS, SWEEPS = 40, 5
SEATS = [SeatKey(START.date() + timedelta(days=10), time(9, 5 * slot), 1, "aes") for slot in range(4)]
"""The last seat is for a scene. Visitors who want the first free seat may take it too."""
LATE = 7  # seconds after the start at which the third seat opens
TIMES = {"hold_seconds": 10, "form_seconds": 20, "confirm_minutes": 1, "notice_hours": 1, "return_hours": [0.005, 0.02]}
RULES = Rules(back=18)
WAITS = ((0,), (1,), (2, 5, 6, 9), (16, 17, 18, 20, 22, 25, 40, 90))
"""Seconds on the way to the table. After the longest ones a hold is over and somebody else has the seat."""
READ_OFTEN, WRITE_OFTEN = (65, 20, 10, 5), (35, 10, 10, 45)
LETTERS = string.ascii_lowercase + "234567"
SLOW = "ab"  # the names of the slow visitors


@dataclass(frozen=True)
class Change:
    """Edits of one function of a module or a class."""

    owner: ModuleType | type
    function: str
    edits: tuple[Edit, ...]

    def __str__(self) -> str:
        """Say what is changed, for a report."""
        return f"{self.function}: {'; '.join(edit.description for edit in self.edits)}"


@dataclass(frozen=True)
class Mutant:
    """A broken copy of the service."""

    name: str
    changes: tuple[Change, ...]


def mutant(name: str, *changes: tuple[ModuleType | type, str, Edit]) -> Mutant:
    return Mutant(name, tuple(Change(owner, function, (edit,)) for owner, function, edit in changes))


HELD_BY_ANYBODY = "SeatItem.state == State.HELD"
MUTANTS = (
    mutant("hold: the state of the seat is not compared", (seat_expressions, "is_free", drop("State.OPEN"))),
    mutant("hold: a seat that is held can be taken", (seat_expressions, "is_free", drop("SeatItem.until"))),
    mutant(
        "hold: <= for < at the end of the gap",
        (seat_expressions, "is_free", compare("SeatItem.until", "<", "<=")),
        (Seat, "is_free", compare("until", "<", "<=")),
    ),
    mutant(
        "hold: no gap between two holders",
        (seat_expressions, "is_free", subtract_nothing("CLOCK_SKEW")),
        (Seat, "is_free", subtract_nothing("CLOCK_SKEW")),
    ),
    mutant(
        "hold: a clock that takes local time for UTC",
        (
            holds,
            "place",
            rebind("now", "now.astimezone(service_store.read(service_id, now).zone).replace(tzinfo=now.tzinfo)"),
        ),
    ),
    mutant(
        "hold: opens_at is ignored",
        (seat_expressions, "is_free", drop("SeatItem.opens_at")),
        (Seat, "is_free", never("opens_at")),
    ),
    mutant(
        "all steps: the end of the hold is ignored",
        (seat_expressions, "is_held", drop("SeatItem.until")),
        (Seat, "holds", drop("until", "now")),
    ),
    mutant(
        "all steps: <= for < at the end of the hold",
        (seat_expressions, "is_held", compare("SeatItem.until", ">", ">=")),
        (Seat, "holds", compare("until", "<", "<=")),
    ),
    mutant("extend: the hold is not compared", (seat_store, "extend", call("is_held", HELD_BY_ANYBODY))),
    mutant("answer: the hold is not compared", (seat_store, "pass_captcha", call("is_held", HELD_BY_ANYBODY))),
    mutant(
        "answer: two answers of a waiting hold take a seat each", (waiting_store, "pass_captcha", drop("_NOT_PASSED"))
    ),
    mutant(
        "answer: a waiting hold is told the chosen seat, whichever it took",
        (waiting, "_take_one", argument("Seat", 0, "{Waiting}.key")),
    ),
    mutant("details: the hold is not compared", (seat_expressions, "file_request", call("is_held", HELD_BY_ANYBODY))),
    mutant(
        "details: the captcha is not required",
        (seat_expressions, "file_request", drop("SeatItem.captcha_passed.exists")),
        (holds, "view_ready", never("captcha_passed")),
    ),
    mutant("confirm: anybody's request", (seat_store, "confirm", drop("SeatItem.hold"))),
    mutant(
        "confirm: after its time",
        (seat_store, "confirm", drop("SeatItem.until")),
        (requests, "_is_over", return_instead("False")),
    ),
    mutant("end: anybody's hold", (seat_store, "give_back", call("is_held", HELD_BY_ANYBODY))),
    mutant("cancel: a seat is returned twice", (seat_expressions, "is_live", drop("SeatItem.hold"))),
    mutant("cancel: the seat is back at once", (lifecycle, "return_moment", return_instead("now"))),
    mutant(
        "sweep: ends the hold that is there, not the one it read",
        (seat_store, "end_expired_hold", argument("update", 2, HELD_BY_ANYBODY)),
    ),
    mutant("move: the old seat is kept too", (move_store, "_leave", call("end_request", "[SeatItem.freed.add(1)]"))),
    mutant("move: to a seat that somebody has", (move_store, "_may_take", call("is_free", "SeatItem.pk.exists()"))),
)


@contextmanager
def broken(copy: Mutant) -> Iterator[None]:
    """Run this process with a broken copy. Raise MutationError for an edit that does not apply exactly once."""
    originals = [(change, getattr(change.owner, change.function)) for change in copy.changes]
    mutated = [mutate(function, change.edits) for change, function in originals]
    try:
        for change, function in zip(copy.changes, mutated, strict=True):
            setattr(change.owner, change.function, function)
        yield
    finally:
        for change, function in originals:
            setattr(change.owner, change.function, function)


# The clock


class World:
    """A simulated clock, the visitors that wait on it, and the history of what they did."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.chance = random.Random(f"run {number}")
        self.clock = 0.0
        self.turn = itertools.count()
        self.queue: list[tuple[float, int, greenlet]] = []
        self.hub = getcurrent()
        self.history: list[Operation] = []
        self.ends: dict[str, float] = {}
        self.answered: dict[str, float] = {}
        self.recorded_holds: set[tuple[str, str]] = set()
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.slow: set[greenlet] = set()
        self.stuck: set[greenlet] = set()

    @property
    def now(self) -> datetime:
        """Return the simulated time as the service reads it."""
        return START + timedelta(seconds=self.clock)

    def start(self, what: Callable[[], None], *, slow: bool = False) -> greenlet:
        """Start a visitor beside the others. A slow one waits long before each call to the table."""
        visitor = greenlet(what, self.hub)
        if slow:
            self.slow.add(visitor)
        heapq.heappush(self.queue, (self.clock, next(self.turn), visitor))
        return visitor

    def sleep(self, seconds: float) -> None:
        """Let the others run for this time."""
        heapq.heappush(self.queue, (self.clock + seconds, next(self.turn), getcurrent()))
        self.hub.switch()

    def wait(self, model: Any, **_: object) -> None:
        """Wait before a call to the table."""
        visitor = getcurrent()
        while visitor in self.stuck and model.name in {"UpdateItem", "TransactWriteItems"}:
            self.sleep(1)
        if visitor is not self.hub and visitor not in self.slow:
            self.sleep(self.chance.choice((0, 0, 0, 1)))
        elif visitor is not self.hub:
            reads = model.name in {"Query", "GetItem"}
            self.sleep(self.chance.choice(self.chance.choices(WAITS, READ_OFTEN if reads else WRITE_OFTEN)[0]))

    def run(self) -> None:
        """Run until every visitor is done."""
        while self.queue:
            self.clock, _, visitor = heapq.heappop(self.queue)
            visitor.switch()

    def secret(self) -> str:
        """Return a secret as `tokens.new_secret` does, but drawn from this run's chance."""
        return "".join(self.chance.choices(LETTERS, k=52))

    # The steps of visitors. Each is recorded with its moments and its outcome.

    def note(self, kind: str, seat: str, hold: str, act: Callable[[datetime], Any], *, waiting: bool = False) -> Any:
        """Do one step and record it. Return None for a refusal.

        A `waiting` hold has no seat before its answer is accepted.
        """
        start, done = self.clock, cast("Any", None)
        answers = waiting and kind == "answer"
        is_alone = self.begun[hold] == self.ended[hold]
        self.begun[hold] += 1
        number = self.begun[hold]
        since = self.answered.setdefault(hold, start) if answers else start
        outcome, code = OK, ""
        try:
            done = act(self.now)
        except Refusal as refusal:
            outcome, code = REFUSED, problems.STATUS_OF[type(refusal)][1]
        self.ended[hold] += 1
        is_alone = is_alone and number == self.begun[hold]
        if outcome == OK and waiting and not isinstance(done, Hold):
            return done  # a captcha was shown, which says nothing about a seat
        if isinstance(done, Hold):
            if isinstance(done, Waiting):
                return done
            seat, hold = done.key.ref, done.digest
        until, state = None, ""
        if isinstance(done, Held | Request):
            state = str(done.seat.state) if kind == "view" else ""
            until = _at(done.seat.until) if done.seat.state in {State.HELD, State.PENDING} else None
        if until:
            self.ends[seat] = until - _at(START)
        if kind == "extend" and not is_alone:
            until = None  # the service reads the seat again, and another window may have moved the end meanwhile
        if seat and kind != "hold" and self.chance.random() < 0.04:
            outcome = UNKNOWN
        operation = Operation(
            kind, seat, hold, _at(START) + start, _at(START) + self.clock, outcome, code, until, state
        )
        if answers and done is not None and (seat, hold) not in self.recorded_holds:
            self.recorded_holds.add((seat, hold))  # taken by this answer, or by another one that is on its way
            self.history.append(replace(operation, kind="hold", start=_at(START) + since))
        self.history.append(operation)
        return done

    def visitor(self, name: str) -> None:
        """Make some visits, each with a seat or without."""
        for visit in range(VISITS):
            self.sleep(self.chance.randrange(30))
            if hold := self.hold(self.chance.choice([None, *SEATS[:3]])):
                Visit(self, hold, f"{name}{LETTERS[visit]}").go_on()

    def hold(self, key: SeatKey | None) -> Hold | None:
        """Try for a seat, or for the first free one."""
        zone = service_store.read("aes", self.now).zone
        wish = Wish(datetime.combine(key.day, key.start, zone) if key else None, conditions_accepted=True)

        def act(now: datetime) -> Hold:
            return holds.place("aes", wish, now=now, new_secret=self.secret, rng=self.chance)

        hold: Hold | None = self.note("hold", "", "", act)
        return hold

    def thief(self) -> None:
        """Try for each seat at the second at which its hold ends, or one before or after."""
        for _ in range(THEFTS):
            key = min(
                SEATS, key=lambda key: (self.ends.get(key.ref, 0.0) + 6 < self.clock, self.ends.get(key.ref, 0.0))
            )
            moment = self.ends.get(key.ref, 0.0) + self.chance.choice((-1, 0, 1, 5, 6, 6, 6, 6))
            self.sleep(moment - self.clock if moment > self.clock else self.chance.randrange(1, 5))
            hold = self.hold(key)
            if hold and not hold.has_seat:
                Visit(self, hold, "").prove()

    def scene(self, name: str, step: str) -> None:
        """Hold a write of a step back until another visitor has the seat and has reached the same step."""
        first = self.sure_hold(f"{name}a")
        if not first.hold.has_seat:
            return self.two_windows(first)
        for done in STAGE[step]:
            getattr(first, done)()
        steps: list[Callable[[], None]]
        if step == "move":
            steps = [partial(first.move, key) for key in SEATS[:3]]
        elif step == "sweep":
            self.sleep(
                self.ends[first.ref] + RULES.gap + 0.5 - self.clock
            )  # the hold is over, and no thief has come yet
            steps = [self.sweep]
        else:
            steps = [getattr(first, step)]
        self.stuck |= {self.start(action) for action in steps}
        self.sleep(2)  # it has read
        if step == "move":
            second = next((Visit(self, hold, f"{name}b") for key in SEATS[:3] if (hold := self.hold(key))), None)
        else:
            if first.token:
                first.cancel()
            second = self.sure_hold(f"{name}b")
            for done in STAGE[step]:
                getattr(second, done)()
        self.stuck.clear()
        self.sleep(3)
        if second:
            second.go_on()
        return None

    def two_windows(self, visit: "Visit") -> None:
        """Answer a waiting hold in two windows, while the later captcha is stuck on its way to the table."""
        earlier = visit.show()
        self.sleep(1)
        later = visit.show()
        if not (earlier and later):
            return
        self.stuck.add(self.start(partial(visit.answer, later)))
        self.sleep(2)  # it has read
        visit.answer(earlier)
        self.stuck.clear()
        self.sleep(3)
        visit.go_on()

    def sure_hold(self, name: str) -> "Visit":
        """Place a hold on the seat of the scene, however long it takes."""
        while (hold := self.hold(SEATS[-1])) is None:
            self.sleep(1)
        return Visit(self, hold, name)

    def clerk(self) -> None:
        """Read all seats again and again."""
        for _ in range(LOOKS):
            self.sleep(self.chance.randrange(2, 9))
            self.look()

    def sweeper(self) -> None:
        """Run the scheduled expiry function."""
        for _ in range(SWEEPS):
            self.sleep(self.chance.randrange(15, 40))
            self.sweep()

    def sweep(self) -> None:
        """End expired holds and requests once."""
        schedule.end_expired(self.now, random_fraction=self.chance.random)

    def look(self) -> None:
        """Record every seat as it is in the table."""
        start = self.clock
        for seat in seat_store.read_week("aes", week_of(SEATS[0].day)):
            until = seat.opens_at if seat.state is State.OPEN else seat.until
            moment = None if seat.state is State.CONFIRMED else _at(until)
            hold = "" if seat.state is State.OPEN else seat.hold
            between = _at(START) + start, _at(START) + self.clock
            self.history.append(Operation("table", seat.key.ref, hold, *between, until=moment, state=str(seat.state)))


def _at(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


class Visit:
    """One visitor with one hold, who takes steps in any order and in two windows at once."""

    def __init__(self, world: World, hold: Hold, name: str) -> None:
        self.world, self.hold, self.name = world, hold, name
        self.ref, self.digest = hold.key.ref, hold.digest
        self.token = ""
        self.captcha_passed = self.over = False

    def go_on(self) -> None:
        """Do some steps. Now and then a second window does the same step."""
        for _ in range(STEPS):
            ends = self.world.ends.get(self.ref, 0.0) - self.world.clock
            late = ends > 0 and self.world.chance.random() < 0.15  # exactly when the time is over
            self.world.sleep(ends if late else self.world.chance.choice((0, 1, 1, 2, 4)))
            steps = (
                AFTER if self.token else PROVEN if self.captcha_passed else BEFORE if self.hold.has_seat else WAITING
            )
            step = getattr(self, self.world.chance.choices([*steps], [*steps.values()])[0])
            if self.world.chance.random() < 0.3:
                self.world.start(step, slow=self.world.chance.random() < 0.7)
            step()
            if self.over:
                return
        if self.token and self.world.chance.random() < 0.7:
            self.cancel()

    def view(self) -> None:
        """Look at the hold."""
        self._do("view", lambda now: holds.view(self.hold.id, now))

    def extend(self) -> None:
        """Extend the hold."""
        self._do("extend", lambda now: holds.extend(self.hold.id, now))

    def prove(self) -> None:
        """Ask for a captcha and answer it."""
        if captcha := self.show():
            self.world.sleep(self.world.chance.randrange(4))
            self.answer(captcha)

    def show(self) -> Any:
        """Return a new captcha, None if it is refused."""
        return self._do("view", lambda now: captcha.new_challenge(self.hold.id, now))

    def answer(self, challenge: Any) -> None:
        """Give the right answer."""
        hold, chance = self.hold.id, self.world.chance

        def act(now: datetime) -> Hold:
            return captcha.answer(hold, challenge.id, challenge.picture, now=now, rng=chance)

        self.captcha_passed = self._do("answer", act) is not None or self.captcha_passed

    def file(self) -> None:
        """Send the form, always as the same person."""
        me = replace(AWA, last_name=f"Exemple-{self.name}", email=f"{self.name}@example.org")
        done = self._do("details", lambda now: filing.file(holds.view_ready(self.hold.id, now), me, now=now))
        if done:
            self.token = done.token

    def end(self) -> None:
        """Give the seat back."""
        self._do("end", lambda now: holds.end(self.hold.id, now))

    def confirm(self) -> None:
        """Confirm the request."""
        self._do("confirm", lambda now: requests.confirm(self.token, now))

    def cancel(self) -> None:
        """Cancel the request or the appointment."""
        chance = self.world.chance.random
        self._do("cancel", lambda now: requests.cancel(self.token, now, random_fraction=chance))

    def move(self, key: SeatKey | None = None) -> None:
        """Move to another seat. The history has a `leave` and an `arrive` with the same moments."""
        to = key or self.world.chance.choice(SEATS[:3])
        token, old = self.token, self.ref

        def act(now: datetime) -> Request:
            start = datetime.combine(to.day, to.start, service_store.read("aes", now).zone)
            return moves.move(requests.view(token, now), start, now=now, rng=self.world.chance)

        done = self._do("leave", act)
        if done:
            left = self.world.history[-1]
            self.world.history.append(replace(left, kind="arrive", seat=done.seat.key.ref))
            if self.ref == old:
                self.ref, self.token = done.seat.key.ref, done.token

    def _do(self, kind: str, act: Callable[[datetime], Any]) -> Any:
        by_link = kind in {"confirm", "cancel", "leave"}  # a hold id names only the seat it began with
        waiting = not self.hold.has_seat
        done = self.world.note(kind, self.ref if by_link else self.hold.key.ref, self.digest, act, waiting=waiting)
        if isinstance(done, Hold) and done.has_seat and not self.hold.has_seat:
            self.hold, self.ref, self.digest = done, done.key.ref, done.digest
            self.captcha_passed = done.captcha_passed
        if done is None and self.world.history[-1].code in OVER:
            self.over = self.world.chance.random() < 0.7
        return done


STAGE: dict[str, tuple[str, ...]] = {"extend": (), "prove": (), "end": (), "file": ("prove",)} | dict.fromkeys(
    ("confirm", "cancel"), ("prove", "file")
)
STAGE |= {"move": ("prove", "file", "confirm"), "sweep": ()}
"""The steps of a scene, each with the steps before it."""
BEFORE = {"prove": 16, "file": 2, "view": 1, "extend": 4, "end": 1}
WAITING = {"prove": 16, "view": 1, "extend": 1}
PROVEN = {"file": 16, "prove": 1, "view": 1, "extend": 4, "end": 1}
AFTER = {"confirm": 5, "cancel": 2, "move": 3, "file": 1, "view": 1}


def play(number: int) -> list[Rejection]:
    """Play one run on an empty table. Return what the checker rejects."""
    for row in Item.scan():  # left over from another copy's run of this number, which had the same holds and people
        row.delete()
    put_service(times=TIMES, seat_after="captcha" if number % 5 == 2 else "choice")
    opens = {key: START + timedelta(seconds=LATE if key == SEATS[2] else 0) for key in SEATS}
    for key, moment in opens.items():
        seat_store.new_item(key, moment).save()
    service_store.clear_caches()
    world = World(number)
    events = dynamodb.connection().connection.client.meta.events
    events.register("before-call.dynamodb", world.wait, unique_id="world")
    try:
        run = f"{LETTERS[number % 26]}{LETTERS[number // 26]}"
        for name in LETTERS[:VISITORS]:
            world.start(partial(world.visitor, f"{run}{name}"), slow=name in SLOW)
        for _ in range(THIEVES):
            world.start(world.thief)
        world.start(partial(world.scene, f"{run}z", [*STAGE][number % len(STAGE)]))
        world.start(world.clerk)
        world.start(world.sweeper, slow=True)
        world.run()
    finally:
        events.unregister("before-call.dynamodb", world.wait, unique_id="world")
    world.clock += 1
    world.look()
    return check(world.history, {key.ref: _at(moment) for key, moment in opens.items()}, RULES)


@dataclass(frozen=True)
class Finding:
    """The result for one copy: the run in which it was caught, None if it was not, and the reason."""

    name: str
    changed: str
    run: int | None
    said: str


def judge(copy: Mutant, runs: int) -> Finding:
    """Play a copy until it is caught."""
    changed = "; ".join(str(change) for change in copy.changes)
    with broken(copy):
        for run in range(runs):
            try:
                rejections = play(run)
            except (AssertionError, LookupError) as error:
                return Finding(copy.name, changed, run, f"breaks: {error!r}")
            if rejections:
                return Finding(copy.name, changed, run, f"{rejections[0].seat}: {rejections[0].why}")
    return Finding(copy.name, changed, None, "")


def main() -> None:
    """Print the result for each copy. Exit 1 if a copy is not caught or the service is not accepted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help="the copies to play; all if none is named")
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with somewhere(), fresh_table():
        service = [rejection for run in range(options.runs) for rejection in play(run)]
        say = partial(print, file=sys.stderr if options.json else sys.stdout, flush=True)
        say("the service:", f"rejected: {service[0]}" if service else f"accepted {options.runs} times")
        findings = []
        for copy in (copy for copy in MUTANTS if copy.name in options.names or not options.names):
            finding = judge(copy, options.runs)
            findings.append(finding)
            say(f"{finding.name}\n    {finding.changed}\n    run {finding.run}: {finding.said or 'NOT CAUGHT'}")
    if options.json:
        print(
            json.dumps(
                {
                    "service": [asdict(rejection) for rejection in service],
                    "mutants": [asdict(finding) for finding in findings],
                }
            )
        )
    sys.exit(bool(service) or any(finding.run is None for finding in findings))


if __name__ == "__main__":
    main()
