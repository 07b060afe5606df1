"""One draw from the notice to the convocation, by HTTP and by letters only, without script."""

import re

import pytest

from chalicelib.domain.service import Service
from chalicelib.keys import keys
from tests.client import Browser, get, post
from tests.conftest import Clock
from tests.unit.allocation import drawing
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT
from tests.unit.allocation.entrants import NOW, OPENS, WEEK
from tests.unit.mail.postman import Postman, mailed
from tests.unit.web.pages import FIELDS


@pytest.fixture
def drawn(table: None, clock: Clock) -> Service:  # noqa: ARG001  # a fixture for its effect
    clock.now = OPENS
    service = drawing.put()
    drawing.at(OPENS)
    clock.now = NOW
    return service


def link_in(postman: Postman) -> str:
    """Return the path of the first link of the last letter."""
    found = re.search(r"(/requests/\S+)", postman.sent[-1][0].text)
    assert found
    return found[1]


@pytest.mark.usefixtures("drawn")
def test_an_applicant_goes_from_the_notice_of_a_draw_to_the_convocation(clock: Clock) -> None:
    postman = Postman()
    person = Browser("/services/aes", {"seen": "1"})
    assert get("/services/aes").data["draw"]["promise"] in person.answer.text
    person.press("S’inscrire au tirage au sort", conditions_accepted="true")
    person.press("Étape suivante", preference_1="tue-pm", preference_2="any")
    challenge = person.page.fields("challenge")["challenge"]
    person.press("Étape suivante", answer=keys().picture_answer(challenge))
    person.press("Étape suivante", **FIELDS)
    with mailed(postman, clock.now):
        person.press("Valider et terminer")
    assert person.title == "Vous n’êtes pas encore inscrit : ouvrez l’e-mail"
    person.go(link_in(postman))
    with mailed(postman, clock.now):
        person.press("Confirmer mon inscription")
    entry = link_in(postman)
    receipt = get(entry).data["receipt"]
    assert receipt in postman.sent[-1][0].text
    assert f"/services/aes/draws/{WEEK}" in postman.sent[-1][0].text
    clock.now = FROZEN_AT
    with mailed(postman, clock.now):
        drawing.at(FROZEN_AT)
    assert get(f"/services/aes/draws/{WEEK}/results").text == f"1;{receipt};2026-12-22T14:00/001\n"
    clock.now = DRAWN_AT
    assert get(entry).data["state"] == "drawn"
    person.go(link_in(postman))
    assert person.title == "Vous avez été tiré au sort : confirmez votre rendez-vous"
    with mailed(postman, clock.now):
        person.press("Confirmer ma demande")
    assert person.title == "Votre rendez-vous est confirmé"
    assert [file.name for file in postman.sent[-1][0].attachments] == ["convocation.pdf", "rendez-vous.ics"]
    person.go(f"{link_in(postman).removesuffix('/convocation')}/convocation")
    assert "22 décembre 2026" in person.answer.text
    assert post(f"{entry}/renewal").status == 410
