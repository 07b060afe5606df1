"""The table's stream is the outbox: each change that calls for a letter is sent once, and again only after a crash.

A letter is marked on the person item right after it was sent and looked for right before: between the two, a crash can
repeat a letter, never drop one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib import booking, convocation, letters, locks, log, mail, pages, settings, store
from chalicelib.errors import TooManyRequests, TryAgain
from chalicelib.model import Person, Seat, Service, State
from chalicelib.words import words

Image = Mapping[str, Any]
SENT_ON = {State.PENDING: letters.CONFIRM, State.CONFIRMED: letters.CONVOCATION}


@dataclass(frozen=True, slots=True)
class Due:
    """A letter that a change calls for; `hold` is None where any live request of the person will do."""

    kind: str
    mark: str
    person: str
    service: str
    hold: str | None


def due(old: Image | None, new: Image | None) -> Due | None:
    """The letter that a change of the table calls for."""
    if new is None:
        return None
    if wish := locks.asked(old, new):
        person, service, asked_at = wish
        return Due(letters.LINK, f"{letters.LINK}:{asked_at}", person, service, None)
    after, before = store.seat_from(new), store.seat_from(old) if old else None
    if after is None or before is None or after.state is before.state:
        return None
    if after.state in SENT_ON:
        return _of(SENT_ON[after.state], after)
    if before.state in SENT_ON and after.past_state:
        return _of(str(after.past_state), before)
    return None


def _of(kind: str, seat: Seat) -> Due:
    return Due(kind, kind, seat.person, seat.key.service, seat.hold)


def deliver(
    records: Iterable[tuple[str, Image | None, Image | None]],
    *,
    now: datetime,
    send: Callable[..., str] = mail.send,
) -> list[str]:
    """Send what each record (sequence number, old and new image) calls for; the first number to try again, if any."""
    for number, old, new in records:
        wanted = due(old, new)
        try:
            if wanted:
                _deliver(wanted, now, send)
        except (mail.MailAway, TooManyRequests, TryAgain) as reason:
            log.event("mail-later", letter=wanted.kind if wanted else None, reason=type(reason).__name__)
            return [number]
    return []


def _deliver(wanted: Due, now: datetime, send: Callable[..., str]) -> None:
    person = locks.person(wanted.person, wanted.service)
    if person is None or (wanted.hold or person.hold) != person.hold or wanted.mark in person.sent:
        log.event("mail-skipped", letter=wanted.kind)
        return
    service = store.service(wanted.service, now)
    try:
        key = f"{person.reference}.{wanted.mark}".replace(":", ".")
        send(letter(wanted.kind, service, person, now), key, reply_to=service.reply_to)
    except mail.MailRefused as reason:
        log.event("mail-refused", letter=wanted.kind, reason=str(reason))
        return
    locks.mark_sent(person, wanted.mark)
    log.event("mail-sent", letter=wanted.kind, seat=person.seat.ref)


def letter(kind: str, service: Service, person: Person, now: datetime) -> mail.Letter:
    """A letter ready to send, in the person's language, with what is attached to it."""
    own = words(person.details.language)
    token = booking.keys().link(person.seat, person.hold)
    link = f"{settings.current().public_url}/requests/{token}"
    content = letters.compose(kind, service, person, link, own)
    attachments: tuple[mail.Attachment, ...] = ()
    if kind == letters.CONVOCATION:
        paper = convocation_of(service, person)
        attachments = (
            mail.Attachment("convocation.pdf", "application/pdf", convocation.pdf(paper)),
            mail.Attachment(
                "rendez-vous.ics",
                "text/calendar; method=PUBLISH; charset=utf-8",
                convocation.calendar_file(paper, now=now),
            ),
        )
    return mail.Letter(
        to=person.details.email,
        subject=content.subject,
        text=pages.render("mail.txt", own, "", letter=content),
        html=pages.render("mail.html", own, "", letter=content),
        language=own.language,
        attachments=attachments,
    )


def convocation_of(service: Service, person: Person) -> convocation.Convocation:
    """What the convocation prints, in French, which is authentic."""
    french = words("fr")
    return convocation.Convocation(
        reference=person.reference,
        service=french.of(service.name),
        first_name=person.details.first_name,
        last_name=person.details.last_name,
        birth_date=person.details.birth_date,
        start=service.start_of(person.seat),
        minutes=service.minutes,
        place=service.address,
        documents=tuple(french.of(document) for document in service.documents),
        contact=service.contact,
        office=service.office,
        uid=f"{person.reference}@guichet",
    )
