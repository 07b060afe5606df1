"""Readers of forms and JSON bodies. Each checks its fields and raises InvalidFields with what is wrong in each.

`fields` has the reader of single fields and the messages.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any

from chalicelib.allocation.entries import Application
from chalicelib.booking.holds import Wish
from chalicelib.domain import emails, languages, tokens
from chalicelib.domain.entry import NONE_CHOSEN, NOT_OFFERED, TOO_MANY
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Details
from chalicelib.domain.service import LANGUAGES, Service
from chalicelib.rendering.i18n import MONTHS, locale_for
from chalicelib.web import fields
from chalicelib.web.fields import EMAIL_LENGTH, Form, Reader, is_box, yes

DETAILS = (
    "first_name",
    "last_name",
    "email",
    "email_confirmation",
    "birth_name",
    "birth_date",
    "birth_day",
    "birth_month",
    "birth_year",
    "phone",
    "language",
)
TYPED_DETAILS = tuple(name for name in DETAILS if name not in {"birth_date", "language"})
"""The details that a person types on the page."""
EMAIL_FORM = ("email", "email_confirmation")
MANAGE = ("reference", "email")
CORRECTION = ("first_name", "last_name", "phone")
UNKNOWN_PART = ("00", "xx")
"""How a passport shows a day or a month of birth that is not known, and how a person types it."""
BUTTONS = ("checked", "change", "back", "lang", "step")
"""The fields that the buttons of the pages add to the details, and the one that names the check page."""

_PHONE = re.compile(r"\+?[0-9][0-9 .()-]{4,24}")


def _number(text: str) -> int:
    """Read a number of at most four digits 0 to 9; `int` would also read `1_990`. Raise ValueError."""
    if not re.fullmatch("[0-9]{1,4}", text):
        raise ValueError(text)
    return int(text)


class DetailsPage(Enum):
    """The two pages that a person sends the details from."""

    FORM = "details"
    CHECK = "check"


def typed(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return the texts that were sent in these fields, as they were typed, to show them again."""
    return {name: body[name] for name in names if isinstance(body.get(name), str)}


def carried_details(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the details that a page carries through a further captcha, so that nobody types them twice."""
    return typed(body, (*DETAILS, "step"))


def read_wish(body: Mapping[str, Any], service: Service) -> Wish:
    """Read which slot a visitor wants: `date` and `start`, or `first_free`. A page sends date and start as `slot`.

    A page also sends the `week` that it showed, for the page that follows a mistake.
    """
    reader = Reader(body, ("date", "start", "slot", "first_free", "conditions_accepted", "week"))
    for box in ("first_free", "conditions_accepted"):
        if box in body and not is_box(body, box):
            reader.errors[box] = fields.BAD_BOX
    for name in ("date", "start", "slot", "week"):  # checked even when `first_free` makes them irrelevant
        reader.text(name, 16, required=False)
    start = None
    if not yes(body, "first_free") and "first_free" not in reader.errors:
        start = _start(reader, service)
    reader.finish()
    return Wish(start, yes(body, "conditions_accepted"))


PREFERENCES = tuple(f"preference_{rank}" for rank in range(1, 11))
"""The fields of the page that ranks half-days, in order."""
PREFERENCE_LENGTH = 20


def ranked(body: Mapping[str, Any]) -> list[str]:
    """Return the half-days that a page or a link has ranked, empty ones included."""
    return [value for name in PREFERENCES if isinstance(value := body.get(name, ""), str)]


def read_application(body: Mapping[str, Any]) -> Application:
    """Read an entry in the draws: the list `preferences`, or the fields of a page, and `conditions_accepted`."""
    reader = Reader(body, ("preferences", *PREFERENCES, "conditions_accepted"))
    preferences = _preferences(reader)
    if "conditions_accepted" in body and not is_box(body, "conditions_accepted"):
        reader.errors["conditions_accepted"] = fields.BAD_BOX
    reader.finish()
    return Application(preferences, yes(body, "conditions_accepted"))


def read_preferences(body: Mapping[str, Any]) -> Sequence[str]:
    """Read the half-days that replace those of an entry."""
    reader = Reader(body, ("preferences", *PREFERENCES))
    preferences = _preferences(reader)
    reader.finish()
    return preferences


def _preferences(reader: Reader) -> Sequence[str]:
    """Read half-days in their order. Whether they are offered is not checked here."""
    sent = reader.body.get("preferences", ranked(reader.body))
    sent = [sent] if isinstance(sent, str) else sent
    if not isinstance(sent, list) or len(sent) > len(PREFERENCES):
        reader.errors["preferences"] = NONE_CHOSEN if not isinstance(sent, list) else TOO_MANY
        return ()
    if not all(isinstance(value, str) and len(value) <= PREFERENCE_LENGTH for value in sent):
        reader.errors["preferences"] = NOT_OFFERED
        return ()
    return sent


def read_slot(body: Mapping[str, Any], service: Service) -> datetime:
    """Read the start of the slot to which a request moves: `date` and `start`. A page sends both as `slot`."""
    reader = Reader(body, ("date", "start", "slot"))
    start = _start(reader, service)
    reader.finish()
    assert start is not None  # noqa: S101  # `finish` has raised otherwise
    return start


def _start(reader: Reader, service: Service) -> datetime | None:
    from_page = isinstance(reader.body, Form) and not reader.body.keys() & {"date", "start"}
    sent = ["slot"] if from_page or "slot" in reader.body else ["date", "start"]
    moment = "T".join(reader.text(name, 16) for name in sent)
    reader.errors |= {name: fields.BAD_SLOT for name in sent if reader.errors.get(name) == fields.MISSING}
    if reader.errors:
        return None
    start = start_of_slot(moment, service)
    if start is None:
        reader.errors[sent[0]] = fields.BAD_SLOT
    return start


def start_of_slot(slot: str, service: Service) -> datetime | None:
    """Return the start that a page's `slot` names, such as `2026-12-08T09:15`; None if it names none."""
    try:
        slot.encode("ascii")  # strptime would read the digits of every script
        return datetime.strptime(slot, "%Y-%m-%dT%H:%M").replace(tzinfo=service.zone)
    except ValueError:
        return None


def read_answer(body: Mapping[str, Any]) -> tuple[str, str]:
    """Read a challenge and its answer. A page adds the details that were sent before a further captcha."""
    reader = Reader(body, ("challenge", "answer", *DETAILS, *BUTTONS))
    challenge, answer = reader.text("challenge", 100), reader.digits("answer", 40)
    reader.finish()
    return challenge, answer


def read_manage(body: Mapping[str, Any]) -> tuple[str, str]:
    """Read the reference and the e-mail address of a request."""
    reader = Reader(body, MANAGE)
    reference = tokens.spelled_reference(reader.digits("reference", 60))
    email = _email(reader, "email")
    if reference and not re.fullmatch(r"[A-Z0-9-]{5,60}", reference):
        reader.errors["reference"] = N_("Recopiez la référence qui est dans votre e-mail, par exemple AES-7K3M9-QXPT2.")
    reader.finish()
    return reference, email


def read_details(body: Mapping[str, Any], *, today: date, language: str, email_required: bool = True) -> Details:
    """Read the details of an applicant. The birth date is `birth_date` as YYYY-MM-DD, or three fields of a page:

    `birth_day`, `birth_month` (a number or a name) and `birth_year`.
    """
    reader = Reader(body, (*DETAILS, *BUTTONS))
    first_name, last_name = reader.full_name()
    email = _email_twice(reader) if email_required or body.get("email") else ""
    birth_name = reader.name("birth_name", required=False)
    born = _birth_date(reader, today)
    phone = _phone(reader)
    chosen = reader.text("language", fields.LANGUAGE_LENGTH, required=False) or language
    if chosen not in languages.TABLE:
        reader.errors["language"] = fields.UNKNOWN
    reader.finish(order=DETAILS)
    assert born is not None  # noqa: S101  # `finish` has raised otherwise
    return Details(first_name, last_name, birth_name, born, email, phone, chosen)


def details_page_of(body: Mapping[str, Any]) -> DetailsPage:
    """Return the page that the details were sent from."""
    return DetailsPage.CHECK if body.get("step") == "check" else DetailsPage.FORM


def read_details_step(
    body: Mapping[str, Any], *, today: date, language: str, by_program: bool
) -> DetailsPage | Details:
    """Return the page that the pressed button leads to, or the details, if they are to be filed now.

    A person files valid details with the button of the check page. Its other buttons, and a change of language, show a
    page again and check nothing. A program files valid details at once. Raises InvalidFields.
    """
    if not by_program and not {"lang", "back"}.isdisjoint(body):
        return details_page_of(body)
    if not by_program and "change" in body:
        return DetailsPage.FORM
    details = read_details(body, today=today, language=language)
    return details if by_program or "checked" in body else DetailsPage.CHECK


def read_email(body: Mapping[str, Any]) -> str:
    """Read an e-mail address that was typed twice."""
    reader = Reader(body, EMAIL_FORM)
    email = _email_twice(reader)
    reader.finish()
    return email


def _email_twice(reader: Reader) -> str:
    email = _email(reader, "email")
    confirmation = reader.text("email_confirmation", EMAIL_LENGTH)
    if email and confirmation and emails.mailbox_key(confirmation) != emails.mailbox_key(email):
        reader.errors["email_confirmation"] = fields.NOT_SAME_EMAIL
    return email


def read_correction(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Read a corrected first name, last name and phone number."""
    reader = Reader(body, CORRECTION)
    full_name = reader.full_name()
    phone = _phone(reader)
    reader.finish()
    return *full_name, phone


def _phone(reader: Reader) -> str:
    phone = reader.digits("phone", 30)
    if phone and not _PHONE.fullmatch(phone):
        reader.errors["phone"] = fields.BAD_PHONE
    return phone


def _email(reader: Reader, name: str) -> str:
    """Read an e-mail address that can receive a letter, in ASCII."""
    value = reader.text(name, EMAIL_LENGTH)
    if not value:
        return ""
    try:
        return emails.deliverable(value)
    except ValueError:
        local, at, _ = value.rpartition("@")
        reader.errors[name] = fields.NOT_ASCII_EMAIL if at and not local.isascii() else fields.BAD_EMAIL
        return ""


def _month(value: str) -> int:
    """Read a month: its number, or its name in one of our languages, or at least four letters of that name."""
    if value[:1] in set("0123456789"):
        return _number(value)
    typed_name = _without_accents(value)
    for language in LANGUAGES:
        for number, message in enumerate(MONTHS, 1):
            name = _without_accents(locale_for(language)._(message))
            if typed_name == name or (len(typed_name) >= 4 and name.startswith(typed_name)):  # noqa: PLR2004  # juin, juil
                return number
    raise ValueError(value)


def _without_accents(text: str) -> str:
    """Return a text in lower case, without its accents. The Turkish dotless i becomes an i."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _birth_parts(reader: Reader) -> list[str]:
    """Read year, month and day. An unknown day or month becomes 01, as French papers write it."""
    year, month, day = [reader.digits(f"birth_{part}", 20) for part in ("year", "month", "day")]
    errors = [reader.errors.pop(f"birth_{part}", None) for part in ("day", "month", "year")]
    if problem := next(filter(None, errors), None):
        incomplete = problem == fields.MISSING and any((year, month, day))
        missing = fields.INCOMPLETE_DATE if incomplete else fields.MISSING_IN["birth_date"]
        reader.errors["birth_date"] = missing if problem == fields.MISSING else problem
    return [year, *("1" if part.casefold() in UNKNOWN_PART else part for part in (month, day))]


def is_birth_unknown(values: Mapping[str, str]) -> bool:
    """Tell whether the day or the month of birth was typed as unknown."""
    parts = (values.get(name, "").strip().translate(fields.DIGITS) for name in ("birth_day", "birth_month"))
    return any(part.casefold() in UNKNOWN_PART for part in parts)


def _birth_date(reader: Reader, today: date) -> date | None:
    """Read a birth date from one field or from three. Errors in any of the three are errors of `birth_date`."""
    if "birth_date" in reader.body:
        value = reader.text("birth_date", 10)
        parts = value.split("-") if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else []
    else:
        parts = _birth_parts(reader)
    if "birth_date" in reader.errors:
        return None
    try:
        year, month, day = parts
        born = date(_number(year), _month(month), _number(day))
    except ValueError:
        reader.errors["birth_date"] = fields.BAD_DATE
        return None
    if born >= today:
        reader.errors["birth_date"] = fields.NOT_BORN
    elif today.year - born.year > 120:  # noqa: PLR2004  # nobody is
        reader.errors["birth_date"] = fields.TOO_OLD
    else:
        return born
    return None
