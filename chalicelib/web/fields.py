"""Fields of a form or of a JSON body: a reader that collects what is wrong, and the words for it."""

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from chalicelib.domain import names
from chalicelib.domain.messages import N_
from chalicelib.domain.refusals import InvalidFields

MOST_BYTES = 16_384
"""The largest body."""
NAME_LENGTH = 100
EMAIL_LENGTH = 254
LANGUAGE_LENGTH = 20

BAD_SLOT = N_("Choisissez un créneau.")
MISSING = N_("Remplissez ce champ.")
MISSING_IN = MappingProxyType(
    {
        "first_name": N_("Indiquez votre prénom."),
        "last_name": N_("Indiquez votre nom."),
        "email": N_("Indiquez votre adresse e-mail."),
        "email_confirmation": N_("Écrivez votre adresse e-mail une seconde fois."),
        "birth_date": N_("Indiquez votre date de naissance."),
        "phone": N_("Indiquez votre numéro de téléphone."),
        "reference": N_("Indiquez votre référence."),
        "receipt": N_("Écrivez votre reçu."),
        "answer": N_("Recopiez les caractères de l’image ou du son."),
        "slot": BAD_SLOT,
        "date": BAD_SLOT,
    }
)
"""What to say when a field is empty, in the words of that field."""
NOT_TEXT = N_("Ce champ doit être un texte.")
TOO_LONG = N_("Ce champ est trop long.")
ODD_CHARACTERS = N_("Ce champ contient un caractère qui n’est pas accepté.")
UNKNOWN = N_("Ce champ n’est pas attendu.")
BAD_NAME = N_("Écrivez ce nom avec des lettres, comme sur votre pièce d’identité.")
NOT_LATIN = N_("Écrivez ce nom en lettres latines (A, B, C…), comme sur le passeport.")
BAD_EMAIL = N_("Écrivez une adresse complète, par exemple nom@exemple.fr.")
NOT_ASCII_EMAIL = N_("Écrivez cette adresse sans accent et sans lettre particulière avant le signe @.")
NOT_SAME_EMAIL = N_("Les deux adresses ne sont pas les mêmes.")
BAD_DATE = N_("Écrivez une date qui existe, par exemple 31 12 1990.")
INCOMPLETE_DATE = N_("Complétez la date de naissance : jour, mois et année.")
NOT_BORN = N_("La date de naissance doit être dans le passé.")
TOO_OLD = N_("Vérifiez l’année de naissance.")
BAD_PHONE = N_("Écrivez un numéro de téléphone, par exemple 06 12 34 56 78.")
BAD_BOX = N_("Répondez par oui ou par non (true ou false).")
BAD_BODY = N_("L’envoi n’a pas pu être lu. Recommencez.")
TOO_MUCH = N_("L’envoi est trop grand.")

DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")


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
                self.errors[name] = MISSING_IN.get(name, MISSING)
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
            self.errors[name] = MISSING_IN.get(name, MISSING)
        else:
            return text
        return ""

    def digits(self, name: str, most: int) -> str:
        """Read text with Arabic-Indic and Persian digits written as 0 to 9: an Arabic keyboard types them."""
        return self.text(name, most).translate(DIGITS)

    def name(self, name: str, *, required: bool = True) -> str:
        """Read a person's name in Latin letters; full-width letters and ligatures become plain ones (NFKC).

        A person with a single name writes a hyphen, or "sans prénom", in the other field. It is read as NO_NAME.
        """
        value = self.text(name, NAME_LENGTH, required=required, form="NFKC")
        if names.says_no_name(value):
            return names.NO_NAME if required else ""
        if value and not names.is_name(value):
            self.errors[name] = NOT_LATIN if names.has_other_script(value) else BAD_NAME
        return value

    def full_name(self) -> tuple[str, str]:
        """Read `first_name` and `last_name`. At most one of them is NO_NAME."""
        first_name, last_name = self.name("first_name"), self.name("last_name")
        if first_name == last_name == names.NO_NAME:
            self.errors["last_name"] = MISSING_IN["last_name"]
        return first_name, last_name

    def finish(self, order: Iterable[str] | None = None) -> None:
        """Raise InvalidFields if a field was wrong, with the errors in the order of the form."""
        if self.errors:
            position = {name: number for number, name in enumerate(self.body if order is None else order)}
            raise InvalidFields(dict(sorted(self.errors.items(), key=lambda error: position.get(error[0], 99))))


def yes(body: Mapping[str, Any], name: str) -> bool:
    """Tell whether a box is ticked: `true` or `on` in a form or a query string, the boolean alone in JSON."""
    value = body.get(name)
    return value in ("true", "on") if isinstance(body, Form) else value is True


def is_box(body: Mapping[str, Any], name: str) -> bool:
    """Tell whether a field has a value that a box can have, ticked or not."""
    return body[name] in ("true", "false", "on") if isinstance(body, Form) else isinstance(body[name], bool)
