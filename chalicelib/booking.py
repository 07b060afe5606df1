"""What an applicant does until the details, one function a step. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import claims, offers, settings, store, timetable, tokens, visitors
from chalicelib.chance import CHANCE
from chalicelib.errors import (
    AlreadyRequested,
    CaptchaRequired,
    CaptchaSpent,
    CaptchaWrong,
    ConditionsNotAccepted,
    HoldOver,
    NotFound,
    NothingFree,
    TooManyRequests,
)
from chalicelib.model import Seat, SeatAfter, SeatKey, Service, State, week_of
from chalicelib.tokens import Keys, Ticket

TRIES = claims.TRIES
CAPTCHA_TRIES = 5
TAKING = timedelta(seconds=10)
"""How long after the right answer the write of its seat may still follow: the timeout of the captcha function."""
BRIEF = timedelta(minutes=30)
"""How long a brief request may wait for its confirmation."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A slot, by its start on the wall, or the first free one (`start` is None)."""

    start: datetime | None
    conditions_accepted: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A seat kept for one visitor, and how far they are; its time is over at `until`, `left` whole seconds from now.

    A waiting hold, which is not `kept` yet, has no seat: its visitor passes the captcha first.
    """

    id: str
    service: Service
    seat: Seat
    start: datetime
    can_extend: bool
    left: int
    until: datetime | None

    @property
    def kept(self) -> bool:
        """Does it have a seat?"""
        return self.seat.until is not None

    @property
    def brief(self) -> bool:
        """Must its request be confirmed soon after it is filed?"""
        return self.seat.brief

    @property
    def instead_of(self) -> datetime | None:
        """The slot that the visitor had chosen, if they have this one because it was gone after the captcha."""
        return self.seat.wished and self.seat.wished.astimezone(self.service.zone)

    @property
    def time_to_confirm(self) -> timedelta:
        """How long its request waits, or will wait, for the confirmation."""
        if self.seat.filed_at and self.seat.until:
            return self.seat.until - self.seat.filed_at
        return BRIEF if self.brief else self.service.limits.confirm


@dataclass(frozen=True, slots=True)
class Challenge:
    """A captcha: its id, and the two answers that the picture and the sound give away."""

    id: str
    picture: str
    sound: str


def keys() -> Keys:
    """The keys of this stage."""
    return Keys(settings.current().secret)


# Looking


def services(now: datetime) -> list[Service]:
    """The services offered: not those that only who knows their address can book."""
    return [service for service in store.services(now) if not service.hidden]


def service(service_id: str, now: datetime) -> Service:
    """One service; NotFound if there is none of that name."""
    return store.service(service_id, now)


def calendar(service_id: str, week: str | None, now: datetime) -> timetable.Calendar:
    """A week as visitors see it; without one named, the week of the first free slot, or else this one."""
    service = store.service(service_id, now)
    if week is None:
        first = offers.earliest(service, now)
        week = first[0].week if first else week_of(now.astimezone(service.zone).date())
    elif week not in offers.weeks_shown(service, now):
        raise NotFound
    return timetable.calendar(service, week, store.seats_seen(service_id, week, now), now)


def free_seats(service: Service, now: datetime) -> list[SeatKey]:
    """All seats of the service that look free, earliest first."""
    return offers.free_seats(service, now)


# Holding


def place_hold(
    service_id: str,
    wish: Wish,
    *,
    now: datetime,
    visit: str = "",
    address: str = "",
    new_secret: Callable[[], str] = tokens.new_secret,
    chance: random.Random = CHANCE,
) -> Hold:
    """Hold a free seat of the wished slot, or one of the earliest free; refuse with the nearest.

    `visit` is the visitor token, `address` the IP address. In a crowd, and for a client network that had all its holds
    of this hour, the hold is waiting: it takes its seat after the captcha, and costs no write.
    """
    service = store.service(service_id, now)
    if not wish.conditions_accepted:
        raise ConditionsNotAccepted
    waits = _waits(service, now)
    if wish.start is None:
        candidates = offers.earliest(service, now, spread=waits)  # else all would name the same ten
        if not candidates:
            raise NothingFree(timetable.next_release(service, now))
    else:
        candidates = offers.of_slot(service, wish.start, now)
    client = claims.client(keys(), visit, address, now)
    waits = waits or visitors.is_crowded(client.network)
    free = list(candidates)
    for _ in range(min(claims.TRIES, len(free))):
        key = offers.one_of(service, free, now, chance) if wish.start is None else chance.choice(free)
        free.remove(key)
        ticket = keys().hold(key, secret=new_secret)
        if waits or (service.seat_after is SeatAfter.CROWD and offers.is_new(key, now)):
            return _waiting(service, ticket, wish, now)
        seat = Seat(key, opens_at=now, state=State.HELD, hold=tokens.digest(ticket.secret))
        seat = replace(seat, until=now + service.limits.hold)
        if store.take(key, seat.hold, now + service.limits.hold, now):
            number = claims.count(client, now)
            if claims.is_over(number):
                store.give_back(key, seat.hold, now)
                return _waiting(service, ticket, wish, now)
            return _hold(service, claims.settle(client, seat, number, now), ticket, now)
    raise offers.refusal(service, wish.start or service.start_of(candidates[0]), now)


def _waits(service: Service, now: datetime) -> bool:
    """Does every hold of the service take its seat after the captcha now?"""
    if service.seat_after is SeatAfter.CROWD:
        return timetable.has_crowd(service, now)
    return service.seat_after is SeatAfter.CAPTCHA


def ticket(visit: str, now: datetime) -> str:
    """A new ticket for a visitor, or nothing while theirs is good for a while."""
    age = keys().visited(visit, now)
    return keys().visit(now) if age is None or age > tokens.VISIT_LIFE / 2 else ""


def _hold(service: Service, seat: Seat, ticket: Ticket, now: datetime) -> Hold:
    until = seat.until or ticket.until
    left = max(int((until - now).total_seconds()), 0) if until else 0
    extends = seat.state is State.HELD and left > 0 and seat.extensions < service.limits.extensions
    return Hold(str(ticket), service, seat, service.start_of(seat.key), extends and bool(seat.until), left, until)


def _waiting(service: Service, hold: Ticket, wish: Wish, now: datetime) -> Hold:
    ticket = keys().waiting(hold, now + service.limits.waiting, first_free=wish.start is None)
    return _hold(service, _no_seat(ticket, now), ticket, now)


def _no_seat(ticket: Ticket, now: datetime) -> Seat:
    """Return a placeholder for the seat of a waiting hold. It has no `until`."""
    return Seat(ticket.seat, opens_at=now, state=State.HELD, hold=tokens.digest(ticket.secret))


def _find(hold_id: str, now: datetime) -> tuple[Service, Seat, Ticket]:
    """Return the seat that this hold has, and its current id; a placeholder while the hold is waiting.

    Raises HoldOver when it no longer has a seat or waited too long, TooManyRequests while an answer is taking the seat.
    """
    ticket = keys().read("hold", hold_id)
    service, hold = store.service(ticket.seat.service, now), tokens.digest(ticket.secret)
    if ticket.until is None:
        seat = store.seat(ticket.seat)
        if not seat.holds(hold, now):
            raise HoldOver
        return service, seat, ticket
    passed = visitors.passed(hold)
    if passed is None:
        if ticket.until <= now:
            raise HoldOver
        return service, _no_seat(ticket, now), ticket
    seat = store.seat(passed.seat)
    if seat.holds(hold, now):
        return service, seat, keys().seated(ticket, seat.key)
    raise TooManyRequests if now - passed.at < TAKING else HoldOver


def view_hold(hold_id: str, now: datetime) -> Hold:
    """Where a hold stands."""
    service, seat, ticket = _find(hold_id, now)
    return _hold(service, seat, ticket, now)


def end_hold(hold_id: str, now: datetime) -> Service:
    """Give an unfinished hold's seat back at once; a waiting hold has none.

    Twice is once; AlreadyRequested, and no change, after a request.
    """
    ticket = keys().read("hold", hold_id)
    digest = tokens.digest(ticket.secret)
    passed = visitors.passed(digest) if ticket.until else None
    if ticket.until and not passed:
        return store.service(ticket.seat.service, now)
    key = passed.seat if passed else ticket.seat
    if not store.give_back(key, digest, now):
        seat = store.seat(key)
        if seat.state is not State.HELD and seat.holds(digest, now):
            raise AlreadyRequested
    return store.service(ticket.seat.service, now)


def extend_hold(hold_id: str, now: datetime) -> Hold:
    """Add one more period to a hold that still runs. A waiting hold, or one that had all of them, stays as it is."""
    hold = view_hold(hold_id, now)
    if not hold.can_extend or hold.seat.until is None:
        return hold
    limits = hold.service.limits
    until = hold.seat.until + (limits.form if hold.seat.proven else limits.hold)
    store.extend(hold.seat.key, hold.seat.hold, until, now, extensions=hold.seat.extensions)
    return view_hold(hold_id, now)


# The captcha


def challenge(hold_id: str, now: datetime) -> Challenge:
    """A new challenge for a hold. Nothing is stored: the answer follows from the id and the stage's secret."""
    return challenge_for(view_hold(hold_id, now), now)


def challenge_for(hold: Hold, now: datetime) -> Challenge:
    """The same for a hold that was just read."""
    return challenge_of(keys().challenge(hold.seat.hold, now))


def challenge_of(challenge_id: str) -> Challenge:
    """The challenge of an id that was checked."""
    return Challenge(challenge_id, keys().picture_answer(challenge_id), keys().sound_answer(challenge_id))


def answer_challenge(
    hold_id: str,
    challenge_id: str,
    answer: str,
    *,
    now: datetime,
    visit: str = "",
    address: str = "",
    chance: random.Random = CHANCE,
) -> Hold:
    """Check an answer; the right one gives the hold the time for the form, and a waiting hold its seat."""
    service, seat, ticket = _find(hold_id, now)
    if seat.proven or seat.state is not State.HELD:
        return _hold(service, seat, ticket, now)
    made = keys().challenged_at(challenge_id, seat.hold, now)
    right = _is_right(challenge_id, answer)
    if seat.until is None:
        if not right:
            raise _wrong(visitors.missed(seat.hold, made, now, most=CAPTCHA_TRIES))
        client = claims.client(keys(), visit, address, now)
        new = claims.take_after_captcha(service, ticket, made, client, now=now, most=CAPTCHA_TRIES, chance=chance)
        return _hold(service, new, keys().seated(ticket, new.key), now) if new else _passed(hold_id, now)
    if not right:
        raise _wrong(store.miss(seat.key, seat.hold, made, now, most=CAPTCHA_TRIES))
    until = now + service.limits.form
    due = seat.captchas_due if seat.checked_for else 0
    if store.prove(seat.key, seat.hold, made, until, now, most=CAPTCHA_TRIES, due=due):
        passed = replace(seat, proven=True, captchas_due=max(due - 1, 0)) if due else replace(seat, proven=True)
        return _hold(service, passed if due else replace(passed, until=until, extensions=0), ticket, now)
    return _passed(hold_id, now)


def _passed(hold_id: str, now: datetime) -> Hold:
    """Return the hold if another answer passed its captcha. Raise CaptchaSpent if none did."""
    hold = view_hold(hold_id, now)
    if not hold.seat.proven:
        raise CaptchaSpent
    return hold


def _wrong(tries: int | None) -> CaptchaWrong | CaptchaSpent:
    """Return the refusal of a wrong answer. `tries` counts those of its challenge; None if the challenge is spent."""
    return CaptchaSpent() if tries is None else CaptchaWrong(CAPTCHA_TRIES - tries)


def _is_right(challenge_id: str, answer: str) -> bool:
    right = {keys().picture_answer(challenge_id), keys().sound_answer(challenge_id)}
    if extra := settings.current().captcha_answer:
        right.add(extra)
    return "".join(answer.split()).casefold() in right


def check_hold(hold_id: str, now: datetime) -> Hold:
    """A hold that is ready for the details; CaptchaRequired before the captcha."""
    hold = view_hold(hold_id, now)
    if hold.seat.state is State.HELD and not hold.seat.proven:
        raise CaptchaRequired
    return hold
