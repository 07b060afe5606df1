"""The files that come with a letter: the convocation, and the event of the appointment for a calendar."""

from dataclasses import replace
from datetime import datetime
from threading import Lock

from chalicelib.domain.person import Person
from chalicelib.mail import ses
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.rendering import convocation
from chalicelib.rendering.i18n import Locale

WITH_CONVOCATION = {LetterKind.CONVOCATION, LetterKind.MOVED}
CANCELS_EVENT = {LetterKind.CANCELLED, LetterKind.WITHDRAWN, LetterKind.DISPLACED}
"""Letters that take the appointment out of the calendar of a person who got a convocation."""

_one_pdf = Lock()
"""The library of the PDF shares its fonts between threads."""


def of(
    kind: LetterKind, appointment: convocation.Convocation, person: Person, locale: Locale, now: datetime
) -> tuple[ses.Attachment, ...]:
    """Return the attachments of a letter."""
    if kind in WITH_CONVOCATION:
        from chalicelib.rendering import pdf  # noqa: PLC0415  # heavy, and few letters need it

        with _one_pdf:
            content = pdf.render(appointment, locale, now=now)
        copy = ses.Attachment("convocation.pdf", "application/pdf", content)
        return (copy, _calendar_file(appointment, locale, now))
    if kind in CANCELS_EVENT and WITH_CONVOCATION & {mark.partition(":")[0] for mark in person.sent}:
        # A calendar keeps the event with the highest sequence number that it knows.
        cancelled = replace(appointment, sequence=appointment.sequence + 1)
        return (_calendar_file(cancelled, locale, now, cancelled=True),)
    return ()


def _calendar_file(
    appointment: convocation.Convocation, locale: Locale, now: datetime, *, cancelled: bool = False
) -> ses.Attachment:
    """Return the file that adds the appointment to a calendar or, when it is cancelled, removes it."""
    content = convocation.calendar_file(appointment, locale, now=now, cancelled=cancelled)
    method = "CANCEL" if cancelled else "PUBLISH"
    return ses.Attachment(convocation.CALENDAR_NAME, convocation.CALENDAR_TYPE.format(method=method), content)
