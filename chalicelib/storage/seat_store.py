"""Services and seats in the table: the conditional writes that decide who has a seat.

Each write that can race carries its condition; a condition that fails is an answer (`False`), not an error. Every call
may raise `TooManyRequests` (the table throttles) or `TryAgain` (the table is away).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.pagination import ResultIterator

from chalicelib.domain.refusals import NotFound, TooManyRequests
from chalicelib.domain.seat import CLOCK_SKEW, Seat, SeatKey, State
from chalicelib.storage import dynamodb, items, recent, seat_expressions
from chalicelib.storage.items import SeatItem


def _seat_from(row: SeatItem) -> Seat:
    return Seat(
        key=_key(row.pk.split("#")[1], row.sk),
        opens_at=row.opens_at,
        state=State(row.state),
        hold=row.hold or "",
        until=row.until,
        captcha_passed=bool(row.captcha_passed),
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


def seat_from_image(image: Mapping[str, Any]) -> Seat | None:
    """The seat in an image of the table's stream; None for an item of another kind."""
    if not image["pk"]["S"].startswith("SEATS#"):
        return None
    row = SeatItem()
    row.deserialize(dict(image))
    return _seat_from(row)


def read_week(service_id: str, week: str, *, consistent: bool = False) -> list[Seat]:
    """Every seat of a week, in order: one Query."""
    with dynamodb.translated_errors():
        return [
            _seat_from(row)
            for row in SeatItem.query(items.week_partition(service_id, week), consistent_read=consistent)
        ]


def read_all_weeks(service_id: str) -> list[Seat]:
    """Every seat of a service, of any week, read consistently: a Scan of the whole table."""
    with dynamodb.translated_errors():
        return [
            _seat_from(row)
            for row in SeatItem.scan(SeatItem.pk.startswith(items.week_partition(service_id, "")), consistent_read=True)
        ]


_SHOWN = ["sk", "opens_at", "state", "until", "past_state", "reserve"]


def read_week_shown(service_id: str, week: str) -> list[Seat]:
    """The same with no more than what a calendar shows of a seat: a row of PynamoDB's takes 0.1 ms to fill."""
    where, what = (items.week_partition(service_id, week),), {"attributes_to_get": _SHOWN}
    with dynamodb.translated_errors():
        return list(ResultIterator(dynamodb.connection().query, where, what, map_fn=partial(_shown, service_id)))


def _shown(service_id: str, item: Mapping[str, Mapping[str, str]]) -> Seat:
    until, past_state, reserve = item.get("until"), item.get("past_state"), item.get("reserve")
    return Seat(
        key=_key(service_id, item["sk"]["S"]),
        opens_at=items.timestamp(item["opens_at"]["N"]),
        state=State(item["state"]["S"]),
        until=items.timestamp(until["N"]) if until else None,
        past_state=State(past_state["S"]) if past_state else None,
        reserve=reserve["S"] if reserve else "",
    )


@lru_cache(maxsize=10_000)
def _key(service_id: str, sort_key: str) -> SeatKey:
    slot, unit = sort_key.split("#")
    start = datetime.fromisoformat(f"{slot[:13]}:{slot[13:]}")
    return SeatKey(start.date(), start.time(), int(unit), service_id)


@contextmanager
def _throttle_aware(service_id: str, now: datetime) -> Iterator[None]:
    """Ask the table for something of a service, unless it throttled within the pause; TooManyRequests if it does."""
    if recent.is_throttled(service_id, now):
        raise TooManyRequests
    try:
        yield
    except TooManyRequests:
        recent.throttled(service_id, now)
        raise


def cached_week(service_id: str, week: str, now: datetime) -> list[Seat]:
    """The same, as far as a calendar shows it, from this process's memory where it knows the week."""
    if (known := recent.week(service_id, week, now)) is None:
        with _throttle_aware(service_id, now):
            recent.keep(service_id, week, read_week_shown(service_id, week), now)
        known = recent.week(service_id, week, now) or []
    return known


def cached_seat(key: SeatKey, now: datetime) -> Seat | None:
    """One seat as a calendar shows it, from this process's memory where it knows the week; None if it is not there."""
    cached_week(key.service, key.week, now)
    return recent.seat(key)


def read(key: SeatKey) -> Seat:
    """One seat, read consistently; NotFound if it never was."""
    row = items.seat_item(key)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist as error:
            raise NotFound from error
    return _seat_from(row)


def create(key: SeatKey, opens_at: datetime, erase_at: datetime) -> bool:
    """Make a seat; False, and nothing changed, if it is there. The table erases it, and whom it had, at `erase_at`."""
    row = new_item(key, opens_at)
    row.erase_at = int(erase_at.timestamp())
    return dynamodb.try_write(lambda: row.save(SeatItem.pk.does_not_exist()))


def new_item(key: SeatKey, opens_at: datetime) -> SeatItem:
    """The row of a seat that nobody had yet."""
    row = items.seat_item(key)
    row.opens_at, row.state = opens_at, State.OPEN
    return row


def update(key: SeatKey, actions: Sequence[Action], condition: Condition) -> bool:
    """Change a seat under a condition; False if it fails."""
    pk, sk = items.seat_place(key)  # not by a row's own `update`, which asks for the whole item and reads it
    return dynamodb.try_write(lambda: dynamodb.connection().update_item(pk, sk, actions=actions, condition=condition))


def take(
    key: SeatKey,
    hold: str,
    until: datetime,
    now: datetime,
    *,
    captcha_passed: bool = False,
    wished: datetime | None = None,
) -> bool:
    """Hold a seat: one conditional update, one write unit. False when somebody else has it.

    `proven` is for a visitor who passed the captcha before there was a seat, `wished` the start of the slot that they
    had chosen when this seat is of another one.
    """
    actions: list[Action] = [SeatItem.state.set(State.HELD), SeatItem.hold.set(hold), SeatItem.until.set(until)]
    actions += [SeatItem.person.remove(), SeatItem.filed_at.remove(), *seat_expressions.count_hold(now)]
    actions += seat_expressions.new_hold(captcha_passed=captcha_passed, wished=wished)
    with _throttle_aware(key.service, now):
        took = update(key, actions, seat_expressions.is_free(now))
    recent.taken(key, now, by_us=took)
    return took


def shorten_confirmation(key: SeatKey, hold: str, now: datetime, *, captchas_due: int = 0) -> bool:
    """Note that the request of this hold must be confirmed soon, and how many further captchas it owes."""
    actions: list[Action] = [SeatItem.brief.set(True)]
    if captchas_due:
        actions.append(SeatItem.captchas_due.set(captchas_due))
    return update(key, actions, seat_expressions.is_held(hold, now))


def extend(key: SeatKey, hold: str, until: datetime, now: datetime, *, extensions: int) -> bool:
    """Give a hold one more period, if it had `extensions` so far."""
    had = SeatItem.extensions == extensions if extensions else SeatItem.extensions.does_not_exist()
    actions = [SeatItem.until.set(until), SeatItem.extensions.set(extensions + 1)]
    return update(key, actions, seat_expressions.is_held(hold, now) & had)


def pass_captcha(
    key: SeatKey, hold: str, challenge: int, until: datetime, now: datetime, *, most: int, due: int = 0
) -> bool:
    """Note that the captcha is passed, with the time for the form; False if the challenge is spent.

    A further captcha, of which so many are `due`, gives no more time, and its challenge cannot be used again.
    """
    fresh = SeatItem.challenge.does_not_exist() | (SeatItem.challenge < challenge)
    tried = (SeatItem.challenge == challenge) & (SeatItem.tries < most)
    actions: list[Action] = [SeatItem.captcha_passed.set(True)]
    if due:
        actions += [SeatItem.captchas_due.set(due - 1), SeatItem.challenge.set(challenge), SeatItem.tries.set(most)]
        actions.append(SeatItem.answers.remove())
    else:
        actions += [SeatItem.until.set(until), SeatItem.challenge.remove(), SeatItem.tries.remove()]
        actions.append(SeatItem.extensions.remove())
    unproven = SeatItem.captcha_passed.does_not_exist()
    return update(key, actions, seat_expressions.is_held(hold, now) & unproven & (fresh | tried))


def require_captchas(key: SeatKey, hold: str, due: int, now: datetime, *, most: int, checked_for: str) -> bool:
    """Let a hold that passed the captcha pass `due` more before its details are taken. The seat stays held.

    All challenges made before now are spent. One made at this moment is not: the page that says so carries it.
    """
    actions: list[Action] = [
        SeatItem.captcha_passed.remove(),
        SeatItem.captchas_due.set(due),
        SeatItem.checked_for.set(checked_for),
    ]
    actions += [SeatItem.brief.set(True), SeatItem.tries.set(most)]
    actions.append(SeatItem.challenge.set(int(now.timestamp() * 1000) - 1))
    return update(key, actions, seat_expressions.is_held(hold, now) & SeatItem.captcha_passed.exists())


def spend_answer(key: SeatKey, hold: str, now: datetime, *, most: int) -> bool:
    """Count an answer that somebody has a request; False if the hold had `most` since its last captcha, or owes one."""
    few = SeatItem.answers.does_not_exist() | (SeatItem.answers < most)
    return update(
        key, [SeatItem.answers.add(1)], seat_expressions.is_held(hold, now) & SeatItem.captcha_passed.exists() & few
    )


def count_wrong_answer(key: SeatKey, hold: str, challenge: int, now: datetime, *, most: int) -> int | None:
    """Count a wrong answer; tries so far for this challenge, or None if it is spent or a newer one was tried."""
    unproven = seat_expressions.is_held(hold, now) & SeatItem.captcha_passed.does_not_exist()
    first = SeatItem.challenge.does_not_exist() | (SeatItem.challenge < challenge)
    if update(key, [SeatItem.challenge.set(challenge), SeatItem.tries.set(1)], unproven & first):
        return 1
    again = (SeatItem.challenge == challenge) & (SeatItem.tries < most)
    row = items.seat_item(key)
    if not dynamodb.try_write(lambda: row.update([SeatItem.tries.set(SeatItem.tries + 1)], unproven & again)):
        return None
    return int(row.tries or 0)


def give_back(key: SeatKey, hold: str, now: datetime) -> bool:
    """Open an unfinished hold's seat at once."""
    actions = [SeatItem.state.set(State.OPEN), *seat_expressions.without_hold()]
    done = update(key, actions, seat_expressions.is_held(hold, now))
    if done:
        recent.given_back(key)
    return done


def end_expired_hold(found: Seat, now: datetime) -> bool:
    """Open a seat whose hold ran out, if nothing has happened to it since it was read."""
    actions = [SeatItem.state.set(State.OPEN), *seat_expressions.without_hold()]
    over = (SeatItem.hold == found.hold) & (SeatItem.state == State.HELD) & (SeatItem.until < now - CLOCK_SKEW)
    return update(found.key, actions, over)


def end_request(found: Seat, ended: State, opens_at: datetime, now: datetime, *, early: bool = False) -> bool:
    """Free a request's seat, to open again at `opens_at`: CANCELLED, WITHDRAWN by the office, EXPIRED by the clock.

    One that nobody can confirm expires `early`.
    """
    return update(
        found.key,
        seat_expressions.end_request(found.hold, ended, opens_at),
        seat_expressions.is_live(found, ended, now, early=early),
    )


def forget_person(key: SeatKey, past: str) -> bool:
    """Take the person of the request that ended as `past` off the seat."""
    return update(key, [SeatItem.person.remove()], SeatItem.past == past)


def spend_email_change(found: Seat) -> None:
    """Count a correction of the e-mail address that was refused: it uses up one of those that are left.

    Raise TooManyRequests if another one was counted since the seat was read.
    """
    refused = SeatItem.emails_refused
    had = refused == found.emails_refused if found.emails_refused else refused.does_not_exist()
    if not update(found.key, [refused.add(1)], (SeatItem.hold == found.hold) & had):
        raise TooManyRequests


def shorten(found: Seat, until: datetime) -> bool:
    """End the time to confirm of a pending request at `until`, if it would last longer."""
    pending = (SeatItem.hold == found.hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > until)
    return update(found.key, [SeatItem.until.set(until)], pending)


def confirm(key: SeatKey, hold: str, now: datetime) -> bool:
    """Confirm a pending request whose time has not run out."""
    pending = (SeatItem.hold == hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > now)
    return update(key, [SeatItem.state.set(State.CONFIRMED)], pending)


def remind(found: Seat) -> bool:
    """Note that it is time for the reminder of a confirmed request; the stream tells the mailer."""
    confirmed = (SeatItem.hold == found.hold) & (SeatItem.state == State.CONFIRMED)
    return update(found.key, [SeatItem.reminded.set(True)], confirmed & SeatItem.reminded.does_not_exist())
