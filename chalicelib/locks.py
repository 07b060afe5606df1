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

from chalicelib import files, rows
from chalicelib.errors import TooManyRequests
from chalicelib.model import Person, SeatKey
from chalicelib.rows import LockRow, Moment, PersonRow

DAY = timedelta(days=1)
MOST_DATED = 10
"""How many dated marks of each kind of letter are kept: about three days of them. The stream repeats one day."""
Register = tuple[Moment, Moment, Moment]
"""The attributes with the last three times of something, newest first."""
ASKED: Register = (LockRow.asked_at, LockRow.asked_2, LockRow.asked_3)
WANTED: Register = (PersonRow.wanted_at, PersonRow.wanted_2, PersonRow.wanted_3)
REPLACED = "REPLACED#"
"""Sort key of a copy: the person item of a request that ended, kept until its last letters have left."""


def person_row(key: str, service_id: str) -> PersonRow:
    """The key of a person item."""
    return PersonRow(f"PERSON#{key}", f"SERVICE#{service_id}")


def address_row(key: str, service_id: str) -> LockRow:
    """The key of an address item."""
    return LockRow(f"EMAIL#{key}", f"SERVICE#{service_id}")


def replaced_row(key: str, service_id: str, hold: str) -> PersonRow:
    """Return the key of the copy of a person item that a newer request replaced."""
    return PersonRow(f"PERSON#{key}", f"{REPLACED}{service_id}#{hold}")


def _row_of(person: Person) -> PersonRow:
    if person.replaced:
        return replaced_row(person.key, person.service, person.hold)
    return person_row(person.key, person.service)


def person(key: str, service_id: str) -> Person | None:
    """The person item, read consistently; None if it is gone."""
    return _read(person_row(key, service_id))


def replaced(key: str, service_id: str, hold: str) -> Person | None:
    """Read the copy of a request's person item that a newer request of the same person replaced."""
    person = _read(replaced_row(key, service_id, hold))
    return person and replace(person, replaced=True)


def _read(row: PersonRow) -> Person | None:
    """Read a person item consistently; None without one, or where there is only a lock of the name."""
    with rows.table():
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
        details=files.details_from(row.details),
        reference=row.reference or "",
        filed_at=row.filed_at,
        moves=int(row.moves or 0),
        sequence=int(row.sequence or 0),
        as_filed=files.details_from(row.as_filed) if row.as_filed else None,
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
    row = _row_of(person)
    return rows.written(lambda: row.update([PersonRow.sent.set(sent)], PersonRow.hold == person.hold))


def _bounded(marks: set[str]) -> set[str]:
    """Leave out all but the newest dated marks of each kind (`link:1795996800000`); the other marks are few."""
    dated: dict[str, list[int]] = {}
    for kind, _, date in (mark.partition(":") for mark in marks):
        if re.fullmatch("[0-9]+", date):
            dated.setdefault(kind, []).append(int(date))
    return marks - {f"{kind}:{date}" for kind, dates in dated.items() for date in sorted(dates)[:-MOST_DATED]}


def push(times: Register, now: datetime) -> list[Action]:
    """Put `now` in front of the last three times. Each part of an update sees the item as it was."""
    newest, second, third = times
    return [third.set(second | rows.EPOCH), second.set(newest | rows.EPOCH), newest.set(now)]


def _rested(times: Register, now: datetime, pause: timedelta) -> Condition:
    """Return the condition that the latest time is over `pause` ago, and the third latest over a day ago."""
    newest, _, third = times
    rested = newest.does_not_exist() | (newest < now - pause)
    few: Condition = rested & (third.does_not_exist() | (third < now - DAY))
    return few


def spend_correction(person: Person) -> None:
    """Count a correction of the name that was refused: it uses up one of those that are left.

    Raise TooManyRequests if another one was counted since the person was read.
    """
    row = person_row(person.key, person.service)
    had = PersonRow.corrected == person.corrected if person.corrected else PersonRow.corrected.does_not_exist()
    if not rows.written(lambda: row.update([PersonRow.corrected.add(1)], (PersonRow.hold == person.hold) & had)):
        raise TooManyRequests


def note_attempt(key: str, service_id: str, hold: str, now: datetime) -> None:
    """Note on a live request that somebody tried to make another one for its person or e-mail address.

    The mailer reads it from the stream and tells the owner, at most once a day.
    """
    rested = PersonRow.attempt_at.does_not_exist() | (PersonRow.attempt_at < now - DAY)
    row = person_row(key, service_id)
    rows.written(lambda: row.update([PersonRow.attempt_at.set(now)], (PersonRow.hold == hold) & rested))


def want_convocation(person: Person, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer for the convocation again; False after three in a day.

    Within `pause` of the last time nothing is sent: that letter is on its way.
    """
    rested = (PersonRow.hold == person.hold) & _rested(WANTED, now, pause)
    row = person_row(person.key, person.service)
    sent = rows.written(lambda: row.update(push(WANTED, now), rested))
    return sent or person.wanted_3 is None or person.wanted_3 < now - DAY


def erase(person: Person, addresses: Sequence[str]) -> None:
    """Delete every item of a request that has ended, each only while it is this request's, on this seat."""
    mine = (LockRow.hold == person.hold) & (LockRow.seat == person.seat.ref)
    for row in (*locks_of(person, addresses), _row_of(person)):
        rows.written(partial(row.delete, mine))
    if not person.replaced:
        forget_replaced(person)


def locks_of(person: Person, addresses: Sequence[str]) -> list[LockRow]:
    """Return the keys of a request's locks besides the person item: its e-mail addresses and its other names."""
    names = [LockRow(f"PERSON#{name}", f"SERVICE#{person.service}") for name in person.names]
    return [*(address_row(address, person.service) for address in addresses), *names]


def forget_replaced(person: Person) -> None:
    """Delete the copies that are kept of the person's earlier requests for the same service."""
    ours = PersonRow.sk.startswith(f"{REPLACED}{person.service}#")
    with rows.table():
        copies = list(PersonRow.query(f"PERSON#{person.key}", ours))
        for copy in copies:
            copy.delete()


class Addressed(NamedTuple):
    """The newest request of an e-mail address, ended or not, and after how many corrections it has the address."""

    person: str
    seat: SeatKey
    hold: str
    generation: int


def request_of(address: str, service_id: str) -> Addressed | None:
    """Read the newest request of an e-mail address; None without one."""
    row = address_row(address, service_id)
    with rows.table():
        try:
            row.refresh(consistent_read=True)
        except DoesNotExist:
            return None
    return Addressed(row.person, SeatKey.parse(row.seat), row.hold, int(row.generation or 0)) if row.person else None


def stop_letters(request: Addressed, service_id: str, why: str) -> bool:
    """Note on the person item that its e-mail address takes no more letters.

    Return False if another request has replaced it, or the address was corrected a moment ago.
    """
    row = person_row(request.person, service_id)
    there = PersonRow.generation == request.generation if request.generation else PersonRow.generation.does_not_exist()
    return rows.written(lambda: row.update([PersonRow.stopped.set(why)], (PersonRow.hold == request.hold) & there))


def ask_link(address: str, service_id: str, reference: str, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer for the link of a request; False within `pause` of the last time, or after three in a day.

    One conditional write, whether the request exists or not.
    """
    known = (LockRow.reference == reference) & _rested(ASKED, now, pause)
    row = address_row(address, service_id)
    return rows.written(lambda: row.update(push(ASKED, now), known))


def asked(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of a new wish for a link, in images of the stream."""
    if not new["pk"]["S"].startswith("EMAIL#") or "asked_at" not in new:
        return None
    if old is not None and old.get("asked_at") == new["asked_at"]:
        return None
    return new["person"]["S"], new["sk"]["S"].removeprefix("SERVICE#"), new["asked_at"]["N"]


def wanted(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of a new wish for the convocation, in images of the stream."""
    return _noted("wanted_at", old, new)


def attempted(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Person key, service and moment of somebody's attempt to make another request, in images of the stream."""
    return _noted("attempt_at", old, new)


def _noted(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return person key, service and moment of this attribute of a person item, if it is new or has changed."""
    if not new["pk"]["S"].startswith("PERSON#") or name not in new or not new["sk"]["S"].startswith("SERVICE#"):
        return None
    if old is not None and old.get(name) == new[name]:
        return None
    return new["pk"]["S"].removeprefix("PERSON#"), new["sk"]["S"].removeprefix("SERVICE#"), new[name]["N"]
