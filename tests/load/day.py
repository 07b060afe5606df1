"""Play a day of a large prefecture on a simulated clock, and print who waited how long: `python -m tests.load.day`.

300 appointments at 10 desks, every quarter of an hour. Most people come early, some late, some not at all, and some
without an appointment, to whom a planner gives a seat of the day. The agents do what the pages let them do: record
arrivals, call the next person, call again who does not come, put them aside, and record the outcome. All of it goes
through the use cases, on the emulator's table in this process. The periods are assumptions, drawn from SEED.
"""

import argparse
import heapq
import itertools
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time

# This import sets the environment that the imports below read.
from tests.conftest import document

# isort: split
from chalicelib.desk import calls, register
from chalicelib.domain.refusals import NobodyWaits
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import seat_store, service_store
from chalicelib.storage.items import SeatItem
from tests.load.percentiles import percentile
from tests.proof import inprocess

APPOINTMENTS, DESKS, WALK_INS = 300, 10, 12
SEED = 2026
DAY, OPENS = date(2026, 12, 3), clock_time(8)
SLOT = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
NO_SHOW, LATE = 0.09, 0.10
"""The shares of people who do not come, and who come up to 20 minutes after their time. The others come early."""
EARLY = (10, 6)
"""How many minutes before their time people come: mean and standard deviation."""
TALK = (12, 0.45)
"""How many minutes a visit takes: median, and sigma of the logarithm."""
ABSENT_AT_CALL, COMES_AFTER_SECOND = 0.05, 0.5
INCOMPLETE = 0.08
HOURS = {"days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "08:00", "to": "15:30"}
RECEPTION = "reception"


@dataclass(frozen=True)
class Waits:
    """How many people were called at a desk, and the minutes from their arrival to their first call."""

    people: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Result:
    """The figures of a simulated day."""

    seen: int
    incomplete: int
    missed: int
    walk_ins: int
    put_aside: int
    most_waiting: int
    ended: str
    all_desks: Waits
    by_desk: dict[int, Waits]


class Office:
    """The day: what happens when, and who is free."""

    def __init__(self, appointments: int, desks: int, walk_ins: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.service = service_store.read("aes", datetime.now(tz=None).astimezone())
        self.desks = range(1, desks + 1)
        self.now = self.moment(OPENS) - 30 * MINUTE
        self.events: list[tuple[datetime, int, Callable[[], None]]] = []
        self.turn = itertools.count()
        self.free = {*self.desks}
        self.back: list[SeatKey] = []
        """Who was put aside and has come to the reception since."""
        self.waiting = self.most_waiting = self.put_aside = 0
        for number in range(appointments):
            start = datetime.combine(DAY, OPENS) + SLOT * (number // desks)
            self.expect(SeatKey(DAY, start.time(), self.desks[number % desks], "aes"))
        for _ in range(walk_ins):
            start = self.moment(OPENS) + self.chance.randrange(appointments // desks * 15) * MINUTE
            self.at(start, self.walk_in)

    def moment(self, start: clock_time) -> datetime:
        return datetime.combine(DAY, start, self.service.zone)

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Let something happen, but not before now."""
        heapq.heappush(self.events, (max(moment, self.now), next(self.turn), act))

    def after(self, minutes: float, act: Callable[[], None]) -> None:
        self.at(self.now + minutes * MINUTE, act)

    def run(self) -> None:
        while self.events:
            self.now, _, act = heapq.heappop(self.events)
            act()

    # People

    def expect(self, key: SeatKey) -> None:
        """Book an appointment, and decide when its applicant comes, if ever."""
        self.book(key)
        start = self.moment(key.start)
        if self.chance.random() < NO_SHOW:
            self.at(start + 30 * MINUTE, lambda: self.end(key, State.MISSED, RECEPTION))
        elif self.chance.random() < LATE:
            self.at(start + self.chance.uniform(1, 20) * MINUTE, lambda: self.arrive(key))
        else:
            self.at(start - max(self.chance.gauss(*EARLY), 0) * MINUTE, lambda: self.arrive(key))

    @staticmethod
    def book(key: SeatKey, *, extra: bool = False) -> None:
        row = seat_store.new_item(key, datetime(2026, 11, 30).astimezone())
        row.state, row.hold, row.person = State.CONFIRMED, key.ref, key.ref
        row.extra = extra or None
        row.save(SeatItem.pk.does_not_exist())

    def walk_in(self) -> None:
        """Give somebody without an appointment the first minute of today at which no seat starts, and let them wait."""
        wall = self.now.astimezone(self.service.zone)
        minute = wall.replace(minute=wall.minute - wall.minute % 15, second=0) + self.chance.randrange(1, 15) * MINUTE
        key = SeatKey(DAY, minute.time(), self.chance.choice(self.desks), "aes")
        self.book(key, extra=True)
        self.arrive(key)

    def arrive(self, key: SeatKey) -> None:
        register.arrive(self.service, key, RECEPTION, self.now)
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        self.wake()

    # Agents

    def wake(self) -> None:
        """Let an agent who is free see that somebody waits."""
        if self.free:
            desk = self.chance.choice(sorted(self.free))
            self.free.remove(desk)
            self.after(0.2, lambda: self.call_next(desk))

    def call_next(self, desk: int) -> None:
        try:
            if self.back:
                seat = calls.call(self.service, self.back.pop(0), desk, f"agent{desk}", self.now)
            else:
                seat = calls.call_next(self.service, desk, f"agent{desk}", self.now)
                self.waiting -= 1
        except NobodyWaits:
            self.free.add(desk)
            return
        if seat.calls == 1 and self.chance.random() < ABSENT_AT_CALL:
            self.after(1.5, lambda: self.call_again(seat))
        else:
            self.talk(seat)

    def call_again(self, seat: Seat) -> None:
        again = calls.call(self.service, seat.key, seat.called_to, seat.called_by, self.now)
        if self.chance.random() < COMES_AFTER_SECOND:
            self.talk(again)
            return
        self.after(1.5, lambda: self.park(again))

    def park(self, seat: Seat) -> None:
        calls.park(self.service, seat.key, seat.called_by, self.now)
        self.put_aside += 1
        self.after(self.chance.uniform(5, 15), lambda: self.come_back(seat.key))
        self.call_next(seat.called_to)

    def come_back(self, key: SeatKey) -> None:
        self.back.append(key)
        self.wake()

    def talk(self, seat: Seat) -> None:
        median, sigma = TALK
        outcome = State.INCOMPLETE if self.chance.random() < INCOMPLETE else State.SEEN

        def end() -> None:
            self.end(seat.key, outcome, seat.called_by)
            self.after(0.5, lambda: self.call_next(seat.called_to))

        self.after(0.7 + self.chance.lognormvariate(math.log(median), sigma), end)

    def end(self, key: SeatKey, outcome: State, agent: str) -> None:
        register.record(self.service, key, outcome, agent, self.now)


def play(
    appointments: int = APPOINTMENTS, desks: int = DESKS, walk_ins: int = WALK_INS, seed: int = SEED
) -> tuple[Result, list[Seat]]:
    """Play a day. Return its figures, and its seats as they are in the table at the end."""
    with inprocess.emulator():
        plannings = [{"desks": list(range(1, desks + 1)), "openings": [HOURS]}]
        service_store.put(document(plannings=plannings, slot_minutes=SLOT // MINUTE))
        office = Office(appointments, desks, walk_ins, seed)
        office.run()
        seats = seat_store.read_day("aes", DAY)
    waits: defaultdict[int, list[float]] = defaultdict(list)
    for seat in seats:
        if seat.called_at and seat.arrived_at:
            waits[seat.called_to].append(round((seat.called_at - seat.arrived_at) / MINUTE, 1))
    states = Counter(seat.state for seat in seats)
    result = Result(
        seen=states[State.SEEN],
        incomplete=states[State.INCOMPLETE],
        missed=states[State.MISSED],
        walk_ins=sum(seat.extra for seat in seats),
        put_aside=office.put_aside,
        most_waiting=office.most_waiting,
        ended=f"{office.now.astimezone(office.service.zone):%H:%M}",
        all_desks=figures([wait for desk in waits.values() for wait in desk]),
        by_desk={desk: figures(waits[desk]) for desk in sorted(waits)},
    )
    return result, seats


def figures(waits: Sequence[float]) -> Waits:
    return Waits(len(waits), percentile(waits, 50), percentile(waits, 95))


def main() -> None:
    """Print the figures, as a table or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.day")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result, _ = play()
    if options.json:
        print(json.dumps(asdict(result)))
        return
    print(f"{result.seen} seen, {result.incomplete} incomplete, {result.missed} missed, {result.walk_ins} walk-ins,")
    print(f"{result.put_aside} put aside; at most {result.most_waiting} waited at once; it ended at {result.ended}")
    print(f"{'desk':<6}{'people':>8}{'p50 min':>9}{'p95 min':>9}")
    for name, waits in [*result.by_desk.items(), ("all", result.all_desks)]:
        print(f"{name:<6}{waits.people:>8}{waits.p50:>9g}{waits.p95:>9g}")


if __name__ == "__main__":
    main()
