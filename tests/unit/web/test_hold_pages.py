"""The pages of a hold: the captcha, the details and the check page."""

import pytest

from chalicelib.domain.service import LANGUAGES
from chalicelib.rendering.i18n import locale_for
from tests.unit.web.pages import ERRORS, FIELDS, INSTEAD, LAST, TOKEN, Tags, page, text_of


def test_an_error_is_shown_above_the_form_with_a_link_and_at_its_field() -> None:
    tags = Tags(page("details, wrong"))
    box = next(a for a in tags.all("div") if a.get("id") == "errors")
    assert (box["tabindex"], "autofocus" in box) == ("-1", True)
    assert {"#first_name", "#birth_day"} <= {a["href"] for a in tags.all("a")}
    named = {a["id"]: a for a in tags.all("input") if "id" in a}
    assert named["first_name"]["aria-describedby"] == "first_name-error first_name-hint"
    assert named["birth_year"]["aria-invalid"] == "true"
    assert "aria-invalid" not in named["phone"]
    assert page("details, wrong").count(ERRORS["birth_date"]) == 2


def test_what_was_typed_is_kept_and_cannot_become_markup() -> None:
    html = page("details", values={"last_name": '"><b>Æ'})
    assert 'value="&#34;&gt;&lt;b&gt;Æ"' in html


def test_names_are_typed_in_latin_letters_from_the_left_in_arabic_too() -> None:
    fields = {a["id"]: a for a in Tags(page("details", "ar")).all("input") if "id" in a}
    for field in ("first_name", "last_name"):
        assert (fields[field]["dir"], fields[field]["aria-describedby"]) == ("ltr", f"{field}-hint")


def test_the_fields_name_their_purpose_for_autocompletion() -> None:
    fields = {a["name"]: a.get("autocomplete") for a in Tags(page("details")).all("input")}
    assert fields == {
        "language": None,
        "first_name": "given-name",
        "last_name": "family-name",
        "email": "email",
        "email_confirmation": "email",
        "birth_name": "off",
        "birth_day": "bday-day",
        "birth_month": "bday-month",
        "birth_year": "bday-year",
        "phone": "tel",
    }


def test_the_extension_sends_what_was_typed_along_and_the_enter_key_does_not_press_it() -> None:
    (more,) = (a for a in Tags(page("details")).all("button") if "formaction" in a)
    assert more["form"] == "details"
    assert more["formaction"] == f"../../holds/{TOKEN}/extension"
    assert first_button("details") != more


@pytest.mark.parametrize("name", ["details", "details, wrong", "check"])
def test_the_enter_key_in_a_field_goes_to_the_next_step_and_changes_no_language(name: str) -> None:
    default = first_button(name)
    assert (default["form"], default["tabindex"], default["aria-hidden"]) == ("details", "-1", "true")
    assert not {"name", "formaction"} & default.keys()


def first_button(name: str) -> dict[str, str]:
    """Return the button that the Enter key presses in a field of the details."""
    return next(a for a in Tags(page(name)).all("button") if a.get("form") == "details")


@pytest.mark.parametrize("name", ["captcha", "details", "check"])
def test_a_hold_shows_its_end_and_can_be_given_back(name: str) -> None:
    assert "Votre créneau est gardé jusqu’à 9 h 03. À l’ouverture de cette page, il vous reste 2 minutes." in text_of(
        page(name)
    )
    assert f"../../holds/{TOKEN}/end" in [a.get("action") for a in Tags(page(name)).all("form")]


def test_a_waiting_hold_says_that_no_seat_is_held_yet() -> None:
    text = text_of(page("captcha, waiting"))
    assert "Ce créneau n’est pas encore gardé pour vous." in text
    until = next(a for a in Tags(page("captcha, waiting")).all("div") if a.get("id") == "until")
    texts = " ".join([text, *until.values()])
    assert "est gardé jusqu’à" not in texts
    assert "n’est plus gardée" not in texts
    assert until["data-left"] == "1080"


def test_a_visitor_who_got_another_slot_reads_which_one_it_replaces() -> None:
    text = text_of(page("details, another slot"))
    assert (
        "Une autre personne a pris le créneau du jeudi 3 décembre 2026 à 10 h 05 pendant le contrôle de "
        "sécurité. À la place, nous vous gardons celui du jeudi 3 décembre 2026 à 10 h 15." in text
    )
    assert f"../../holds/{TOKEN}/end" in [a.get("action") for a in Tags(page("details, another slot")).all("form")]
    assert "Vous avez un autre créneau" not in text_of(page("details"))
    assert "Vous avez un autre créneau" in text_of(page("check", hold=INSTEAD))


def test_a_hold_without_extensions_left_offers_none() -> None:
    assert "/extension" not in page("details", hold=LAST)


def test_the_check_page_sends_every_value_again() -> None:
    tags = Tags(page("check"))
    sent = {a["name"]: a["value"] for a in tags.all("input")}
    assert sent == {**FIELDS, "language": "fr", "step": "check"}
    assert [a["value"] for a in tags.all("button") if a.get("name") == "change"] == [
        "",
        "first_name",
        "last_name",
        "email",
        "birth_name",
        "birth_date",
        "phone",
    ]
    assert "17 mai 1990" in text_of(page("check"))


def test_the_captcha_offers_a_sound_another_picture_and_a_contact() -> None:
    html = page("captcha, wrong, with sound")
    assert len([a for a in Tags(html).all("form") if a["action"] == f"../../holds/{TOKEN}/captcha"]) == 2
    assert Tags(html).all("audio")
    assert "mailto:sejour.loire@prefecture.example.org" in html


def test_the_time_to_confirm_is_said_in_hours() -> None:
    for language in LANGUAGES:
        text = text_of(page("done", language))
        assert locale_for(language).duration(172_800) in text
        assert locale_for(language).number(2880) not in text
