"""Persons and addresses: two locks that count only while their seat carries their hold; one live request each."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib import files, rows
from chalicelib.model import Details, Person, SeatKey
from chalicelib.rows import LockRow, Moment, PersonRow

DAY = timedelta(days=1)
MOST_DATED = 10
"""How many dated marks of one kind of letter are kept: those of three days, while the stream keeps a change for one."""
Register = tuple[Moment, Moment, Moment]
"""The attributes with the last three times of something, newest first."""
ASKED: Register = (LockRow.asked_at, LockRow.asked_2, LockRow.asked_3)
WANTED: Register = (PersonRow.wanted_at, PersonRow.wanted_2, PersonRow.wanted_3)
Counts = Callable[[SeatKey, str, str], bool]
"""Does a lock still keep others out? By the seat, the hold and the person that it names."""


def person_row(key: str, service_id: str) -> PersonRow:
    """The key of a person item."""
    return PersonRow(f"PERSON#{key}", f"SERVICE#{service_id}")


def address_row(key: str, service_id: str) -> LockRow:
    """The key of an address item."""
    return LockRow(f"EMAIL#{key}", f"SERVICE#{service_id}")


def _lock(row: LockRow, counts: Counts) -> bool:
    """Put a lock where there is none, or its own, or one that no longer counts; False if another counts."""
    kind = type(row)
    own = kind.pk.does_not_exist() | (kind.hold == row.hold)  # the same form sent twice at once is one request
    if rows.written(lambda: row.save(own)):
        return True
    old = kind(row.pk, row.sk)
    with rows.table():
        try:
            old.refresh(consistent_read=True)
        except DoesNotExist:  # erased a moment ago
            return rows.written(lambda: row.save(own))
    if old.hold != row.hold and counts(SeatKey.parse(old.seat), old.hold, old.person or old.pk.partition("#")[2]):
        return False
    return rows.written(lambda: row.save(own | (kind.hold == old.hold)))


def lock_person(person: Person, erase_at: datetime, counts: Counts) -> bool:
    """Put the person item; False if this person has another live request."""
    row = person_row(person.key, person.service)
    row.seat, row.hold, row.reference = person.seat.ref, person.hold, person.reference
    row.filed_at, row.erase_at = person.filed_at, int(erase_at.timestamp())
    row.details = files.details_to(person.details)
    return _lock(row, counts)


def lock_address(address: str, person: Person, erase_at: datetime, counts: Counts) -> bool:
    """Put the address item; False if this address has another live request."""
    row = address_row(address, person.service)
    row.seat, row.hold, row.person, row.reference = person.seat.ref, person.hold, person.key, person.reference
    row.erase_at = int(erase_at.timestamp())
    return _lock(row, counts)


def person(key: str, service_id: str) -> Person | None:
    """The person item, read consistently; None if it is gone."""
    row = person_row(key, service_id)
    with rows.table():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return Person(
        key=key,
        service=service_id,
        seat=SeatKey.parse(row.seat),
        hold=row.hold,
        details=files.details_from(row.details),
        reference=row.reference or "",
        filed_at=row.filed_at,
        moves=int(row.moves or 0),
        sequence=int(row.sequence or 0),
        as_filed=files.details_from(row.as_filed) if row.as_filed else None,
        corrected=int(row.corrected or 0),
        sent=frozenset((row.sent or "").split()),
        stopped=row.stopped or "",
        wanted_3=row.wanted_3,
    )


def mark_sent(person: Person, letter: str) -> bool:
    """Note a letter as sent on the person item of its request."""
    sent = " ".join(sorted(_bounded({*person.sent, letter})))
    row = person_row(person.key, person.service)
    return rows.written(lambda: row.update([PersonRow.sent.set(sent)], PersonRow.hold == person.hold))


def _bounded(marks: set[str]) -> set[str]:
    """Leave out all but the newest dated marks of each kind (`link:1795996800000`); the other marks are few."""
    dated: dict[str, list[int]] = {}
    for kind, _, date in (mark.partition(":") for mark in marks):
        if re.fullmatch("[0-9]+", date):
            dated.setdefault(kind, []).append(int(date))
    return marks - {f"{kind}:{date}" for kind, dates in dated.items() for date in sorted(dates)[:-MOST_DATED]}


def _push(times: Register, now: datetime) -> list[Action]:
    """Put `now` in front of the last three times. Each part of an update sees the item as it was."""
    newest, second, third = times
    return [third.set(second | rows.EPOCH), second.set(newest | rows.EPOCH), newest.set(now)]


def _rested(times: Register, now: datetime, pause: timedelta) -> Condition:
    """The condition that the last time is longer ago than `pause`, and the last but two longer than a day."""
    newest, _, third = times
    rested = newest.does_not_exist() | (newest < now - pause)
    few: Condition = rested & (third.does_not_exist() | (third < now - DAY))
    return few


def correct(person: Person, details: Details, now: datetime, *, send: bool) -> bool:
    """Put corrected details in place, and keep those that were filed; with `send` the convocation goes out again."""
    actions: list[Action] = [PersonRow.details.set(files.details_to(details)), PersonRow.corrected.add(1)]
    if person.as_filed is None:
        actions.append(PersonRow.as_filed.set(files.details_to(person.details)))
    if send:
        actions += _push(WANTED, now)
    had = PersonRow.corrected == person.corrected if person.corrected else PersonRow.corrected.does_not_exist()
    row = person_row(person.key, person.service)
    return rows.written(lambda: row.update(actions, (PersonRow.hold == person.hold) & had))


def want_convocation(person: Person, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer for the convocation again; False after three in a day.

    Within `pause` of the last time nothing is sent: that letter is on its way.
    """
    rested = (PersonRow.hold == person.hold) & _rested(WANTED, now, pause)
    row = person_row(person.key, person.service)
    sent = rows.written(lambda: row.update(_push(WANTED, now), rested))
    return sent or person.wanted_3 is None or person.wanted_3 < now - DAY


def erase(person: Person, address: str) -> None:
    """Delete both items of a request, each only while it is this request's."""
    theirs, lock = person_row(person.key, person.service), address_row(address, person.service)
    rows.written(lambda: lock.delete(LockRow.hold == person.hold))
    rows.written(lambda: theirs.delete(PersonRow.hold == person.hold))


def request_of(address: str, service_id: str) -> tuple[str, SeatKey, str] | None:
    """Person key, seat and hold of the newest request of an address, ended or not; None without one."""
    row = address_row(address, service_id)
    with rows.table():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return (row.person, SeatKey.parse(row.seat), row.hold) if row.person else None


def stop_letters(key: str, service_id: str, hold: str, why: str) -> bool:
    """Note on the person item that its address takes no more letters; False if another request has replaced it."""
    row = person_row(key, service_id)
    return rows.written(lambda: row.update([PersonRow.stopped.set(why)], PersonRow.hold == hold))


def ask_link(address: str, service_id: str, reference: str, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer for the link of a request; False within `pause` of the last time, or after three in a day.

    One conditional write, whether the request exists or not.
    """
    known = (LockRow.reference == reference) & _rested(ASKED, now, pause)
    row = address_row(address, service_id)
    return rows.written(lambda: row.update(_push(ASKED, now), known))


def asked(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of a new wish for a link, in images of the stream."""
    if not new["pk"]["S"].startswith("EMAIL#") or "asked_at" not in new:
        return None
    if old is not None and old.get("asked_at") == new["asked_at"]:
        return None
    return new["person"]["S"], new["sk"]["S"].removeprefix("SERVICE#"), new["asked_at"]["N"]


def wanted(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of a new wish for the convocation, in images of the stream."""
    if not new["pk"]["S"].startswith("PERSON#") or "wanted_at" not in new:
        return None
    if old is not None and old.get("wanted_at") == new["wanted_at"]:
        return None
    return new["pk"]["S"].removeprefix("PERSON#"), new["sk"]["S"].removeprefix("SERVICE#"), new["wanted_at"]["N"]
