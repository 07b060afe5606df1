"""What an applicant does until the details, one function a step. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib import settings, store, timetable, tokens
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
)
from chalicelib.model import Seat, SeatKey, Service, State, week_of
from chalicelib.tokens import Keys, Ticket

TRIES = 3
"""How many seats one attempt may ask for."""
CAPTCHA_TRIES = 5

_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Wish:
    """A slot, by its start on the wall, or the first free one (`start` is None)."""

    start: datetime | None
    conditions_accepted: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A seat kept for one visitor, and how far they are; `left` are the whole seconds until its time is over."""

    id: str
    service: Service
    seat: Seat
    start: datetime
    can_extend: bool
    left: int


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
    """The services offered."""
    return store.services(now)


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
    for week in timetable.open_weeks(service, now):
        if first := timetable.earliest(service, store.seats_seen(service.id, week, now), now):
            return first
    return []


# Holding


def place_hold(
    service_id: str,
    wish: Wish,
    *,
    now: datetime,
    new_secret: Callable[[], str] = tokens.new_secret,
    chance: random.Random = _chance,
) -> Hold:
    """Hold a free seat of the wished slot, or one of the earliest free; refuse with the nearest."""
    service = store.service(service_id, now)
    if not wish.conditions_accepted:
        raise ConditionsNotAccepted
    if wish.start is None:
        candidates = _earliest(service, now)
        if not candidates:
            raise NothingFree(timetable.next_release(service, now))
    else:
        candidates = _of_slot(service, wish.start, now)
    for key in chance.sample(candidates, min(TRIES, len(candidates))):
        ticket = keys().hold(key, secret=new_secret)
        digest = tokens.digest(ticket.secret)
        until = now + service.limits.hold
        if store.take(key, digest, until, now):
            seat = Seat(key, opens_at=now, state=State.HELD, hold=digest, until=until)
            return _hold(service, seat, ticket, now)
    raise _taken(service, wish.start or service.start_of(candidates[0]), now)


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
    return Hold(str(ticket), service, seat, service.start_of(seat.key), can_extend, max(left, 0))


def _find(hold_id: str, now: datetime) -> tuple[Service, Seat, Ticket]:
    """The seat that this hold has; HoldOver when it no longer has it."""
    ticket = keys().read("hold", hold_id)
    service = store.service(ticket.seat.service, now)
    seat = store.seat(ticket.seat)
    if not seat.holds(tokens.digest(ticket.secret), now):
        raise HoldOver
    return service, seat, ticket


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


def answer_challenge(hold_id: str, challenge_id: str, answer: str, *, now: datetime) -> Hold:
    """Check an answer; the right one gives the hold the time for the form."""
    service, seat, ticket = _find(hold_id, now)
    if seat.proven or seat.state is not State.HELD:
        return _hold(service, seat, ticket, now)
    made = keys().challenged_at(challenge_id, seat.hold, now)
    given = "".join(answer.split()).casefold()
    right = {keys().picture_answer(challenge_id), keys().sound_answer(challenge_id)}
    if extra := settings.current().captcha_answer:
        right.add(extra)
    if given not in right:
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


def check_hold(hold_id: str, now: datetime) -> Hold:
    """A hold that is ready for the details; CaptchaRequired before the captcha."""
    hold = view_hold(hold_id, now)
    if hold.seat.state is State.HELD and not hold.seat.proven:
        raise CaptchaRequired
    return hold
