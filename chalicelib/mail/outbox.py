"""The table's stream is the outbox: each change that calls for a letter is sent once, and again only after a crash.

A letter is marked on the person item right after it was sent and looked for right before: between the two, a crash can
repeat a letter, never drop one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib import log, settings
from chalicelib.domain.person import Person
from chalicelib.domain.refusals import NotFound, TooManyRequests, Unavailable
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import letters, ses
from chalicelib.rendering import convocation, templates
from chalicelib.rendering.i18n import Locale, locale_for
from chalicelib.storage import person_store, seat_store, service_store

Image = Mapping[str, Any]
WITH_CONVOCATION = {letters.CONVOCATION, letters.MOVED}
CANCELS = {letters.CANCELLED, letters.WITHDRAWN, letters.DISPLACED}
AGAIN = {letters.MOVED, letters.DISPLACED, letters.REMINDER}
"""Letters that one request may call for more than once, each time about another seat."""
LIVE = {State.PENDING, State.CONFIRMED}
STANDS = {letters.CONFIRM: LIVE, letters.ATTEMPT: LIVE} | {
    kind: {State.CONFIRMED} for kind in (*WITH_CONVOCATION, letters.REMINDER)
}
"""The states that a request must still be in when its letter leaves."""


@dataclass(frozen=True, slots=True)
class LetterDue:
    """A letter that a change calls for; `seat` and `hold` are None where any live request of the person will do."""

    kind: str
    mark: str
    person: str
    service: str
    hold: str | None = None
    seat: SeatKey | None = None
    until: datetime | None = None
    generation: int | None = None

    def concerns(self, person: Person) -> bool:
        """Is it still about the request that this person has, where it is now?"""
        same = self.hold in {None, person.hold} and self.seat in {None, person.seat}
        return same and self.generation in {None, person.generation}


def letter_due(old: Image | None, new: Image | None) -> LetterDue | None:
    """The letter that a change of the table calls for."""
    if new is None:
        return None
    if wish := person_store.link_asked(old, new):
        person, service, asked_at = wish
        return LetterDue(letters.LINK, f"{letters.LINK}:{asked_at}", person, service)
    if wish := person_store.convocation_asked(old, new):
        person, service, wanted_at = wish
        return LetterDue(letters.CONVOCATION, f"{letters.CONVOCATION}:{wanted_at}", person, service)
    if attempt := person_store.attempt_noted(old, new):
        person, service, attempt_at = attempt
        return LetterDue(letters.ATTEMPT, f"{letters.ATTEMPT}:{attempt_at}", person, service, hold=new["hold"]["S"])
    after, before = seat_store.seat_from_image(new), seat_store.seat_from_image(old) if old else None
    return _letter_of_change(before, after) if before and after else None


def _letter_of_change(before: Seat, after: Seat) -> LetterDue | None:
    if after.state is State.PENDING and (before.state, before.generation) != (State.PENDING, after.generation):
        # once for each e-mail address that the request was given
        mark = first_mark(after.generation)
        return replace(_of(letters.CONFIRM, after), mark=mark, until=after.until, generation=after.generation)
    if before.state is after.state:
        return _of(letters.REMINDER, after) if after.reminded and not before.reminded else None
    if after.state is State.CONFIRMED and before.state is not State.PENDING:
        return _of(letters.MOVED, after)
    if after.state is State.CONFIRMED:
        return _of(letters.CONVOCATION, after)
    if before.state in LIVE and after.past_state and after.past_state is not State.MOVED:
        return replace(_of(str(after.past_state), before), until=after.until)
    return None


def first_mark(generation: int) -> str:
    """Return the mark of the letter with the link to confirm, after so many corrections of the e-mail address."""
    return f"{letters.CONFIRM}:{generation}" if generation else letters.CONFIRM


def _of(kind: str, seat: Seat) -> LetterDue:
    mark = f"{kind}:{seat.key.ref}" if kind in AGAIN else kind
    return LetterDue(kind, mark, seat.person, seat.key.service, seat.hold, seat.key)


def deliver(
    records: Iterable[tuple[str, Image | None, Image | None]],
    *,
    now: datetime,
    oldest: datetime | None = None,
    send: Callable[..., str] = ses.send,
) -> list[str]:
    """Send what each record (sequence number, old and new image) calls for; the first number to try again, if any.

    `oldest` is when the first of the changes was made.
    """
    log.event("mailer", {"MailAge": max(0, (now - oldest).total_seconds())} if oldest else None)
    for number, old, new in records:
        wanted = letter_due(old, new)
        try:
            if wanted:
                _deliver(wanted, now, send)
        except (ses.MailAway, TooManyRequests, Unavailable) as reason:
            log.event("mail-later", letter=wanted.kind if wanted else None, reason=type(reason).__name__)
            return [number]
    return []


def _deliver(wanted: LetterDue, now: datetime, send: Callable[..., str]) -> None:
    person, service = _person(wanted), _service(wanted.service, now)
    is_due = person is not None and wanted.concerns(person) and wanted.mark not in person.sent
    if person is None or service is None or not is_due or not _stands(wanted, person):
        log.event("mail-skipped", letter=wanted.kind)
        return
    if person.stopped:
        log.event("mail-stopped", letter=wanted.kind, reason=person.stopped)
        return
    try:
        key = f"{person.reference}.{wanted.mark}".replace(":", ".")
        send(letter(wanted.kind, service, person, now, until=wanted.until), key, reply_to=service.reply_to)
    except ses.MailRefused as reason:
        log.event("mail-refused", {"MailsRefused": 1}, letter=wanted.kind, reason=str(reason))
        return
    person_store.mark_sent(person, wanted.mark)
    log.event("mail-sent", {"MailsSent": 1}, letter=wanted.kind, seat=person.seat.ref)


def _person(wanted: LetterDue) -> Person | None:
    """Return the person item of a letter's request, or its copy if a newer request has replaced it."""
    person = person_store.read(wanted.person, wanted.service)
    if wanted.hold and (person is None or person.hold != wanted.hold):
        return person_store.read_replaced(wanted.person, wanted.service, wanted.hold)
    return person


def _service(service_id: str, now: datetime) -> Service | None:
    """Return the service of a letter; None once it was withdrawn."""
    try:
        return service_store.read(service_id, now)
    except NotFound:
        return None


def _stands(wanted: LetterDue, person: Person) -> bool:
    """Tell whether the request is still in a state that its letter is about. It may have been cancelled meanwhile."""
    states = STANDS.get(wanted.kind)
    if states is None:
        return True
    try:
        seat = seat_store.read(person.seat)
    except NotFound:  # erased with its service
        return False
    return seat.state in states and seat.hold == person.hold


def letter(kind: str, service: Service, person: Person, now: datetime, *, until: datetime | None = None) -> ses.Letter:
    """A letter ready to send, in the person's language, with what is attached to it."""
    own = locale_for(person.details.language)
    token = keys().link_token(person.seat, person.hold, person.generation)
    link = f"{settings.current().public_url}/requests/{token}"
    content = letters.compose(kind, service, person, link, own, until=until)
    attachments: tuple[ses.Attachment, ...] = ()
    told = convocation.convocation_of(service, person)
    if kind in WITH_CONVOCATION:
        from chalicelib.rendering import pdf  # noqa: PLC0415  # heavy, and few letters need it

        copy = ses.Attachment("convocation.pdf", "application/pdf", pdf.render(told, own))
        attachments = (copy, _calendar_file(told, own, now))
    elif kind in CANCELS and WITH_CONVOCATION & {mark.partition(":")[0] for mark in person.sent}:
        attachments = (_calendar_file(told, own, now, cancelled=True),)
    return ses.Letter(
        to=person.details.email,
        subject=content.subject,
        text=templates.render("mail.txt", own, "", letter=content),
        html=templates.render("mail.html", own, "", letter=content),
        language=own.language,
        attachments=attachments,
    )


def _calendar_file(
    told: convocation.Convocation, own: Locale, now: datetime, *, cancelled: bool = False
) -> ses.Attachment:
    """What puts the appointment into a calendar, or takes it out again."""
    told = replace(told, sequence=told.sequence + cancelled)  # a calendar keeps the highest it knows
    content = convocation.calendar_file(told, own, now=now, cancelled=cancelled)
    method = "CANCEL" if cancelled else "PUBLISH"
    return ses.Attachment("rendez-vous.ics", f"text/calendar; method={method}; charset=utf-8", content)
