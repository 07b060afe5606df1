"""The rules that every page of the desk keeps, and what only a rendered page shows."""

import gzip
import re
from dataclasses import replace

import pytest

from chalicelib.desk import accounts
from chalicelib.domain.agent import Role
from chalicelib.rendering import templates
from tests.unit.rendering.samples import FRENCH
from tests.unit.web import desk_pages
from tests.unit.web.desk_pages import PAGES, page
from tests.unit.web.pages import Tags, text_of


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the other agent without a table."""
    monkeypatch.setattr(accounts, "name_of", lambda _id: "Chloé Exemple")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed_and_each_reference_has_its_target(name: str) -> None:
    html = page(name)
    tags = Tags(html)
    assert (tags.open, len(tags.all("h1"))) == ([], 1)
    ids = [a["id"] for _, a in tags.tags if "id" in a]
    assert sorted(ids) == sorted(set(ids))
    targets = [a["href"][1:] for a in tags.all("a") if a["href"].startswith("#")]
    targets += [a["for"] for a in tags.all("label") if "for" in a]
    targets += [target for _, a in tags.tags for target in a.get("aria-describedby", "").split()]
    assert [target for target in targets if target not in ids] == []
    assert not re.search(r"None|Undefined|\{['&]", text_of(html))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_inline_or_from_other_sites_and_moves_the_focus_once_at_most(name: str) -> None:
    tags = Tags(page(name))
    sources = [a["src"] for a in tags.all("script", "iframe", "img") if not a["src"].startswith("data:image/")]
    assert sources in (
        [],
        [f"../../static/{templates.asset('desk.js')}"],
        [f"../../static/{templates.asset('display.js')}"],
    )
    assert [a for _, a in tags.tags if "style" in a or any(key.startswith("on") for key in a)] == []
    assert len([a for _, a in tags.tags if "autofocus" in a or "data-focus" in a]) <= 1
    assert [a for _, a in tags.tags if "autofocus" in a and "hidden" in a] == []  # a script sets that focus
    urls = [a[key] for _, a in tags.tags for key in ("href", "src", "action", "formaction") if key in a]
    assert [url for url in urls if url.startswith("/") or "//" in url.partition("data:")[0]] == []
    forms = [a for a in tags.all("form") if a["method"] == "post"]
    assert len(re.findall(r'<input type="hidden" name="csrf" value="c{52}">', page(name))) == len(forms)


def test_the_search_box_has_the_focus_and_reads_out_what_was_noted() -> None:
    (box,) = [a for a in Tags(page("day, one noted")).all("input") if a.get("name") == "q"]
    assert ("autofocus" in box, box["aria-describedby"]) == (True, "said")
    assert "<title>Noté – Liste du 3 décembre 2026" in page("day, one noted")


def test_a_refusal_takes_the_focus_and_names_who_was_first() -> None:
    html = page("person, taken")
    (alert,) = [a for a in Tags(html).all("div") if a.get("id") == "errors"]
    assert "autofocus" in alert
    assert "Chloé Exemple a déjà noté « reçu » à 9 h 36. Rien n’a été changé." in text_of(html)
    assert "<title>Erreur : " in html
    assert "<title>Erreur : " in page("day, taken")


def test_a_viewer_finds_nothing_to_press_or_to_look_up() -> None:
    html = page("day, viewer")
    assert {a.get("action") for a in Tags(html).all("form")} == {"../../desk/sign-out", "../../desk/aes/day"}
    assert not re.search(r'name="do"|type="checkbox"|/seats/|/export|name="q"', html)


def test_only_the_agent_who_noted_it_can_take_it_back() -> None:
    undo = re.findall(r'value="undo-\w+\.(\S+)"', page("day, viewer") + page("day"))
    mine = [row for row in desk_pages.ROWS if row.state == "arrived" and row.seat.arrived_by == desk_pages.ME]
    assert undo == [row.seat.key.ref.removeprefix("aes.") for row in mine]


def test_each_button_of_a_row_names_the_person_and_nobody_is_missed_before_the_start() -> None:
    rows = {html.partition('"')[0]: html for html in page("day").split('<tr id="r')[1:]}
    now, later = rows["20261203.0905.1"], rows["20261203.0945.4"]
    buttons = re.compile(r'value="(\w+)\.\S+">(.*?)</button>')
    assert [(act, text_of(label)) for act, label in buttons.findall(now.partition("</tr>")[0])] == [
        ("arrived", "Arrivé Fexemple Ghi-iji Nguyễn Thị"),
        ("seen", "Reçu Fexemple Ghi-iji Nguyễn Thị"),
        ("missed", "Absent Fexemple Ghi-iji Nguyễn Thị"),
    ]
    assert [act for act, _ in buttons.findall(later.partition("</tr>")[0])] == ["arrived", "seen"]


def test_a_name_that_is_markup_is_text() -> None:
    row = desk_pages.ROWS[0]
    assert row.person
    details = replace(row.person.details, last_name="<script>alert(1)</script>", first_name='"><img src=x>')
    listed = [replace(row, person=replace(row.person, details=details))]
    for template, context in (
        ("desk/day.html", desk_pages.day_values(listed)),
        ("desk/person.html", {**desk_pages.values(), "row": listed[0], "refusal": None}),
        ("desk/print.html", {**desk_pages.values(), "desks": [(1, listed)], "count": 1}),
    ):
        html = templates.render(template, FRENCH, "../../", path="desk/aes/day", **context)
        assert Tags(html).open == []
        assert Tags(html).all("img") == []
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_list_of_300_is_at_most_30_kb_compressed() -> None:
    context = desk_pages.day_values(desk_pages.rows(300), "all", role=Role.ADMINISTRATOR)
    html = templates.render("desk/day.html", FRENCH, "../../", path="desk/aes/day", **context)
    assert html.count("<tr id=") == 300
    assert len(gzip.compress(html.encode())) < 30_000
