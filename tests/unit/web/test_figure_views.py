"""The public figures of a service, as people and programs read them."""

import csv
from io import StringIO
from urllib.parse import unquote

import pytest

from chalicelib.domain.service import Service
from chalicelib.storage import figure_store
from tests.client import FORM, get, refused, send
from tests.conftest import calls
from tests.unit.web.pages import DRAWN_WEEK, FIRST_COME_WEEK, Tags, text_of

PATH = "/services/aes/figures"
pytestmark = pytest.mark.usefixtures("service")


@pytest.fixture
def published(service: Service) -> None:
    figure_store.publish(service.id, FIRST_COME_WEEK)
    figure_store.publish(service.id, DRAWN_WEEK)


def page() -> str:
    return send("GET", PATH, FORM).text


@pytest.mark.usefixtures("published")
def test_programs_get_what_was_published_newest_week_first() -> None:
    answer = get(PATH)
    assert answer.data == {"service": "aes", "rounded_down_to": 5, "weeks": [DRAWN_WEEK, FIRST_COME_WEEK]}
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.usefixtures("published")
def test_the_page_is_one_read_and_can_be_cached_for_everybody() -> None:
    page()
    with calls() as names:
        answer = send("GET", PATH, FORM)
    assert names == ["Query"]
    assert (answer.headers["Cache-Control"], answer.cookies) == ("public, max-age=300", ())


@pytest.mark.usefixtures("published")
def test_the_table_has_each_number_and_says_which_are_hidden() -> None:
    rows = [text_of(row).split() for row in page().split("<tr>")[2:]]
    assert " ".join(rows[0]).startswith(
        "21 déc. 2026 60 1 230 5 % 3 (9 sur 10 : 8) 60 45 15 moins de 5 45 sur 45 5 "
        "12 (9 sur 10 : 19) 11 (9 sur 10 : 34) –"
    )
    assert " ".join(rows[1]).startswith("14 déc. 2026 60 – – – 180 55 20 10 – – 15 – 21 secondes jamais complet")


@pytest.mark.usefixtures("published")
def test_the_plot_has_a_text_and_a_bar_for_each_number() -> None:
    tags = Tags(page())
    (plot,) = tags.all("svg")
    ids = {attributes.get("id") for _, attributes in tags.tags}
    assert plot["role"] == "img"
    assert {plot["aria-labelledby"], plot["aria-describedby"]} <= ids
    heights = [bar["height"] for bar in tags.all("rect")]
    assert heights == ["100.0", "91.7", "100.0", "75.0"]


@pytest.mark.usefixtures("published")
def test_the_table_can_be_saved_as_a_csv_file_oldest_week_first() -> None:
    (link,) = (a for a in Tags(page()).all("a") if "download" in a)
    kind, _, text = link["href"].partition(",")
    assert (link["download"], kind) == ("aes-2026-W52.csv", "data:text/csv;charset=utf-8")
    before, after = csv.DictReader(StringIO(unquote(text)))
    assert (before["week"], before["release_1_seconds_until_full"], before["draw_entries"]) == ("2026-W51", "21", "")
    assert (after["week"], after["draw_entries"], after["days_waited_nine_of_ten"]) == ("2026-W52", "1230", "19")


def test_a_service_without_figures_says_when_they_come() -> None:
    assert get(PATH).data["weeks"] == []
    assert "Aucune semaine n’est encore terminée." in page()
    assert not Tags(page()).all("svg", "table")


def test_the_notice_links_to_the_figures() -> None:
    notice = send("GET", "/services/aes", FORM).text
    assert any(link["href"].endswith("services/aes/figures") for link in Tags(notice).all("a"))


def test_the_figures_of_an_unknown_service_are_not_found() -> None:
    refused(get("/services/nope/figures"), 404, "not-found")
