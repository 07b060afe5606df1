"""The readers of forms and JSON bodies."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chalicelib.booking.holds import Wish
from chalicelib.domain import codec, names
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import InvalidFields
from chalicelib.web import fields, forms
from tests.conftest import document
from tests.unit.web.samples import AWA, TODAY

AES = codec.service_from_document(document())
TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
"""Every character that turns the direction of what follows."""


def read(**changes: Any) -> Details:
    body = {name: value for name, value in {**AWA, **changes}.items() if value is not None}
    return forms.read_details(body, today=TODAY, language="fr")


def refused(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidFields) as wrong:
        read(**changes)
    return dict(wrong.value.errors)


# Details


def test_details_are_read_trimmed_and_composed() -> None:
    typed = read(first_name=" Awa ", last_name="Lie\u0301bert", birth_name="O’Exemple-d'Or", language="ar")
    born = date(1990, 5, 17)
    assert typed == Details("Awa", "Liébert", "O’Exemple-d'Or", born, "awa@example.org", "06 12 34 56 78", "ar")


def test_the_default_language_is_that_of_the_visit() -> None:
    assert forms.read_details(AWA, today=TODAY, language="en").language == "en"


@pytest.mark.parametrize("name", ["Ēva", "Nguyễn", "Łukasz", "IŞIK", "Marie Anne", "Anne-Marie", "St. John", "O’Neil"])
def test_a_name_is_in_latin_letters(name: str) -> None:
    assert read(first_name=name).first_name == name


@pytest.mark.parametrize("field", ["first_name", "last_name", "birth_name"])
@pytest.mark.parametrize("name", ["محمد", "Јован", "李", "\u0410wa", "שָׁלוֹם", "ชื่อ"])
def test_a_name_in_another_script_is_refused_with_a_hint(field: str, name: str) -> None:
    assert refused(**{field: name}) == {field: "Écrivez ce nom en lettres latines (A, B, C…), comme sur le passeport."}
    body = {"first_name": name, "last_name": "Exemple", "phone": "0612345678"}
    with pytest.raises(InvalidFields) as wrong:
        forms.read_correction(body)
    assert wrong.value.errors == {"first_name": "Écrivez ce nom en lettres latines (A, B, C…), comme sur le passeport."}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ａｗａ", "Awa"),
        ("𝐀𝐰𝐚", "Awa"),
        ("Awa\u00a0Marie", "Awa Marie"),
        ("\u3000Awa", "Awa"),
        ("Ĳda", "IJda"),
        ("ﬁdan", "fidan"),
    ],
)
def test_full_width_letters_and_ligatures_become_plain_letters(typed: str, kept: str) -> None:
    assert read(first_name=typed).first_name == kept


def test_the_length_of_a_name_is_that_of_its_plain_letters() -> None:
    assert refused(first_name="ﬃ" * 50) == {"first_name": "Ce champ est trop long."}


@pytest.mark.parametrize("name", ["Awa2", "_", "--a", "'", "D'", "A.", "A;B", "=1+1", "🙂", "\u0301Awa"])
def test_a_name_is_nothing_but_letters_and_their_marks(name: str) -> None:
    assert refused(first_name=name) == {
        "first_name": "Écrivez ce nom avec des lettres, comme sur votre pièce d’identité."
    }


HIDDEN = "\n\u00ad\u034f\u200b\u200d\u2060\ufeff\u3164\uffa0\ufe0f\u2800\U000e0041"


@pytest.mark.parametrize("odd", ["\x00", "\x1b", "\x7f", "\ud800", "\ue000", "\u0378", *TURNS, *HIDDEN])
def test_an_invisible_character_is_refused_in_every_field(odd: str) -> None:
    for field in ("first_name", "last_name", "birth_name", "phone", "email", "email_confirmation", "birth_date"):
        assert refused(**{field: f"Aw{odd}a"})[field] == "Ce champ contient un caractère qui n’est pas accepté."


def test_a_name_of_spaces_is_an_empty_name() -> None:
    assert refused(first_name="   ") == {"first_name": "Indiquez votre prénom."}
    assert read(birth_name="   ").birth_name == ""


@pytest.mark.parametrize("nothing", ["-", "–", "Sans prénom", "SANS PRENOM", "aucun", "XXX", "FNU"])
def test_a_person_with_a_single_name_leaves_the_other_field_to_a_hyphen(nothing: str) -> None:
    assert (read(first_name=nothing).first_name, read(last_name=nothing).last_name) == ("-", "-")
    assert read(birth_name=nothing).birth_name == ""
    assert refused(first_name=nothing, last_name="-") == {"last_name": "Indiquez votre nom."}
    assert names.person_key("-", "Exemple") == names.person_key("Exemple", "-") == names.person_key("", "Exemple")


@pytest.mark.parametrize("unknown", ["00", "XX", "xx", "٠٠"])
def test_an_unknown_day_or_month_of_birth_is_read_as_the_first(unknown: str) -> None:
    assert born(unknown, unknown, "1990") == born("1", "1", "1990") == date(1990, 1, 1)
    assert born(unknown, "5", "1990") == date(1990, 5, 1)
    assert born("5", unknown, "1990") == date(1990, 1, 5)
    assert forms.is_birth_unknown({"birth_day": "5", "birth_month": unknown})
    assert refused(birth_date=None, birth_day="5", birth_month="5", birth_year=unknown)


def test_an_unknown_language_is_refused() -> None:
    assert refused(language="de") == {"language": "Ce champ n’est pas attendu."}


def test_a_name_has_a_hundred_characters_at_most() -> None:
    assert len(read(first_name="A" * 100).first_name) == 100
    assert refused(first_name="A" * 101) == {"first_name": "Ce champ est trop long."}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("awa@example.org", "awa@example.org"),
        ("Awa.Exemple+rdv@Example.ORG", "Awa.Exemple+rdv@example.org"),
        ("awa@exämple.org", "awa@xn--exmple-cua.org"),
        ("o'exemple@example.org", "o'exemple@example.org"),
        ("awa@ｅxample.org", "awa@example.org"),
    ],
)
def test_an_email_address_keeps_its_spelling_and_gets_an_ascii_domain(typed: str, kept: str) -> None:
    assert read(email=typed, email_confirmation=typed).email == kept


@pytest.mark.parametrize(
    "typed",
    [
        "awa",
        "awa@",
        "@example.org",
        "awa@example",
        "a b@example.org",
        "awa@@example.org",
        "awa@example..org",
        "awa@[127.0.0.1]",
        '"a b"@example.org',
        "Awa <awa@example.org>",
        "awa@example.org, bob@example.org",
        "awa@" + "a" * 64 + ".org",
        "awa@example.org.",
        "awa@x.invalid",
        "a" * 65 + "@example.org",
    ],
)
def test_an_email_address_that_cannot_receive_mail_is_refused(typed: str) -> None:
    messages = {"email": "Écrivez une adresse complète, par exemple nom@exemple.fr."}
    assert refused(email=typed, email_confirmation=typed) == messages
    with pytest.raises(InvalidFields) as wrong:
        forms.read_manage({"reference": "AES-7K3M9-QXPT2", "email": typed})
    assert wrong.value.errors == messages


@pytest.mark.parametrize("typed", ["é@example.org", "ａｗａ@example.org", "a\u0301wa@example.org"])
def test_an_email_address_whose_mailbox_is_not_ascii_is_refused_with_a_hint(typed: str) -> None:
    assert refused(email=typed, email_confirmation=typed) == {
        "email": "Écrivez cette adresse sans accent et sans lettre particulière avant le signe @."
    }


@pytest.mark.parametrize(
    ("email", "again"),
    [
        ("awa@example.org", "AWA@Example.org"),
        ("awa@exämple.org", "awa@xn--exmple-cua.org"),
        ("a.wa@gmail.com", "awa@googlemail.com"),
    ],
)
def test_the_two_email_addresses_may_differ_in_spelling_but_not_in_mailbox(email: str, again: str) -> None:
    assert read(email=email, email_confirmation=again)
    assert read(email=again, email_confirmation=email)


def test_email_addresses_of_two_mailboxes_are_refused() -> None:
    assert refused(email_confirmation="awa@example.com") == {
        "email_confirmation": "Les deux adresses ne sont pas les mêmes."
    }


@pytest.mark.parametrize("phone", ["06 12 34 56 78", "+33 (0)6.12.34.56.78", "0612345678", "+1-555-0100"])
def test_a_phone_number_is_accepted_in_its_usual_spellings(phone: str) -> None:
    assert read(phone=phone).phone == phone


@pytest.mark.parametrize("phone", ["06", "call me", "++33612345678", "06/12/34/56/78", "0" * 27])
def test_an_invalid_phone_number_is_refused(phone: str) -> None:
    assert refused(phone=phone) == {"phone": "Écrivez un numéro de téléphone, par exemple 06 12 34 56 78."}


def test_all_errors_are_listed_in_the_order_of_the_form() -> None:
    body = {"nickname": "x", "phone": "x", "birth_date": "x", "last_name": 5}
    with pytest.raises(InvalidFields) as wrong:
        forms.read_details(body, today=TODAY, language="fr")
    named = ["first_name", "last_name", "email", "email_confirmation", "birth_date", "phone", "nickname"]
    assert list(wrong.value.errors) == named


# The date of birth


def born(day: str, month: str, year: str) -> date:
    return read(birth_date=None, birth_day=day, birth_month=month, birth_year=year).birth_date


@pytest.mark.parametrize(
    ("month", "number"),
    [
        *[("1", 1), ("05", 5), ("٥", 5)],
        *[("janvier", 1), ("FÉVRIER", 2), ("fevr", 2), ("mai", 5), ("juin", 6), ("juil", 7), ("aout", 8)],
        *[("January", 1), ("march", 3), ("Sept", 9), ("december", 12)],
        *[("يناير", 1), ("ديسمبر", 12), ("KASIM", 11), ("Aralık", 12), ("mayıs", 5), ("ŞUBAT", 2)],
    ],
)
def test_a_month_is_a_number_or_a_name_in_our_languages(month: str, number: int) -> None:
    assert born("17", month, "1990") == date(1990, number, 17)


@pytest.mark.parametrize(
    "parts",
    [
        ("30", "2", "2001"),
        ("30", "février", "2001"),
        ("29", "02", "1999"),
        ("31", "avril", "1990"),
        ("0", "1", "1990"),
        ("17", "13", "1990"),
        ("17", "jui", "1990"),
        ("17", "brumaire", "1990"),
        ("x", "5", "1990"),
        ("17", "5", "-1"),
        ("17", "5", "9" * 20),
        ("9" * 20, "5", "1990"),
        ("17", "9" * 20, "1990"),
        ("17", "5", "0"),
        ("17", "5", "1_990"),
        ("1_7", "5", "1990"),
        ("17", "0_5", "1990"),
        ("+17", "5", "1990"),
        ("17", "5", "１９９０"),
        ("१७", "5", "1990"),
        ("17", "۵x", "1990"),
    ],
)
def test_a_date_that_does_not_exist_is_refused(parts: tuple[str, str, str]) -> None:
    day, month, year = parts
    wrong = refused(birth_date=None, birth_day=day, birth_month=month, birth_year=year)
    assert wrong == {"birth_date": "Écrivez une date qui existe, par exemple 31 12 1990."}


@pytest.mark.parametrize(("day", "month", "year"), [("١٧", "٥", "١٩٩٠"), ("۱۷", "۵", "۱۹۹۰"), ("١٧", "مايو", "1990")])
def test_a_date_typed_on_an_arabic_keyboard_is_read(day: str, month: str, year: str) -> None:
    assert born(day, month, year) == date(1990, 5, 17)


def test_digits_of_an_arabic_keyboard_become_0_to_9() -> None:
    assert read(phone="٠٦ ١٢ ٣٤ ٥٦ ٧٨").phone == "06 12 34 56 78"
    assert read(phone="+۳۳ ۶ ۱۲ ۳۴ ۵۶ ۷۸").phone == "+33 6 12 34 56 78"
    assert forms.read_answer({"challenge": "x", "answer": "٣٢١٠٤٥"}) == ("x", "321045")
    assert forms.read_manage({"reference": "AES-٧K٣M٩-QXPT٢", "email": "awa@example.org"})[0] == "AES-7K3M9-QXPT2"


def test_the_29th_of_february_exists_in_a_leap_year() -> None:
    assert born("29", "02", "2000") == date(2000, 2, 29)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("2026-11-30", "La date de naissance doit être dans le passé."),
        ("2026-12-01", "La date de naissance doit être dans le passé."),
        ("1905-01-01", "Vérifiez l’année de naissance."),
        ("0090-05-17", "Vérifiez l’année de naissance."),
        ("17/05/1990", "Écrivez une date qui existe, par exemple 31 12 1990."),
        ("1990-5-17", "Écrivez une date qui existe, par exemple 31 12 1990."),
        ("١٩٩٠-05-17", "Écrivez une date qui existe, par exemple 31 12 1990."),
        ("1990-٠٥-17", "Écrivez une date qui existe, par exemple 31 12 1990."),
        ("", "Indiquez votre date de naissance."),
        (19900517, "Ce champ doit être un texte."),
    ],
)
def test_a_birth_date_is_between_120_years_ago_and_yesterday(typed: Any, message: str) -> None:
    assert refused(birth_date=typed) == {"birth_date": message}


def test_yesterday_and_120_years_ago_are_birth_dates() -> None:
    assert read(birth_date="2026-11-29").birth_date == date(2026, 11, 29)
    assert read(birth_date="1906-01-01").birth_date == date(1906, 1, 1)


def test_a_birth_date_without_one_of_its_parts_is_one_error() -> None:
    assert refused(birth_date=None, birth_day="17", birth_year="1990") == {
        "birth_date": "Complétez la date de naissance : jour, mois et année."
    }
    assert refused(birth_date=None) == {"birth_date": "Indiquez votre date de naissance."}


# A wish


@pytest.mark.parametrize(
    "body",
    [
        {"date": "2026-12-03", "start": "10:15", "conditions_accepted": True},
        fields.Form(slot="2026-12-03T10:15", conditions_accepted="true"),
        fields.Form(slot="2026-12-03T10:15", conditions_accepted="on", first_free="false"),
    ],
)
def test_a_slot_is_named_by_its_local_start(body: dict[str, Any]) -> None:
    start = datetime(2026, 12, 3, 10, 15, tzinfo=AES.zone)
    assert forms.read_wish(body, AES) == Wish(start, conditions_accepted=True)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, ["date", "start"]),
        ({"slot": ""}, ["slot"]),
        ({"slot": "2026-02-30T10:15"}, ["slot"]),
        ({"slot": "2026-12-03"}, ["slot"]),
        ({"date": "2026-12-03", "start": "24:00"}, ["date"]),
        ({"date": "2026-12-03", "start": None}, ["start"]),
        ({"first_free": 1}, ["first_free"]),
        ({"first_free": True, "conditions_accepted": 1}, ["conditions_accepted"]),
        ({"first_free": True, "conditions_accepted": None}, ["conditions_accepted"]),
        ({"first_free": True, "conditions_accepted": "true"}, ["conditions_accepted"]),
        ({"first_free": "true", "conditions_accepted": True}, ["first_free"]),
        (fields.Form(first_free="true", conditions_accepted="1"), ["conditions_accepted"]),
        ({"slot": "2026-12-٠3T10:15"}, ["slot"]),
        ({"date": "٢٠٢٦-12-03", "start": "10:15"}, ["date"]),
        ({"date": "2026-12-03", "start": "１０:15"}, ["date"]),
        ({"first_free": True, "seat": "x" * 100}, ["seat"]),
    ],
)
def test_a_wish_that_names_no_slot_is_refused_by_field(body: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(InvalidFields) as wrong:
        forms.read_wish(body, AES)
    assert list(wrong.value.errors) == named


def test_an_unknown_field_is_reported_by_its_first_sixty_characters() -> None:
    with pytest.raises(InvalidFields) as wrong:
        forms.read_wish({"first_free": True, "x" * 100: 1}, AES)
    assert wrong.value.errors == {"x" * 60: "Ce champ n’est pas attendu."}


@pytest.mark.parametrize(
    ("slot", "start"),
    [("2026-12-03T10:15", "2026-12-03T10:15:00+01:00"), ("x", None), ("", None), ("2026-12-03T1٠:15", None)],
)
def test_a_slot_of_a_page_is_a_start_in_the_time_of_its_service(slot: str, start: str | None) -> None:
    read = forms.start_of_slot(slot, AES)
    assert (read and read.isoformat()) == start


# One's link


@pytest.mark.parametrize(
    "typed",
    [
        "AES-7K3M9-QXPT2",
        " aes-7k3m9-qxpt2 ",
        "AES - 7K3M9 - QXPT2",
        "aes7k3m9qxpt2",
        "AES 7K3M9 QXPT2",
        "AES_7K3M9_QXPT2",
        "aes\u20117k3m9\u2013qxpt2",
        "Aes 7k3m 9qxpt 2",
        "AES-٧K٣M٩-QXPT٢",
    ],
)
def test_a_reference_is_read_in_any_spelling(typed: str) -> None:
    assert forms.read_manage({"reference": typed, "email": "awa@example.org"})[0] == "AES-7K3M9-QXPT2"


@pytest.mark.parametrize("typed", ["?", "AES", "ÉES-7K3M9-QXPT2", "A" * 61])
def test_an_invalid_reference_is_refused(typed: str) -> None:
    with pytest.raises(InvalidFields) as wrong:
        forms.read_manage({"reference": typed, "email": "awa@example.org"})
    assert list(wrong.value.errors) == ["reference"]


def test_first_free_takes_precedence_over_a_chosen_slot() -> None:
    body = fields.Form(first_free="true", slot="2026-12-03T10:15")
    assert forms.read_wish(body, AES) == Wish(None, conditions_accepted=False)


# Anything at all


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=30) | some.dates().map(str),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def bodies(*names: str) -> some.SearchStrategy[dict[str, Any]]:
    """Any JSON object, most often with fields that are known."""
    return some.dictionaries(some.sampled_from(names) | some.text(max_size=8), VALUES, max_size=12)


def outcome(read_it: Callable[[dict[str, Any]], object], body: dict[str, Any]) -> object:
    """What was read, or which fields were refused and why."""
    try:
        return read_it(body)
    except InvalidFields as wrong:
        return wrong.errors


@settings(max_examples=150, deadline=None, database=None)
@given(bodies(*forms.DETAILS, *forms.BUTTONS), some.dictionaries(some.sampled_from(sorted(AWA)), VALUES, max_size=1))
def test_any_input_gives_details_or_a_refusal_that_names_a_field(body: dict[str, Any], change: dict[str, Any]) -> None:
    for sent in (body, {**AWA, **change}):
        outcome_of_form = outcome(lambda body: forms.read_details(body, today=TODAY, language="fr"), sent)
        assert isinstance(outcome_of_form, Details) or outcome_of_form


@settings(max_examples=150, deadline=None, database=None)
@given(
    bodies("date", "start", "slot", "first_free", "conditions_accepted", "challenge", "answer", "reference", "email")
)
def test_any_other_body_is_read_or_refused_by_field(body: dict[str, Any]) -> None:
    for read_it in (lambda sent: forms.read_wish(sent, AES), forms.read_answer, forms.read_manage):
        assert outcome(read_it, body)
