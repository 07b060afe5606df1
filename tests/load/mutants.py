"""One crowd against the service and broken copies of it: `python -m tests.load.mutants [--runs N] [--json] [NAME...]`.

The crowd runs in this process, on a clock of its own: whoever asks the table waits there as long as chance says, mostly
not at all and sometimes for a minute, while others go on. So every run of a number is the same, and what was read is
often old when it is used. In one run of five a hold takes its seat after the captcha. A broken copy is the service with
some words of some functions replaced. Each is played until the checker of the history rejects it, at most N (16) times;
the service itself is played N times, and must be accepted.
On the engine that AWS_ENDPOINT_URL names, else on one of its own; on a table of its own.
"""

import argparse
import heapq
import inspect
import itertools
import json
import random
import string
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, cast

from greenlet import getcurrent, greenlet

# The first names the table that the others read.
from tests.load.units import AWA, fresh_table, put_service, somewhere

# isort: split
from chalicelib.booking import captcha, filing, holds, moves, requests, schedule, waiting
from chalicelib.booking.holds import Hold, Wish
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
from chalicelib.storage.items import CounterItem
from chalicelib.web import problems
from tests.load.history import OK, OVER, REFUSED, UNKNOWN, Operation, Rejection, Rules, check

START = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
VISITORS, VISITS, STEPS, THIEVES, THEFTS = 6, 4, 9, 2, 14
LOOKS, SWEEPS = 40, 5
SEATS = [SeatKey(START.date() + timedelta(days=10), time(9, 5 * slot), 1, "aes") for slot in range(4)]
"""The last one is for a scene; whoever wants the first free one may come in between."""
LATE = 7  # seconds after the start at which the third seat opens
TIMES = {"hold_seconds": 10, "form_seconds": 20, "confirm_minutes": 1, "notice_hours": 1, "return_hours": [0.005, 0.02]}
RULES = Rules(gap=5, back=18)
WAITS = ((0,), (1,), (2, 5, 6, 9), (16, 17, 18, 20, 22, 25, 40, 90))
"""Seconds on the way to the table; the longest are those after which a hold is over and the seat somebody else's."""
READ_OFTEN, WRITE_OFTEN = (65, 20, 10, 5), (35, 10, 10, 45)
LETTERS = string.ascii_lowercase + "234567"
SLOW = "ab"  # of the visitors


@dataclass(frozen=True)
class Change:
    """Words of one function, and what stands there instead."""

    owner: Any
    function: str
    words: str
    instead: str


@dataclass(frozen=True)
class Mutant:
    """A broken copy of the service."""

    name: str
    changes: tuple[Change, ...]


def mutant(name: str, *changes: tuple[Any, str, str, str]) -> Mutant:
    """A broken copy, from its changes."""
    return Mutant(name, tuple(Change(*change) for change in changes))


MUTANTS = (
    mutant(
        "hold: the state of the seat is not looked at",
        (seat_expressions, "is_free", " & ((SeatItem.state == State.OPEN) | over)", ""),
    ),
    mutant("hold: a hold protects nobody", (seat_expressions, "is_free", " & (SeatItem.until < now - CLOCK_SKEW)", "")),
    mutant(
        "hold: <= for < at the end of the gap",
        (seat_expressions, "is_free", "SeatItem.until < now", "SeatItem.until <= now"),
        (Seat, "is_free", "self.until < now", "self.until <= now"),
    ),
    mutant(
        "hold: no gap between two holders",
        (seat_expressions, "is_free", "now - CLOCK_SKEW", "now"),
        (Seat, "is_free", "now - CLOCK_SKEW", "now"),
    ),
    mutant(
        "hold: a clock that takes the wall's hour for UTC",
        (
            holds,
            "place",
            "service_store.read(service_id, now)",
            "service_store.read(service_id, now)\n    now = now.astimezone(service.zone).replace(tzinfo=now.tzinfo)",
        ),
    ),
    mutant(
        "hold: opens_at is ignored",
        (seat_expressions, "is_free", " & (SeatItem.opens_at <= now)", ""),
        (Seat, "is_free", "self.opens_at > now", "now < now"),
    ),
    mutant(
        "all steps: the end of the hold is ignored",
        (seat_expressions, "is_held", " & (SeatItem.until > now)", ""),
        (Seat, "holds", " and now < self.until", ""),
    ),
    mutant(
        "all steps: <= for < at the end of the hold",
        (seat_expressions, "is_held", "SeatItem.until > now", "SeatItem.until >= now"),
        (Seat, "holds", "now < self.until", "now <= self.until"),
    ),
    mutant(
        "extend: the hold is not compared",
        (seat_store, "extend", "seat_expressions.is_held(hold, now) & had", "(SeatItem.state == State.HELD) & had"),
    ),
    mutant(
        "answer: the hold is not compared",
        (
            seat_store,
            "pass_captcha",
            "seat_expressions.is_held(hold, now) & unproven",
            "(SeatItem.state == State.HELD) & unproven",
        ),
    ),
    mutant(
        "answer: two answers of a waiting hold take a seat each",
        (waiting_store, "pass_captcha", "_NOT_PASSED & (fresh | again)", "fresh | again"),
    ),
    mutant(
        "answer: a waiting hold is told the chosen seat, whichever it took",
        (waiting, "_take_first", "return Seat(key, ", "return Seat(ticket.seat, "),
    ),
    mutant(
        "details: the hold is not compared",
        (seat_expressions, "file_request", "is_held(hold, now) & ", "(SeatItem.state == State.HELD) & "),
    ),
    mutant(
        "details: the captcha is not asked for",
        (seat_expressions, "file_request", " & SeatItem.captcha_passed.exists()", ""),
        (holds, "view_ready", "not hold.seat.captcha_passed", "hold.left < 0"),
    ),
    mutant("confirm: anybody's request", (seat_store, "confirm", "(SeatItem.hold == hold) & ", "")),
    mutant(
        "confirm: after its time",
        (seat_store, "confirm", " & (SeatItem.until > now)", ""),
        (requests, "view", "seat.until is not None and seat.until <= now", "seat.until is None"),
    ),
    mutant(
        "end: anybody's hold",
        (seat_store, "give_back", "seat_expressions.is_held(hold, now)", "SeatItem.state == State.HELD"),
    ),
    mutant(
        "cancel: a seat is returned twice",
        (seat_expressions, "is_live", " & (SeatItem.hold == found.hold)", ""),
    ),
    mutant("cancel: the seat is back at once", (lifecycle, "return_moment", "first + (last - first) * chance", "now")),
    mutant(
        "sweep: ends the hold that is there, not the one it read",
        (seat_store, "end_expired_hold", "actions, over)", "actions, SeatItem.state == State.HELD)"),
    ),
    mutant(
        "move: the old seat is kept too",
        (
            move_store,
            "_leave",
            "seat_expressions.end_request(hold, State.MOVED, todo.opens_at)",
            "[SeatItem.freed.add(1)]",
        ),
    ),
    mutant(
        "move: to a seat that somebody has",
        (move_store, "_may_take", "seat_expressions.is_free(now)", "SeatItem.pk.exists()"),
    ),
)


@contextmanager
def broken(copy: Mutant) -> Iterator[None]:
    """This process with these words replaced; ValueError when the code no longer has them."""
    was = [(change.owner, change.function, getattr(change.owner, change.function)) for change in copy.changes]
    try:
        for change in copy.changes:
            function = getattr(change.owner, change.function)
            source = textwrap.dedent(inspect.getsource(function))
            if source.count(change.words) != 1:
                raise ValueError(f"{copy.name}: {change.function} has {source.count(change.words)} of {change.words!r}")
            made: dict[str, Any] = {}
            code = compile(source.replace(change.words, change.instead), f"<{copy.name}>", "exec")
            exec(code, function.__globals__, made)  # noqa: S102 - the service's own words, a few of them changed
            setattr(change.owner, change.function, made[change.function])
        yield
    finally:
        for owner, name, function in was:
            setattr(owner, name, function)


# The clock


class World:
    """A clock that jumps to whoever is next, and what they did."""

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
        self.given: set[tuple[str, str]] = set()
        self.slow: set[greenlet] = set()
        self.stuck: set[greenlet] = set()

    @property
    def now(self) -> datetime:
        """The clock as the service reads it."""
        return START + timedelta(seconds=self.clock)

    def start(self, what: Callable[[], None], *, slow: bool = False) -> greenlet:
        """Let somebody else go on beside; who is slow waits long on the way to the table."""
        made = greenlet(what, self.hub)
        if slow:
            self.slow.add(made)
        heapq.heappush(self.queue, (self.clock, next(self.turn), made))
        return made

    def sleep(self, seconds: float) -> None:
        """Let the others go on for so long."""
        heapq.heappush(self.queue, (self.clock + seconds, next(self.turn), getcurrent()))
        self.hub.switch()

    def wait(self, model: Any, **_: object) -> None:
        """On the way to the table."""
        who = getcurrent()
        while who in self.stuck and model.name in {"UpdateItem", "TransactWriteItems"}:
            self.sleep(1)
        if who is not self.hub and who not in self.slow:
            self.sleep(self.chance.choice((0, 0, 0, 1)))
        elif who is not self.hub:
            reads = model.name in {"Query", "GetItem"}
            self.sleep(self.chance.choice(self.chance.choices(WAITS, READ_OFTEN if reads else WRITE_OFTEN)[0]))

    def run(self) -> None:
        """Until nobody wants anything any more."""
        while self.queue:
            self.clock, _, who = heapq.heappop(self.queue)
            who.switch()

    def secret(self) -> str:
        """What `tokens.new_secret` gives, from this run's chance."""
        return "".join(self.chance.choices(LETTERS, k=52))

    # What visitors do, each noted with when and how it ended

    def note(self, kind: str, seat: str, hold: str, act: Callable[[datetime], Any], *, waiting: bool = False) -> Any:
        """Do it once; None when it was refused. A `waiting` hold has no seat before its answer is accepted."""
        start, done = self.clock, cast("Any", None)
        answers = waiting and kind == "answer"
        since = self.answered.setdefault(hold, start) if answers else start
        outcome, code = OK, ""
        try:
            done = act(self.now)
        except Refusal as refusal:
            outcome, code = REFUSED, problems.STATUS_OF[type(refusal)][1]
        if outcome == OK and waiting and not isinstance(done, Hold):
            return done  # a captcha is shown: that says nothing of a seat
        if isinstance(done, Hold):
            if not done.kept:
                return done
            seat, hold = done.seat.key.ref, done.seat.hold
        until, state = None, ""
        if isinstance(done, Hold | Request):
            state = str(done.seat.state) if kind == "view" else ""
            until = _at(done.seat.until) if done.seat.state in {State.HELD, State.PENDING} else None
        if until:
            self.ends[seat] = until - _at(START)
        if seat and kind != "hold" and self.chance.random() < 0.04:
            outcome = UNKNOWN
        noted = Operation(kind, seat, hold, _at(START) + start, _at(START) + self.clock, outcome, code, until, state)
        if answers and done is not None and (seat, hold) not in self.given:
            self.given.add((seat, hold))  # by this answer, or by another one that is on its way
            self.history.append(replace(noted, kind="hold", start=_at(START) + since))
        self.history.append(noted)
        return done

    def visitor(self, name: str) -> None:
        """Some visits, each with a seat or without."""
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

        got: Hold | None = self.note("hold", "", "", act)
        return got

    def thief(self) -> None:
        """Somebody who knows when the others' time is over, and is there at that second, or one before or after."""
        for _ in range(THEFTS):
            key = min(
                SEATS, key=lambda key: (self.ends.get(key.ref, 0.0) + 6 < self.clock, self.ends.get(key.ref, 0.0))
            )
            moment = self.ends.get(key.ref, 0.0) + self.chance.choice((-1, 0, 1, 5, 6, 6, 6, 6))
            self.sleep(moment - self.clock if moment > self.clock else self.chance.randrange(1, 5))
            hold = self.hold(key)
            if hold and not hold.kept:
                Visit(self, hold, "").prove()

    def scene(self, name: str, step: str) -> None:
        """A step is stuck on its way to the table until the seat is somebody else's, who is then as far."""
        first = self.sure_hold(f"{name}a")
        if not first.hold.kept:
            return self.two_windows(first)
        for done in STAGE[step]:
            getattr(first, done)()
        steps: list[Callable[[], None]]
        if step == "move":
            steps = [partial(first.move, key) for key in SEATS[:3]]
        elif step == "sweep":
            self.sleep(self.ends[first.ref] + RULES.gap + 0.5 - self.clock)  # over, and no thief is there yet
            steps = [self.sweep]
        else:
            steps = [getattr(first, step)]
        self.stuck |= {self.start(one) for one in steps}
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
        """A waiting hold is answered in two windows, and the later captcha is stuck on its way to the table."""
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
        """A hold on the seat of the scene, however long it takes."""
        while (hold := self.hold(SEATS[-1])) is None:
            self.sleep(1)
        return Visit(self, hold, name)

    def clerk(self) -> None:
        """The office looks at the table again and again."""
        for _ in range(LOOKS):
            self.sleep(self.chance.randrange(2, 9))
            self.look()

    def sweeper(self) -> None:
        """The clock's function ends what ran out."""
        for _ in range(SWEEPS):
            self.sleep(self.chance.randrange(15, 40))
            self.sweep()

    def sweep(self) -> None:
        """End what ran out, once."""
        schedule.end_expired(self.now, random_fraction=self.chance.random)

    def look(self) -> None:
        """Every seat as the table has it."""
        start = self.clock
        for seat in seat_store.read_week("aes", week_of(SEATS[0].day)):
            until = seat.opens_at if seat.state is State.OPEN else seat.until
            told = None if seat.state is State.CONFIRMED else _at(until)
            hold = "" if seat.state is State.OPEN else seat.hold
            between = _at(START) + start, _at(START) + self.clock
            self.history.append(Operation("table", seat.key.ref, hold, *between, until=told, state=str(seat.state)))


def _at(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


class Visit:
    """One visitor with one hold, who does things in any order, in two windows at once."""

    def __init__(self, world: World, hold: Hold, name: str) -> None:
        self.world, self.hold, self.name = world, hold, name
        self.ref, self.digest = hold.seat.key.ref, hold.seat.hold
        self.token = ""
        self.captcha_passed = self.over = False

    def go_on(self) -> None:
        """Some steps; now and then a second window does the same."""
        for _ in range(STEPS):
            ends = self.world.ends.get(self.ref, 0.0) - self.world.clock
            late = ends > 0 and self.world.chance.random() < 0.15  # exactly when the time is over
            self.world.sleep(ends if late else self.world.chance.choice((0, 1, 1, 2, 4)))
            steps = AFTER if self.token else PROVEN if self.captcha_passed else BEFORE if self.hold.kept else WAITING
            step = getattr(self, self.world.chance.choices([*steps], [*steps.values()])[0])
            if self.world.chance.random() < 0.3:
                self.world.start(step, slow=self.world.chance.random() < 0.7)
            step()
            if self.over:
                return
        if self.token and self.world.chance.random() < 0.7:
            self.cancel()

    def view(self) -> None:
        """Where does it stand?"""
        self._do("view", lambda now: holds.view(self.hold.id, now))

    def extend(self) -> None:
        """More time."""
        self._do("extend", lambda now: holds.extend(self.hold.id, now))

    def prove(self) -> None:
        """The captcha, shown and answered."""
        if captcha := self.show():
            self.world.sleep(self.world.chance.randrange(4))
            self.answer(captcha)

    def show(self) -> Any:
        """A new captcha; None if it is refused."""
        return self._do("view", lambda now: captcha.new_challenge(self.hold.id, now))

    def answer(self, challenge: Any) -> None:
        """The right answer."""
        hold, chance = self.hold.id, self.world.chance

        def act(now: datetime) -> Hold:
            return captcha.answer(hold, challenge.id, challenge.picture, now=now, rng=chance)

        self.captcha_passed = self._do("answer", act) is not None or self.captcha_passed

    def file(self) -> None:
        """The form, always as the same person."""
        me = replace(AWA, last_name=f"Exemple-{self.name}", email=f"{self.name}@example.org")
        done = self._do("details", lambda now: filing.file(self.hold.id, me, now=now))
        if done:
            self.token = done.token

    def end(self) -> None:
        """Give it back."""
        self._do("end", lambda now: holds.end(self.hold.id, now))

    def confirm(self) -> None:
        """The button of the letter."""
        self._do("confirm", lambda now: requests.confirm(self.token, now))

    def cancel(self) -> None:
        """The other button."""
        chance = self.world.chance.random
        self._do("cancel", lambda now: requests.cancel(self.token, now, random_fraction=chance))

    def move(self, key: SeatKey | None = None) -> None:
        """To another seat, old and new in one."""
        to = key or self.world.chance.choice(SEATS[:3])
        token, old = self.token, self.ref

        def act(now: datetime) -> Request:
            start = datetime.combine(to.day, to.start, service_store.read("aes", now).zone)
            return moves.move(token, start, now=now, rng=self.world.chance)

        done = self._do("leave", act)
        if done:
            left = self.world.history[-1]
            self.world.history.append(replace(left, kind="arrive", seat=done.seat.key.ref))
            if self.ref == old:
                self.ref, self.token = done.seat.key.ref, done.token

    def _do(self, kind: str, act: Callable[[datetime], Any]) -> Any:
        by_link = kind in {"confirm", "cancel", "leave"}  # a hold id knows the seat it began with only
        waiting = not self.hold.kept
        done = self.world.note(kind, self.ref if by_link else self.hold.seat.key.ref, self.digest, act, waiting=waiting)
        if isinstance(done, Hold) and done.kept and not self.hold.kept:
            self.hold, self.ref, self.digest = done, done.seat.key.ref, done.seat.hold
            self.captcha_passed = done.seat.captcha_passed
        if done is None and self.world.history[-1].code in OVER:
            self.over = self.world.chance.random() < 0.7
        return done


STAGE: dict[str, tuple[str, ...]] = {"extend": (), "prove": (), "end": (), "file": ("prove",)} | dict.fromkeys(
    ("confirm", "cancel"), ("prove", "file")
)
STAGE |= {"move": ("prove", "file", "confirm"), "sweep": ()}
"""The steps of a scene, and what comes before each."""
BEFORE = {"prove": 16, "file": 2, "view": 1, "extend": 4, "end": 1}
WAITING = {"prove": 16, "view": 1, "extend": 1}
PROVEN = {"file": 16, "prove": 1, "view": 1, "extend": 4, "end": 1}
AFTER = {"confirm": 5, "cancel": 2, "move": 3, "file": 1, "view": 1}


def play(number: int) -> list[Rejection]:
    """One run from empty seats, and what the checker says of it."""
    put_service(times=TIMES, seat_after="captcha" if number % 5 == 2 else "choice")
    for row in CounterItem.scan(CounterItem.pk.startswith("LATE#")):
        row.delete()  # the same run of another copy had the same holds
    opens = {key: START + timedelta(seconds=LATE if key == SEATS[2] else 0) for key in SEATS}
    for key, moment in opens.items():
        seat_store.new_item(key, moment).save()
    service_store.forget()
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
    """What became of one copy: the run that showed it, none for one that was never caught, and what was said."""

    name: str
    changed: str
    run: int | None
    said: str


def judge(copy: Mutant, runs: int) -> Finding:
    """Play a copy until it is caught."""
    changed = "; ".join(f"{change.function}: {change.words!r} -> {change.instead!r}" for change in copy.changes)
    with broken(copy):
        for run in range(runs):
            try:
                found = play(run)
            except (AssertionError, LookupError) as error:
                return Finding(copy.name, changed, run, f"breaks: {error!r}")
            if found:
                return Finding(copy.name, changed, run, f"{found[0].seat}: {found[0].why}")
    return Finding(copy.name, changed, None, "")


def main() -> None:
    """Print what the checker says of each; exit 1 for a copy that is not caught, or a service that is not accepted."""
    asked = argparse.ArgumentParser()
    asked.add_argument("names", nargs="*", help="the copies to play; all if none is named")
    asked.add_argument("--runs", type=int, default=16)
    asked.add_argument("--json", action="store_true")
    wish = asked.parse_args()
    with somewhere(), fresh_table():
        service = [wrong for run in range(wish.runs) for wrong in play(run)]
        say = partial(print, file=sys.stderr if wish.json else sys.stdout, flush=True)
        say("the service:", f"rejected: {service[0]}" if service else f"accepted {wish.runs} times")
        found = []
        for copy in (copy for copy in MUTANTS if copy.name in wish.names or not wish.names):
            one = judge(copy, wish.runs)
            found.append(one)
            say(f"{one.name}\n    {one.changed}\n    run {one.run}: {one.said or 'NOT CAUGHT'}")
    if wish.json:
        print(json.dumps({"service": [asdict(wrong) for wrong in service], "mutants": [asdict(one) for one in found]}))
    sys.exit(bool(service) or any(one.run is None for one in found))


if __name__ == "__main__":
    main()
