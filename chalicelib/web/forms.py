"""Readers of forms and JSON bodies. Each checks its fields and raises InvalidFields with what is wrong in each."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal

from chalicelib.booking.holds import Wish
from chalicelib.domain import emails, names
from chalicelib.domain.messages import N_
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import InvalidFields
from chalicelib.domain.seat import week_of
from chalicelib.domain.service import LANGUAGES, Service
from chalicelib.rendering.i18n import MONTHS, locale_for

MOST_BYTES = 16_384
"""The largest body."""
NAME_LENGTH = 100
EMAIL_LENGTH = 254

MISSING = N_("Remplissez ce champ.")
NOT_TEXT = N_("Ce champ doit être un texte.")
TOO_LONG = N_("Ce champ est trop long.")
ODD_CHARACTERS = N_("Ce champ contient un caractère qui n’est pas accepté.")
UNKNOWN = N_("Ce champ n’est pas attendu.")
BAD_NAME = N_("Écrivez ce nom avec des lettres, comme sur votre pièce d’identité.")
NOT_LATIN = N_("Recopiez ce nom en lettres latines, comme sur le passeport.")
BAD_EMAIL = N_("Écrivez une adresse complète, par exemple nom@exemple.fr.")
NOT_ASCII_EMAIL = N_("Écrivez cette adresse sans accent et sans lettre particulière avant le signe @.")
NOT_SAME_EMAIL = N_("Les deux adresses ne sont pas les mêmes.")
BAD_DATE = N_("Écrivez une date qui existe, par exemple 31 12 1990.")
NOT_BORN = N_("La date de naissance doit être dans le passé.")
TOO_OLD = N_("Vérifiez l’année de naissance.")
BAD_PHONE = N_("Écrivez un numéro de téléphone, par exemple 06 12 34 56 78.")
BAD_SLOT = N_("Choisissez une plage horaire.")
BAD_BOX = N_("Répondez par oui ou par non (true ou false).")
BAD_BODY = N_("L’envoi n’a pas pu être lu. Recommencez.")
TOO_MUCH = N_("L’envoi est trop grand.")

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
EMAIL_FORM = ("email", "email_confirmation")
CORRECTION = ("first_name", "last_name", "phone")
BUTTONS = ("checked", "change", "lang", "step")
"""The fields that the buttons of the pages add to the details, and the one that names the check page."""

_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_PHONE = re.compile(r"\+?[0-9][0-9 .()-]{4,24}")


def _number(text: str) -> int:
    """Read a number of at most four digits 0 to 9; `int` would also read `1_990`. Raise ValueError."""
    if not re.fullmatch("[0-9]{1,4}", text):
        raise ValueError(text)
    return int(text)


class DetailsPage(Enum):
    """The two pages that a person sends the details from."""

    FORM = "form"
    CHECK = "check"


class Form(dict[str, Any]):
    """The fields of a form or of a query string: every value is text. A JSON body is a plain dict."""


class Reader:
    """Reads fields one by one and collects an error for each wrong one. An unknown field is an error."""

    def __init__(self, body: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self.body = body
        self.errors: dict[str, str] = {name[:60]: UNKNOWN for name in body if name not in known}

    def text(self, name: str, most: int, *, required: bool = True, form: Literal["NFC", "NFKC"] = "NFC") -> str:
        """Read one line of text, normalized and trimmed; empty when it is wrong or missing.

        No field accepts an invisible character.
        """
        value = self.body.get(name)
        if value is None or value == "":
            if required:
                self.errors[name] = MISSING
            return ""
        if not isinstance(value, str):
            self.errors[name] = NOT_TEXT
            return ""
        text = unicodedata.normalize(form, value).strip()
        if len(text) > most:
            self.errors[name] = TOO_LONG
        elif any(map(names.is_invisible, text)):
            self.errors[name] = ODD_CHARACTERS
        elif not text and required:
            self.errors[name] = MISSING
        else:
            return text
        return ""

    def digits(self, name: str, most: int) -> str:
        """Read text with Arabic-Indic and Persian digits written as 0 to 9: an Arabic keyboard types them."""
        return self.text(name, most).translate(_DIGITS)

    def name(self, name: str, *, required: bool = True) -> str:
        """Read a person's name in Latin letters; full-width letters and ligatures become plain ones (NFKC)."""
        value = self.text(name, NAME_LENGTH, required=required, form="NFKC")
        if value and not names.is_name(value):
            self.errors[name] = NOT_LATIN if names.has_other_script(value) else BAD_NAME
        return value

    def finish(self, order: Iterable[str] | None = None) -> None:
        """Raise InvalidFields if a field was wrong, with the errors in the order of the form."""
        if self.errors:
            position = {name: number for number, name in enumerate(self.body if order is None else order)}
            raise InvalidFields(dict(sorted(self.errors.items(), key=lambda error: position.get(error[0], 99))))


def yes(body: Mapping[str, Any], name: str) -> bool:
    """Tell whether a box is ticked: `true` or `on` in a form or a query string, the boolean alone in JSON."""
    value = body.get(name)
    return value in ("true", "on") if isinstance(body, Form) else value is True


def _is_box(body: Mapping[str, Any], name: str) -> bool:
    """Tell whether a field has a value that a box can have, ticked or not."""
    return body[name] in ("true", "false", "on") if isinstance(body, Form) else isinstance(body[name], bool)


def typed(body: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return the texts that were sent in these fields, as they were typed, to show them again."""
    return {name: body[name] for name in names if isinstance(body.get(name), str)}


def carried_details(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the details that a page carries through a further captcha, so that nobody types them twice."""
    return typed(body, (*DETAILS, "step"))


def read_wish(body: Mapping[str, Any], service: Service) -> Wish:
    """Read which slot a visitor wants: `date` and `start`, or `first_free`. A page sends date and start as `slot`."""
    reader = Reader(body, ("date", "start", "slot", "first_free", "conditions_accepted"))
    for box in ("first_free", "conditions_accepted"):
        if box in body and not _is_box(body, box):
            reader.errors[box] = BAD_BOX
    for name in ("date", "start", "slot"):  # checked even when `first_free` makes them irrelevant
        reader.text(name, 16, required=False)
    start = None
    if not yes(body, "first_free") and "first_free" not in reader.errors:
        start = _start(reader, service)
    reader.finish()
    return Wish(start, yes(body, "conditions_accepted"))


def read_slot(body: Mapping[str, Any], service: Service) -> datetime:
    """Read the start of the slot to which a request moves: `date` and `start`. A page sends both as `slot`."""
    reader = Reader(body, ("date", "start", "slot"))
    start = _start(reader, service)
    reader.finish()
    assert start is not None  # noqa: S101  # `finish` has raised otherwise
    return start


def _start(reader: Reader, service: Service) -> datetime | None:
    fields = ["slot"] if "slot" in reader.body else ["date", "start"]
    moment = "T".join(reader.text(name, 16) for name in fields)
    if reader.errors:
        return None
    try:
        moment.encode("ascii")  # strptime would read the digits of every script
        return datetime.strptime(moment, "%Y-%m-%dT%H:%M").replace(tzinfo=service.zone)
    except ValueError:
        reader.errors[fields[0]] = BAD_SLOT
        return None


def week_of_slot(slot: str) -> str | None:
    """Return the week of a page's `slot`; None if it names no date."""
    try:
        return week_of(date.fromisoformat(slot[:10]))
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
    reader = Reader(body, ("reference", "email"))
    reference = reader.digits("reference", 60).upper().replace(" ", "")
    email = _email(reader, "email")
    if reference and not re.fullmatch(r"[A-Z0-9-]{5,60}", reference):
        reader.errors["reference"] = N_("Recopiez la référence de votre message, par exemple AES-7K3M9-QXPT2.")
    reader.finish()
    return reference, email


def read_details(body: Mapping[str, Any], *, today: date, language: str) -> Details:
    """Read the details of an applicant. The birth date is `birth_date` as YYYY-MM-DD, or three fields of a page:

    `birth_day`, `birth_month` (a number or a name) and `birth_year`.
    """
    reader = Reader(body, (*DETAILS, *BUTTONS))
    first_name, last_name = reader.name("first_name"), reader.name("last_name")
    email = _email_twice(reader)
    birth_name = reader.name("birth_name", required=False)
    born = _birth_date(reader, today)
    phone = _phone(reader)
    chosen = reader.text("language", 2, required=False) or language
    if chosen not in LANGUAGES:
        reader.errors["language"] = UNKNOWN
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
    if not by_program and "lang" in body:
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
        reader.errors["email_confirmation"] = NOT_SAME_EMAIL
    return email


def read_correction(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Read a corrected first name, last name and phone number."""
    reader = Reader(body, CORRECTION)
    full_name = reader.name("first_name"), reader.name("last_name")
    phone = _phone(reader)
    reader.finish()
    return *full_name, phone


def _phone(reader: Reader) -> str:
    phone = reader.digits("phone", 30)
    if phone and not _PHONE.fullmatch(phone):
        reader.errors["phone"] = BAD_PHONE
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
        reader.errors[name] = NOT_ASCII_EMAIL if at and not local.isascii() else BAD_EMAIL
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
    """Return a text in lower case, without its accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _birth_date(reader: Reader, today: date) -> date | None:
    """Read a birth date from one field or from three. Errors in any of the three are errors of `birth_date`."""
    if "birth_date" in reader.body:
        value = reader.text("birth_date", 10)
        parts = value.split("-") if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else []
    else:
        parts = [reader.digits(f"birth_{part}", 20) for part in ("year", "month", "day")]
        for part in ("day", "month", "year"):
            if problem := reader.errors.pop(f"birth_{part}", None):
                reader.errors["birth_date"] = problem
    if "birth_date" in reader.errors:
        return None
    try:
        year, month, day = parts
        born = date(_number(year), _month(month), _number(day))
    except ValueError:
        reader.errors["birth_date"] = BAD_DATE
        return None
    if born >= today:
        reader.errors["birth_date"] = NOT_BORN
    elif today.year - born.year > 120:  # noqa: PLR2004  # nobody is
        reader.errors["birth_date"] = TOO_OLD
    else:
        return born
    return None
