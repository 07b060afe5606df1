"""Bookings in a browser without scripts."""

import base64
import io
import re
import wave

import pytest
import requests
from icalendar import Calendar
from playwright.sync_api import Locator, Page, expect
from pypdf import PdfReader

from tests.browser.applicant import NAMES, SERVICE, Applicant, Becomes, Window, one_line
from tests.stack.visitor import until

ERROR = re.compile(r"^Erreur\s:")


def data(source: str | None) -> bytes:
    """Return the content of a `data:` URL."""
    assert source
    return base64.b64decode(source.partition("base64,")[2], validate=True)


def picture(page: Page) -> bytes:
    return data(page.locator(".gu-picture").get_attribute("src"))


def text(element: Locator) -> str:
    return one_line(element.inner_text())


def test_the_first_page_leads_to_the_notice_and_its_box_to_the_calendar(applicant: Applicant) -> None:
    applicant.goto("")
    applicant.press(applicant.link(NAMES[SERVICE]["fr"]))
    expect(applicant.page).to_have_url(re.compile(rf"/services/{SERVICE}$"))
    applicant.page.get_by_label("J’ai lu cette page et j’accepte les conditions d’utilisation.").check()
    applicant.press(applicant.button("Effectuer une demande de rendez-vous"))
    expect(applicant.page.get_by_role("heading", level=1)).to_have_text("Choix d’un créneau")
    expect(applicant.page.locator("#count")).to_be_visible()


def test_without_the_checkbox_the_notice_does_not_lead_on(applicant: Applicant) -> None:
    applicant.goto(f"services/{SERVICE}")
    applicant.button("Effectuer une demande de rendez-vous").click()
    expect(applicant.page.locator("#conditions_accepted:invalid")).to_be_focused()
    applicant.goto(f"services/{SERVICE}/slots")
    applicant.press(applicant.button("Premier créneau libre"))
    expect(applicant.page.locator("#conditions_accepted-error")).to_have_text(
        "Cochez la case pour dire que vous avez lu et accepté les conditions."
    )


def test_the_calendar_shows_the_days_with_appointments_only(applicant: Applicant) -> None:
    applicant.open_calendar()
    days = [text(day).split()[0].lower() for day in applicant.page.locator(".gu-day .fr-fieldset__legend").all()]
    assert days == ["mardi", "jeudi"]


@pytest.mark.parametrize("language", ["fr", "en", "ar"])
def test_on_a_phone_the_first_slot_is_within_the_first_screen(
    language: str, open_page: Window, somebody: Becomes
) -> None:
    """Free or full: which slots are free depends on the tests before."""
    someone = somebody(open_page(script=False, width=390, language=language))
    someone.page.set_viewport_size({"width": 390, "height": 780})
    someone.open_calendar()
    slot = someone.page.locator(".gu-list > *").first.bounding_box()
    bar = someone.page.locator(".gu-bar").bounding_box()
    assert slot
    assert bar
    assert slot["y"] + slot["height"] <= bar["y"]
    assert bar["y"] + bar["height"] <= 780


def test_who_chooses_nothing_reads_so_at_the_slots_and_is_there(applicant: Applicant) -> None:
    applicant.open_calendar()
    applicant.press(".gu-choose .fr-btn:not([name])")
    expect(applicant.page.locator("#slots #errors")).to_be_focused()
    expect(applicant.page.locator("#slots #errors")).to_have_text("Choisissez un créneau.")
    expect(applicant.page.locator("#slots #errors")).to_be_in_viewport()


def test_the_chosen_slot_is_held(applicant: Applicant) -> None:
    slot = applicant.open_calendar()[-1]
    applicant.choose(slot)
    summary = applicant.page.locator(".gu-kept")
    hour, minute = slot.partition("T")[2].split(":")
    assert f"{int(hour)} h {minute} à" in text(summary)


def test_the_first_free_slot_is_one_button_away(applicant: Applicant) -> None:
    applicant.accept()
    applicant.press(applicant.button("Premier créneau libre"))
    expect(applicant.page.get_by_role("heading", level=1)).to_have_text("Contrôle de sécurité")
    assert "Votre créneau est gardé jusqu’à" in text(applicant.page.locator(".gu-until"))


def test_the_captcha_is_a_picture_with_a_text_alternative_and_can_be_replaced(applicant: Applicant) -> None:
    applicant.hold_first_free()
    image = applicant.page.get_by_role("img", name=re.compile("^Image de sécurité : six lettres et chiffres"))
    expect(image).to_be_visible()
    first = picture(applicant.page)
    applicant.press(applicant.button("Une autre image"))
    assert picture(applicant.page) != first


def test_the_captcha_can_be_heard(applicant: Applicant) -> None:
    applicant.hold_first_free()
    applicant.press(applicant.button("Écouter"))
    player = applicant.page.locator("audio[controls]")
    expect(player).to_have_accessible_name("Six chiffres à écouter")
    with wave.open(io.BytesIO(data(player.get_attribute("src")))) as sound:
        assert sound.getnframes() / sound.getframerate() > 3
        assert len(set(sound.readframes(sound.getnframes()))) > 50
    expect(applicant.button("Écouter une autre suite")).to_be_visible()


def test_a_wrong_answer_shows_the_tries_left_and_the_right_one_leads_on(applicant: Applicant) -> None:
    applicant.hold_first_free()
    applicant.answer("wrong")
    message = "Ce ne sont pas les bons caractères. Il vous reste 4 essais."
    expect(applicant.page).to_have_title(ERROR)
    expect(applicant.page.locator("#errors")).to_be_focused()
    expect(applicant.page.locator("#errors").get_by_role("link", name=message)).to_have_attribute("href", "#answer")
    expect(applicant.page.locator("#answer-error")).to_have_text(message)
    applicant.answer()
    expect(applicant.page.get_by_role("heading", level=1)).to_have_text("Coordonnées personnelles")


def test_mistakes_are_shown_above_and_beside_their_fields_and_no_input_is_lost(applicant: Applicant) -> None:
    page = applicant.page
    applicant.reach_details()
    typed = {"last_name": "", "email_confirmation": "awa@example.com", "birth_day": "31", "birth_month": "février"}
    applicant.fill(**typed)
    applicant.next()
    expect(page).to_have_title(ERROR)
    expect(page.locator("#errors")).to_be_focused()
    mistakes = {
        "last_name": "Indiquez votre nom.",
        "email_confirmation": "Les deux adresses ne sont pas les mêmes.",
        "birth_date": "Écrivez une date qui existe, par exemple 31 12 1990.",
    }
    for name, message in mistakes.items():
        expect(page.locator(f"#{name}-error")).to_have_text(message)
    links = page.locator("#errors li a")
    assert [text(link) for link in links.all()] == list(mistakes.values())
    for link, target in zip(links.all(), ("last_name", "email_confirmation", "birth_day"), strict=True):
        link.click()
        expect(page.locator(f"#{target}")).to_be_focused()
        expect(page.locator(f"#{target}")).to_have_attribute("aria-invalid", "true")
    for name, value in {**applicant.person.fields, **typed}.items():
        expect(page.locator(f"#{name}")).to_have_value(value)


def test_one_line_can_be_changed_on_the_check_page(applicant: Applicant) -> None:
    page = applicant.page
    applicant.reach_details()
    applicant.fill()
    applicant.next()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vérifiez avant de valider")
    assert "3 avril 1990" in text(page.locator(".gu-check"))
    applicant.press(applicant.button("Modifier : Téléphone"))
    for name, value in applicant.person.fields.items():
        expect(page.locator(f"#{name}")).to_have_value(value)
    page.fill("#phone", "07 98 76 54 32")
    applicant.next()
    assert "07 98 76 54 32" in text(page.locator(".gu-check"))
    assert applicant.person.last_name in text(page.locator(".gu-check"))


def test_back_and_reload_show_each_page_again_and_never_ask_to_send_a_form_again(applicant: Applicant) -> None:
    page = applicant.page
    applicant.reach_details()
    applicant.fill(phone="")
    applicant.next()
    expect(page.locator("#errors")).to_be_focused()
    applicant.page.fill("#phone", "06 12 34 56 78")
    applicant.next()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vérifiez avant de valider")
    page.go_back()
    expect(page.locator("#phone")).to_have_value("06 12 34 56 78")
    page.go_forward()
    applicant.press(applicant.button("Modifier : Téléphone"))
    expect(page.locator("#phone")).to_be_focused()
    page.go_back()
    applicant.send()
    done = page.title()
    page.go_back()
    expect(page).to_have_title(done)
    page.reload()
    expect(page).to_have_title(done)


def test_the_done_page_survives_a_reload_and_a_bookmark(applicant: Applicant, open_page: Window) -> None:
    hold = applicant.reach_done()
    expect(applicant.page).to_have_url(hold)
    content = text(applicant.page.locator("main"))
    assert "Vous avez 48 heures pour confirmer" in content
    assert re.search(r"Référence ESSAI-\S+", content)
    applicant.page.reload()
    assert text(applicant.page.locator("main")) == content
    elsewhere = open_page(script=False)
    elsewhere.goto(hold)
    assert text(elsewhere.locator("main")) == content


def test_only_the_button_confirms_and_then_the_convocation_arrives(applicant: Applicant) -> None:
    page = applicant.page
    applicant.reach_done()
    reference = text(page.locator(".gu-reference"))
    applicant.open_letter(1)
    letter = text(page.locator("pre"))
    for fact in (
        f"Nature : {NAMES[SERVICE]['fr']}",
        "Déposée le :",
        "Date :",
        "Heure :",
        "Durée : 5 minutes",
        f"Référence : {reference}",
        "Vous avez 48 heures pour la confirmer ou la supprimer",
    ):
        assert fact in letter
    applicant.press("pre a >> nth=0")
    expect(page.locator(".fr-alert__title")).to_have_text("Votre demande n’est pas encore confirmée")
    page.reload()
    expect(page.locator(".fr-alert__title")).to_have_text("Votre demande n’est pas encore confirmée")
    applicant.press(applicant.button("Confirmer ma demande"))
    expect(page.locator(".fr-alert__title")).to_have_text("Votre rendez-vous est confirmé")

    applicant.open_letter(2)
    files = {
        attachment["type"]: attachment
        for attachment in applicant.program.letter(applicant.person.email, 2)["attachments"]
    }
    assert set(files) == {"application/pdf", "text/calendar"}
    contents = {kind: requests.get(applicant.stack.inbox + file["url"], timeout=30) for kind, file in files.items()}
    convocation = one_line(PdfReader(io.BytesIO(contents["application/pdf"].content)).pages[0].extract_text())
    assert reference in convocation
    assert applicant.person.last_name in convocation
    event = Calendar.from_ical(contents["text/calendar"].content).events[0]
    assert (event.end - event.start).total_seconds() == 300
    applicant.press("pre a >> nth=0")
    expect(page.get_by_role("heading", level=1)).to_have_text("Convocation")
    sheet = text(page.locator(".gu-sheet"))
    assert reference in sheet
    assert f"Nom {applicant.person.last_name}" in sheet
    assert "3 avril 1990" in sheet


def test_only_the_button_deletes(applicant: Applicant) -> None:
    page = applicant.page
    applicant.reach_done()
    applicant.open_letter(1)
    applicant.press("pre a >> nth=1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Voulez-vous supprimer votre demande ?")
    applicant.press(applicant.link("Non, garder ma demande"))
    expect(page.locator(".fr-alert__title")).to_have_text("Votre demande n’est pas encore confirmée")
    applicant.press(applicant.link("Supprimer ma demande"))
    applicant.press(applicant.button("Oui, supprimer ma demande"))
    expect(page.locator(".fr-alert__title")).to_have_text("L’annulation est enregistrée")
    assert applicant.person.last_name not in text(page.locator("main"))
    assert "supprimée" in applicant.program.letter(applicant.person.email, 2)["subject"]


def test_a_seat_that_is_given_up_is_free_at_once(applicant: Applicant) -> None:
    slot = applicant.open_calendar()[-2]
    applicant.choose(slot)
    applicant.press(applicant.button("Abandonner et rendre ce créneau"))
    expect(applicant.page.get_by_role("heading", level=1)).to_have_text("Votre créneau est rendu")
    until(lambda: slot in applicant.open_calendar() or None, seconds=3)  # a calendar is cached for one second
    applicant.take_elsewhere(slot)


@pytest.mark.parametrize("step", ["captcha", "details"])
def test_a_hold_is_extended_twice_and_no_input_is_lost(applicant: Applicant, step: str) -> None:
    applicant.hold_first_free()
    if step == "details":
        applicant.answer()
        applicant.page.fill("#first_name", "Awa")
    for _ in range(2):
        applicant.press(applicant.button("Plus de temps"))
    expect(applicant.button("Abandonner et rendre ce créneau")).to_be_visible()
    expect(applicant.button("Plus de temps")).to_have_count(0)
    if step == "details":
        expect(applicant.page.locator("#first_name")).to_have_value("Awa")
