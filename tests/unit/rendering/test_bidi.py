"""Expected lines are as they stand on paper, from left to right: Arabic ones read backwards, in joined forms."""

from unicodedata import normalize

import pytest

from chalicelib.rendering.bidi import LEFT_TO_RIGHT, isolate, reopen_directions, shape, visual_order


def paper(text: str) -> str:
    """A line as it is seen, with its letters as they are typed."""
    return normalize("NFKC", visual_order(shape(text), right_to_left=True))


def test_letters_take_the_form_that_they_have_beside_their_neighbours() -> None:
    assert shape("بيت") == "\ufe91\ufef4\ufe96"
    assert shape("لا") == "\ufefb"


def test_a_word_that_fonts_write_as_one_sign_keeps_its_letters() -> None:
    assert shape("الله") == "\ufe8d\ufedf\ufee0\ufeea"


def test_latin_text_is_left_as_it_is_but_for_composed_accents() -> None:
    assert visual_order(shape("Hu\u031bo\u031b\u0300ng (10 h 15)"), right_to_left=False) == "Hường (10 h 15)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("بيت", "تيب"),
        (f"بيت {isolate('10:15')}، بيت", "تيب ،10:15 تيب"),
        ("بيت (10)، بيت", "تيب ،(10) تيب"),
        ("بيت (AES)", "(AES) تيب"),
        (f"بيت: {isolate('AES-7K3M9')}", "AES-7K3M9 :تيب"),
        (f"بيت {isolate('Bấu (Thị) Ñ.')}.", ".Bấu (Thị) Ñ. تيب"),
        (f"{isolate('42000 Saint-Étienne')}", "42000 Saint-Étienne"),
        ("بيت \u20661 2\u2069", "1 2 تيب"),
        ("بيت 3 بيت 2026", "2026 تيب 3 تيب"),
    ],
)
def test_on_an_arabic_line_numbers_names_and_brackets_read_right(text: str, line: str) -> None:
    assert paper(text) == line


def test_an_arabic_name_on_a_french_line_runs_its_own_way() -> None:
    line = visual_order(shape(f"Nom : {isolate('بيت (بيت)')}, née"), right_to_left=False)
    assert normalize("NFKC", line) == "Nom : (تيب) تيب, née"


def test_a_value_that_breaks_over_two_lines_keeps_its_direction_on_the_second() -> None:
    first, second = reopen_directions(["بيت " + LEFT_TO_RIGHT + "2 rue", "42000 Ville\u202c."])
    assert paper(first) == "2 rue تيب"
    assert paper(second) == ".42000 Ville"
