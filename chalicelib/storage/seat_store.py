"""Seats in the table: reads, and the conditional writes that decide who has a seat.

A write returns False when its condition fails. Every call may raise TooManyRequests (DynamoDB throttles) or Unavailable
(DynamoDB does not answer).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any, overload

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.pagination import ResultIterator

from chalicelib.domain.entry import Carrier, Entry
from chalicelib.domain.refusals import NotFound, TooManyRequests, Unavailable
from chalicelib.domain.seat import CLOCK_SKEW, RECORDED, EntryKey, Key, Seat, SeatKey, State
from chalicelib.domain.week_snapshot import WeekSnapshot
from chalicelib.storage import dynamodb, items, recent, rows, seat_expressions, seat_keys, service_items, snapshot_store
from chalicelib.storage.items import SeatItem


def seat_from_image(image: Mapping[str, Any]) -> Seat | None:
    """Return the seat in an image of the stream; None for an item of another kind."""
    return rows.seat_from(image) if seat_keys.is_seat_image(image) else None


def read_week(service_id: str, week: str, *, consistent: bool = False) -> list[Seat]:
    """Read every seat of a week, in order, with one Query, or one for each day (`service_items.is_by_day`)."""
    return _query(seat_keys.seat_partitions(service_id, week), rows.seat_from, consistent_read=consistent)


def read_day(service_id: str, day: date) -> list[Seat]:
    """Read every seat of a day consistently, in order, with one Query."""
    partitions, is_on_day = [seat_keys.seat_partition(service_id, day)], seat_keys.is_on(day)
    return _query(partitions, rows.seat_from, range_key_condition=is_on_day, consistent_read=True)


def _query(partitions: Sequence[str], map_fn: Callable[[Any], Seat], **options: Any) -> list[Seat]:
    query, seats = dynamodb.connection().query, list[Seat]()
    with dynamodb.translated_errors():
        for partition in partitions:
            seats += ResultIterator(query, (partition,), dict(options), map_fn=map_fn)
    return seats


def read_all_weeks(service_id: str) -> list[Seat]:
    """Read every seat of a service consistently, with a Scan of the whole table."""
    options = {"filter_condition": seat_keys.is_seat_of(service_id), "consistent_read": True}
    with dynamodb.translated_errors():
        return list(ResultIterator(dynamodb.connection().scan, (), options, map_fn=rows.seat_from))


_CALENDAR_ATTRIBUTES = ["sk", "opens_at", "state", "until", "past_state", "reserve"]


def read_week_for_calendar(service_id: str, week: str) -> list[Seat]:
    """Read a week, not from a cache, with only what a calendar shows of a seat: when a freed one opens is in it.

    Not by a PynamoDB model, which takes 0.1 ms a seat.
    """
    partitions, seat_from = seat_keys.seat_partitions(service_id, week), partial(_calendar_seat, service_id)
    return _query(partitions, seat_from, attributes_to_get=_CALENDAR_ATTRIBUTES)


def _calendar_seat(service_id: str, item: Mapping[str, Mapping[str, str]]) -> Seat:
    until, past_state, reserve = item.get("until"), item.get("past_state"), item.get("reserve")
    return Seat(
        key=seat_keys.seat_key(service_id, item["sk"]["S"]),
        opens_at=items.timestamp(item["opens_at"]["N"]),
        state=State(item["state"]["S"]),
        until=items.timestamp(until["N"]) if until else None,
        past_state=State(past_state["S"]) if past_state else None,
        reserve=reserve["S"] if reserve else "",
    )


@contextmanager
def _throttle_aware(service_id: str, now: datetime) -> Iterator[None]:
    """Raise TooManyRequests without a call if DynamoDB just throttled this service; record if it throttles now."""
    if recent.SEATS.is_throttled(service_id, now):
        raise TooManyRequests
    try:
        yield
    except TooManyRequests:
        recent.SEATS.record_throttle(service_id, now)
        raise


def cached_week(service_id: str, week: str, now: datetime, *, large: bool = False) -> list[Seat]:
    """Return a week as a calendar shows it, from the process cache if it was read within the last second.

    A large week, or one with a partition for each day, is read from its snapshot, which shows what visitors may know:
    freed seats only once they are open. For visitors only: what the desk may give is not in it (`places.free_for`).
    """
    recent.SEATS.expire(now)
    if (seats := recent.SEATS.week(service_id, week, now)) is None:
        with _throttle_aware(service_id, now):
            if large or service_items.is_by_day(service_id, week):
                _read_large_week(service_id, week, now)
            else:
                recent.SEATS.record_week(service_id, week, read_week_for_calendar(service_id, week), now)
        seats = recent.SEATS.week(service_id, week, now) or []
    return seats


def _read_large_week(service_id: str, week: str, now: datetime) -> None:
    """Cache a large week from its snapshot, or read the week and make the snapshot: one process once a second."""
    stored = snapshot_store.read(service_id, week)
    usable = stored.usable(now)
    if usable and not (stored.is_due(now) and snapshot_store.claim(stored, now)):
        recent.SEATS.record_snapshot(service_id, week, usable, now)
        return
    try:
        seats = read_week_for_calendar(service_id, week)
    except (TooManyRequests, Unavailable):
        if usable is None:
            raise
        recent.SEATS.record_snapshot(service_id, week, usable, now)
        return
    snapshot_store.put(stored, WeekSnapshot(now, seats, recent.is_full(seats, now)))
    recent.SEATS.record_week(service_id, week, seats, now)


def cached_seat(key: SeatKey, now: datetime, *, large: bool = False) -> Seat | None:
    """Return a seat as `cached_week` does; None if it does not exist."""
    cached_week(key.service, key.week, now, large=large)
    return recent.SEATS.seat(key)


@overload
def read(key: SeatKey) -> Seat: ...


@overload
def read(key: EntryKey) -> Entry: ...


@overload
def read(key: Key) -> Carrier: ...


def read(key: Key) -> Carrier:
    """Read a seat or an entry consistently. Raise NotFound if it does not exist."""
    document = dynamodb.read(*seat_keys.seat_primary_key(key))
    if document is None:
        raise NotFound
    return rows.entry_from(document) if isinstance(key, EntryKey) else rows.seat_from(document)


def create(key: SeatKey, opens_at: datetime, erase_at: datetime) -> bool:
    """Create a seat, which the table deletes at `erase_at`. Return False, and change nothing, if it exists."""
    row = new_item(key, opens_at)
    row.erase_at = int(erase_at.timestamp())
    return dynamodb.try_write(lambda: row.save(SeatItem.pk.does_not_exist()))


def new_item(key: SeatKey, opens_at: datetime) -> SeatItem:
    """Return the item of a seat that nobody has had yet."""
    row = seat_keys.seat_item(key)
    row.opens_at, row.state = opens_at, State.OPEN
    return row


def update(key: Key, actions: Sequence[Action], condition: Condition) -> bool:
    """Update a seat under a condition. Return False if it fails."""
    pk, sk = seat_keys.seat_primary_key(
        key
    )  # not with the `update` of a model, which returns and parses the whole item
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
    """Place a hold on a seat, for one write unit. Return False if another visitor has it.

    `captcha_passed` is for a waiting hold. `wished` is the start of the slot that the visitor had chosen, if this seat
    is in another one.
    """
    actions: list[Action] = [SeatItem.state.set(State.HELD), SeatItem.hold.set(hold), SeatItem.until.set(until)]
    actions += [SeatItem.person.remove(), SeatItem.filed_at.remove(), *seat_expressions.count_hold(now)]
    actions += seat_expressions.new_hold(captcha_passed=captcha_passed, wished=wished)
    with _throttle_aware(key.service, now):
        is_ours = update(key, actions, seat_expressions.is_free(now))
    recent.SEATS.record_taken(key, now, by_us=is_ours)
    return is_ours


def shorten_confirmation(key: Key, hold: str, now: datetime, *, captchas_due: int = 0) -> bool:
    """Mark a hold as brief: its request must be confirmed soon. Record how many further captchas it must pass."""
    actions: list[Action] = [SeatItem.brief.set(True)]
    if captchas_due:
        actions.append(SeatItem.captchas_due.set(captchas_due))
    return update(key, actions, seat_expressions.is_held(hold, now))


def extend(key: Key, hold: str, until: datetime, now: datetime, *, extensions: int) -> bool:
    """Extend a hold that was extended `extensions` times so far."""
    had = SeatItem.extensions == extensions if extensions else SeatItem.extensions.does_not_exist()
    actions = [SeatItem.until.set(until), SeatItem.extensions.set(extensions + 1)]
    return update(key, actions, seat_expressions.is_held(hold, now) & had)


def pass_captcha(
    key: Key, hold: str, challenge: int, until: datetime, now: datetime, *, most: int, due: int = 0
) -> bool:
    """Record that the captcha is passed, and set the time for the form. Return False if the challenge is spent.

    With `due`, this was a further captcha of so many that the hold must pass: it gives no more time, and the challenge
    cannot be used again.
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


def require_captchas(key: Key, hold: str, due: int, now: datetime, *, most: int, checked_for: str) -> bool:
    """Make a hold that passed the captcha pass `due` more before its details are accepted. The seat stays held.

    All challenges made before `now` are spent. One made at `now` is not: the page that asks for the captcha shows it.
    """
    actions: list[Action] = [
        SeatItem.captcha_passed.remove(),
        SeatItem.captchas_due.set(due),
        SeatItem.checked_for.set(checked_for),
    ]
    actions += [SeatItem.brief.set(True), SeatItem.tries.set(most)]
    actions.append(SeatItem.challenge.set(int(now.timestamp() * 1000) - 1))
    return update(key, actions, seat_expressions.is_held(hold, now) & SeatItem.captcha_passed.exists())


def count_already_requested(key: Key, hold: str, now: datetime, *, most: int) -> bool:
    """Count an answer "already requested". Return False after `most` since the last captcha, or if one is due."""
    allowed = SeatItem.answers.does_not_exist() | (SeatItem.answers < most)
    return update(
        key, [SeatItem.answers.add(1)], seat_expressions.is_held(hold, now) & SeatItem.captcha_passed.exists() & allowed
    )


def count_wrong_answer(key: Key, hold: str, challenge: int, now: datetime, *, most: int) -> int | None:
    """Count a wrong answer. Return the tries of this challenge, or None if it is spent or a newer one was tried."""
    unproven = seat_expressions.is_held(hold, now) & SeatItem.captcha_passed.does_not_exist()
    first = SeatItem.challenge.does_not_exist() | (SeatItem.challenge < challenge)
    if update(key, [SeatItem.challenge.set(challenge), SeatItem.tries.set(1)], unproven & first):
        return 1
    again = (SeatItem.challenge == challenge) & (SeatItem.tries < most)
    row = seat_keys.seat_item(key)
    if not dynamodb.try_write(lambda: row.update([SeatItem.tries.set(SeatItem.tries + 1)], unproven & again)):
        return None
    return int(row.tries or 0)


def give_back(key: Key, hold: str, now: datetime) -> bool:
    """Open the seat of a hold at once. Return False if the hold has expired or was filed."""
    actions = [SeatItem.state.set(State.OPEN), *seat_expressions.without_hold()]
    is_open = update(key, actions, seat_expressions.is_held(hold, now))
    if is_open and isinstance(key, SeatKey):
        recent.SEATS.record_given_back(key)
    return is_open


def end_expired_hold(seat: Seat, now: datetime) -> bool:
    """Open a seat whose hold has expired, unless it was held again or filed since it was read."""
    actions = [SeatItem.state.set(State.OPEN), *seat_expressions.without_hold()]
    over = (SeatItem.hold == seat.hold) & (SeatItem.state == State.HELD) & (SeatItem.until < now - CLOCK_SKEW)
    return update(seat.key, actions, over)


def end_request(seat: Seat, ended: State, opens_at: datetime, now: datetime, *, early: bool = False) -> bool:
    """End a request as CANCELLED, WITHDRAWN or EXPIRED. Its seat opens again at `opens_at`.

    `early` lets a request that nobody can confirm expire before its time is over.
    """
    return update(
        seat.key,
        seat_expressions.end_request(seat.hold, ended, opens_at),
        seat_expressions.is_live(seat, ended, now, early=early),
    )


def remove_person(key: Key, past: str) -> bool:
    """Remove the person key of the request that ended, or was recorded, whose hold is `past`, from the seat."""
    recorded = SeatItem.state.is_in(*RECORDED) & (SeatItem.hold == past)
    return update(key, [SeatItem.person.remove()], (SeatItem.past == past) | recorded)


def count_refused_email_change(seat: Carrier) -> None:
    """Count a refused correction of the e-mail address as one of those that are allowed.

    Raise TooManyRequests if another one was counted since the seat was read.
    """
    refused = SeatItem.emails_refused
    had = refused == seat.emails_refused if seat.emails_refused else refused.does_not_exist()
    if not update(seat.key, [refused.add(1)], (SeatItem.hold == seat.hold) & had):
        raise TooManyRequests


def shorten_pending(seat: Carrier, until: datetime) -> bool:
    """Let a pending request expire at `until`, if it would expire later. Return False if not."""
    pending = (SeatItem.hold == seat.hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > until)
    return update(seat.key, [SeatItem.until.set(until)], pending)


def confirm(key: Key, hold: str, now: datetime) -> bool:
    """Confirm a pending request. Return False if it is not pending or its time is over."""
    pending = (SeatItem.hold == hold) & (SeatItem.state == State.PENDING) & (SeatItem.until > now)
    return update(key, [SeatItem.state.set(State.CONFIRMED)], pending)


def mark_reminder_due(seat: Seat) -> bool:
    """Record that the reminder of a confirmed request is due. The stream tells the mailer, once."""
    confirmed = (SeatItem.hold == seat.hold) & (SeatItem.state == State.CONFIRMED)
    return update(seat.key, [SeatItem.reminded.set(True)], confirmed & SeatItem.reminded.does_not_exist())
