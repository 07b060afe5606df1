"""What the service promises about seats, persons, addresses and letters, said once more in plain Python.

One object, no table, no race: each method is one call at the moment `now` of the clock that serves it, changes the
model, and returns what the caller must be told: a word, or the name of the refusal. `opens` of a seat that was given
back is secret: whoever runs the model tells it which moment was chosen.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from chalicelib.domain.seat import SeatKey, monday_of, week_of
from chalicelib.domain.service import Service

SKEW = timedelta(seconds=5)
HOLD, FORM = timedelta(seconds=180), timedelta(minutes=15)
CONFIRM, CHOICE = timedelta(minutes=2880), timedelta(days=7)
NOTICE, REMIND = timedelta(hours=49), timedelta(hours=48)
FRESH = timedelta(minutes=5)
EXTENSIONS, TRIES, MOVES = 2, 5, 2
WEEK = timedelta(days=7)
BOOKED = {"pending", "confirmed"}
ABOUT_A_SEAT = {"moved", "displaced", "reminder"}
ABOUT_WHAT_COMES = {"convocation", "moved", "reminder"}
ABOUT_WHAT_LIVES = {"confirm", "attempt"}
OVER, LINK_OVER, TWICE = "HoldOver", "LinkOver", "AlreadyRequested"


@dataclass
class Place:
    """One seat."""

    start: datetime
    opens: datetime
    state: str = "open"
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

    def is_free(self, now: datetime) -> bool:
        over = self.state == "held" and self.until is not None and self.until < now - SKEW
        return self.opens <= now and (self.state == "open" or over)

    def is_coming(self, now: datetime) -> bool:
        return self.state == "open" and self.opens > now and not self.past_state and not self.reserve

    def has(self, hold: str, now: datetime) -> bool:
        """May this hold go on?"""
        if self.hold != hold:
            return False
        return self.state == "confirmed" or (self.until is not None and now < self.until)

    def clear(self) -> None:
        self.hold, self.until, self.person, self.address, self.filed = "", None, "", "", None
        self.captcha_passed, self.extensions, self.challenge, self.tries, self.reminded = False, 0, -1, 0, False


@dataclass
class Lock:
    """The one live request of a person, or of an address."""

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
    """One that a change calls for."""

    kind: str
    person: str
    seat: SeatKey
    hold: str


@dataclass
class Office:
    """All of it."""

    service: Service
    seats: dict[SeatKey, Place] = field(default_factory=dict)
    people: dict[str, Lock] = field(default_factory=dict)
    addresses: dict[str, Lock] = field(default_factory=dict)
    replaced: dict[tuple[str, str], Lock] = field(default_factory=dict)
    """By person and hold: what is kept of a request that ended, for its last letters, after the person's next one."""
    due: list[Letter] = field(default_factory=list)
    returns: list[tuple[SeatKey, datetime]] = field(default_factory=list)
    """Seats that were given back in this call, and when: the moment they open again is not ours to choose."""

    # Holds

    def offered(self, now: datetime) -> list[SeatKey]:
        """The seats that somebody may take now."""
        return [key for key, place in sorted(self.seats.items()) if self.is_offered(place, now)]

    def is_offered(self, place: Place, now: datetime) -> bool:
        return place.is_free(now) and place.start - now >= NOTICE

    def why_not(self, key: SeatKey, now: datetime) -> str:
        """What somebody is told who wants a slot of one seat; "held" when they get it."""
        place = self.seats.get(key)
        if place is None or not self.is_shown(key, now):
            return "NotFound"
        if self.is_offered(place, now):
            return "held"
        if place.is_coming(now):
            return "NotOpenYet"
        return "SlotTaken" if self.offered_weeks(now) else "NothingFree"

    def is_shown(self, key: SeatKey, now: datetime) -> bool:
        """Is its week in the calendar: not over, and released or the next to be?"""
        monday, ahead = monday_here(now, self.service), self.service.release.weeks_ahead
        in_range = monday <= monday_of(key.week) <= monday + WEEK * (ahead + 1)
        return in_range and released_at(key, self.service) <= now + WEEK

    def offered_weeks(self, now: datetime) -> list[SeatKey]:
        """Those of weeks that were released: what a refusal names as near."""
        return [key for key in self.offered(now) if released_at(key, self.service) <= now]

    def take(self, key: SeatKey, hold: str, now: datetime, *, captcha_passed: bool = False) -> None:
        place = self.seats[key]
        place.clear()
        place.past = place.past_state = place.reserve = ""
        place.state, place.hold, place.until = "held", hold, now + (FORM if captcha_passed else HOLD)
        place.captcha_passed = captcha_passed

    def after_captcha(self, key: SeatKey, placed: datetime, now: datetime) -> SeatKey | str:
        """The seat that a waiting hold of this seat gets for the right answer, or why it gets none."""
        if now >= placed + HOLD + FORM:
            return OVER
        if self.is_offered(self.seats[key], now):
            return key
        wished = self.seats[key].start
        near = sorted(self.offered_weeks(now), key=lambda other: (abs(self.seats[other].start - wished), other))
        return near[0] if near else "NothingFree"

    def view(self, key: SeatKey, hold: str, now: datetime) -> str:
        place = self.seats[key]
        return place.state if place.has(hold, now) else OVER

    def give_back(self, key: SeatKey, hold: str, now: datetime) -> str:
        place = self.seats[key]
        if place.has(hold, now):
            if place.state != "held":
                return TWICE
            place.state = "open"
            place.clear()
        return "ended"

    def extend(self, key: SeatKey, hold: str, now: datetime) -> str:
        place = self.seats[key]
        if not place.has(hold, now) or place.until is None:
            return OVER
        whole = (place.until - now) >= timedelta(seconds=1)
        if place.state == "held" and whole and place.extensions < EXTENSIONS:
            place.until += FORM if place.captcha_passed else HOLD
            place.extensions += 1
        return place.state

    def answer(self, key: SeatKey, hold: str, made: int, now: datetime, *, right: bool) -> str:
        """An answer to a challenge that was made so many milliseconds after 1970."""
        place = self.seats[key]
        if not place.has(hold, now):
            return OVER
        if place.state != "held" or place.captcha_passed:
            return place.state
        age = now - datetime.fromtimestamp(made / 1000, UTC)
        if age >= FRESH or made < place.challenge:
            return "CaptchaSpent"
        tries = place.tries if made == place.challenge else 0
        if tries >= TRIES:
            return "CaptchaSpent"
        if right:
            place.captcha_passed, place.until, place.extensions, place.challenge, place.tries = (
                True,
                now + FORM,
                0,
                -1,
                0,
            )
            return "held"
        place.challenge, place.tries = made, tries + 1
        return f"CaptchaWrong {TRIES - place.tries}"

    # Requests

    def file(self, key: SeatKey, hold: str, person: str, address: str, now: datetime) -> str:
        place = self.seats[key]
        if not place.has(hold, now):
            return OVER
        if place.state != "held":
            return place.state if place.person == person else OVER
        if not place.captcha_passed:
            return "CaptchaRequired"
        for lock in (self.addresses.get(address), self.people.get(person)):
            if lock and self.counts(lock, now):
                self.tell_owner(lock, now)
                return TWICE
        if old := self.people.get(person):
            self.replaced[person, old.hold] = old
        self.addresses[address] = Lock(key, hold, person, address, now)
        self.people[person] = Lock(key, hold, person, address, now)
        place.state, place.person, place.address, place.filed = "pending", person, address, now
        place.until = min(now + CONFIRM, place.start)
        place.captcha_passed, place.extensions, place.challenge, place.tries = False, 0, -1, 0
        self.due.append(Letter("confirm", person, key, hold))
        return "pending"

    def counts(self, lock: Lock, now: datetime) -> bool:
        """Does a lock keep others out? While the request is this one's own, and its appointment is to come."""
        place = self.seats[lock.seat]
        return place.hold == lock.hold and place.start > now and place.state in BOOKED and place.person == lock.person

    def tell_owner(self, lock: Lock, now: datetime) -> None:
        """Whose request kept somebody out is told, once a day."""
        owner = self.people[lock.person]
        if owner.attempt is None or owner.attempt < now - timedelta(days=1):
            owner.attempt = now
            self.due.append(Letter("attempt", owner.person, owner.seat, owner.hold))

    def look(self, key: SeatKey, hold: str, now: datetime) -> str:
        """What a link shows."""
        place = self.seats[key]
        if place.hold == hold and place.state in BOOKED:
            lapsed = place.state == "pending" and place.until is not None and place.until <= now
            return "expired" if lapsed else place.state
        return place.past_state if hold and place.past == hold and place.past_state else LINK_OVER

    def confirm(self, key: SeatKey, hold: str, now: datetime) -> str:
        seen = self.look(key, hold, now)
        if seen == "pending":
            self.seats[key].state = "confirmed"
            self.due.append(Letter("convocation", self.seats[key].person, key, hold))
        return "confirmed" if seen in BOOKED else LINK_OVER

    def cancel(self, key: SeatKey, hold: str, now: datetime) -> str:
        seen = self.look(key, hold, now)
        if seen in BOOKED:
            self.free(key, "cancelled", now)
        return "cancelled" if seen in {*BOOKED, "cancelled"} else LINK_OVER

    def free(self, key: SeatKey, why: str, now: datetime) -> None:
        """Take the request off a seat, which opens again later; its person stays named there, unless they moved."""
        place = self.seats[key]
        person = "" if why == "moved" else place.person
        if person:
            self.due.append(Letter(why, person, key, place.hold))
        place.past, place.past_state, place.state = place.hold, why, "open"
        place.clear()
        place.person = person
        self.returns.append((key, now))

    def owner(self, key: SeatKey, hold: str, now: datetime) -> Lock | None:
        """The person item of a request, while it is this request's and the request lives or waits to choose."""
        place, seen = self.seats[key], self.look(key, hold, now)
        lock = self.people.get(place.person)
        if lock is None or (lock.hold, lock.seat) != (hold, key):
            return None
        waits = seen == "displaced" and place.until is not None and place.until > now
        return lock if seen in BOOKED or waits else None

    def move(self, key: SeatKey, hold: str, to: SeatKey, now: datetime) -> str:
        place, seen = self.seats[key], self.look(key, hold, now)
        if seen == "moved":
            there = self.seats.get(to)
            return "confirmed" if there and there.has(hold, now) else LINK_OVER
        lock = self.owner(key, hold, now)
        if seen not in {"confirmed", "displaced"} or lock is None:
            return LINK_OVER
        if seen == "confirmed" and lock.moves >= MOVES:
            return "NoMovesLeft"
        there = self.seats.get(to)
        if there is None or to == key or not self.may_take(to, there, place if seen == "displaced" else None, now):
            return "SlotTaken"
        held = self.addresses.get(lock.address)
        if held is None or held.hold != hold:
            return TWICE
        there.clear()
        there.past = there.past_state = there.reserve = ""
        there.state, there.hold, there.until, there.person = "confirmed", hold, now, lock.person
        there.address, there.filed = lock.address, lock.filed
        lock.seat = held.seat = to
        if seen == "confirmed":
            lock.moves += 1
            self.free(key, "moved", now)
        else:
            place.past_state = "moved"
            self.stop_waiting(place)
        self.due.append(Letter("moved", lock.person, to, hold))
        return "confirmed"

    def may_take(self, to: SeatKey, there: Place, displaced: Place | None, now: datetime) -> bool:
        if self.is_offered(there, now) and released_at(to, self.service) <= now:
            return True
        return (
            displaced is not None and there.state == "open" and there.reserve == displaced.reserve and there.opens > now
        )

    def stop_waiting(self, place: Place) -> None:
        place.reserve, place.until, place.person, place.address, place.filed = "", None, "", "", None

    def erase(self, key: SeatKey, hold: str, now: datetime) -> str:
        """All that is kept of the person goes, however the request ended; only one that moved is asked for there."""
        place, seen = self.seats[key], self.look(key, hold, now)
        if seen in {"moved", LINK_OVER}:
            return LINK_OVER
        self.replaced.pop((place.person, hold), None)
        lock = self.people.get(place.person)
        if lock is not None and lock.hold == hold:
            address = self.addresses.get(lock.address)
            if address and address.hold == hold:
                del self.addresses[lock.address]
            del self.people[lock.person]
            self.replaced = {kept: of for kept, of in self.replaced.items() if kept[0] != lock.person}
        if seen == "displaced":
            place.past_state = "cancelled"
            self.stop_waiting(place)
        elif place.state in BOOKED:
            self.free(key, "expired" if seen == "expired" else "cancelled", now)
        place.person = ""
        return "cancelled"

    # The clock and the office

    def expire(self, now: datetime) -> None:
        for key, place in sorted(self.seats.items()):
            if monday_of(key.week) < monday_here(now, self.service) - WEEK or place.until is None:
                continue
            if place.state == "held" and place.is_free(now):
                place.state = "open"
                place.clear()
            elif place.state == "pending" and place.until < now:
                self.free(key, "expired", now)
            elif place.state == "confirmed" and not place.reminded and place.filed is not None:
                soon = now < place.start <= now + REMIND
                if soon and place.start - place.filed >= REMIND + timedelta(days=1):
                    place.reminded = True
                    self.due.append(Letter("reminder", place.person, key, place.hold))

    def close(self, day: date, closing: str, until: datetime, now: datetime) -> None:
        """Close a day: for each person who is booked another seat is set aside until then, in order."""
        mine = {key: place for key, place in self.seats.items() if key.day == day and place.start > now}
        booked = [key for key, place in sorted(mine.items()) if place.state in BOOKED]
        kept = sum(place.reserve == closing and place.state == "open" for place in self.seats.values())
        waiting = sum(place.reserve == closing and place.state == "closed" for place in mine.values())
        others = [key for key in sorted(self.seats) if key.day != day and self.can_be_kept(key, until, now)]
        for key in others[: max(len(booked) + waiting - kept, 0)]:
            self.seats[key].reserve, self.seats[key].opens = closing, until
        for key in booked:
            place = mine[key]
            self.due.append(Letter("displaced", place.person, key, place.hold))
            place.state, place.past, place.past_state, place.hold = "closed", place.hold, "displaced", ""
            place.reserve, place.until = closing, until
        for place in mine.values():
            if place.state in {"open", "held"}:
                place.state = "closed"
                place.clear()

    def can_be_kept(self, key: SeatKey, until: datetime, now: datetime) -> bool:
        place = self.seats[key]
        unused = place.is_coming(now) or (place.state == "open" and place.opens <= now)
        recent = monday_of(key.week) >= monday_here(now, self.service) - WEEK
        return unused and recent and place.start - until >= NOTICE

    # Letters

    def letters(self) -> list[tuple[str, str]]:
        """What the mailer sends now: each letter that still is about the request its person has. The rest is void."""
        sent = []
        for letter in self.due:
            lock = self.people.get(letter.person)
            if lock is None or lock.hold != letter.hold:
                lock = self.replaced.get((letter.person, letter.hold))
            if lock is None or (letter.kind != "attempt" and lock.seat != letter.seat):
                continue
            mark = f"{letter.kind} {letter.seat.ref}" if letter.kind in ABOUT_A_SEAT else letter.kind
            place = self.seats[lock.seat]
            lives = place.state in BOOKED and place.hold == letter.hold
            comes = lives and place.state == "confirmed"
            stands = lives if letter.kind in ABOUT_WHAT_LIVES else comes or letter.kind not in ABOUT_WHAT_COMES
            if stands and (letter.kind == "attempt" or mark not in lock.sent):
                lock.sent.add(mark)
                sent.append((lock.address, letter.kind))
        self.due.clear()
        return sent


def released_at(key: SeatKey, service: Service) -> datetime:
    """Monday, 09:00 on the wall, so many weeks before."""
    monday = monday_of(key.week) - WEEK * service.release.weeks_ahead
    return datetime(monday.year, monday.month, monday.day, 9, tzinfo=service.zone)


def monday_here(now: datetime, service: Service) -> date:
    """The Monday of this moment at the place."""
    return monday_of(week_of(now.astimezone(service.zone).date()))
