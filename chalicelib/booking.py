"""What an applicant does, one function a step. Each takes the clock and is safe to repeat."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib import locks, settings, store, timetable, tokens
from chalicelib.errors import (
    AlreadyRequested,
    CaptchaRequired,
    CaptchaSpent,
    CaptchaWrong,
    ConditionsNotAccepted,
    HoldOver,
    LinkOver,
    NotFound,
    NothingFree,
    NotOpenYet,
    SlotTaken,
)
from chalicelib.model import Details, Person, Seat, SeatKey, Service, State, week_of
from chalicelib.tokens import Keys, Ticket

TRIES = 3
"""How many seats one attempt may ask for."""
CAPTCHA_TRIES = 5
LINK_PAUSE = timedelta(minutes=2)
"""How long an address waits before it can ask for its link again."""

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


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its owner sees it; `person` is None once it has ended."""

    token: str
    service: Service
    seat: Seat
    start: datetime
    state: State
    reference: str
    confirm_before: datetime | None = None
    filed_at: datetime | None = None
    person: Person | None = None


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
        free = _free(service, now)
        week = free[0].week if free else week_of(now.astimezone(service.zone).date())
    elif week not in _weeks_shown(service, now):
        raise NotFound
    return timetable.calendar(service, week, store.seats_seen(service_id, week, now), now)


def _weeks_shown(service: Service, now: datetime) -> list[str]:
    return timetable.weeks_to_create(service, now)


def _free(service: Service, now: datetime) -> list[SeatKey]:
    """All seats of the service that look free, earliest first; no week after the first free one is read."""
    for week in timetable.open_weeks(service, now):
        free = timetable.free_seats(service, store.seats_seen(service.id, week, now), now)
        if free:
            return free
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
        candidates = _free(service, now)[: timetable.EARLIEST]
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
    free = [
        key
        for week in timetable.open_weeks(service, now)
        for key in timetable.free_seats(service, store.seats_seen(service.id, week, now), now)
    ]
    if free:
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
    return challenge_of(keys().challenge(_find(hold_id, now)[1].hold, now))


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


# The request


def check_hold(hold_id: str, now: datetime) -> Hold:
    """A hold that is ready for the details; CaptchaRequired before the captcha."""
    hold = view_hold(hold_id, now)
    if hold.seat.state is State.HELD and not hold.seat.proven:
        raise CaptchaRequired
    return hold


def file_request(hold_id: str, details: Details, *, now: datetime) -> Request:
    """Turn a hold into a request that waits for its confirmation by mail; one per person and per address."""
    hold = check_hold(hold_id, now)
    service, seat = hold.service, hold.seat
    person_key = keys().person(details.first_name, details.last_name, details.birth_date)
    if seat.state is not State.HELD:
        if seat.person != person_key:
            raise HoldOver
        return _request(service, seat)
    person = Person(
        key=person_key,
        service=service.id,
        seat=seat.key,
        hold=seat.hold,
        details=details,
        reference=keys().reference(service.id, seat.hold),
        filed_at=now,
    )
    erase_at = hold.start + service.limits.erase_after

    def counts(key: SeatKey, digest: str) -> bool:
        try:
            return service.start_of(key) > now and store.seat(key).blocks(digest, now)
        except NotFound:  # its seat is gone from the timetable
            return False

    # The address first: its lock has no personal data, and one that is left over counts no longer than the hold.
    if not locks.lock_address(keys().address(details.email), person, erase_at, counts):
        raise AlreadyRequested
    if not locks.lock_person(person, erase_at, counts):
        raise AlreadyRequested
    until = service.confirm_before(seat.key, now)
    if not store.file_request(seat.key, seat.hold, person.key, until, now):
        return _request(service, check_hold(hold_id, now).seat)
    filed = replace(seat, state=State.PENDING, person=person.key, filed_at=now, until=until)
    return _request(service, filed, person)


def _request(service: Service, seat: Seat, person: Person | None = None) -> Request:
    """The request that a pending or confirmed seat carries."""
    return Request(
        token=str(keys().link(seat.key, seat.hold)),
        service=service,
        seat=seat,
        start=service.start_of(seat.key),
        state=seat.state,
        reference=keys().reference(service.id, seat.hold),
        confirm_before=seat.until,
        filed_at=seat.filed_at,
        person=person or locks.person(seat.person, service.id),
    )


def view_request(token: str, now: datetime) -> Request:
    """The request of a link; once it has ended, only what became of it; LinkOver when its seat moved on."""
    ticket = keys().read("link", token)
    service = store.service(ticket.seat.service, now)
    seat = store.seat(ticket.seat)
    over = seat.state is State.PENDING and seat.until is not None and seat.until <= now
    if keys().opens(ticket, seat.hold) and seat.state in {State.PENDING, State.CONFIRMED} and not over:
        return _request(service, seat)
    if keys().opens(ticket, seat.hold) and over:
        return _ended(service, seat, ticket, State.EXPIRED, seat.hold)
    if keys().opens(ticket, seat.past) and seat.past_state:
        return _ended(service, seat, ticket, seat.past_state, seat.past)
    raise LinkOver


def _ended(service: Service, seat: Seat, ticket: Ticket, state: State, hold: str) -> Request:
    reference = keys().reference(service.id, hold)
    return Request(str(ticket), service, seat, service.start_of(seat.key), state, reference)


def confirm_request(token: str, now: datetime) -> Request:
    """Confirm; again is the same; LinkOver when the time has run out or it was cancelled."""
    found = view_request(token, now)
    if found.state is State.PENDING:
        if store.confirm(found.seat.key, found.seat.hold, now):
            return replace(found, state=State.CONFIRMED)
        found = view_request(token, now)  # another click was faster
    if found.state is not State.CONFIRMED:
        raise LinkOver
    return found


def cancel_request(token: str, now: datetime, *, chance: Callable[[], float] = _chance.random) -> Request:
    """Cancel; again is the same. The seat opens again later, at a moment nobody knows."""
    found = view_request(token, now)
    if found.state in {State.PENDING, State.CONFIRMED}:
        back = timetable.return_moment(found.service, found.seat.key, now, chance())
        if store.end_request(found.seat, State.CANCELLED, back, now):
            return replace(found, state=State.CANCELLED, confirm_before=None, person=None)
        found = view_request(token, now)
    if found.state is not State.CANCELLED:
        raise LinkOver
    return found


def ask_link(reference: str, email: str, now: datetime) -> None:
    """Send the link of a request to its address again, if there is one; the answer tells nobody which."""
    service_id = reference.lower().rpartition("-")[0].rpartition("-")[0]
    locks.ask_link(keys().address(email), service_id, reference.upper(), now, pause=LINK_PAUSE)
