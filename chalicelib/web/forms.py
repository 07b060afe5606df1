"""What people and programs type, checked. Every refusal names the field and says what would do."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
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
"""What the buttons of the pages add to the details, and the check page its name."""

_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_PHONE = re.compile(r"\+?[0-9][0-9 .()-]{4,24}")


def _number(text: str) -> int:
    """Read a number of at most four digits 0 to 9; `int` would also read `1_990`. Raise ValueError."""
    if not re.fullmatch("[0-9]{1,4}", text):
        raise ValueError(text)
    return int(text)


class Form(dict[str, Any]):
    """The fields of a form or of a query string: every value is text. A JSON body is a plain dict."""


class Reader:
    """Reads fields one by one and gathers what is wrong with each."""

    def __init__(self, body: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self.body = body
        self.errors: dict[str, str] = {name[:60]: UNKNOWN for name in body if name not in known}

    def text(self, name: str, most: int, *, required: bool = True, form: Literal["NFC", "NFKC"] = "NFC") -> str:
        """Read one line of text, normalized and trimmed; empty when it is wrong or missing.

        A text with an invisible character is refused here, in every field.
        """
        value = self.body.get(name)
        if value is None or value == "":
            if required:
                self.errors[name] = MISSING
            return ""
        if not isinstance(value, str):
            self.errors[name] = NOT_TEXT
            return ""
        tidy = unicodedata.normalize(form, value).strip()
        if len(tidy) > most:
            self.errors[name] = TOO_LONG
        elif any(map(names.is_invisible, tidy)):
            self.errors[name] = ODD_CHARACTERS
        elif not tidy and required:
            self.errors[name] = MISSING
        else:
            return tidy
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

    def done(self) -> None:
        """Refuse if anything was wrong, in the order of the form."""
        if self.errors:
            order = {name: n for n, name in enumerate(self.body)}
            raise InvalidFields(dict(sorted(self.errors.items(), key=lambda e: order.get(e[0], 99))))


def yes(body: Mapping[str, Any], name: str) -> bool:
    """Tell whether a box is ticked: `true` or `on` in a form or a query string, only the boolean in JSON."""
    value = body.get(name)
    return value in ("true", "on") if isinstance(body, Form) else value is True


def _is_box(body: Mapping[str, Any], name: str) -> bool:
    """Tell whether a field holds what a box can hold, ticked or not."""
    return body[name] in ("true", "false", "on") if isinstance(body, Form) else isinstance(body[name], bool)


def read_wish(body: Mapping[str, Any], service: Service) -> Wish:
    """`date` and `start`, or `first_free`; a page sends both of the first in one radio, `slot`."""
    reader = Reader(body, ("date", "start", "slot", "first_free", "conditions_accepted"))
    for box in ("first_free", "conditions_accepted"):
        if box in body and not _is_box(body, box):
            reader.errors[box] = BAD_BOX
    for name in ("date", "start", "slot"):  # a short text, even where it does not count
        reader.text(name, 16, required=False)
    start = None
    if not yes(body, "first_free") and "first_free" not in reader.errors:
        start = _start(reader, service)
    reader.done()
    return Wish(start, yes(body, "conditions_accepted"))


def read_slot(body: Mapping[str, Any], service: Service) -> datetime:
    """The start of the slot that a request moves to: `date` and `start`, or a page's radio, `slot`."""
    reader = Reader(body, ("date", "start", "slot"))
    start = _start(reader, service)
    reader.done()
    assert start is not None  # noqa: S101  # `done` refused otherwise
    return start


def _start(reader: Reader, service: Service) -> datetime | None:
    field, both = ("slot", ["slot"]) if "slot" in reader.body else ("date", ["date", "start"])
    moment = "T".join(reader.text(name, 16) for name in both)
    if reader.errors:
        return None
    try:
        moment.encode("ascii")  # strptime reads the digits of every script
        return datetime.strptime(moment, "%Y-%m-%dT%H:%M").replace(tzinfo=service.zone)
    except ValueError:
        reader.errors[field] = BAD_SLOT
        return None


def week_wished(slot: str) -> str | None:
    """The week of a page's `slot`, to show it again; None where it is not one."""
    try:
        return week_of(date.fromisoformat(slot[:10]))
    except ValueError:
        return None


def read_answer(body: Mapping[str, Any]) -> tuple[str, str]:
    """The challenge and the answer to it. A page takes the details along, which came before a further captcha."""
    reader = Reader(body, ("challenge", "answer", *DETAILS, *BUTTONS))
    challenge, answer = reader.text("challenge", 100), reader.digits("answer", 40)
    reader.done()
    return challenge, answer


def read_manage(body: Mapping[str, Any]) -> tuple[str, str]:
    """The reference and the address that go with a request."""
    reader = Reader(body, ("reference", "email"))
    reference = reader.digits("reference", 60).upper().replace(" ", "")
    email = _email(reader, "email")
    if reference and not re.fullmatch(r"[A-Z0-9-]{5,60}", reference):
        reader.errors["reference"] = N_("Recopiez la référence de votre message, par exemple AES-7K3M9-QXPT2.")
    reader.done()
    return reference, email


def read_details(body: Mapping[str, Any], *, today: date, language: str) -> Details:
    """The details of a person; `birth_date` as YYYY-MM-DD, or day, month (a number or a name) and year apart."""
    reader = Reader(body, (*DETAILS, *BUTTONS))
    first_name, last_name = reader.name("first_name"), reader.name("last_name")
    email = _email_twice(reader)
    birth_name = reader.name("birth_name", required=False)
    born = _birth_date(reader, today)
    phone = _phone(reader)
    chosen = reader.text("language", 2, required=False) or language
    if chosen not in LANGUAGES:
        reader.errors["language"] = UNKNOWN
    if reader.errors or born is None:
        order = {name: n for n, name in enumerate(DETAILS)}
        raise InvalidFields(dict(sorted(reader.errors.items(), key=lambda e: order.get(e[0], 99))))
    return Details(first_name, last_name, birth_name, born, email, phone, chosen)


def read_email(body: Mapping[str, Any]) -> str:
    """An e-mail address, typed twice."""
    reader = Reader(body, EMAIL_FORM)
    email = _email_twice(reader)
    reader.done()
    return email


def _email_twice(reader: Reader) -> str:
    email = _email(reader, "email")
    again = reader.text("email_confirmation", EMAIL_LENGTH)
    if email and again and emails.mailbox_key(again) != emails.mailbox_key(email):
        reader.errors["email_confirmation"] = NOT_SAME_EMAIL
    return email


def read_correction(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """First name, last name and phone, as they should be."""
    reader = Reader(body, CORRECTION)
    full_name = reader.name("first_name"), reader.name("last_name")
    phone = _phone(reader)
    reader.done()
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
    """A month's number, or its name in one of our languages, whole or its first letters."""
    if value[:1] in set("0123456789"):
        return _number(value)
    bare = "".join(c for c in unicodedata.normalize("NFKD", value.casefold()) if not unicodedata.combining(c))
    for language in LANGUAGES:
        for number, name in enumerate(MONTHS, 1):
            known = unicodedata.normalize("NFKD", locale_for(language)._(name).casefold())
            known = "".join(c for c in known if not unicodedata.combining(c))
            if bare == known or (len(bare) >= 4 and known.startswith(bare)):  # noqa: PLR2004  # juin, juil
                return number
    raise ValueError(value)


def _birth_date(reader: Reader, today: date) -> date | None:
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
