"""Send the letters that changes of the table call for. The table's stream is the outbox.

The mailer reads the mark of a letter from the person item right before it sends the letter, and writes it right after.
A crash between the two may repeat a letter. It never loses one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from chalicelib import log, settings
from chalicelib.allocation import publication, result_letters
from chalicelib.booking import families
from chalicelib.domain import draw_window
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import NotFound, TooManyRequests, Unavailable
from chalicelib.domain.seat import RECORDED, EntryKey, Key, Seat, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import attachments, family_letters, lanes, letters, ses, witnesses
from chalicelib.mail.draw_letters import EntryFacts
from chalicelib.mail.family_letters import Family
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.rendering import convocation, templates
from chalicelib.rendering.i18n import locale_for
from chalicelib.storage import draw_store, entry_store, person_store, seat_store, service_store
from chalicelib.storage.items import Image

Read = TypeVar("Read")
AT_ONCE = 4
"""How many letters one mailer sends at once. Most of the time of a letter is waiting for SES and the table."""
LIVE = {State.PENDING, State.CONFIRMED}
ENDINGS = {
    State.CANCELLED: LetterKind.CANCELLED,
    State.EXPIRED: LetterKind.EXPIRED,
    State.WITHDRAWN: LetterKind.WITHDRAWN,
    State.DISPLACED: LetterKind.DISPLACED,
}
"""The letter about the end of a request: for a cancellation before it was confirmed, another one. The letter about a
move is due when the request arrives on its new seat."""
ENTRY_ENDINGS = {
    State.CANCELLED: LetterKind.LEFT,
    State.WITHDRAWN: LetterKind.ENDED,
    State.EXPIRED: LetterKind.ENDED,
}
"""The letter about the end of an entry. One that was drawn has moved: the letter about its seat is another one."""
OF_A_DRAW = {"drawn": LetterKind.DRAWN, "offered": LetterKind.OFFERED}
MARKED_PER_SEAT = {LetterKind.DRAWN, LetterKind.OFFERED, LetterKind.MOVED, LetterKind.DISPLACED, LetterKind.REMINDER}
"""Letters that may be due once for each seat that a request has had."""
REQUIRED_STATES = {
    LetterKind.CONFIRM: LIVE,
    LetterKind.ATTEMPT: LIVE,
    LetterKind.CONVOCATION: {State.CONFIRMED},
    LetterKind.MOVED: {State.CONFIRMED},
    LetterKind.REMINDER: {State.CONFIRMED},
    LetterKind.DRAWN: LIVE,
    LetterKind.OFFERED: LIVE,
    LetterKind.ENTRY: {State.PENDING},
    LetterKind.ENTERED: {State.CONFIRMED},
    LetterKind.NOT_DRAWN: {State.CONFIRMED},
    LetterKind.ENDS_SOON: {State.CONFIRMED},
}
"""The states that the request must still be in when its letter is sent."""


@dataclass(frozen=True, slots=True)
class LetterDue:
    """A letter that is due. Without `hold` and `seat`, it is due to any live request of the person.

    `mark` is stored once it was sent. `person` is the key of the person item.
    """

    kind: LetterKind
    mark: str
    person: str
    service: str
    hold: str | None = None
    seat: Key | None = None
    until: datetime | None = None
    generation: int | None = None
    rank: int | None = None
    """The rank in the draw that the letter is about, and how many draws are lost by now."""
    waited: int = 0

    def is_about(self, person: Person) -> bool:
        """Tell whether the person still has the request that the letter is about, on the same seat."""
        is_same = self.hold in {None, person.hold} and self.seat in {None, person.seat}
        return is_same and self.generation in {None, person.generation}


def letter_due(old: Image | None, new: Image | None) -> LetterDue | None:
    """Return the letter that a change of an item calls for, from its images in the stream."""
    if new is None:
        return None
    if asked := person_store.link_asked(old, new):
        return _due_on_demand(LetterKind.LINK, *asked)
    if asked := person_store.convocation_asked(old, new):
        return _due_on_demand(LetterKind.CONVOCATION, *asked)
    if attempt := person_store.attempt_noted(old, new):
        return replace(_due_on_demand(LetterKind.ATTEMPT, *attempt), hold=new["hold"]["S"])
    if entry := entry_store.entry_from_image(new):
        entry_before = _before(entry_store.entry_from_image, old)
        return _due_after_entry(entry_before, entry) if entry_before else None
    after, before = seat_store.seat_from_image(new), _before(seat_store.seat_from_image, old)
    return _due_after_transition(before, after) if before and after else None


def _before(read: Callable[[Image], Read | None], old: Image | None) -> Read | None:
    """Return what an item was before a change; None if it was damaged: its repair calls for no letter."""
    with suppress(KeyError, ValueError):
        return read(old) if old else None
    return None


def _due_on_demand(kind: LetterKind, person: str, service: str, moment: str) -> LetterDue:
    return LetterDue(kind, f"{kind}:{moment}", person, service)


def _due_after_transition(before: Seat, after: Seat) -> LetterDue | None:
    kind = _kind_of_transition(before, after)
    if kind is None:
        return None
    seat = before if kind in {LetterKind.DELETED, *ENDINGS.values()} else after
    mark = f"{kind}:{seat.key.ref}" if kind in MARKED_PER_SEAT else str(kind)
    due = LetterDue(kind, mark, seat.person, seat.key.service, seat.hold, seat.key)
    if kind is LetterKind.CONFIRM:  # one for each e-mail address that the request was given
        return replace(due, mark=first_mark(after.generation), until=after.until, generation=after.generation)
    return replace(due, until=after.until) if seat is before else due


def _due_after_entry(before: Entry, after: Entry) -> LetterDue | None:
    kind, entry = _kind_of_entry(before, after), after
    if kind is None:
        return None
    mark = str(kind)
    if kind in ENTRY_ENDINGS.values():
        entry = before
    elif kind is LetterKind.ENTRY:  # one for each e-mail address that the entry was given
        mark = f"{kind}:{after.generation}" if after.generation else mark
    elif kind is LetterKind.ENDS_SOON and after.until:  # one for each renewal
        mark = f"{kind}:{after.until:%Y%m%d}"
    generation = after.generation if kind is LetterKind.ENTRY else None
    return LetterDue(kind, mark, entry.person, entry.key.service, entry.hold, entry.key, generation=generation)


def _kind_of_entry(before: Entry, after: Entry) -> LetterKind | None:
    if after.state is State.PENDING and (before.state, before.generation) != (State.PENDING, after.generation):
        return LetterKind.ENTRY
    if after.state is State.CONFIRMED:
        if before.state is State.PENDING:
            return LetterKind.ENTERED
        return LetterKind.ENDS_SOON if after.reminded and not before.reminded else None
    return ENTRY_ENDINGS.get(after.past_state) if before.state in LIVE and after.past_state else None


def results_due(old: Image | None, new: Image | None) -> Iterator[LetterDue]:
    """Yield the letters to those who were not drawn, for the ranks that the cursor of a draw has passed."""
    moved = draw_store.letters_moved(old, new) if new else None
    if moved is None:
        return
    service_id, week, first, last = moved
    for loser in result_letters.losers(service_id, week, first, last):
        try:
            entry = seat_store.read(EntryKey(service_id, loser.entry_id))
        except NotFound:  # its data was erased
            continue
        if entry.state is State.CONFIRMED:
            due = LetterDue(LetterKind.NOT_DRAWN, f"not-drawn:{week}", entry.person, service_id, entry.hold, entry.key)
            yield replace(due, rank=loser.rank, waited=loser.waited)


def _kind_of_transition(before: Seat, after: Seat) -> LetterKind | None:
    if after.state is State.PENDING and before.state is State.OPEN and after.by_draw:
        return OF_A_DRAW[after.by_draw]
    if after.state is State.PENDING and (before.state, before.generation) != (State.PENDING, after.generation):
        return LetterKind.CONFIRM
    if before.state is after.state or before.state in RECORDED:  # an agent who takes back a slip causes no letter
        return LetterKind.REMINDER if after.reminded and not before.reminded else None
    if after.state is State.CONFIRMED:
        return LetterKind.CONVOCATION if before.state is State.PENDING else LetterKind.MOVED
    if before.state is State.PENDING and after.past_state is State.CANCELLED:
        return LetterKind.DELETED
    return ENDINGS.get(after.past_state) if before.state in LIVE and after.past_state else None


def first_mark(generation: int) -> str:
    """Return the mark of the letter with the link to confirm, after so many corrections of the e-mail address."""
    return f"{LetterKind.CONFIRM}:{generation}" if generation else str(LetterKind.CONFIRM)


def deliver(
    records: Sequence[lanes.Record],
    *,
    now: datetime,
    oldest: datetime | None = None,
    send: Callable[..., str] = ses.send,
    at_once: int = 1,
) -> list[str]:
    """Send the letters that stream records call for. A record is its sequence number, its old and its new image.

    Stop at the first letter that SES or the table cannot take now, and return the sequence numbers of the records that
    are not done, the first one of each item. `oldest` is when the first of the changes was made, `at_once` how many
    letters are sent at once.
    """
    log.event("mailer", {"MailAge": max(0, (now - oldest).total_seconds())} if oldest else None)
    ses.pace().begin()
    return lanes.walk(records, partial(_deliver_change, now=now, send=send, at_once=at_once), at_once)


def _deliver_change(
    old: Image | None, new: Image | None, *, now: datetime, send: Callable[..., str], at_once: int
) -> bool:
    """Send the letters that one change calls for. Return False if they have to be sent later."""
    due = letter_due(old, new)
    try:
        for letter in _all_due(due) if due else ():
            _deliver(letter, now, send)
        lanes.run((partial(_deliver, result, now, send) for result in results_due(old, new)), at_once)
        if new and (draw := draw_store.frozen(old, new)):
            witnesses.tell(*draw, now=now, send=send)
    except (ses.MailAway, TooManyRequests, Unavailable) as reason:
        log.event("mail-later", letter=due.kind if due else None, reason=type(reason).__name__)
        return False
    return True


def _all_due(due: LetterDue) -> Iterator[LetterDue]:
    """Yield the letters that a change calls for: several, or for somebody else, if people were booked together."""
    person = _person(due)
    if person is None or due.hold is None:
        yield due
        return
    if due.kind is LetterKind.MOVED and person.booked_by and not person.sequence:  # it was booked, not moved
        due = replace(due, kind=LetterKind.CONVOCATION, mark=str(LetterKind.CONVOCATION))
    if not person.family:
        yield due
        return
    if due.kind not in family_letters.TO_ALL:
        yield due
    for kind, mark, to in family_letters.also_due(due.kind, due.mark, person, families.members(person)):
        yield LetterDue(kind, mark, to.key, due.service, to.hold, to.seat)


def _deliver(due: LetterDue, now: datetime, send: Callable[..., str]) -> None:
    person, service = _person(due), _service(due.service, now)
    if person is None or service is None or due.mark in person.sent or not _is_still_due(due, person):
        log.event("mail-skipped", letter=due.kind)
        return
    if not person.details.email:  # the office tells them (`allocation.office.calls`)
        log.event("mail-none", letter=due.kind)
        return
    if person.stopped:
        log.event("mail-stopped", letter=due.kind, reason=person.stopped)
        return
    try:
        key = f"{person.reference}.{due.mark}".replace(":", ".")
        entry = _entry_facts(due, service, person, now)
        renewed = family_letters.is_renewed(due.mark) and due.hold is not None
        letter = write_letter(due.kind, service, person, now, until=due.until, entry=entry, renewed=renewed)
        send(letter, key, reply_to=service.reply_to)
    except ses.MailRefused as reason:
        log.event("mail-refused", {"MailsRefused": 1}, letter=due.kind, reason=str(reason))
        return
    person_store.mark_sent(person, due.mark)
    log.event("mail-sent", {"MailsSent": 1}, letter=due.kind, seat=person.seat.ref)


def _person(due: LetterDue) -> Person | None:
    """Return the person item of a letter's request, or its copy if a newer request has replaced it."""
    person = person_store.read(due.person, due.service)
    if due.hold and (person is None or person.hold != due.hold):
        return person_store.read_replaced(due.person, due.service, due.hold)
    return person


def _entry_facts(due: LetterDue, service: Service, person: Person, now: datetime) -> EntryFacts | None:
    """Return what a letter says about the entry of a person; None if their request has a seat."""
    if not isinstance(person.seat, EntryKey):
        return None
    entry = seat_store.read(person.seat)
    window = draw_window.current_window(service, now)
    if due.rank:
        return EntryFacts(entry, window, due.waited, due.rank, None, published=due.mark.partition(":")[2])
    place = publication.place_of(service.id, entry.receipt)
    promise = publication.promise(service.id, window.week) if window else None
    published = window.week if window and promise else None
    return EntryFacts(entry, window, place.waited, place.rank, promise, published)


def _service(service_id: str, now: datetime) -> Service | None:
    """Return the service of a letter; None once it was withdrawn."""
    try:
        return service_store.read(service_id, now)
    except NotFound:
        return None


def _is_still_due(due: LetterDue, person: Person) -> bool:
    """Tell whether the letter is about the person's request as it is now. It may have ended since the change."""
    if not due.is_about(person):
        return False
    states = REQUIRED_STATES.get(due.kind)
    if states is None:
        return True
    try:
        seat = seat_store.read(person.seat)
    except NotFound:  # erased with its service
        return False
    return seat.state in states and seat.hold == person.hold


def write_letter(
    kind: LetterKind,
    service: Service,
    person: Person,
    now: datetime,
    *,
    until: datetime | None = None,
    entry: EntryFacts | None = None,
    renewed: bool = False,
) -> ses.Letter:
    """Write a letter in the person's language, with its attachments. `renewed` as `letters.compose` has it."""
    locale = locale_for(person.details.language)
    family = families.members(person)
    links = {member.key: _link(member) for member in (person, *family)}
    content = letters.compose(
        kind,
        service,
        person,
        links[person.key],
        locale,
        until=until,
        entry=entry,
        family=Family(family, links, renewed=renewed),
    )
    return ses.Letter(
        to=person.details.email,
        sender_name=content.sender_name,
        subject=content.subject,
        text=templates.render("mail.txt", locale, "", letter=content),
        html=templates.render("mail.html", locale, "", letter=content),
        language=locale.language,
        attachments=()
        if entry
        else attachments.of(kind, convocation.convocation_of(service, person, family), person, locale, now),
    )


def _link(person: Person) -> str:
    """Return the absolute URL of a person's request."""
    token = keys().link_token(person.seat, person.hold, person.generation)
    return f"{settings.current().public_url}/requests/{token}"
