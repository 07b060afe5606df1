"""Person items and locks: what keeps one live request per person and per e-mail address.

A lock counts only while its seat carries its request. `filing` writes locks, together with the seat.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain import codec
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import SeatKey
from chalicelib.storage import dynamodb, items
from chalicelib.storage.items import REPLACED, LockItem, PersonItem, TimestampAttribute

DAY = timedelta(days=1)
MOST_DATED = 10
"""How many dated marks of each kind of letter are kept: about three days of them. The stream repeats one day."""
LastTimes = tuple[TimestampAttribute, TimestampAttribute, TimestampAttribute]
"""The attributes with the last three times of something, newest first."""
LINK_TIMES: LastTimes = (LockItem.asked_at, LockItem.asked_2, LockItem.asked_3)
CONVOCATION_TIMES: LastTimes = (PersonItem.wanted_at, PersonItem.wanted_2, PersonItem.wanted_3)


def _item_of(person: Person) -> PersonItem:
    if person.replaced:
        return items.replaced_person_item(person.key, person.service, person.hold)
    return items.person_item(person.key, person.service)


def read(key: str, service_id: str) -> Person | None:
    """The person item, read consistently; None if it is gone."""
    return _read(items.person_item(key, service_id))


def read_replaced(key: str, service_id: str, hold: str) -> Person | None:
    """Read the copy of a request's person item that a newer request of the same person replaced."""
    person = _read(items.replaced_person_item(key, service_id, hold))
    return person and replace(person, replaced=True)


def _read(row: PersonItem) -> Person | None:
    """Read a person item consistently; None without one, or where there is only a lock of the name."""
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    if row.details is None:
        return None
    return Person(
        key=row.pk.removeprefix("PERSON#"),
        service=row.sk.split("#")[1],
        seat=SeatKey.parse(row.seat),
        hold=row.hold,
        details=codec.details_from_document(row.details),
        reference=row.reference or "",
        filed_at=row.filed_at,
        moves=int(row.moves or 0),
        sequence=int(row.sequence or 0),
        as_filed=codec.details_from_document(row.as_filed) if row.as_filed else None,
        corrected=int(row.corrected or 0),
        sent=frozenset((row.sent or "").split()),
        stopped=row.stopped or "",
        names=tuple((row.names or "").split()),
        generation=int(row.generation or 0),
        wanted_3=row.wanted_3,
    )


def mark_sent(person: Person, letter: str) -> bool:
    """Note a letter as sent on the person item of its request."""
    sent = " ".join(sorted(_bounded({*person.sent, letter})))
    row = _item_of(person)
    return dynamodb.try_write(lambda: row.update([PersonItem.sent.set(sent)], PersonItem.hold == person.hold))


def _bounded(marks: set[str]) -> set[str]:
    """Leave out all but the newest dated marks of each kind (`link:1795996800000`); the other marks are few."""
    dated: dict[str, list[int]] = {}
    for kind, _, date in (mark.partition(":") for mark in marks):
        if re.fullmatch("[0-9]+", date):
            dated.setdefault(kind, []).append(int(date))
    return marks - {f"{kind}:{date}" for kind, dates in dated.items() for date in sorted(dates)[:-MOST_DATED]}


def push(times: LastTimes, now: datetime) -> list[Action]:
    """Put `now` in front of the last three times. Each part of an update sees the item as it was."""
    newest, second, third = times
    return [third.set(second | items.EPOCH), second.set(newest | items.EPOCH), newest.set(now)]


def _rested(times: LastTimes, now: datetime, pause: timedelta) -> Condition:
    """Return the condition that the latest time is over `pause` ago, and the third latest over a day ago."""
    newest, _, third = times
    rested = newest.does_not_exist() | (newest < now - pause)
    few: Condition = rested & (third.does_not_exist() | (third < now - DAY))
    return few


def spend_correction(person: Person) -> None:
    """Count a correction of the name that was refused: it uses up one of those that are left.

    Raise TooManyRequests if another one was counted since the person was read.
    """
    row = items.person_item(person.key, person.service)
    had = PersonItem.corrected == person.corrected if person.corrected else PersonItem.corrected.does_not_exist()
    if not dynamodb.try_write(
        lambda: row.update([PersonItem.corrected.add(1)], (PersonItem.hold == person.hold) & had)
    ):
        raise TooManyRequests


def note_attempt(key: str, service_id: str, hold: str, now: datetime) -> None:
    """Note on a live request that somebody tried to make another one for its person or e-mail address.

    The mailer reads it from the stream and tells the owner, at most once a day.
    """
    rested = PersonItem.attempt_at.does_not_exist() | (PersonItem.attempt_at < now - DAY)
    row = items.person_item(key, service_id)
    dynamodb.try_write(lambda: row.update([PersonItem.attempt_at.set(now)], (PersonItem.hold == hold) & rested))


def ask_convocation(person: Person, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer for the convocation again; False after three in a day.

    Within `pause` of the last time nothing is sent: that letter is on its way.
    """
    rested = (PersonItem.hold == person.hold) & _rested(CONVOCATION_TIMES, now, pause)
    row = items.person_item(person.key, person.service)
    sent = dynamodb.try_write(lambda: row.update(push(CONVOCATION_TIMES, now), rested))
    return sent or person.wanted_3 is None or person.wanted_3 < now - DAY


def erase(person: Person, addresses: Sequence[str]) -> None:
    """Delete every item of a request that has ended, each only while it is this request's, on this seat."""
    mine = (LockItem.hold == person.hold) & (LockItem.seat == person.seat.ref)
    for row in (*locks_of_person(person, addresses), _item_of(person)):
        dynamodb.try_write(partial(row.delete, mine))
    if not person.replaced:
        forget_replaced(person)


def locks_of_person(person: Person, addresses: Sequence[str]) -> list[LockItem]:
    """Return the keys of a request's locks besides the person item: its e-mail addresses and its other names."""
    names = [items.name_lock(name, person.service) for name in person.names]
    return [*(items.email_lock(address, person.service) for address in addresses), *names]


def forget_replaced(person: Person) -> None:
    """Delete the copies that are kept of the person's earlier requests for the same service."""
    ours = PersonItem.sk.startswith(f"{REPLACED}{person.service}#")
    with dynamodb.translated_errors():
        copies = list(PersonItem.query(f"PERSON#{person.key}", ours))
        for copy in copies:
            copy.delete()


class EmailRequest(NamedTuple):
    """The newest request of an e-mail address, ended or not, and after how many corrections it has the address."""

    person: str
    seat: SeatKey
    hold: str
    generation: int


def request_of_email(address: str, service_id: str) -> EmailRequest | None:
    """Read the newest request of an e-mail address; None without one."""
    row = items.email_lock(address, service_id)
    with dynamodb.translated_errors():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return EmailRequest(row.person, SeatKey.parse(row.seat), row.hold, int(row.generation or 0)) if row.person else None


def stop_letters(request: EmailRequest, service_id: str, why: str) -> bool:
    """Note on the person item that its e-mail address takes no more letters.

    Return False if another request has replaced it, or the address was corrected a moment ago.
    """
    row = items.person_item(request.person, service_id)
    there = (
        PersonItem.generation == request.generation if request.generation else PersonItem.generation.does_not_exist()
    )
    return dynamodb.try_write(
        lambda: row.update([PersonItem.stopped.set(why)], (PersonItem.hold == request.hold) & there)
    )


def ask_link(address: str, service_id: str, reference: str, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer for the link of a request; False within `pause` of the last time, or after three in a day.

    One conditional write, whether the request exists or not.
    """
    known = (LockItem.reference == reference) & _rested(LINK_TIMES, now, pause)
    row = items.email_lock(address, service_id)
    return dynamodb.try_write(lambda: row.update(push(LINK_TIMES, now), known))


def link_asked(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of a new wish for a link, in images of the stream."""
    if not new["pk"]["S"].startswith("EMAIL#") or "asked_at" not in new:
        return None
    if old is not None and old.get("asked_at") == new["asked_at"]:
        return None
    return new["person"]["S"], new["sk"]["S"].removeprefix("SERVICE#"), new["asked_at"]["N"]


def convocation_asked(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of a new wish for the convocation, in images of the stream."""
    return _noted("wanted_at", old, new)


def attempt_noted(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of somebody's attempt to make another request, in images of the stream."""
    return _noted("attempt_at", old, new)


def _noted(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return person key, service and moment of this attribute of a person item, if it is new or has changed."""
    if not new["pk"]["S"].startswith("PERSON#") or name not in new or not new["sk"]["S"].startswith("SERVICE#"):
        return None
    if old is not None and old.get(name) == new[name]:
        return None
    return new["pk"]["S"].removeprefix("PERSON#"), new["sk"]["S"].removeprefix("SERVICE#"), new[name]["N"]
