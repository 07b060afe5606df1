"""The pages of a service: its description and its calendar."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from chalicelib.domain.service import LANGUAGES
from chalicelib.rendering import i18n, templates
from chalicelib.rendering.i18n import locale_for
from tests.unit.rendering.samples import locale_from_source
from tests.unit.web.pages import AES, DRAWN, HOLD, PAGES, Tags, page, text_of


def test_the_description_states_every_rule() -> None:
    read = text_of(page("notice"))
    for rule in (
        "Union européenne",
        "moins de 12 mois",
        "l’original et une copie",
        "traducteur agréé",
        "Elle doit venir avec vous",
        "pas complet",
        "le lundi à 9 h 00",
        "Confirmez avec le lien de cet e-mail",
        "vous avez 48 heures",
        "10 minutes en avance",
        "convocation imprimée",
        "loi du 6 janvier 1978",
        "Bureau de l’immigration",
        "lundi 7 déc. à 9 h 00",
        "moins de 49 heures avant",
        "un moment tiré au hasard, de 2 heures à 48 heures plus tard",
    ):
        assert rule in read, rule


def test_a_service_without_an_open_week_is_not_said_to_be_full() -> None:
    for name in ("notice, not open", "calendar, no week open"):
        read = text_of(page(name))
        assert "Aucun rendez-vous n’est proposé en ce moment. De nouveaux créneaux ouvrent le lundi 7 décembre" in read
        assert "n’existe plus" not in read
        assert "Complet" not in read
        assert "Des rendez-vous annulés peuvent" not in read


def test_a_draw_without_seniority_says_that_every_entry_has_the_same_chance() -> None:
    read = text_of(page("notice, draw without seniority"))
    assert "toutes les inscriptions ont la même chance" in read
    assert "ancienneté" not in read


def test_the_description_has_a_box_for_the_conditions_that_must_be_ticked() -> None:
    html = page("notice")
    form = Tags(html).all("form")
    box = next(a for a in Tags(html).all("input") if a["type"] == "checkbox")
    assert form == [{"class": "gu-door", "method": "get", "action": "../../services/aes/slots"}]
    assert (box["name"], box["value"], "required" in box) == ("conditions_accepted", "true", True)


def test_urls_and_email_addresses_in_the_texts_of_a_service_are_links() -> None:
    links = [a["href"] for a in Tags(page("notice")).all("a")]
    assert "https://www.annuaire-traducteur-assermente.fr" in links
    assert "mailto:sejour.loire@prefecture.example.org" in [a["href"] for a in Tags(page("calendar, full")).all("a")]


def test_a_day_is_one_group_of_radios() -> None:
    tags = Tags(page("calendar"))
    radios = [a["value"] for a in tags.all("input") if a["type"] == "radio"]
    assert radios == ["2026-12-08T09:20", "2026-12-08T10:15", "2026-12-10T09:20", "2026-12-10T10:15"]
    assert len(tags.all("fieldset")) == len(tags.all("legend")) == 2


def test_the_calendar_distinguishes_free_slots_from_taken_ones_and_counts_them() -> None:
    read = text_of(page("calendar"))
    assert "8 rendez-vous libres" in read
    assert "9 h 15 complet" in read
    assert "9 h 20 2 libres" in read


def test_each_slot_says_how_many_of_its_appointments_are_free_and_the_bar_may_say_it_in_a_sentence() -> None:
    html = page("calendar, all free")
    assert text_of(html).count("2 libres") == 30
    (days,) = (a for a in Tags(html).all("div") if a.get("class") == "gu-days")
    assert days["data-left"] == "2=Il reste 2 rendez-vous à ce créneau.|"


def test_days_without_appointments_take_no_room_and_a_full_day_is_one_line() -> None:
    days = [a["class"] for _, a in Tags(page("calendar, week full")).tags if "gu-day" in a.get("class", "").split()]
    assert days == ["gu-day gu-day--full"] * 2
    assert len(Tags(page("calendar")).all("fieldset")) == 2


def test_the_strip_links_to_each_open_week_with_its_free_appointments_and_marks_the_shown_one() -> None:
    html = page("calendar")
    links = [a for a in Tags(html).all("a") if "slots?week=" in a["href"]]
    assert [(a["href"].partition("week=")[2][:8], a.get("aria-current")) for a in links[:2]] == [
        ("2026-W49", None),
        ("2026-W50", "page"),
    ]
    read = text_of(html)
    assert "Semaine du 30 nov. complet" in read
    assert "Semaine du 7 déc. 59 rendez-vous libres" in read
    assert "Prochaine ouverture : lundi 7 déc. à 9 h 00" in read


def test_when_no_slot_was_chosen_one_specific_message_stands_at_the_slots_and_takes_the_focus() -> None:
    html = page("calendar, nothing chosen")
    message = html.index('id="errors"')
    assert html.index('id="slots"') < message < html.index('class="gu-days"')
    assert "autofocus" in next(a for a in Tags(html).all("div") if a.get("id") == "errors")
    assert text_of(html).count("Choisissez un créneau.") == 1
    assert "à corriger" not in text_of(html)


def test_the_notice_says_first_what_is_free_and_leads_to_the_box() -> None:
    html = page("notice")
    assert html.index("59 rendez-vous libres") < html.index("Ce rendez-vous n’est pas pour vous si")
    assert "#door" in [a["href"] for a in Tags(html).all("a")]


def test_a_full_notice_says_when_to_come_back_and_what_else_to_do() -> None:
    read = text_of(page("notice, full"))
    assert read.index("Essayer plus tard, le lundi 7 décembre 2026 à 9 h 00") < read.index("Votre demande")
    assert "Que faire d’autre" in read


def test_the_enter_key_on_a_slot_takes_that_slot_and_not_the_first_free_one() -> None:
    first, second = (a for a in Tags(page("calendar")).all("button") if a.get("type") != "button")
    assert "name" not in first
    assert (second["name"], second["value"]) == ("first_free", "true")


def test_the_chosen_slot_is_still_chosen_after_a_mistake() -> None:
    radios = [
        a for a in Tags(page("calendar, all free", chosen="2026-12-10T10:15")).all("input") if a.get("name") == "slot"
    ]
    assert [a["value"] for a in radios if "checked" in a] == ["2026-12-10T10:15"]


def test_a_chosen_slot_that_is_not_free_adds_nothing_to_the_cache_of_weeks() -> None:
    page("calendar")
    misses = templates._cached_week.cache_info().misses  # noqa: SLF001  # its growth is visible nowhere else
    for chosen in ("2026-12-08T09:25", "2026-12-08T99:99", "<b>"):
        page("calendar", chosen=chosen)
    assert templates._cached_week.cache_info().misses == misses  # noqa: SLF001  # the same


def shared(language: str = "fr", root: str = "../", path: str = "services/aes", **changes: object) -> str:
    template, variables = PAGES["notice"]
    return templates.render_shared(template, locale_from_source(language), root, path, {**variables, **changes})


def test_a_shared_page_is_rendered_again_only_for_other_variables_or_another_reader() -> None:
    first = shared()
    assert first == page("notice", root="../", path="services/aes")
    assert shared() is first
    others = [shared(pause="Nous revenons à midi."), shared("ar"), shared(root="../../"), shared(path="services/%61es")]
    assert [other == first for other in others] == [False] * len(others)
    assert shared() == first


def test_the_same_page_asked_for_in_many_ways_does_not_fill_the_memory() -> None:
    for number in range(templates.MOST_SHARED_PAGES + 1):
        shared(path=f"services/{number}")
    assert len(templates._shared_pages) <= templates.MOST_SHARED_PAGES  # noqa: SLF001  # it is visible nowhere else


def test_a_full_week_says_when_seats_open() -> None:
    read = text_of(page("calendar, full"))
    assert "lundi 7 décembre 2026 à 9 h 00" in read


def test_a_week_that_is_not_open_offers_no_slot() -> None:
    html = page("calendar, not open")
    assert [a for a in Tags(html).all("button") if a.get("type") != "button"] == []
    assert [a for a in Tags(html).all("input") if a.get("type") == "radio"] == []
    assert text_of(html).count("pas encore ouvert") == 3  # the message and both days


def test_after_a_taken_slot_each_of_the_nearest_has_a_button() -> None:
    buttons = [a for a in Tags(page("calendar, slot taken")).all("button") if a.get("name") == "slot"]
    assert [a["value"] for a in buttons] == ["2026-12-03T10:15"]


def test_the_language_links_keep_the_week_and_the_box() -> None:
    assert 'href="../../a/b?lang=en&amp;week=2026-W50&amp;conditions_accepted=true"' in page("calendar")


@pytest.mark.parametrize(
    ("name", "crowd", "instead", "always"),
    [
        ("notice", True, True, False),
        ("notice, captcha first", False, True, True),
        ("notice, seats taken at once", False, False, False),
    ],
)
def test_the_description_says_when_a_seat_is_taken(name: str, *, crowd: bool, instead: bool, always: bool) -> None:
    text = text_of(page(name))
    assert ("D’une minute avant une ouverture à 15 minutes après" in text) is crowd
    assert ("nous vous donnons le créneau libre le plus proche" in text) is instead
    assert ("Nous le prenons pour vous après un contrôle de sécurité" in text) is always


@pytest.mark.parametrize(
    ("length", "read"),
    [
        (timedelta(seconds=1), "1 seconde"),
        (timedelta(seconds=40), "40 secondes"),
        (timedelta(minutes=5), "5 minutes"),
        (timedelta(minutes=90), "1 heure et 30 minutes"),
        (timedelta(hours=48), "48 heures"),
    ],
)
def test_a_duration_reads_in_its_own_unit(length: timedelta, read: str) -> None:
    service = replace(AES, slot=length)
    assert f"Durée{read}" in text_of(page("notice", service=service))


@pytest.mark.parametrize(
    ("minutes", "read"),
    [(45, "45 minutes"), (60, "1 heure"), (90, "1 heure et 30 minutes"), (120, "2 heures"), (2880, "48 heures")],
)
def test_the_time_to_confirm_is_said_without_an_article(minutes: int, read: str) -> None:
    limits = replace(AES.limits, confirm=timedelta(minutes=minutes))
    service, drawn = replace(AES, limits=limits), replace(DRAWN, limits=limits)
    assert f"avec le lien de cet e-mail : vous avez {read}. Sans" in text_of(page("notice", service=service))
    assert f"vous avez {read} pour confirmer votre rendez-vous." in text_of(page("notice, draw", service=drawn))
    check = text_of(page("check", hold=replace(HOLD, service=service)))
    assert f"avec le lien de cet e-mail. Vous aurez {read} pour le faire." in check
    for language in LANGUAGES:
        length = locale_for(language).duration(limits.confirm)
        assert length in text_of(page("notice", language, service=service))
        assert length in text_of(page("notice, draw", language, service=drawn))
        assert length in text_of(page("check", language, hold=replace(HOLD, service=service)))


@pytest.mark.parametrize(("seconds", "read"), [(1, "1 seconde"), (60, "60 secondes")])
def test_the_length_of_a_batch_is_said_without_an_article(seconds: int, read: str) -> None:
    service = replace(AES, release=replace(AES.release, batch=timedelta(seconds=seconds)))
    assert f"Pendant {read} après une ouverture, être rapide" in text_of(page("notice, turns", service=service))


def test_no_french_text_has_a_plural_article_before_what_may_be_singular() -> None:
    catalogue = Path(i18n.__file__).parents[1] / "locale/fr_x_facile/LC_MESSAGES/guichet.po"
    with catalogue.open("rb") as file:
        texts = [
            str(text) for message in read_po(file) for text in (message.id, message.string) if not message.pluralizable
        ]
    assert [text for text in texts if re.search(r"\b([Ll]es|[Dd]es|[Cc]es|[Aa]ux) (<strong>)?%\(", text)] == []
