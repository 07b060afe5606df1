"""Services and seats in the table: the conditional writes that decide who has a seat.

Each write that can race carries its condition; a condition that fails is an answer (`False`), not an error. Every call
may raise `TooManyRequests` (the table throttles) or `TryAgain` (the table is away).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.pagination import ResultIterator

from chalicelib import files, memory, rows
from chalicelib.errors import NotFound, TooManyRequests
from chalicelib.model import SKEW, Seat, SeatKey, Service, State
from chalicelib.rows import SeatRow, ServiceRow

SERVICE_MEMORY = timedelta(seconds=60)


def forget() -> None:
    """Empty what this process remembers of the table."""
    _services.clear()
    memory.forget()


# Services


_services: dict[str, tuple[datetime, Service]] = {}


def put_service(document: dict[str, Any]) -> Service:
    """Check a service's document and store it; ValueError says what is wrong."""
    service = files.service_from(document)
    with rows.table():
        ServiceRow("SERVICES", service.id, document=document).save()
    _services.clear()
    return service


def services(now: datetime) -> list[Service]:
    """All services, remembered for a minute."""
    if not _services or min(at for at, _ in _services.values()) + SERVICE_MEMORY <= now:
        with rows.table():
            found = list(ServiceRow.query("SERVICES"))
        _services.clear()
        _services.update({row.sk: (now, files.service_from(row.document)) for row in found})
    return [service for _, service in _services.values()]


def service(name: str, now: datetime) -> Service:
    """One service; NotFound if there is none of that name."""
    for one in services(now):
        if one.id == name:
            return one
    raise NotFound


# Seats


def _partition(service_id: str, week: str) -> str:
    return f"SEATS#{service_id}#{week}"


def _place(key: SeatKey) -> tuple[str, str]:
    return _partition(key.service, key.week), f"{key.day.isoformat()}T{key.start:%H%M}#{key.unit:03}"


def seat_row(key: SeatKey) -> SeatRow:
    """The key of a seat's item."""
    return SeatRow(*_place(key))


def _seat(row: SeatRow) -> Seat:
    return Seat(
        key=_key(row.pk.split("#")[1], row.sk),
        opens_at=row.opens_at,
        state=State(row.state),
        hold=row.hold or "",
        until=row.until,
        proven=bool(row.proven),
        reminded=bool(row.reminded),
        extensions=int(row.extensions or 0),
        person=row.person or "",
        filed_at=row.filed_at,
        past=row.past or "",
        past_state=State(row.past_state) if row.past_state else None,
        closed=row.closed or "",
        extra=bool(row.extra),
        reserve=row.reserve or "",
        generation=int(row.generation or 0),
        emails_refused=int(row.emails_refused or 0),
        holds_had=int(row.holds_had or 0),
        freed=int(row.freed or 0),
        expired=int(row.expired or 0),
        first_at=row.first_at,
        brief=bool(row.brief),
        captchas_due=int(row.captchas_due or 0),
        checked_for=row.checked_for or "",
        wished=row.wished,
    )


def seat_from(image: Mapping[str, Any]) -> Seat | None:
    """The seat in an image of the table's stream; None for an item of another kind."""
    if not image["pk"]["S"].startswith("SEATS#"):
        return None
    row = SeatRow()
    row.deserialize(dict(image))
    return _seat(row)


def seats(service_id: str, week: str, *, consistent: bool = False) -> list[Seat]:
    """Every seat of a week, in order: one Query."""
    with rows.table():
        return [_seat(row) for row in SeatRow.query(_partition(service_id, week), consistent_read=consistent)]


def all_seats(service_id: str) -> list[Seat]:
    """Every seat of a service, of any week, read consistently: a Scan of the whole table."""
    with rows.table():
        return [
            _seat(row) for row in SeatRow.scan(SeatRow.pk.startswith(_partition(service_id, "")), consistent_read=True)
        ]


_SHOWN = ["sk", "opens_at", "state", "until", "past_state", "reserve"]


def seats_shown(service_id: str, week: str) -> list[Seat]:
    """The same with no more than what a calendar shows of a seat: a row of PynamoDB's takes 0.1 ms to fill."""
    where, what = (_partition(service_id, week),), {"attributes_to_get": _SHOWN}
    with rows.table():
        return list(ResultIterator(rows.connection().query, where, what, map_fn=partial(_shown, service_id)))


def _shown(service_id: str, item: Mapping[str, Mapping[str, str]]) -> Seat:
    until, past_state, reserve = item.get("until"), item.get("past_state"), item.get("reserve")
    return Seat(
        key=_key(service_id, item["sk"]["S"]),
        opens_at=rows.moment(item["opens_at"]["N"]),
        state=State(item["state"]["S"]),
        until=rows.moment(until["N"]) if until else None,
        past_state=State(past_state["S"]) if past_state else None,
        reserve=reserve["S"] if reserve else "",
    )


@lru_cache(maxsize=10_000)
def _key(service_id: str, sort_key: str) -> SeatKey:
    slot, unit = sort_key.split("#")
    start = datetime.fromisoformat(f"{slot[:13]}:{slot[13:]}")
    return SeatKey(start.date(), start.time(), int(unit), service_id)


@contextmanager
def _asked(service_id: str, now: datetime) -> Iterator[None]:
    """Ask the table for something of a service, unless it throttled within the pause; TooManyRequests if it does."""
    if memory.is_throttled(service_id, now):
        raise TooManyRequests
    try:
        yield
    except TooManyRequests:
        memory.throttled(service_id, now)
        raise


def seats_seen(service_id: str, week: str, now: datetime) -> list[Seat]:
    """The same, as far as a calendar shows it, from this process's memory where it knows the week."""
    if (known := memory.week(service_id, week, now)) is None:
        with _asked(service_id, now):
            memory.keep(service_id, week, seats_shown(service_id, week), now)
        known = memory.week(service_id, week, now) or []
    return known


def seat_seen(key: SeatKey, now: datetime) -> Seat | None:
    """One seat as a calendar shows it, from this process's memory where it knows the week; None if it is not there."""
    seats_seen(key.service, key.week, now)
    return memory.seat(key)


def seat(key: SeatKey) -> Seat:
    """One seat, read consistently; NotFound if it never was."""
    row = seat_row(key)
    with rows.table():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist as error:
            raise NotFound from error
    return _seat(row)


def create(key: SeatKey, opens_at: datetime, erase_at: datetime) -> bool:
    """Make a seat; False, and nothing changed, if it is there. The table erases it, and whom it had, at `erase_at`."""
    row = new_row(key, opens_at)
    row.erase_at = int(erase_at.timestamp())
    return rows.written(lambda: row.save(SeatRow.pk.does_not_exist()))


def new_row(key: SeatKey, opens_at: datetime) -> SeatRow:
    """The row of a seat that nobody had yet."""
    row = seat_row(key)
    row.opens_at, row.state = opens_at, State.OPEN
    return row


def update(key: SeatKey, actions: Sequence[Action], condition: Condition) -> bool:
    """Change a seat under a condition; False if it fails."""
    pk, sk = _place(key)  # not by a row's own `update`, which asks for the whole item and reads it
    return rows.written(lambda: rows.connection().update_item(pk, sk, actions=actions, condition=condition))


_HOLD: list[Attribute[Any]] = [SeatRow.hold, SeatRow.until, SeatRow.filed_at, SeatRow.brief]
_PROGRESS: list[Attribute[Any]] = [SeatRow.reminded, SeatRow.extensions, SeatRow.challenge, SeatRow.tries]
_PROGRESS += [SeatRow.captchas_due, SeatRow.checked_for, SeatRow.answers, SeatRow.emails_refused]
_STEPS: list[Attribute[Any]] = [SeatRow.proven, SeatRow.wished, *_PROGRESS]
_PAST = (SeatRow.past, SeatRow.past_state, SeatRow.reserve)


def without_hold() -> list[Action]:
    """What takes a hold or a request, and how far it was, off a seat."""
    return [gone.remove() for gone in (*_HOLD, SeatRow.person, *_STEPS)]


def fresh(*, proven: bool = False, wished: datetime | None = None, generation: int = 0) -> list[Action]:
    """What a new hold does away with: how far the one before was, and what became of the request before.

    A request that moves here brings its `generation` along, so that its older links stay closed.
    """
    passed = SeatRow.proven.set(True) if proven else SeatRow.proven.remove()
    instead = SeatRow.wished.set(wished) if wished else SeatRow.wished.remove()
    links = SeatRow.generation.set(generation) if generation else SeatRow.generation.remove()
    return [passed, instead, links, SeatRow.brief.remove(), *(gone.remove() for gone in (*_PROGRESS, *_PAST))]


def counted(now: datetime) -> list[Action]:
    """What a new hold adds to the figures of the week."""
    return [SeatRow.holds_had.add(1), SeatRow.first_at.set(SeatRow.first_at | now)]


def free(now: datetime) -> Condition:
    """The condition of a hold, and nothing else decides: the seat exists, has opened, and nobody has it."""
    over = (SeatRow.state == State.HELD) & (SeatRow.until < now - SKEW)
    condition: Condition = SeatRow.pk.exists() & (SeatRow.opens_at <= now) & ((SeatRow.state == State.OPEN) | over)
    return condition


def take(
    key: SeatKey,
    hold: str,
    until: datetime,
    now: datetime,
    *,
    proven: bool = False,
    wished: datetime | None = None,
) -> bool:
    """Hold a seat: one conditional update, one write unit. False when somebody else has it.

    `proven` is for a visitor who passed the captcha before there was a seat, `wished` the start of the slot that they
    had chosen when this seat is of another one.
    """
    actions: list[Action] = [SeatRow.state.set(State.HELD), SeatRow.hold.set(hold), SeatRow.until.set(until)]
    actions += [SeatRow.person.remove(), SeatRow.filed_at.remove(), *counted(now)]
    actions += fresh(proven=proven, wished=wished)
    with _asked(key.service, now):
        took = update(key, actions, free(now))
    memory.taken(key, now, by_us=took)
    return took


def _held(hold: str, now: datetime) -> Condition:
    """The hold has the seat and has not run out."""
    condition: Condition = (SeatRow.hold == hold) & (SeatRow.state == State.HELD) & (SeatRow.until > now)
    return condition


def make_brief(key: SeatKey, hold: str, now: datetime, *, captchas_due: int = 0) -> bool:
    """Note that the request of this hold must be confirmed soon, and how many further captchas it owes."""
    actions: list[Action] = [SeatRow.brief.set(True)]
    if captchas_due:
        actions.append(SeatRow.captchas_due.set(captchas_due))
    return update(key, actions, _held(hold, now))


def extend(key: SeatKey, hold: str, until: datetime, now: datetime, *, extensions: int) -> bool:
    """Give a hold one more period, if it had `extensions` so far."""
    had = SeatRow.extensions == extensions if extensions else SeatRow.extensions.does_not_exist()
    actions = [SeatRow.until.set(until), SeatRow.extensions.set(extensions + 1)]
    return update(key, actions, _held(hold, now) & had)


def prove(key: SeatKey, hold: str, challenge: int, until: datetime, now: datetime, *, most: int, due: int = 0) -> bool:
    """Note that the captcha is passed, with the time for the form; False if the challenge is spent.

    A further captcha, of which so many are `due`, gives no more time, and its challenge cannot be used again.
    """
    fresh = SeatRow.challenge.does_not_exist() | (SeatRow.challenge < challenge)
    tried = (SeatRow.challenge == challenge) & (SeatRow.tries < most)
    actions: list[Action] = [SeatRow.proven.set(True)]
    if due:
        actions += [SeatRow.captchas_due.set(due - 1), SeatRow.challenge.set(challenge), SeatRow.tries.set(most)]
        actions.append(SeatRow.answers.remove())
    else:
        actions += [SeatRow.until.set(until), SeatRow.challenge.remove(), SeatRow.tries.remove()]
        actions.append(SeatRow.extensions.remove())
    unproven = SeatRow.proven.does_not_exist()
    return update(key, actions, _held(hold, now) & unproven & (fresh | tried))


def require_captchas(key: SeatKey, hold: str, due: int, now: datetime, *, most: int, checked_for: str) -> bool:
    """Let a hold that passed the captcha pass `due` more before its details are taken. The seat stays held.

    All challenges made before now are spent. One made at this moment is not: the page that says so carries it.
    """
    actions: list[Action] = [
        SeatRow.proven.remove(),
        SeatRow.captchas_due.set(due),
        SeatRow.checked_for.set(checked_for),
    ]
    actions += [SeatRow.brief.set(True), SeatRow.tries.set(most)]
    actions.append(SeatRow.challenge.set(int(now.timestamp() * 1000) - 1))
    return update(key, actions, _held(hold, now) & SeatRow.proven.exists())


def spend_answer(key: SeatKey, hold: str, now: datetime, *, most: int) -> bool:
    """Count an answer that somebody has a request; False if the hold had `most` since its last captcha, or owes one."""
    few = SeatRow.answers.does_not_exist() | (SeatRow.answers < most)
    return update(key, [SeatRow.answers.add(1)], _held(hold, now) & SeatRow.proven.exists() & few)


def miss(key: SeatKey, hold: str, challenge: int, now: datetime, *, most: int) -> int | None:
    """Count a wrong answer; tries so far for this challenge, or None if it is spent or a newer one was tried."""
    unproven = _held(hold, now) & SeatRow.proven.does_not_exist()
    first = SeatRow.challenge.does_not_exist() | (SeatRow.challenge < challenge)
    if update(key, [SeatRow.challenge.set(challenge), SeatRow.tries.set(1)], unproven & first):
        return 1
    again = (SeatRow.challenge == challenge) & (SeatRow.tries < most)
    row = seat_row(key)
    if not rows.written(lambda: row.update([SeatRow.tries.set(SeatRow.tries + 1)], unproven & again)):
        return None
    return int(row.tries or 0)


def give_back(key: SeatKey, hold: str, now: datetime) -> bool:
    """Open an unfinished hold's seat at once."""
    actions = [SeatRow.state.set(State.OPEN), *without_hold()]
    done = update(key, actions, _held(hold, now))
    if done:
        memory.given_back(key)
    return done


def end_hold(found: Seat, now: datetime) -> bool:
    """Open a seat whose hold ran out, if nothing has happened to it since it was read."""
    actions = [SeatRow.state.set(State.OPEN), *without_hold()]
    over = (SeatRow.hold == found.hold) & (SeatRow.state == State.HELD) & (SeatRow.until < now - SKEW)
    return update(found.key, actions, over)


def end_request(found: Seat, ended: State, opens_at: datetime, now: datetime, *, early: bool = False) -> bool:
    """Free a request's seat, to open again at `opens_at`: CANCELLED, WITHDRAWN by the office, EXPIRED by the clock.

    One that nobody can confirm expires `early`.
    """
    return update(found.key, ended_as(found.hold, ended, opens_at), live(found, ended, now, early=early))


def live(found: Seat, ended: State, now: datetime, *, early: bool = False) -> Condition:
    """Return the condition under which a request may end so: it is live, and its time is over if the clock ends it."""
    states = [State.PENDING] if ended is State.EXPIRED else [State.PENDING, State.CONFIRMED]
    condition: Condition = SeatRow.state.is_in(*states) & (SeatRow.hold == found.hold)
    return condition & (SeatRow.until < now) if ended is State.EXPIRED and not early else condition


def ended_as(hold: str, ended: State, opens_at: datetime) -> list[Action]:
    """What takes a request off a seat that opens again at `opens_at`.

    Its person stays named beside `past` until somebody takes the seat: the link can still erase them. Not if it moved.
    """
    count = SeatRow.expired if ended is State.EXPIRED else SeatRow.freed
    actions: list[Action] = [SeatRow.state.set(State.OPEN), SeatRow.opens_at.set(opens_at), count.add(1)]
    actions += [SeatRow.past.set(hold), SeatRow.past_state.set(ended)]
    actions += [gone.remove() for gone in (*_HOLD, *_STEPS)]
    return [*actions, SeatRow.person.remove()] if ended is State.MOVED else actions


def forget_person(key: SeatKey, past: str) -> bool:
    """Take the person of the request that ended as `past` off the seat."""
    return update(key, [SeatRow.person.remove()], SeatRow.past == past)


def filed(hold: str, person: str, until: datetime, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write that turns a proven hold into a request that waits for its confirmation until `until`."""
    actions: list[Action] = [SeatRow.state.set(State.PENDING), SeatRow.person.set(person)]
    actions += [SeatRow.filed_at.set(now), SeatRow.until.set(until), *(gone.remove() for gone in _STEPS)]
    return actions, _held(hold, now) & SeatRow.proven.exists()


def readdressed(found: Seat, until: datetime, now: datetime) -> tuple[list[Action], Condition]:
    """Return the write that ends the links sent so far: the e-mail address of a pending request was corrected."""
    actions: list[Action] = [SeatRow.generation.set(found.generation + 1), SeatRow.until.set(until)]
    had = SeatRow.generation == found.generation if found.generation else SeatRow.generation.does_not_exist()
    pending = (SeatRow.hold == found.hold) & (SeatRow.state == State.PENDING) & (SeatRow.until > now)
    return actions, pending & had


def spend_email_change(found: Seat) -> None:
    """Count a correction of the e-mail address that was refused: it uses up one of those that are left.

    Raise TooManyRequests if another one was counted since the seat was read.
    """
    refused = SeatRow.emails_refused
    had = refused == found.emails_refused if found.emails_refused else refused.does_not_exist()
    if not update(found.key, [refused.add(1)], (SeatRow.hold == found.hold) & had):
        raise TooManyRequests


def shorten(found: Seat, until: datetime) -> bool:
    """End the time to confirm of a pending request at `until`, if it would last longer."""
    pending = (SeatRow.hold == found.hold) & (SeatRow.state == State.PENDING) & (SeatRow.until > until)
    return update(found.key, [SeatRow.until.set(until)], pending)


def confirm(key: SeatKey, hold: str, now: datetime) -> bool:
    """Confirm a pending request whose time has not run out."""
    pending = (SeatRow.hold == hold) & (SeatRow.state == State.PENDING) & (SeatRow.until > now)
    return update(key, [SeatRow.state.set(State.CONFIRMED)], pending)


def remind(found: Seat) -> bool:
    """Note that it is time for the reminder of a confirmed request; the stream tells the mailer."""
    confirmed = (SeatRow.hold == found.hold) & (SeatRow.state == State.CONFIRMED)
    return update(found.key, [SeatRow.reminded.set(True)], confirmed & SeatRow.reminded.does_not_exist())
