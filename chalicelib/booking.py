"""What an applicant does until the details, one function a step. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import memory, settings, store, timetable, tokens, visitors
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
    NotOpenYet,
    SlotTaken,
    TooManyRequests,
)
from chalicelib.model import Seat, SeatKey, Service, State, week_of
from chalicelib.tokens import Keys, Kind, Ticket

TRIES = 3
"""How many seats one attempt may ask for."""
CAPTCHA_TRIES = 5
FULL = 3
"""One in so many of an hour's holds from one place have the service's whole time to confirm; the others are brief."""
BRIEF = timedelta(minutes=30)
"""How long a brief request may wait for its confirmation."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A slot, by its start on the wall, or the first free one (`start` is None)."""

    start: datetime | None
    conditions_accepted: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A seat kept for one visitor, and how far they are; `left` are the whole seconds until its time is over.

    One that is not `kept` yet has no seat: its visitor passes the captcha first. One that is `brief` must be confirmed
    soon after it is filed.
    """

    id: str
    service: Service
    seat: Seat
    start: datetime
    can_extend: bool
    left: int
    kept: bool = True
    brief: bool = False

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
        first = _earliest(service, now)
        week = first[0].week if first else week_of(now.astimezone(service.zone).date())
    elif week not in _weeks_shown(service, now):
        raise NotFound
    return timetable.calendar(service, week, store.seats_seen(service_id, week, now), now)


def _weeks_shown(service: Service, now: datetime) -> list[str]:
    return timetable.weeks_to_create(service, now)


def free_seats(service: Service, now: datetime) -> list[SeatKey]:
    """All seats of the service that look free, earliest first."""
    return [
        key
        for week in timetable.open_weeks(service, now)
        for key in timetable.free_seats(service, store.seats_seen(service.id, week, now), now)
    ]


def _earliest(service: Service, now: datetime) -> list[SeatKey]:
    """The first few of one week: no week after the first one with free seats is read."""
    most = None if memory.is_busy(service.id, now) else timetable.EARLIEST
    for week in timetable.open_weeks(service, now):
        if first := timetable.earliest(service, store.seats_seen(service.id, week, now), now, most):
            return first
    return []


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

    `visit` is the visitor's ticket, `address` where they come from. A place that had all its holds of this hour gets
    a hold that takes its seat after the captcha.
    """
    service = store.service(service_id, now)
    if not wish.conditions_accepted:
        raise ConditionsNotAccepted
    if wish.start is None:
        candidates = _earliest(service, now)
        if not candidates:
            raise NothingFree(timetable.next_release(service, now))
    else:
        candidates = _of_slot(service, wish.start, now)
    free = list(candidates)
    for _ in range(min(TRIES, len(free))):
        key = (memory.beside(service.id, free, now) if wish.start is None else None) or chance.choice(free)
        free.remove(key)
        ticket = keys().hold(key, secret=new_secret)
        seat = Seat(key, opens_at=now, state=State.HELD, hold=tokens.digest(ticket.secret))
        origin = keys().origin(address, now) if settings.current().origin_holds else ""
        if visitors.is_crowded(origin):
            return _hold(service, seat, keys().sealed_as(Kind.LATE, ticket), now)
        until = now + service.limits.hold
        if store.take(key, seat.hold, until, now):
            kind = _kind(origin, visit, now)
            if kind is Kind.LATE:
                store.give_back(key, seat.hold, now)
            else:
                _end_other(visit, seat, now)
                seat = replace(seat, until=until)
            return _hold(service, seat, keys().sealed_as(kind, ticket), now)
    raise _taken(service, wish.start or service.start_of(candidates[0]), now)


def _kind(origin: str, visit: str, now: datetime) -> Kind:
    """Count a hold, and say how much it may ask for: the more from one place in an hour, the less."""
    if not origin:
        return Kind.HOLD
    nth, most = visitors.count(origin, now), settings.current().origin_holds
    if nth > most:
        visitors.crowded(origin)
        return Kind.LATE
    known = keys().visited(visit, now) is not None
    return Kind.HOLD if known and nth <= most // FULL else Kind.BRIEF


def _end_other(visit: str, seat: Seat, now: datetime) -> None:
    """A ticket has one live hold: the seat of the one before goes back."""
    if keys().visited(visit, now) is None:
        return
    ended = ""
    for _ in range(TRIES):
        other = visitors.hold_of(visit, seat.key, seat.hold, now, ended=ended)
        if other is None:
            return
        store.give_back(*other, now)
        ended = other[1]
    store.give_back(seat.key, seat.hold, now)  # somebody asks and asks with one ticket
    raise TooManyRequests


def ticket(visit: str, now: datetime) -> str:
    """A new ticket for a visitor, or nothing while theirs is good for a while."""
    age = keys().visited(visit, now)
    return keys().visit(now) if age is None or age > tokens.VISIT_LIFE / 2 else ""


def _of_slot(service: Service, start: datetime, now: datetime) -> list[SeatKey]:
    """The seats of one slot that look free; refuse when there is none, and say why."""
    week = week_of(start.date())
    seats = store.seats_seen(service.id, week, now) if week in _weeks_shown(service, now) else []
    here = [seat for seat in seats if service.start_of(seat.key) == start]
    if not here:
        raise NotFound
    if free := timetable.free_seats(service, here, now):
        return free
    if coming := [seat.opens_at for seat in here if seat.is_coming(now)]:
        raise NotOpenYet(min(coming).astimezone(service.zone))
    raise _taken(service, start, now)


def _taken(service: Service, wished: datetime, now: datetime) -> SlotTaken | NothingFree:
    """The refusal for a slot that is gone: with what is near, or with when more will open."""
    if free := free_seats(service, now):
        return SlotTaken(timetable.nearest(service, free, wished))
    return NothingFree(timetable.next_release(service, now))


def _hold(service: Service, seat: Seat, ticket: Ticket, now: datetime) -> Hold:
    left = int((seat.until - now).total_seconds()) if seat.until else 0
    can_extend = seat.state is State.HELD and left > 0 and seat.extensions < service.limits.extensions
    brief, kept = ticket.kind is not Kind.HOLD, seat.until is not None
    return Hold(str(ticket), service, seat, service.start_of(seat.key), can_extend, max(left, 0), kept, brief)


def _find(hold_id: str, now: datetime) -> tuple[Service, Seat, Ticket]:
    """The seat that this hold has, or will have after the captcha; HoldOver when it no longer has it."""
    ticket = keys().read("hold", hold_id)
    service = store.service(ticket.seat.service, now)
    seat, hold = store.seat(ticket.seat), tokens.digest(ticket.secret)
    if seat.holds(hold, now):
        return service, seat, ticket
    if ticket.kind is not Kind.LATE or seat.hold == hold:
        raise HoldOver
    if not seat.is_free(now):
        raise _taken(service, service.start_of(seat.key), now)
    return service, Seat(seat.key, seat.opens_at, State.HELD, hold), ticket


def view_hold(hold_id: str, now: datetime) -> Hold:
    """Where a hold stands."""
    service, seat, ticket = _find(hold_id, now)
    return _hold(service, seat, ticket, now)


def end_hold(hold_id: str, now: datetime) -> Service:
    """Give an unfinished hold's seat back at once. Twice is once; AlreadyRequested, and no change, after a request."""
    ticket = keys().read("hold", hold_id)
    digest = tokens.digest(ticket.secret)
    if not store.give_back(ticket.seat, digest, now):
        seat = store.seat(ticket.seat)
        if seat.state is not State.HELD and seat.holds(digest, now):
            raise AlreadyRequested
    return store.service(ticket.seat.service, now)


def extend_hold(hold_id: str, now: datetime) -> Hold:
    """Add one more period to a hold that still runs; one that had all of them stays as it is."""
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


def answer_challenge(hold_id: str, challenge_id: str, answer: str, *, now: datetime, visit: str = "") -> Hold:
    """Check an answer; the right one gives the hold the time for the form."""
    service, seat, ticket = _find(hold_id, now)
    if seat.proven or seat.state is not State.HELD:
        return _hold(service, seat, ticket, now)
    made = keys().challenged_at(challenge_id, seat.hold, now)
    right = _is_right(challenge_id, answer)
    if seat.until is None:
        tries = visitors.tried(seat.hold, made, now, most=CAPTCHA_TRIES, right=right)
        if tries is None:
            raise CaptchaSpent
        if not right:
            raise CaptchaWrong(CAPTCHA_TRIES - tries)
        seat = replace(seat, proven=True, until=now + service.limits.form)
        if not store.take(seat.key, seat.hold, now + service.limits.form, now, proven=True):
            raise _taken(service, service.start_of(seat.key), now)
        _end_other(visit, seat, now)
        return _hold(service, seat, ticket, now)
    if not right:
        tries = store.miss(seat.key, seat.hold, made, now, most=CAPTCHA_TRIES)
        if tries is None:
            raise CaptchaSpent
        raise CaptchaWrong(CAPTCHA_TRIES - tries)
    until = now + service.limits.form
    if store.prove(seat.key, seat.hold, made, until, now, most=CAPTCHA_TRIES):
        return _hold(service, replace(seat, proven=True, until=until, extensions=0), ticket, now)
    hold = view_hold(hold_id, now)
    if not hold.seat.proven:
        raise CaptchaSpent
    return hold


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
