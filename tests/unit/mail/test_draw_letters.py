"""The letters of a draw: about an entry, its result and its seat, and to the witnesses; from the stream to SES."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from chalicelib import settings
from chalicelib.allocation import entries, result_letters
from chalicelib.booking import ending, filing, holds, requests
from chalicelib.domain.draw_record import Stage
from chalicelib.domain.languages import TABLE
from chalicelib.domain.seat import State
from chalicelib.domain.service import Service
from chalicelib.mail import outbox, ses
from chalicelib.storage import draw_store, entry_store, service_store
from chalicelib.storage.move_store import MoveResult
from tests.conftest import document
from tests.unit.allocation import drawing
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT
from tests.unit.allocation.entrants import CLOSES, NOW, OPENS, WEEK, entered, entry_of, ready, somebody
from tests.unit.booking.steps import AWA
from tests.unit.mail.postman import Postman, images, mailed

pytestmark = pytest.mark.slow

WITNESS = "temoin@example.org"


@pytest.fixture
def drawn(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    return drawing.put({"witnesses": [WITNESS]})


def subjects(postman: Postman) -> list[str]:
    return [letter.subject for letter, _ in postman.sent]


@pytest.mark.usefixtures("drawn")
def test_an_entry_gets_a_letter_to_confirm_it_and_one_with_its_receipt() -> None:
    postman, hold = Postman(), ready()
    with mailed(postman):
        request = filing.file(holds.view_ready(hold.id, NOW), AWA, now=NOW)
    with mailed(postman):
        requests.confirm(request.token, NOW)
    assert subjects(postman) == ["Confirmez votre inscription au tirage au sort", "Vous êtes inscrit au tirage au sort"]
    confirm, receipt = (letter.text for letter, _ in postman.sent)
    assert f"/requests/{request.token}" in confirm
    assert "dimanche 6 décembre 2026" in confirm
    assert entry_of(request).receipt in receipt
    assert postman.sent[0][0].attachments == ()


def draw_lots(postman: Postman, count: int) -> list[requests.Request]:
    """Enter, draw and assign. Deliver what the runs at the freeze and at the draw change."""
    people = [entered(somebody(number)) for number in range(count)]
    drawing.at(OPENS)
    with mailed(postman, FROZEN_AT):
        drawing.at(FROZEN_AT)
    with mailed(postman, DRAWN_AT):
        drawing.at(DRAWN_AT)
    return people


@pytest.mark.usefixtures("drawn")
def test_winners_are_told_to_confirm_and_losers_their_rank() -> None:
    postman = Postman()
    people = draw_lots(postman, 6)
    assert Counter(subjects(postman)) == {
        "Vous avez été tiré au sort : confirmez votre rendez-vous": 4,
        "Le résultat du tirage au sort": 2,
    }
    by_address = {letter.to: letter.text for letter, _ in postman.sent}
    ranks = {result.receipt: result.rank for result in drawing.results() if result.seat is None}
    for person in people:
        entry = entry_of(person)
        if entry.receipt in ranks:
            text = by_address[requests.view(person.token, DRAWN_AT).person.details.email]  # type: ignore[union-attr]
            assert f"Votre rang : {ranks[entry.receipt]}. Tirages perdus : 1." in text
            assert f"{person.token}/cancellation" in text
            assert f"/services/aes/draws/{WEEK}" in text
            assert text.count("https://") == 3
        else:
            request = requests.view(person.token, DRAWN_AT)
            assert request.person
            text = by_address[request.person.details.email]
            assert f"/requests/{request.token}" in text
            assert f"/services/aes/draws/{WEEK}" in text
            assert "Vous avez 48 heures" in text


@pytest.mark.parametrize("change", ["nothing", "the witnesses", "the draws"])
@pytest.mark.usefixtures("table")
def test_the_witnesses_of_the_freeze_get_promise_and_root_whatever_the_file_says_later(change: str) -> None:
    drawing.put({"witnesses": [WITNESS], "beacon": "drand"})
    drawing.at(OPENS)
    drawing.at(FROZEN_AT)
    postman, row = Postman(), images()["DRAWS#aes", WEEK]
    if change == "the witnesses":
        drawing.put({"witnesses": ["other@example.org"]})
    elif change == "the draws":
        service_store.put(document())
    service_store.clear_caches()
    steps = [{**row, "stage": {"S": str(stage)}} for stage in (Stage.PROMISED, Stage.FROZEN, Stage.DRAWN)]
    records = [(str(number), *pair) for number, pair in enumerate(pairwise(steps))]
    assert outbox.deliver(records, now=FROZEN_AT, send=postman) == []
    ((letter, _),) = postman.sent
    record = drawing.stored().record
    assert letter.to == WITNESS
    assert str(record["promise"]) in letter.text
    assert str(record["root"]) in letter.text
    assert f"/services/aes/draws/{WEEK}" in letter.text


@pytest.mark.usefixtures("drawn")
def test_the_addresses_of_the_witnesses_are_not_stored_any_more_once_the_draw_is_over() -> None:
    for moment in (OPENS, FROZEN_AT):  # the run that freezes draws as well
        drawing.at(moment)
    assert drawing.stored().stage is Stage.ASSIGNED
    assert "witnesses" not in images()["DRAWS#aes", WEEK]


class Tired(Postman):
    """A postman who carries one letter and no more."""

    def __call__(self, letter: ses.Letter, key: str, **more: str) -> str:
        if self.sent:
            raise ses.MailAway("Throttling")
        return super().__call__(letter, key, **more)


@pytest.mark.usefixtures("drawn")
def test_letters_to_losers_that_are_cut_off_go_on_where_they_stopped() -> None:
    for number in range(7):
        entered(somebody(number))
    drawing.at(OPENS)
    key = ("DRAWS#aes", WEEK)
    before = images()[key]
    drawing.at(FROZEN_AT)
    record = ("1", before, images()[key])
    tired, postman = Tired(), Postman()
    assert outbox.deliver([record], now=DRAWN_AT, send=tired) == ["1"]
    assert outbox.deliver([record, record], now=DRAWN_AT, send=postman) == []
    to = [letter.to for letter, _ in tired.sent + postman.sent]
    assert (len(to), len(set(to))) == (3, 3)


@pytest.mark.parametrize(("rate", "mailers", "ranks"), [("14", "1", 280), ("200", "10", 800)])
def test_the_letters_of_a_run_fit_into_a_minute_of_the_one_mailer_that_sends_them(
    monkeypatch: pytest.MonkeyPatch, rate: str, mailers: str, ranks: int
) -> None:
    monkeypatch.setenv("GUICHET_MAIL_RATE", rate)
    monkeypatch.setenv("GUICHET_MAILERS", mailers)
    settings.current.cache_clear()
    letters = result_letters.letters_a_run()
    settings.current.cache_clear()
    assert letters == ranks


@pytest.mark.usefixtures("drawn")
def test_the_cursor_waits_for_the_mailer_and_passes_every_rank_once() -> None:
    [entered(somebody(number)) for number in range(6)]
    for moment in (OPENS, FROZEN_AT, DRAWN_AT):
        drawing.at(moment)
    draw = drawing.stored()
    assert draw.letters == 6
    assert not draw_store.move_letters(replace(draw, letters=0), 3)
    assert [loser.rank for loser in result_letters.losers("aes", WEEK, 1, 6)] == [
        result.rank for result in drawing.results() if result.seat is None
    ]


@pytest.mark.usefixtures("drawn")
def test_who_leaves_and_whose_entry_ends_are_told() -> None:
    postman = Postman()
    leaving, staying = entered(somebody(1)), entered(somebody(2))
    with mailed(postman):
        requests.cancel(leaving.token, NOW)
    entry = entry_of(staying)
    assert entry.until
    soon = entry.until - timedelta(days=20)
    with mailed(postman, soon):
        assert entry_store.mark_ends_soon(entry)
    over = entry.until + timedelta(minutes=1)
    with mailed(postman, over):
        assert ending.end_request(staying.service, entry_of(staying), State.EXPIRED, now=over)
    assert subjects(postman) == [
        "Vous n’êtes plus inscrit au tirage au sort",
        "Votre inscription se termine bientôt",
        "Votre inscription a pris fin",
    ]
    assert f"/requests/{staying.token}" in postman.sent[1][0].text


@pytest.mark.usefixtures("drawn")
def test_a_seat_that_came_free_is_announced_as_such() -> None:
    request, postman = entered(somebody(1)), Postman()
    key = drawing.seats()[0].key
    with mailed(postman, CLOSES):
        assert entries.give_seat(request.service, entry_of(request), key, "offered", now=CLOSES) is MoveResult.DONE
    assert subjects(postman) == ["Un rendez-vous est libre pour vous : confirmez-le"]


@pytest.mark.parametrize("language", TABLE)
@pytest.mark.usefixtures("drawn")
def test_the_link_of_an_entry_is_sent_in_each_language(language: str) -> None:
    postman = Postman()
    request = entered(replace(somebody(1), language=language))
    with mailed(postman):
        requests.ask_link(request.reference, somebody(1).email, NOW)
    assert len(postman.sent) == 1
    assert f"/requests/{request.token}" in postman.sent[0][0].text


@pytest.mark.usefixtures("drawn")
def test_letters_about_an_entry_lead_to_the_service_where_seats_are_no_longer_drawn() -> None:
    hold, leaving = ready(), entered(somebody(1))
    request = filing.file(holds.view_ready(hold.id, NOW), AWA, now=NOW)
    service_store.put(document(plannings=drawing.TINY))
    service_store.clear_caches()
    postman = Postman()
    with mailed(postman):
        requests.confirm(request.token, NOW)
    with mailed(postman):
        requests.cancel(leaving.token, NOW)
    stops = "Ce service ne fait plus de tirage au sort. Vous pouvez prendre un rendez-vous sur la page du service."
    assert [stops in letter.text for letter, _ in postman.sent] == [True, True]
    assert not any("inscrire de nouveau" in letter.text for letter, _ in postman.sent)
