"""The fields of the forms with which agents book for others: several people, and one way to reach them all."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from chalicelib.desk.booking import MOST_PEOPLE
from chalicelib.domain.languages import SOURCE
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import InvalidFields
from chalicelib.web import fields, forms

OF_EACH = ("last_name", "first_name", "birth_date", "birth_name")
"""The fields of each person. Their names end in the number of the person: `last_name_2`."""
OF_ALL = ("phone", "email", "language")
CHOICE = ("people", "seat", "walk_in")
"""For how many people, from which seat on, and whether it is one of `places.now_seats`."""
PEOPLE = (*(f"{name}_{number}" for number in range(1, MOST_PEOPLE + 1) for name in OF_EACH), *OF_ALL)
TYPED = (*CHOICE, "secret", *PEOPLE, "share_email", *forms.PREFERENCES)
"""Everything that a page carries on to the next one, in the order of the form."""
WORDS = {
    fields.MISSING_IN["first_name"]: "Écrivez le prénom, ou un tiret (-) s’il n’y en a pas.",
    fields.MISSING_IN["last_name"]: "Écrivez le nom.",
    fields.MISSING_IN["birth_date"]: "Écrivez la date de naissance, par exemple 17/05/1990.",
    fields.INCOMPLETE_DATE: "Écrivez le jour, le mois et l’année, par exemple 17/05/1990.",
    fields.BAD_DATE: "Écrivez une date qui existe, par exemple 17/05/1990.",
    fields.MISSING_IN["phone"]: "Écrivez un numéro de téléphone : celui d’un proche ou d’un foyer convient aussi.",
    fields.BAD_NAME: "Écrivez ce nom avec des lettres, comme sur la pièce d’identité.",
}
"""What the messages for applicants say to an agent."""


def count_of(values: Mapping[str, str]) -> int:
    """Return for how many people the form is: one, if it does not say so."""
    text = values.get("people", "")
    return min(int(text), MOST_PEOPLE) if re.fullmatch("[1-9]", text) else 1


def read_people(values: Mapping[str, str], count: int, today: date) -> list[Details]:
    """Read the details of the first people of a form. All have the same phone number, e-mail address and language.

    Raise InvalidFields with the errors of all, in the order of the form.
    """
    people, errors = [], {}
    for number in range(1, count + 1):
        try:
            people.append(_read_person(values, number, today))
        except InvalidFields as invalid:
            for name, message in invalid.errors.items():
                errors[f"{name}_{number}" if name in OF_EACH else name] = WORDS.get(message, message)
    if errors:
        raise InvalidFields({name: errors[name] for name in PEOPLE if name in errors})
    return people


def _read_person(values: Mapping[str, str], number: int, today: date) -> Details:
    own = {name: values.get(f"{name}_{number}", "") for name in OF_EACH}
    form: dict[str, Any] = {**own, **{name: values.get(name, "") for name in OF_ALL}}
    form["email_confirmation"] = form["email"]
    form |= dict(zip(("birth_day", "birth_month", "birth_year"), _birth_parts(form.pop("birth_date")), strict=True))
    return forms.read_details(form, today=today, language=SOURCE, email_required=False)


def _birth_parts(text: str) -> tuple[str, str, str]:
    """Split a date of birth into day, month and year: `17/05/1990`, `17051990`, `17 mai 1990` or `1990-05-17`."""
    digits = text.strip().translate(fields.DIGITS)
    if re.fullmatch("[0-9]{8}", digits):
        return digits[:2], digits[2:4], digits[4:]
    parts = [part for part in re.split(r"[\s/.-]+", digits) if part]
    if len(parts) != 3:  # noqa: PLR2004  # day, month, year
        return text, "", ""
    day, month, year = parts if len(parts[0]) < 4 else parts[::-1]  # noqa: PLR2004  # a year has four digits
    return day, month, year


def typed_of(details: Details) -> dict[str, str]:
    """Return the details of a person as the form of one person has them."""
    of_all = {"phone": details.phone, "email": details.email, "language": details.language}
    born = f"{details.birth_date:%d/%m/%Y}"
    return {
        "last_name_1": details.last_name,
        "first_name_1": details.first_name,
        "birth_date_1": born,
        "birth_name_1": details.birth_name,
        **of_all,
    }
