"""An applicant enters the draws by the pages, without script: the form, its mistakes, the steps, and the entry."""

import json
from datetime import datetime, timedelta

import pytest

from chalicelib.allocation import entries
from chalicelib.booking import filing, holds, requests, schedule
from chalicelib.domain import timetable
from chalicelib.domain.service import LANGUAGES, Service
from chalicelib.keys import keys
from chalicelib.storage import service_store
from chalicelib.storage.move_store import MoveResult
from tests.client import Browser, get, post, refused, send
from tests.conftest import Clock, document
from tests.unit.allocation.entrants import CLOSES, DOCUMENT, NOW, OPENS, WEEK, entered, entry_of, filed, ready
from tests.unit.booking.steps import AWA

pytestmark = pytest.mark.slow

FORM = "/services/aes/entries"
BOX_MISSING = "Cochez la case pour dire que vous avez lu et accepté les conditions."
BODY = {"preferences": ["thu-pm", "any"], "conditions_accepted": True}
DETAILS = {
    "first_name": "Awa",
    "last_name": "Exemple",
    "email": "awa@example.org",
    "email_confirmation": "awa@example.org",
    "birth_day": "17",
    "birth_month": "5",
    "birth_year": "1990",
    "phone": "06 12 34 56 78",
}


@pytest.fixture
def drawn(table: None, clock: Clock) -> Service:  # noqa: ARG001  # a fixture for its effect
    clock.now = NOW
    return service_store.put(DOCUMENT)


def choose(person: Browser, *preferences: str) -> None:
    """Rank these half-days on the page."""
    ranked = {f"preference_{rank}": half_day for rank, half_day in enumerate(preferences, start=1)}
    person.press("Étape suivante", **ranked)


def pass_captcha(person: Browser) -> None:
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))


@pytest.mark.usefixtures("drawn")
def test_the_notice_says_first_that_being_quick_changes_nothing_and_leads_to_the_form() -> None:
    seats = len(timetable.planned_seats(service_store.read("aes", NOW), WEEK))
    person = Browser("/services/aes", {})
    text = person.answer.text
    assert text.index("S’inscrire vite ne change rien") < text.index("Documents à apporter")
    for part in (
        f"{seats} rendez-vous, semaine du lundi 21 décembre 2026",
        "dimanche 6 décembre 2026 à",
        "sur 100 rendez-vous, 25",
    ):
        assert part in text
    assert "source extérieure" not in text
    person.press("S’inscrire au tirage au sort", conditions_accepted="true")
    assert person.title == "Choisissez vos demi-journées"
    assert person.page.fields("conditions_accepted")["conditions_accepted"] == "true"


@pytest.mark.usefixtures("drawn")
def test_a_draw_without_a_beacon_says_what_is_weaker() -> None:
    service_store.put({**DOCUMENT, "draw": {**DOCUMENT["draw"], "beacon": "commitment"}})
    assert "source extérieure" in Browser("/services/aes").answer.text


@pytest.mark.usefixtures("drawn")
def test_a_person_enters_without_script_and_without_cookies() -> None:
    person = Browser(FORM)
    choose(person, "thu-pm", "any")
    assert (person.answers[-1].status, person.title) == (303, "Choisissez vos demi-journées")
    assert person.page.links == person.page.links | {BOX_MISSING: "#conditions_accepted"}
    assert 'value="thu-pm" selected' in person.answer.text
    person.press("Étape suivante", conditions_accepted="true", preference_1="thu-pm", preference_2="any")
    assert "Tirage au sort pour la semaine du lundi 21 décembre 2026" in person.answer.text
    pass_captcha(person)
    assert "jeudi après-midi" in person.answer.text
    person.press("Étape suivante", **DETAILS)
    assert person.title == "Vérifiez avant de valider"
    person.press("Valider et terminer")
    assert person.title == "Vous n’êtes pas encore inscrit : ouvrez l’e-mail"
    assert "dimanche 6 décembre 2026" in person.answer.text


@pytest.mark.usefixtures("drawn")
def test_the_step_back_keeps_what_was_chosen() -> None:
    person = Browser(f"{FORM}?conditions_accepted=true", {"seen": "1"})
    choose(person, "tue-am", "any")
    pass_captcha(person)
    person.press("Étape précédente : vos demi-journées")
    assert person.title == "Choisissez vos demi-journées"
    assert 'value="tue-am" selected' in person.answer.text


@pytest.mark.parametrize(
    ("preferences", "message"),
    [
        ([], "Choisissez au moins une demi-journée."),
        (["", " "], "Choisissez au moins une demi-journée."),
        (["sun-am"], "Cette demi-journée n’est pas proposée. Choisissez-en une de la liste."),
        (["tue-am"] * 5, "Vous avez choisi deux fois la même demi-journée. Gardez-la une seule fois."),
        (["any", "tue-am"], "« N’importe quelle demi-journée » doit être votre dernier choix."),
    ],
)
@pytest.mark.usefixtures("drawn")
def test_a_mistake_is_said_at_the_field_and_nothing_is_lost(preferences: list[str], message: str) -> None:
    answer = refused(post(FORM, {**BODY, "preferences": preferences}), 422, "invalid-fields")
    assert [error["field"] for error in answer["errors"]] == ["preferences"]
    person = Browser(f"{FORM}?conditions_accepted=true")
    choose(person, *preferences)
    assert (person.answers[-1].status, person.answer.status) == (303, 200)
    assert (person.title, person.page.html["title"][:8]) == ("Choisissez vos demi-journées", "Erreur :")
    assert f'id="preferences-error">{message}' in person.answer.text
    assert person.page.links[message] == "#preference_1"
    for kept in {*preferences} & {"tue-am", "any"}:
        assert f'value="{kept}" selected' in person.answer.text
    assert person.page.fields("conditions_accepted")["conditions_accepted"] == "true"


@pytest.mark.usefixtures("drawn")
def test_more_half_days_than_may_be_ranked_are_refused() -> None:
    service_store.put({**DOCUMENT, "draw": {**DOCUMENT["draw"], "preferences": 2}})
    for body in (["tue-am", "tue-pm", "any"], ["tue-am"] * 11):
        refused(post(FORM, {**BODY, "preferences": body}), 422, "invalid-fields")


@pytest.mark.parametrize(
    "body", [{"preference_1": "x" * 300}, {"preference_1": 3}, {"preferences": [3]}, {"other": "1"}]
)
def test_what_no_form_of_ours_sends_is_refused_on_a_page(drawn: Service, body: dict[str, object]) -> None:
    headers = {"Accept": "text/html", "Content-Type": "application/json"}
    for path in (FORM, f"{entered_link(drawn)}/preferences"):
        sent = {"conditions_accepted": True, **body} if path == FORM else body
        answer = send("POST", path, headers, json.dumps(sent).encode())
        assert answer.status in {303, 422}
        assert len(answer.headers.get("Location", "")) < 300


@pytest.mark.usefixtures("drawn")
def test_a_form_that_is_right_by_now_shows_no_mistake() -> None:
    for query in (
        "refused=invalid-fields&preference_1=tue-am",
        "refused=conditions-not-accepted&conditions_accepted=true",
    ):
        assert 'id="errors"' not in Browser(f"{FORM}?{query}").answer.text


@pytest.mark.parametrize("preferences", [None, 3, {"tue-am": 1}, [None], [["tue-am"]], ["x" * 21]])
@pytest.mark.usefixtures("drawn")
def test_preferences_of_another_type_are_refused(preferences: object) -> None:
    refused(post(FORM, {**BODY, "preferences": preferences}), 422, "invalid-fields")


@pytest.mark.usefixtures("drawn")
def test_conditions_that_are_not_accepted_are_refused() -> None:
    refused(post(FORM, {**BODY, "conditions_accepted": False}), 422, "conditions-not-accepted")


@pytest.mark.usefixtures("drawn")
def test_an_entry_reads_like_a_hold_without_a_time() -> None:
    answer = post(FORM, BODY)
    assert answer.status == 201
    assert (answer.data["date"], answer.data["start"], answer.data["end"]) == (None, None, None)
    assert (answer.data["state"], answer.data["captcha"]) == ("waiting", "required")
    assert get(f"/holds/{answer.data['hold']}").data["date"] is None


def test_outside_of_the_window_the_next_opening_is_named(drawn: Service, clock: Clock) -> None:
    clock.now = CLOSES
    next_opens = (OPENS + timedelta(days=7)).astimezone(drawn.zone)
    answer = refused(post(FORM, BODY), 409, "not-in-window")
    assert answer["opens_at"] == next_opens.isoformat()
    notice = Browser("/services/aes")
    assert "jeudi 10 décembre 2026" in notice.answer.text
    assert "S’inscrire au tirage au sort" not in [name for form in notice.page.forms for name in form.buttons]
    person = Browser(FORM)
    assert person.answer.status == 409
    person.post(FORM, {"preference_1": "tue-am", "conditions_accepted": "true"})
    assert (person.answers[-1].status, person.answer.status) == (303, 409)
    assert "jeudi 10 décembre 2026" in person.answer.text


@pytest.mark.usefixtures("drawn")
def test_a_service_without_a_draw_has_no_entries() -> None:
    service_store.put(document())
    refused(post(FORM, BODY), 409, "wrong-allocation")
    refused(get(FORM), 409, "wrong-allocation")
    person = Browser(FORM)
    person.follow("Recommencer une demande")
    assert person.answer.status == 200


@pytest.mark.usefixtures("drawn")
def test_a_change_of_language_keeps_what_was_chosen() -> None:
    person = Browser(f"{FORM}?conditions_accepted=true")
    person.post(FORM, {"preference_1": "tue-pm", "conditions_accepted": "true", "lang": "en"})
    assert person.title == "Choose your half-days"
    assert 'value="tue-pm" selected' in person.answer.text


def test_an_entry_that_took_too_long_is_said_to_be_over(drawn: Service, clock: Clock) -> None:
    hold_id = post(FORM, BODY).data["hold"]
    clock.move(drawn.limits.waiting + timedelta(seconds=1))
    person = Browser(f"/holds/{hold_id}")
    assert person.answer.status == 410
    assert "recommencer" in person.answer.text


@pytest.mark.usefixtures("drawn")
def test_an_entry_that_is_given_up_is_forgotten() -> None:
    person = Browser(f"{FORM}?conditions_accepted=true", {"seen": "1"})
    choose(person, "tue-am")
    pass_captcha(person)
    person.press("Abandonner mon inscription")
    assert person.title == "Votre inscription est abandonnée"


# The entry


def main_of(person: Browser) -> str:
    return person.answer.text.partition("<main")[2].partition("</main")[0]


def test_the_page_after_the_filing_says_later_what_became_of_the_entry(drawn: Service, clock: Clock) -> None:
    hold = ready()
    request = filing.file(holds.view_ready(hold.id, NOW), AWA, now=NOW)
    path = f"/holds/{hold.id}"
    assert Browser(path).title == "Vous n’êtes pas encore inscrit : ouvrez l’e-mail"
    requests.confirm(request.token, NOW)
    schedule.release_seats(NOW)
    key = timetable.planned_seats(drawn, WEEK)[0]
    assert entries.give_seat(drawn, entry_of(request), key, "drawn", now=CLOSES) is MoveResult.DONE
    clock.now = CLOSES
    person = Browser(path)
    assert (person.answer.status, person.title) == (200, "Vous avez été tiré au sort : ouvrez l’e-mail")
    assert "mardi 8 décembre 2026" in person.answer.text  # two days to confirm
    assert request.token not in person.answer.text
    requests.confirm(request.token, CLOSES)
    assert Browser(path).title == "Votre rendez-vous est confirmé"
    requests.cancel(request.token, CLOSES)
    assert Browser(path).title == "Vous n’êtes plus inscrit au tirage au sort"
    refused(get(path), 410, "hold-over")


@pytest.mark.usefixtures("drawn")
def test_the_page_after_the_filing_says_when_the_entry_ended_unproven(clock: Clock) -> None:
    hold = ready()
    filing.file(holds.view_ready(hold.id, NOW), AWA, now=NOW)
    clock.move(timedelta(days=3))
    assert Browser(f"/holds/{hold.id}").title == "Vous n’êtes plus inscrit au tirage au sort"


@pytest.mark.usefixtures("drawn")
def test_the_notice_of_a_draw_has_no_word_about_openings_and_its_calendar_leads_to_it() -> None:
    person = Browser("/services/aes/slots")
    assert person.path == "/services/aes"
    assert "prochaine ouverture" not in person.answer.text
    assert "attestation" not in main_of(person)
    assert "Votre ancienneté est le nombre de tirages que vous avez perdus" in person.answer.text


def entered_link(drawn: Service) -> str:
    """Enter by the use cases, with a proven address. Return the path of the entry."""
    assert drawn.draw
    return f"/requests/{entered().token}"


def test_the_page_of_an_entry_shows_its_state_its_receipt_and_its_choices(drawn: Service) -> None:
    path = entered_link(drawn)
    data = get(path).data
    assert (data["state"], data["date"], data["waited"], data["rank"]) == ("entered", None, 0, None)
    assert data["preferences"] == ["thu-pm", "tue-am", "any"]
    person = Browser(path)
    assert person.title == "Vous êtes inscrit au tirage au sort"
    assert data["receipt"] in person.answer.text
    assert "jeudi après-midi" in person.answer.text


def test_an_entry_is_confirmed_by_the_button_of_its_page(drawn: Service) -> None:
    assert drawn.draw
    person = Browser(f"/requests/{filed().token}")
    assert person.title == "Votre inscription n’est pas encore confirmée"
    person.press("Confirmer mon inscription")
    assert person.title == "Vous êtes inscrit au tirage au sort"


def test_half_days_can_be_changed_until_the_close(drawn: Service, clock: Clock) -> None:
    path = entered_link(drawn)
    person = Browser(path)
    person.follow("Changer mes demi-journées")
    assert person.page.fields("preference_1")["preference_1"] == "thu-pm"
    person.press("Enregistrer", preference_1="", preference_2="", preference_3="")
    assert (person.answers[-1].status, person.title) == (303, "Changer mes demi-journées")
    assert person.page.fields("preference_1")["preference_1"] == ""
    person.press("Enregistrer", preference_1="tue-am", preference_2="tue-am")
    assert "Vous avez choisi deux fois la même demi-journée." in person.answer.text
    assert person.page.fields("preference_1")["preference_2"] == "tue-am"
    person.press("Enregistrer", preference_1="tue-pm", preference_2="")
    assert person.title == "Vous êtes inscrit au tirage au sort"
    assert get(path).data["preferences"] == ["tue-pm"]
    late = Browser(f"{path}/preferences")
    clock.now = CLOSES
    late.press("Enregistrer", preference_1="any")
    assert "On ne peut pas s’inscrire au tirage au sort en ce moment." in late.answer.text
    refused(post(f"{path}/preferences", {"preferences": ["any"]}), 409, "not-in-window")
    assert get(path).data["preferences"] == ["tue-pm"]


def test_an_applicant_leaves_the_draw(drawn: Service) -> None:
    path = entered_link(drawn)
    person = Browser(path)
    person.follow("Quitter le tirage au sort")
    person.press("Oui, quitter le tirage au sort")
    assert person.title == "Vous n’êtes plus inscrit au tirage au sort"
    assert get(path).data["state"] == "left"
    refused(post(f"{path}/preferences", {"preferences": ["any"]}), 410, "link-over")
    refused(post(f"{path}/renewal"), 410, "link-over")


def test_an_entry_that_ends_soon_is_renewed_with_one_button(drawn: Service, clock: Clock) -> None:
    path = entered_link(drawn)
    receipt = get(path).data["receipt"]
    assert "Rester inscrit 26 semaines de plus" not in Browser(path).answer.text
    clock.move(timedelta(weeks=24))
    person = Browser(path)
    person.press("Rester inscrit 26 semaines de plus")
    data = get(path).data
    assert data["receipt"] == receipt
    assert datetime.fromisoformat(data["until"]) == clock.now + timedelta(weeks=26)


PAGES = ("", "/confirmation", "/cancellation", "/preferences", "/correction", "/data", "/erasure")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_an_entry_is_there_in_every_language(drawn: Service, language: str) -> None:
    path = entered_link(drawn)
    for page in PAGES:
        assert Browser(f"{path}{page}?lang={language}").answer.status == 200, page
    for page in ("/convocation", "/calendar", "/move"):
        assert Browser(f"{path}{page}?lang={language}").answer.status == 410, page


def test_the_data_of_an_entry_can_be_erased(drawn: Service) -> None:
    path = entered_link(drawn)
    person = Browser(f"{path}/erasure")
    assert "demande" not in main_of(person)
    person.press("Oui, effacer mes données et supprimer mon inscription")
    assert person.title == "Vos données sont effacées"
    assert "demande" not in main_of(person)
    assert get(path).data["state"] == "left"


def test_the_link_of_an_entry_leads_to_the_seat_that_it_was_drawn_for(drawn: Service) -> None:
    request = entered()
    entry = entry_of(request)
    schedule.release_seats(NOW)
    key = timetable.planned_seats(drawn, WEEK)[0]
    assert entries.give_seat(drawn, entry, key, "drawn", now=CLOSES) is MoveResult.DONE
    data = get(f"/requests/{request.token}").data
    assert (data["state"], data["date"]) == ("drawn", "2026-12-22")
    person = Browser(f"/requests/{request.token}")
    assert person.title == "Vous avez été tiré au sort : confirmez votre rendez-vous"
    assert "Confirmez-le avant le" in person.answer.text
    person.press("Confirmer ma demande")
    assert person.title == "Votre rendez-vous est confirmé"


def test_the_page_of_an_entry_says_that_its_service_has_stopped_drawing_and_the_entry_can_be_left(
    drawn: Service,
) -> None:
    link = entered_link(drawn)
    service_store.put(document())
    service_store.clear_caches()
    person = Browser(link)
    assert person.title == "Ce service ne fait plus de tirage au sort"
    text = person.answer.text
    assert "Votre inscription prend fin à ce moment-là." in text
    assert "gu-key__when" not in text  # there is no week to name
    assert "Changer mes demi-journées" not in text
    person.follow("Quitter le tirage au sort")
    person.press("Oui, quitter le tirage au sort")
    assert get(link).data["state"] == "left"
    assert Browser(link).title == "Ce service ne fait plus de tirage au sort"
