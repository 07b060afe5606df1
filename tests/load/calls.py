"""Eight desks call people and are killed meanwhile: `python -m tests.load.calls [--calls N] [--json] [NAME...]`.

Each desk is a process whose agent records arrivals, calls the next person, calls again, puts aside, takes back, records
outcomes and undoes them, in any order, often with two presses at once. Four times a second a process is killed, mostly
in the middle of a call, and replaced. After N calls (2,000) it ends; a day has DAY of them. After each day the table
and the audit are read, and `call_history` judges it. Broken copies of the service (see `mutations`) are played until
they are caught, for at most three short days each.
The table is created on the emulator of AWS_ENDPOINT_URL, or on an emulator started for it.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

# The first names the table that the others read.
from tests.load.units import fresh_table, put_service, somewhere

# isort: split
from chalicelib.desk import calls, register
from chalicelib.domain.refusals import DeskBusy, Refusal
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import call_store, desk_store, dynamodb, register_store, seat_store, service_store
from chalicelib.storage.items import SeatItem
from tests.load.call_history import AuditEntry, Operation, check
from tests.load.history import OK, REFUSED, UNKNOWN, Rejection
from tests.load.mutants import Mutant, broken, mutant
from tests.load.mutations import argument, call, drop, never
from tests.proof.call_rules import OUTCOMES, Appointment

DESKS = range(1, 9)
SLOTS = 2 * len(DESKS)
"""How many operations may be on their way at once: two for each desk. None has the moment of another."""
DAY, SHORT = 500, 100
"""The calls of a day, and of a day of a broken copy. A day has half as many people."""
DAYS = 3
FIRST = date(2026, 12, 3)
OPENS = clock_time(8)
NOON = clock_time(12)
KILL_EVERY = 0.25  # seconds
GRACE = 1.0
"""How long after its process was killed a write may still reach the table, in seconds."""
MOST = 0.5
"""How many seconds a day may take for each of its calls. A broken copy may never make them all."""
FREE = {"next": 10, "arrive": 10, "take back": 6, "call somebody": 1, "undo": 3, "anything": 1}
WITH_SOMEBODY = {"outcome": 5, "call again": 5, "park": 4, "next": 1, "undo called": 1, "arrive": 2, "anything": 1}
"""What an agent does with nobody and with somebody at the desk, with weights."""
TWICE = 0.2
"""How often an agent does two things at once, as by a double press."""
MUTANTS = (
    mutant("call: the seat is not compared", (call_store, "call", call("unchanged", "SeatItem.pk.exists()"))),
    mutant(
        "call: a desk that has called somebody calls another",
        (call_store, "call", call("does_not_exist", "(DeskCallItem.pk.exists() | DeskCallItem.pk.does_not_exist())")),
    ),
    mutant(
        "call: the seat is chosen, then read again and called whatever it is",
        (calls, "_call", argument("call_store.call", 0, "seat_store.read(seat.key)")),
    ),
    mutant("next: somebody who was put aside", (calls, "waits", drop("parked"))),
    mutant("outcome: the desk keeps whom it called", (register_store, "_write", never("State.CALLED"))),
    mutant(
        "outcome: the audit is not in the transaction", (register_store, "_write", call("writes.save", "audit.save()"))
    ),
    mutant("all steps: the state of the seat is not compared", (register_store, "unchanged", drop("SeatItem.state"))),
)


@dataclass
class Day:
    """One day of the desks: its people, and the folder with what each process wrote down."""

    service: Service
    day: date
    people: list[str]
    folder: Path
    began: float = field(default_factory=time.monotonic)

    def moment(self, slot: int) -> datetime:
        """Return the clock of the service. It runs SLOTS times too fast, so that each slot has its own milliseconds."""
        milliseconds = int((time.monotonic() - self.began) * 1000) * SLOTS + slot
        noon = datetime.combine(self.day, NOON, self.service.zone)
        return noon.astimezone(UTC) + timedelta(milliseconds=milliseconds)

    @property
    def is_over(self) -> bool:
        return (self.folder / "over").exists()


class Agent:
    """An agent at a desk, in a process of its own. Everything it does is written down before and after."""

    def __init__(self, day: Day, desk: int, life: int) -> None:
        self.day, self.desk, self.name = day, desk, f"agent{desk}"
        self.chance = random.Random(f"{day.day} {desk} {life}")
        self.file = os.open(day.folder / f"{desk}.{life}", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.seat: Seat | None = None
        self.parked: set[str] = set()
        self.ended: dict[str, State] = {}
        self.coming = [ref for ref in day.people if SeatKey.parse(ref).unit == desk]
        self.chance.shuffle(self.coming)

    def work(self) -> None:
        """Work until the day is over. Then see everybody who still waits."""
        while not self.day.is_over:
            if self.chance.random() < TWICE:
                presses = [Thread(target=self.step(), args=(number,)) for number in range(2)]
                for press in presses:
                    press.start()
                for press in presses:
                    press.join()
            else:
                self.step()(0)
        while self.seat or self.next(0) or self.seat:
            self.outcome(0)

    def step(self) -> Callable[[int], object]:
        """Choose what to do next."""
        weights = WITH_SOMEBODY if self.seat else FREE
        step = self.chance.choices([*weights], [*weights.values()])[0]
        chosen: Callable[[int], object] = getattr(self, step.replace(" ", "_"))
        return chosen

    def do(self, kind: str, ref: str, press: int, act: Callable[[datetime], Seat]) -> Seat | None:
        """Do one step and write it down. Return None for a refusal."""
        now = self.day.moment(self.desk - 1 + press * len(DESKS))
        moment, start = now.isoformat(timespec="milliseconds"), time.monotonic()
        self.write(asdict(Operation(kind, ref, self.desk, self.name, start, start, moment, UNKNOWN)))
        seat, answer = None, {"outcome": OK}
        try:
            seat = act(now)
        except Refusal as refusal:
            answer = {"outcome": REFUSED, "code": code_of(refusal)}
            if isinstance(refusal, DeskBusy):
                answer["seat"] = refusal.seat.key.ref
                self.seat = refusal.seat
        if seat:
            answer |= {"seat": seat.key.ref, **shown(seat)}
            self.note(kind, seat)
        self.write({"moment": moment, "end": time.monotonic(), **answer})
        return seat

    def write(self, line: Mapping[str, object]) -> None:
        os.write(self.file, json.dumps(line).encode() + b"\n")

    def note(self, kind: str, seat: Seat) -> None:
        """Remember who is at the desk, who is put aside and whose outcome may be taken back."""
        ref = seat.key.ref
        if seat.state is State.CALLED and seat.called_to == self.desk:
            self.seat = seat
        elif self.seat and self.seat.key == seat.key:
            self.seat = None
        (self.parked.add if seat.state is State.ARRIVED and seat.parked else self.parked.discard)(ref)
        if kind in OUTCOMES:
            self.ended[ref] = seat.state

    # What an agent does. `press` is 0, or 1 for the second of two presses at once.

    def next(self, press: int) -> Seat | None:
        return self.do("next", "", press, partial(calls.call_next, self.day.service, self.desk, self.name))

    def arrive(self, press: int) -> None:
        ref = self.coming.pop() if self.coming else self.anybody()
        self.do("arrive", ref, press, partial(register.arrive, self.day.service, SeatKey.parse(ref), self.name))

    def call(self, ref: str, press: int, seen: int | None = None) -> None:
        service, key = self.day.service, SeatKey.parse(ref)
        self.do("call", ref, press, lambda now: calls.call(service, key, self.desk, self.name, now, calls=seen))

    def call_again(self, press: int) -> None:
        if seat := self.seat:
            self.call(seat.key.ref, press, self.chance.choice([None, seat.calls]))

    def take_back(self, press: int) -> None:
        self.call(self.chance.choice([*self.parked] or [self.anybody()]), press)

    def call_somebody(self, press: int) -> None:
        self.call(self.anybody(), press)

    def park(self, press: int) -> None:
        ref = self.seat.key.ref if self.seat else self.anybody()
        self.do("park", ref, press, partial(calls.park, self.day.service, SeatKey.parse(ref), self.name))

    def outcome(self, press: int) -> None:
        ref = self.seat.key.ref if self.seat else self.anybody()
        outcome = State(self.chance.choices(OUTCOMES, (7, 2, 1))[0])
        key, service = SeatKey.parse(ref), self.day.service
        self.seat = None
        self.do(outcome, ref, press, partial(register.record, service, key, outcome, self.name))

    def undo(self, press: int) -> None:
        """Take back an outcome of this agent."""
        if self.ended:
            ref = self.chance.choice([*self.ended])
            self.undo_state(ref, self.ended.pop(ref), press)

    def undo_called(self, press: int) -> None:
        if self.seat:
            self.undo_state(self.seat.key.ref, State.CALLED, press)

    def undo_state(self, ref: str, state: State, press: int) -> None:
        key = SeatKey.parse(ref)
        self.do(f"undo {state}", ref, press, partial(register.undo, self.day.service, key, state, self.name))

    def anything(self, press: int) -> None:
        """Take a step about anybody, as a colleague does."""
        ref = self.anybody()
        steps: list[Callable[[], None]] = [
            lambda: self.undo_state(ref, State.ARRIVED, press),
            lambda: self.undo_state(ref, State.CALLED, press),
            lambda: self.park(press),
        ]
        self.chance.choice(steps)()

    def anybody(self) -> str:
        return self.chance.choice(self.day.people)


def shown(seat: Seat) -> dict[str, Any]:
    """Return what an answer, or the table, shows of a seat."""
    return {"state": str(seat.state), "called_to": seat.called_to, "calls": seat.calls, "parked": seat.parked}


def code_of(refusal: Refusal) -> str:
    """Return the code of a refusal, as `chalicelib.web.problems` has it: `nobody-waits`."""
    return re.sub("(?<!^)(?=[A-Z])", "-", type(refusal).__name__).lower()


# A day


def start_day(number: int, people: int, folder: Path) -> Day:
    """Create the appointments of a day. All are confirmed and past their start."""
    service, day = service_store.read("aes", datetime.now(UTC)), FIRST + timedelta(days=number)
    opens = datetime.combine(day, OPENS)
    refs = []
    with SeatItem.batch_write() as batch:
        for person in range(people):
            start = opens + timedelta(minutes=5 * (person // len(DESKS)))
            key = SeatKey(day, start.time(), DESKS[person % len(DESKS)], "aes")
            row = seat_store.new_item(key, datetime(2026, 11, 30, tzinfo=UTC))
            row.state, row.hold, row.person = State.CONFIRMED, f"h{person}", f"p{person}"
            batch.save(row)
            refs.append(key.ref)
    return Day(service, day, refs, folder)


def work(day: Day, desk: int, life: int) -> None:
    """Be an agent, in a new process: the connections of its parent are not its own."""
    dynamodb.connection().connection.client.close()
    Agent(day, desk, life).work()


class Hall:
    """The processes of a day, one for each desk, and when those that were killed were killed."""

    def __init__(self, day: Day, seed: int) -> None:
        self.day, self.chance = day, random.Random(seed)
        self.lives = dict.fromkeys(DESKS, 0)
        self.killed: dict[tuple[int, int], float] = {}
        self.fork = multiprocessing.get_context("fork")
        self.processes = {desk: self.start(desk) for desk in DESKS}

    def start(self, desk: int) -> Any:
        process = self.fork.Process(target=work, args=(self.day, desk, self.lives[desk]))
        process.start()
        return process

    def run(self, most_calls: int) -> None:
        """Kill and replace processes until enough calls were made, then let the others end the day.

        Raise RuntimeError if one fails or does not end.
        """
        until = time.monotonic() + MOST * most_calls
        try:
            while self.calls() < most_calls and time.monotonic() < until:
                time.sleep(KILL_EVERY)
                self.kill(self.chance.choice(DESKS))
            (self.day.folder / "over").touch()
            time.sleep(GRACE)  # until then a write of the last that was killed may reach the table
            for process in self.processes.values():
                process.join(MOST * most_calls)
        finally:
            for process in self.processes.values():
                process.kill()
                process.join()
        if codes := {process.exitcode for process in self.processes.values()} - {0}:
            raise RuntimeError(f"the processes of desks ended with {sorted(codes)}")

    def kill(self, desk: int) -> None:
        process = self.processes[desk]
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"the process of desk {desk} ended with {process.exitcode}")
        self.killed[desk, self.lives[desk]] = time.monotonic()
        self.lives[desk] += 1
        self.processes[desk] = self.start(desk)

    def calls(self) -> int:
        """Return how many calls were made."""
        return sum(is_call(operation) for operation in self.operations())

    def operations(self) -> Iterator[Operation]:
        """Return what the agents wrote down."""
        for desk, lives in self.lives.items():
            for life in range(lives + 1):
                begun: dict[str, Operation] = {}
                path = self.day.folder / f"{desk}.{life}"
                for line in path.read_text("utf-8").splitlines() if path.exists() else ():
                    fields = json.loads(line)
                    known = begun.get(fields["moment"])
                    begun[fields["moment"]] = replace(known, **fields) if known else Operation(**fields)
                end = self.killed.get((desk, life), 0.0) + GRACE
                yield from (replace(one, end=end) if one.outcome == UNKNOWN else one for one in begun.values())


def is_call(operation: Operation) -> bool:
    return operation.kind in {"next", "call"} and operation.outcome == OK and operation.state == State.CALLED


def looks(day: Day) -> Iterator[Operation]:
    """Read the appointments and the items of the desks."""
    now = time.monotonic()
    for seat in seat_store.read_day("aes", day.day):
        yield Operation("table", seat.key.ref, 0, "", now, now, **shown(seat))
    refs = {SeatKey.parse(ref).number: ref for ref in day.people}
    has = {call.desk: refs[call.number] for call in call_store.read_calls("aes", day.day)}
    for desk in DESKS:
        yield Operation("desk", has.get(desk, ""), desk, "", now, now)


def audit(day: Day) -> Iterator[AuditEntry]:
    for row in desk_store.read_audit("aes", day.day):
        yield AuditEntry(row.sk.partition("#")[0], row.agent, row.act, (row.facts or {})["seat"])


@dataclass(frozen=True)
class Played:
    """A day, what is wrong with it, and its figures."""

    rejections: list[Rejection]
    calls: int
    operations: int
    kills: int
    interrupted: int
    """How many operations had no answer because their process was killed."""
    happened: int
    """How many of these changed the table."""
    seconds: float


def play(number: int, most_calls: int) -> Played:
    """Play one day and judge it."""
    with tempfile.TemporaryDirectory(prefix="guichet-calls-") as folder:
        day = start_day(number, max(most_calls // 2, len(DESKS)), Path(folder))
        hall = Hall(day, number)
        hall.run(most_calls)
        operations, entries = list(hall.operations()), list(audit(day))
        seconds = time.monotonic() - day.began
        first = dict.fromkeys(day.people, Appointment())
        rejections = check([*operations, *looks(day)], entries, first, DESKS)
    killed = {(operation.moment, operation.agent) for operation in operations if operation.outcome == UNKNOWN}
    return Played(
        rejections,
        sum(map(is_call, operations)),
        len(operations),
        len(hall.killed),
        len(killed),
        sum((entry.moment, entry.agent) in killed for entry in entries),
        round(seconds, 1),
    )


@dataclass(frozen=True)
class Finding:
    """A broken copy, and why it was rejected; empty if it was not."""

    name: str
    said: str


def judge(copy: Mutant, numbers: Iterator[int]) -> Finding:
    """Play days of a broken copy until one is rejected."""
    with broken(copy):
        for number in itertools.islice(numbers, DAYS):
            try:
                rejections = play(number, SHORT).rejections
            except RuntimeError as error:
                return Finding(copy.name, f"breaks: {error}")
            if rejections:
                return Finding(copy.name, rejections[0].why)
    return Finding(copy.name, "")


def main() -> None:
    """Print the days of the service, and for each copy why it was rejected. Exit 1 if the opposite is true of one."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.calls")
    parser.add_argument("names", nargs="*", help="the copies to play; all if none is named")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    numbers, days = itertools.count(), list[Played]()
    say = partial(print, file=sys.stderr if options.json else sys.stdout, flush=True)
    with somewhere(), fresh_table():
        put_service()
        while (left := options.calls - sum(day.calls for day in days)) > 0 and not any(day.rejections for day in days):
            days.append(play(next(numbers), min(left, DAY)))
            say(days[-1])
        findings = []
        for copy in (copy for copy in MUTANTS if copy.name in options.names or not options.names):
            findings.append(judge(copy, numbers))
            say(f"{copy.name}: {findings[-1].said or 'NOT CAUGHT'}")
    if options.json:
        print(json.dumps({"days": [asdict(day) for day in days], "mutants": [asdict(finding) for finding in findings]}))
    sys.exit(any(day.rejections for day in days) or not all(finding.said for finding in findings))


if __name__ == "__main__":
    main()
