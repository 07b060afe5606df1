"""What an agent types for several people, and what is wrong with it."""

from datetime import date

import pytest

from chalicelib.domain.refusals import InvalidFields
from chalicelib.web import desk_booking_forms

TODAY = date(2026, 12, 3)
AWA = {"last_name_1": "Exemple", "first_name_1": "Awa", "birth_date_1": "17/05/1990", "phone": "06 12 34 56 78"}


@pytest.mark.parametrize(
    "text", ["17/05/1990", "17.5.1990", "17-05-1990", "17051990", "17 mai 1990", "1990-05-17", " 17 / 05 / 1990 "]
)
def test_a_date_of_birth_is_one_field_and_can_be_typed_in_many_ways(text: str) -> None:
    (details,) = desk_booking_forms.read_people({**AWA, "birth_date_1": text}, 1, TODAY)
    assert (details.birth_date, details.email, details.language) == (date(1990, 5, 17), "", "fr")


@pytest.mark.parametrize(
    "text", ["", "1990", "31/02/1990", "17/05/90", "x/y/z", "17/05/1990/1", "03/12/2027", "1" * 300]
)
def test_a_date_that_does_not_exist_is_an_error_of_its_field(text: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        desk_booking_forms.read_people({**AWA, "birth_date_1": text}, 1, TODAY)
    assert list(refused.value.errors) == ["birth_date_1"]


def test_the_errors_of_all_people_are_in_the_order_of_the_form_and_common_ones_come_once() -> None:
    values = {**AWA, "last_name_2": "Exemple", "first_name_1": "", "birth_date_2": "x", "phone": "", "email": "awa@"}
    with pytest.raises(InvalidFields) as refused:
        desk_booking_forms.read_people(values, 2, TODAY)
    assert list(refused.value.errors) == ["first_name_1", "first_name_2", "birth_date_2", "phone", "email"]
    assert "votre" not in " ".join(refused.value.errors.values())  # an agent types for somebody else


def test_all_people_have_the_same_phone_number_address_and_language() -> None:
    values = {**AWA, "last_name_2": "Exemple", "first_name_2": "Moussa", "birth_date_2": "01/02/2015"}
    people = desk_booking_forms.read_people({**values, "email": "awa@example.org", "language": "ar"}, 2, TODAY)
    assert {(who.phone, who.email, who.language) for who in people} == {("06 12 34 56 78", "awa@example.org", "ar")}
    assert [who.first_name for who in people] == ["Awa", "Moussa"]


def test_the_form_of_somebody_reads_as_it_was_written() -> None:
    (details,) = desk_booking_forms.read_people({**AWA, "birth_name_1": "Bexemple"}, 1, TODAY)
    assert desk_booking_forms.read_people(desk_booking_forms.typed_of(details), 1, TODAY) == [details]


@pytest.mark.parametrize(("text", "count"), [("", 1), ("3", 3), ("9", 6), ("0", 1), ("x", 1), ("²", 1), ("33", 1)])
def test_an_odd_number_of_people_is_one_or_the_most(text: str, count: int) -> None:
    assert desk_booking_forms.count_of({"people": text}) == count
