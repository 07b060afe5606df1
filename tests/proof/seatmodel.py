"""A model of the service in plain Python: seats, people, e-mail addresses and letters.

It has no table and no races. Each method is one call at the time `now` of the clock that serves it. It changes the
model and returns what the caller must be answered: a state, or the name of the refusal. The service chooses at random
when a cancelled seat opens again, so the test sets `opens` of such a seat. The model does not know the correction of an
e-mail address: its tests are in tests/unit/booking. The steps of a seat and the periods are in `seat_rules`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from chalicelib.domain.seat import SeatKey, monday_of, week_of
from chalicelib.domain.service import Service
from tests.proof import call_rules
from tests.proof.call_rules import ARRIVED, CALLED, MISSED, OUTCOMES, Appointment
from tests.proof.seat_rules import (
    BOOKED,
    CAPTCHA_LIFE,
    CONFIRMED,
    EXTENSIONS,
    GAP,
    HELD,
    LATER,
    MOVES,
    NOTICE,
    OPEN,
    PENDING,
    PERIOD,
    READY,
    REMIND,
    STEPS,
    TRIES,
    has_gap,
    state_of,
    stored,
)

WEEK = timedelta(days=7)
ABOUT_A_SEAT = {"moved", "displaced", "reminder"}
ABOUT_WHAT_COMES = {"convocation", "moved", "reminder"}
ABOUT_WHAT_LIVES = {"confirm", "attempt"}
ENDED_BY = {"cancelled": "cancel", "moved": "leave", "expired": "expire"}
"""The step that ends a request with this past state."""
OVER, LINK_OVER, TWICE, BEGUN = "HoldExpired", "LinkExpired", "AlreadyRequested", "AppointmentBegun"
RECORDED = {ARRIVED, CALLED, *OUTCOMES}
"""The states that the desk records. To everybody else the appointment is confirmed, and cannot change any more."""
LIVE = BOOKED | RECORDED


@dataclass
class ModelSeat:
    """One seat."""

    start: datetime
    opens: datetime
    state: str = OPEN
    """The state as the table stores it; `step_state` is the one of `seat_rules`."""
    hold: str = ""
    until: datetime | None = None
    captcha_passed: bool = False
    extensions: int = 0
    challenge: int = -1
    tries: int = 0
    person: str = ""
    address: str = ""
    filed: datetime | None = None
    reminded: bool = False
    past: str = ""
    past_state: str = ""
    reserve: str = ""
    visit: Appointment = field(default_factory=Appointment)
    """What the desk recorded. Its state is `state` from the confirmation on."""

    @property
    def step_state(self) -> str:
        return state_of(self.shown_state, captcha_passed=self.captcha_passed)

    @property
    def shown_state(self) -> str:
        """The state as the holder sees it."""
        return CONFIRMED if self.state in RECORDED else self.state

    def enter(self, state: str) -> None:
        """Set the state. A hold or request that ends must be cleared, and a seat that is LATER needs `opens`."""
        self.state, self.captcha_passed = stored(state), state == READY

    def is_expired(self, now: datetime) -> bool:
        """Return whether the clock ends the hold or the request."""
        if self.step_state not in STEPS["expire"].next_state or self.until is None:
            return False
        return self.until < now - (GAP if has_gap(self.step_state) else timedelta(0))

    def is_free(self, now: datetime) -> bool:
        state = STEPS["expire"].next_state[self.step_state] if self.is_expired(now) else self.state
        return self.opens <= now and state in STEPS["hold"].next_state

    def is_coming(self, now: datetime) -> bool:
        return self.state == OPEN and self.opens > now and not self.past_state and not self.reserve

    def has(self, hold: str, now: datetime) -> bool:
        """Return whether this hold, or the request that it became, still has the seat."""
        if self.hold != hold:
            return False
        return self.shown_state == CONFIRMED or (self.until is not None and now < self.until)

    def clear(self) -> None:
        """Forget the holder and everything that belongs to the hold or request."""
        self.hold, self.until, self.person, self.address, self.filed = "", None, "", "", None
        self.captcha_passed, self.extensions, self.challenge, self.tries, self.reminded = False, 0, -1, 0, False


@dataclass
class Lock:
    """The lock of the one live request of a person or of an e-mail address."""

    seat: SeatKey
    hold: str
    person: str
    address: str
    filed: datetime
    moves: int = 0
    sent: set[str] = field(default_factory=set)
    attempt: datetime | None = None


@dataclass(frozen=True)
class Letter:
    """A letter that a change calls for."""

    kind: str
    person: str
    seat: SeatKey
    hold: str


@dataclass
class Model:
    """The whole service: all seats, requests, locks and letters."""

    service: Service
    seats: dict[SeatKey, ModelSeat] = field(default_factory=dict)
    people: dict[str, Lock] = field(default_factory=dict)
    addresses: dict[str, Lock] = field(default_factory=dict)
    replaced: dict[tuple[str, str], Lock] = field(default_factory=dict)
    """Locks of ended requests by person and hold: their last letters may be due after the person's next request."""
    due: list[Letter] = field(default_factory=list)
    returns: list[tuple[SeatKey, datetime]] = field(default_factory=list)
    """The seats that this call gave back, and when. The service chooses when they open again."""

    # Holds

    def offered(self, now: datetime) -> list[SeatKey]:
        """Return the seats that can be held now."""
        return [key for key, seat in sorted(self.seats.items()) if self.is_offered(seat, now)]

    def is_offered(self, seat: ModelSeat, now: datetime) -> bool:
        return seat.is_free(now) and seat.start - now >= NOTICE

    def why_not(self, key: SeatKey, now: datetime) -> str:
        """Return the answer to a hold of a slot of one seat: "held", or the name of the refusal."""
        seat = self.seats.get(key)
        if seat is None or not self.is_shown(key, now):
            return "NotFound"
        if self.is_offered(seat, now):
            return "held"
        if seat.is_coming(now):
            return "NotOpenYet"
        return "SlotTaken" if self.offered_weeks(now) else "NothingFree"

    def is_shown(self, key: SeatKey, now: datetime) -> bool:
        """Return whether the calendar shows its week: not over, and released or the next release."""
        monday, ahead = monday_here(now, self.service), self.service.release.weeks_ahead
        in_range = monday <= monday_of(key.week) <= monday + WEEK * (ahead + 1)
        return in_range and released_at(key, self.service) <= now + WEEK

    def offered_weeks(self, now: datetime) -> list[SeatKey]:
        """Return the free seats of released weeks: a refusal names the nearest of them."""
        return [key for key in self.offered(now) if released_at(key, self.service) <= now]

    def take(self, key: SeatKey, hold: str, now: datetime, *, captcha_passed: bool = False) -> None:
        seat = self.seats[key]
        seat.clear()
        seat.past = seat.past_state = seat.reserve = ""
        seat.enter(STEPS["hold"].next_state[OPEN])
        if captcha_passed:
            seat.enter(STEPS["answer"].next_state[seat.step_state])
        seat.hold, seat.until = hold, now + PERIOD[seat.step_state]

    def after_captcha(self, key: SeatKey, placed: datetime, now: datetime) -> SeatKey | str:
        """Return the seat that a waiting hold gets for the right answer, or the name of the refusal."""
        if now >= placed + PERIOD[HELD] + PERIOD[READY]:
            return OVER
        if self.is_offered(self.seats[key], now):
            return key
        start = self.seats[key].start
        nearest = sorted(self.offered_weeks(now), key=lambda other: (abs(self.seats[other].start - start), other))
        return nearest[0] if nearest else "NothingFree"

    def view(self, key: SeatKey, hold: str, now: datetime) -> str:
        seat = self.seats[key]
        return seat.shown_state if seat.has(hold, now) else OVER

    def give_back(self, key: SeatKey, hold: str, now: datetime) -> str:
        seat = self.seats[key]
        if not seat.has(hold, now):
            return "ended" if STEPS["end"].for_anybody else OVER
        if seat.step_state not in STEPS["end"].next_state:
            return TWICE
        seat.enter(STEPS["end"].next_state[seat.step_state])
        seat.clear()
        return "ended"

    def extend(self, key: SeatKey, hold: str, now: datetime) -> str:
        seat = self.seats[key]
        if not seat.has(hold, now) or seat.until is None:
            return OVER
        whole = (seat.until - now) >= timedelta(seconds=1)
        if seat.step_state in STEPS["extend"].next_state and whole and seat.extensions < EXTENSIONS:
            seat.enter(STEPS["extend"].next_state[seat.step_state])
            seat.until += PERIOD[seat.step_state]
            seat.extensions += 1
        return seat.shown_state

    def answer(self, key: SeatKey, hold: str, made_at: int, now: datetime, *, right: bool) -> str:
        """Answer a challenge; `made_at` is its time in milliseconds since 1970."""
        seat = self.seats[key]
        if not seat.has(hold, now):
            return OVER
        if seat.step_state in STEPS["answer"].repeats:
            return seat.state
        age = now - datetime.fromtimestamp(made_at / 1000, UTC)
        if age >= CAPTCHA_LIFE or made_at < seat.challenge:
            return "CaptchaSpent"
        tries = seat.tries if made_at == seat.challenge else 0
        if tries >= TRIES:
            return "CaptchaSpent"
        if right:
            seat.enter(STEPS["answer"].next_state[seat.step_state])
            seat.until, seat.extensions, seat.challenge, seat.tries = now + PERIOD[seat.step_state], 0, -1, 0
            return seat.state
        seat.challenge, seat.tries = made_at, tries + 1
        return f"CaptchaWrong {TRIES - seat.tries}"

    # Requests

    def file(self, key: SeatKey, hold: str, person: str, address: str, now: datetime) -> str:
        seat = self.seats[key]
        if not seat.has(hold, now):
            return OVER
        if seat.step_state in STEPS["details"].repeats:
            return seat.state if seat.person == person else OVER
        if seat.step_state not in STEPS["details"].next_state:
            return "CaptchaRequired"
        for lock in (self.addresses.get(address), self.people.get(person)):
            if lock and self.counts(lock, now):
                self.tell_owner(lock, now)
                return TWICE
        if old := self.people.get(person):
            self.replaced[person, old.hold] = old
        self.addresses[address] = Lock(key, hold, person, address, now)
        self.people[person] = Lock(key, hold, person, address, now)
        seat.enter(STEPS["details"].next_state[seat.step_state])
        seat.person, seat.address, seat.filed = person, address, now
        seat.until = min(now + PERIOD[seat.step_state], seat.start)
        seat.extensions, seat.challenge, seat.tries = 0, -1, 0
        self.due.append(Letter("confirm", person, key, hold))
        return seat.state

    def counts(self, lock: Lock, now: datetime) -> bool:
        """Return whether a lock counts: its seat carries its request and the appointment is to come."""
        seat = self.seats[lock.seat]
        return seat.hold == lock.hold and seat.start > now and seat.state in LIVE and seat.person == lock.person

    def tell_owner(self, lock: Lock, now: datetime) -> None:
        """Tell the owner of a live request that somebody tried to file another one, at most once a day."""
        owner = self.people[lock.person]
        if owner.attempt is None or owner.attempt < now - timedelta(days=1):
            owner.attempt = now
            self.due.append(Letter("attempt", owner.person, owner.seat, owner.hold))

    def look(self, key: SeatKey, hold: str, now: datetime) -> str:
        """Return the state that a link shows."""
        seat = self.seats[key]
        if seat.hold == hold and seat.state in LIVE:
            lapsed = seat.state == PENDING and seat.until is not None and seat.until <= now
            return "expired" if lapsed else seat.state
        return seat.past_state if hold and seat.past == hold and seat.past_state else LINK_OVER

    def confirm(self, key: SeatKey, hold: str, now: datetime) -> str:
        state = self.look(key, hold, now)
        if state in STEPS["confirm"].next_state:
            self.seats[key].enter(STEPS["confirm"].next_state[state])
            self.due.append(Letter("convocation", self.seats[key].person, key, hold))
            return self.seats[key].state
        return state if state in STEPS["confirm"].repeats | RECORDED else LINK_OVER

    def cancel(self, key: SeatKey, hold: str, now: datetime) -> str:
        state = self.look(key, hold, now)
        if state in STEPS["cancel"].next_state:
            self.free(key, "cancelled", now)
            return "cancelled"
        return BEGUN if state in RECORDED else state if state == "cancelled" else LINK_OVER

    def free(self, key: SeatKey, why: str, now: datetime) -> None:
        """End the request of a seat, which opens again later. The seat keeps the person's key, unless they moved."""
        seat = self.seats[key]
        person = "" if why == "moved" else seat.person
        if person:
            kind = "deleted" if why == "cancelled" and seat.state == PENDING else why
            self.due.append(Letter(kind, person, key, seat.hold))
        seat.past, seat.past_state = seat.hold, why
        state = STEPS[ENDED_BY[why]].next_state[seat.step_state]
        seat.enter(state)
        seat.clear()
        seat.person = person
        if state == LATER:
            self.returns.append((key, now))

    def owner(self, key: SeatKey, hold: str, now: datetime) -> Lock | None:
        """Return the person's lock while it names this request and the request is live or displaced."""
        seat, state = self.seats[key], self.look(key, hold, now)
        lock = self.people.get(seat.person)
        if lock is None or (lock.hold, lock.seat) != (hold, key):
            return None
        waits = state == "displaced" and seat.until is not None and seat.until > now
        return lock if state in BOOKED or waits else None

    def move(self, key: SeatKey, hold: str, to: SeatKey, now: datetime) -> str:
        seat, state = self.seats[key], self.look(key, hold, now)
        leaves = state in STEPS["leave"].next_state
        if state == "moved":
            new_seat = self.seats.get(to)
            return CONFIRMED if new_seat and new_seat.has(hold, now) else LINK_OVER
        lock = self.owner(key, hold, now)
        if not (leaves or state == "displaced") or lock is None:
            return BEGUN if state in RECORDED else LINK_OVER
        if leaves and lock.moves >= MOVES:
            return "NoMovesLeft"
        new_seat = self.seats.get(to)
        if new_seat is None or to == key or not self.may_take(to, new_seat, None if leaves else seat, now):
            return "SlotTaken"
        address_lock = self.addresses.get(lock.address)
        if address_lock is None or address_lock.hold != hold:
            return TWICE
        new_seat.clear()
        new_seat.past = new_seat.past_state = new_seat.reserve = ""
        new_seat.enter(STEPS["arrive"].next_state[OPEN])
        new_seat.hold, new_seat.until, new_seat.person = hold, now, lock.person
        new_seat.address, new_seat.filed = lock.address, lock.filed
        lock.seat = address_lock.seat = to
        if leaves:
            lock.moves += 1
            self.free(key, "moved", now)
        else:
            seat.past_state = "moved"
            self.stop_waiting(seat)
        self.due.append(Letter("moved", lock.person, to, hold))
        return new_seat.state

    def may_take(self, to: SeatKey, new_seat: ModelSeat, displaced: ModelSeat | None, now: datetime) -> bool:
        """Return whether a move may take a seat: an offered one, or one that is set aside for the displaced."""
        if self.is_offered(new_seat, now) and released_at(to, self.service) <= now:
            return True
        set_aside = displaced is not None and new_seat.reserve == displaced.reserve
        return set_aside and new_seat.state == OPEN and new_seat.opens > now

    def stop_waiting(self, seat: ModelSeat) -> None:
        seat.reserve, seat.until, seat.person, seat.address, seat.filed = "", None, "", "", None

    def erase(self, key: SeatKey, hold: str, now: datetime) -> str:
        """Erase the person of a request, however it ended. A moved request is erased by its new link."""
        seat, state = self.seats[key], self.look(key, hold, now)
        if state in {"moved", LINK_OVER} | RECORDED:
            return BEGUN if state in RECORDED else LINK_OVER
        self.replaced.pop((seat.person, hold), None)
        lock = self.people.get(seat.person)
        if lock is not None and lock.hold == hold:
            address = self.addresses.get(lock.address)
            if address and address.hold == hold:
                del self.addresses[lock.address]
            del self.people[lock.person]
            self.replaced = {names: old for names, old in self.replaced.items() if names[0] != lock.person}
        if state == "displaced":
            seat.past_state = "cancelled"
            self.stop_waiting(seat)
        elif seat.state in BOOKED:
            self.free(key, "expired" if state == "expired" else "cancelled", now)
        seat.person = ""
        return "cancelled"

    # Expiry and closings

    def expire(self, now: datetime) -> None:
        """End the holds and requests that ran out, and call for the reminders."""
        for key, seat in sorted(self.seats.items()):
            if monday_of(key.week) < monday_here(now, self.service) - WEEK or seat.until is None:
                continue
            if seat.is_expired(now) and STEPS["expire"].next_state[seat.step_state] == LATER:
                self.free(key, "expired", now)
            elif seat.is_expired(now):
                seat.enter(STEPS["expire"].next_state[seat.step_state])
                seat.clear()
            elif seat.state == CONFIRMED and not seat.reminded and seat.filed is not None:
                soon = now < seat.start <= now + REMIND
                if soon and seat.start - seat.filed >= REMIND + timedelta(days=1):
                    seat.reminded = True
                    self.due.append(Letter("reminder", seat.person, key, seat.hold))

    def close(self, day: date, closing: str, until: datetime, now: datetime) -> None:
        """Close a day. For each booked person another seat is set aside until `until`, in order."""
        closed = {key: seat for key, seat in self.seats.items() if key.day == day and seat.start > now}
        booked = [key for key, seat in sorted(closed.items()) if seat.state in BOOKED]
        set_aside = sum(seat.reserve == closing and seat.state == OPEN for seat in self.seats.values())
        waiting = sum(seat.reserve == closing and seat.state == "closed" for seat in closed.values())
        self.replace_set_aside(closed, closing, now)
        others = [key for key in sorted(self.seats) if key.day != day and self.can_be_set_aside(key, until, now)]
        for key in others[: max(len(booked) + waiting - set_aside, 0)]:
            self.seats[key].reserve, self.seats[key].opens = closing, until
        for key in booked:
            seat = closed[key]
            self.due.append(Letter("displaced", seat.person, key, seat.hold))
            seat.state, seat.past, seat.past_state, seat.hold = "closed", seat.hold, "displaced", ""
            seat.reserve, seat.until = closing, until
        for seat in closed.values():
            if seat.state in {OPEN, HELD}:
                seat.state = "closed"
                seat.clear()

    def replace_set_aside(self, closed: Iterable[SeatKey], closing: str, now: datetime) -> None:
        """Set other seats aside for those that are closed and that displaced applicants can still choose."""
        kept = [key for key, seat in self.seats.items() if seat.reserve and seat.state == OPEN and seat.opens > now]
        lost: dict[str, list[SeatKey]] = {}
        for key in sorted({*closed} & {*kept}):
            if self.seats[key].reserve != closing:
                lost.setdefault(self.seats[key].reserve, []).append(key)
        for reserve, keys in lost.items():
            until, recent = self.seats[keys[0]].opens, monday_here(now, self.service) - WEEK
            waiting = [key for key, seat in self.seats.items() if seat.reserve == reserve and seat.state == "closed"]
            choosing = sum(monday_of(key.week) >= recent for key in waiting)
            left = sum(self.seats[key].reserve == reserve for key in {*kept} - {*closed})
            days = {key.day for key in keys}
            others = [key for key in sorted(self.seats) if key.day not in days]
            free = [key for key in others if self.can_be_set_aside(key, until, now)]
            for key in free[: max(min(choosing - left, len(keys)), 0)]:
                self.seats[key].reserve, self.seats[key].opens = reserve, until

    def can_be_set_aside(self, key: SeatKey, until: datetime, now: datetime) -> bool:
        """Return whether nobody has or had the seat, so that a closing may set it aside."""
        seat = self.seats[key]
        unused = seat.is_coming(now) or (seat.state == OPEN and seat.opens <= now)
        recent = monday_of(key.week) >= monday_here(now, self.service) - WEEK
        return unused and recent and seat.start - until >= NOTICE

    # The desk

    def at_desk(self, key: SeatKey | None, step: str, agent: str, now: datetime) -> str:
        """Take a step of an agent at the only desk. Without a key, call the next person of today."""
        today = now.astimezone(self.service.zone).date()
        called = [other for other, seat in self.seats.items() if other.day == today and seat.state == CALLED]
        if key is None:
            waiting = [other for other, seat in sorted(self.seats.items()) if other.day == today and seat.visit.waits]
            if called or not waiting:
                return "DeskBusy" if called else "NobodyWaits"
            key = waiting[0]
        seat = self.seats[key]
        if refusal := self.why_no_step(key, seat, step, now):
            return refusal
        visit = call_rules.after(step, seat.visit, 1, agent)
        if visit is None:
            return "AlreadyRecorded"
        if step == "call" and called and called != [key]:
            return "DeskBusy"
        seat.visit, seat.state = visit, visit.state
        return f"{seat.state} {key.ref}"

    def why_no_step(self, key: SeatKey, seat: ModelSeat, step: str, now: datetime) -> str:
        """Return the refusal of a step that does not depend on what the desk recorded before."""
        today = now.astimezone(self.service.zone).date()
        is_other_day = step in {"arrive", "call"} and key.day != today
        is_early = step in OUTCOMES and (key.day > today or (step == MISSED and seat.start > now))
        if step == "call" and is_other_day:
            return "NotDue"
        if seat.state not in RECORDED | {CONFIRMED}:
            return "NotFound"
        if is_other_day or is_early:
            return "NotDue"
        return "NotArrived" if step in {"call", "park"} and seat.state == CONFIRMED else ""

    # Letters

    def letters(self) -> list[tuple[str, str]]:
        """Return the letters that the mailer sends now: those that are still about the person's request."""
        sent = []
        for letter in self.due:
            lock = self.people.get(letter.person)
            if lock is None or lock.hold != letter.hold:
                lock = self.replaced.get((letter.person, letter.hold))
            if lock is None or (letter.kind != "attempt" and lock.seat != letter.seat):
                continue
            mark = f"{letter.kind} {letter.seat.ref}" if letter.kind in ABOUT_A_SEAT else letter.kind
            seat = self.seats[lock.seat]
            lives = seat.state in BOOKED and seat.hold == letter.hold
            comes = lives and seat.state == CONFIRMED
            stands = lives if letter.kind in ABOUT_WHAT_LIVES else comes or letter.kind not in ABOUT_WHAT_COMES
            if stands and (letter.kind == "attempt" or mark not in lock.sent):
                lock.sent.add(mark)
                sent.append((lock.address, letter.kind))
        self.due.clear()
        return sent


def released_at(key: SeatKey, service: Service) -> datetime:
    """Return the release of a seat: Monday at 09:00 local time, `weeks_ahead` weeks before."""
    monday = monday_of(key.week) - WEEK * service.release.weeks_ahead
    return datetime(monday.year, monday.month, monday.day, 9, tzinfo=service.zone)


def monday_here(now: datetime, service: Service) -> date:
    """Return the Monday of the current week in the service's time zone."""
    return monday_of(week_of(now.astimezone(service.zone).date()))
