"""Person items and locks, which allow one live request per person and per e-mail address.

A lock applies only while its seat carries its request. `request_store` writes locks, together with the seat.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.domain.person import Person
from chalicelib.domain.refusals import TooManyRequests
from chalicelib.domain.seat import Key, parse_key
from chalicelib.storage import dynamodb, items, rows
from chalicelib.storage.items import LockItem, PersonItem, TimestampAttribute

DAY = timedelta(days=1)
MOST_DATED = 10
"""How many dated marks of each kind of letter are kept: about three days of them. The stream repeats one day."""
LastTimes = tuple[TimestampAttribute, TimestampAttribute, TimestampAttribute]
"""Three attributes with the last three times of an event, newest first."""
LINK_TIMES: LastTimes = (LockItem.asked_at, LockItem.asked_2, LockItem.asked_3)
CONVOCATION_TIMES: LastTimes = (PersonItem.wanted_at, PersonItem.wanted_2, PersonItem.wanted_3)


def _item_of(person: Person) -> PersonItem:
    if person.replaced:
        return items.replaced_person_item(person.key, person.service, person.hold)
    return items.person_item(person.key, person.service)


def read(key: str, service_id: str) -> Person | None:
    """Read a person item consistently; None if there is none."""
    return _read(items.person_item(key, service_id))


def read_replaced(key: str, service_id: str, hold: str) -> Person | None:
    """Read the copy of a person item that a newer request of the person replaced; None if there is none."""
    person = _read(items.replaced_person_item(key, service_id, hold))
    return person and replace(person, replaced=True)


def _read(row: PersonItem) -> Person | None:
    """Read a person item consistently; None if there is none, or only the lock of a name."""
    document = dynamodb.read(row.pk, row.sk)
    return rows.person_from(document) if document else None


def read_many(service_id: str, requests: Iterable[tuple[str, str]]) -> dict[str, Person]:
    """Read the people of requests, each named by its person key and its hold. Return those that exist, by hold.

    One BatchGet for 100 people, and one more for 100 whose item a newer request has replaced.
    """
    wanted = {hold: key for key, hold in requests}
    originals = [items.person_item(key, service_id) for key in wanted.values()]
    people = {person.hold: person for person in _people(originals) if person.hold in wanted}
    missing = [(key, hold) for hold, key in wanted.items() if hold not in people]
    copies = [items.replaced_person_item(key, service_id, hold) for key, hold in missing]
    return people | {person.hold: replace(person, replaced=True) for person in _people(copies)}


def _people(wanted: Sequence[PersonItem]) -> Iterator[Person]:
    for document in dynamodb.read_many((row.pk, row.sk) for row in wanted):
        if person := rows.person_from(document):
            yield person


def mark_sent(person: Person, letter: str) -> bool:
    """Record on the person item that a letter was sent. Return False if its request was replaced or erased.

    Keep the marks that another mailer has added since the person was read.
    """
    before, sent = (" ".join(sorted(marks)) for marks in (person.sent, _bounded({*person.sent, letter})))
    row = _item_of(person)
    is_unchanged = PersonItem.sent == before if before else PersonItem.sent.does_not_exist()
    if dynamodb.try_write(
        lambda: row.update([PersonItem.sent.set(sent)], (PersonItem.hold == person.hold) & is_unchanged)
    ):
        return True
    current = _read(row)
    if current is None or current.hold != person.hold or current.sent == person.sent:
        return False
    return mark_sent(replace(current, replaced=person.replaced), letter)


def _bounded(marks: set[str]) -> set[str]:
    """Return the marks with only the newest dated ones (`link:1795996800000`) of each kind. Undated ones are few."""
    dated: dict[str, list[int]] = {}
    for kind, _, date in (mark.partition(":") for mark in marks):
        if re.fullmatch("[0-9]+", date):
            dated.setdefault(kind, []).append(int(date))
    return marks - {f"{kind}:{date}" for kind, dates in dated.items() for date in sorted(dates)[:-MOST_DATED]}


def record_time(times: LastTimes, now: datetime) -> list[Action]:
    """Return the actions that put `now` before the last three times. Each action sees the item before the update."""
    newest, second, third = times
    return [third.set(second | items.EPOCH), second.set(newest | items.EPOCH), newest.set(now)]


def _may_repeat(times: LastTimes, now: datetime, pause: timedelta) -> Condition:
    """Return the condition that the newest time is over `pause` ago, and the third newest over a day ago."""
    newest, _, third = times
    paused = newest.does_not_exist() | (newest < now - pause)
    condition: Condition = paused & (third.does_not_exist() | (third < now - DAY))
    return condition


def count_refused_correction(person: Person) -> None:
    """Count a refused correction of the name as one of those that are allowed.

    Raise TooManyRequests if another one was counted since the person was read.
    """
    row = items.person_item(person.key, person.service)
    unchanged = PersonItem.corrected == person.corrected if person.corrected else PersonItem.corrected.does_not_exist()
    if not dynamodb.try_write(
        lambda: row.update([PersonItem.corrected.add(1)], (PersonItem.hold == person.hold) & unchanged)
    ):
        raise TooManyRequests


def note_attempt(key: str, service_id: str, hold: str, now: datetime) -> None:
    """Record on a live request that somebody tried to make another one for its person or e-mail address.

    The mailer reads it from the stream and tells the applicant, at most once a day.
    """
    first_today = PersonItem.attempt_at.does_not_exist() | (PersonItem.attempt_at < now - DAY)
    row = items.person_item(key, service_id)
    dynamodb.try_write(lambda: row.update([PersonItem.attempt_at.set(now)], (PersonItem.hold == hold) & first_today))


def ask_convocation(person: Person, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer to send the convocation again. Return False if it was sent three times within a day.

    Within `pause` of the last time nothing more is sent, and True is returned: that letter is on its way.
    """
    allowed = (PersonItem.hold == person.hold) & _may_repeat(CONVOCATION_TIMES, now, pause)
    row = items.person_item(person.key, person.service)
    sent = dynamodb.try_write(lambda: row.update(record_time(CONVOCATION_TIMES, now), allowed))
    return sent or person.wanted_3 is None or person.wanted_3 < now - DAY


def renew_convocation(person: Person, now: datetime) -> bool:
    """Ask the mailer to send the convocation again after a change, however often it was sent before.

    Return False if another request has replaced the one that was read.
    """
    row = items.person_item(person.key, person.service)
    return dynamodb.try_write(lambda: row.update(record_time(CONVOCATION_TIMES, now), PersonItem.hold == person.hold))


def replace_family(person: Person, family: Sequence[str]) -> bool:
    """Replace the keys of those with whom a person was booked. Return False if the item changed since it was read."""
    row = items.person_item(person.key, person.service)
    unchanged = (PersonItem.hold == person.hold) & (PersonItem.family == " ".join(person.family))
    return dynamodb.try_write(lambda: row.update([PersonItem.family.set(" ".join(family))], unchanged))


def erase(person: Person, email_keys: Sequence[str]) -> None:
    """Delete the person item and the locks of a request that has ended. Items of a newer request stay."""
    of_request = (LockItem.hold == person.hold) & (LockItem.seat == person.seat.ref)
    for row in (*locks_of_person(person, email_keys), _item_of(person)):
        dynamodb.try_write(partial(row.delete, of_request))
    if not person.replaced:
        delete_replaced(person)


def locks_of_person(person: Person, email_keys: Sequence[str]) -> list[LockItem]:
    """Return the locks of a request besides the person item, with their keys only: of e-mail addresses and names."""
    names = [items.name_lock(name, person.service) for name in person.names]
    return [*(email_item(person, key) for key in email_keys), *names]


def email_item(person: Person, email_key: str) -> LockItem:
    """Return the item of a person's e-mail address, with its key only: a lock, unless an agent typed the address."""
    return items.email_lock(email_key, person.service, person.reference if person.unlocked_email else "")


def delete_replaced(person: Person) -> None:
    """Delete the copies of the person's earlier requests for the same service."""
    with dynamodb.translated_errors():
        copies = list(PersonItem.query(items.person_partition(person.key), items.is_replaced_item(person.service)))
        for copy in copies:
            copy.delete()


class EmailRequest(NamedTuple):
    """A request of an e-mail address, ended or not. `generation` counts the corrections that led to the address."""

    person: str
    seat: Key
    hold: str
    generation: int


def requests_of_email(email_key: str, service_id: str) -> list[EmailRequest]:
    """Read the requests of an e-mail address consistently: the newest that locks it, and those made by agents."""
    partition, of_service = items.email_partition(email_key), items.is_of_service(service_id)
    with dynamodb.translated_errors():
        rows = list(LockItem.query(partition, of_service, consistent_read=True))
    return [
        EmailRequest(row.person, parse_key(row.seat), row.hold, int(row.generation or 0))
        for row in rows
        if row.person and row.service_id == service_id
    ]


def stop_letters(request: EmailRequest, service_id: str, why: str) -> bool:
    """Record on the person item that its e-mail address takes no more letters.

    Return False if another request has replaced it, or the e-mail address was corrected since it was read.
    """
    row = items.person_item(request.person, service_id)
    unchanged = (
        PersonItem.generation == request.generation if request.generation else PersonItem.generation.does_not_exist()
    )
    return dynamodb.try_write(
        lambda: row.update([PersonItem.stopped.set(why)], (PersonItem.hold == request.hold) & unchanged)
    )


def ask_link(email_key: str, service_id: str, reference: str, now: datetime, *, pause: timedelta) -> bool:
    """Ask the mailer to send the link of a request. Return False within `pause` of the last time, or after three a day.

    Costs two write units, whether the request exists or not: the address may be locked, or have its reference in the
    key of its item.
    """
    allowed = (LockItem.reference == reference) & _may_repeat(LINK_TIMES, now, pause)
    rows = [items.email_lock(email_key, service_id), items.email_lock(email_key, service_id, reference)]
    asked = [dynamodb.try_write(partial(row.update, record_time(LINK_TIMES, now), allowed)) for row in rows]
    return any(asked)


def link_asked(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return person key, service id and moment if a link was asked for between two images of an item."""
    lock = items.key_in_email_image(new)
    if lock is None or not _is_new("asked_at", old, new):
        return None
    return new["person"]["S"], lock[1], new["asked_at"]["N"]


def convocation_asked(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return person key, service id and moment if the convocation was asked for between two images of an item."""
    return _recorded("wanted_at", old, new)


def attempt_noted(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return person key, service id and moment if another request was attempted between two images of an item."""
    return _recorded("attempt_at", old, new)


def _recorded(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return person key, service id and moment if this attribute of a person item was set or changed."""
    person = items.key_in_person_image(new)
    return (*person, new[name]["N"]) if person and _is_new(name, old, new) else None


def _is_new(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Tell whether an attribute was set or changed between two images of an item."""
    return name in new and (old is None or old.get(name) != new[name])
