"""Rules for every page, in each language."""

import re
from itertools import product

import pytest
from jinja2 import UndefinedError

from chalicelib.domain.service import LANGUAGES
from chalicelib.rendering import templates
from tests.long import LONG
from tests.unit.rendering.samples import locale_from_source
from tests.unit.web.pages import PAGES, Tags, page, text_of

WITH_FORM = {
    "details",
    "details, another slot",
    "details, wrong",
    "details, requested before",
    "check",
    "check, birth unknown",
    "entry",
    "entry, wrong",
    "entry, box missing",
    "entry, changed",
    "entry, details",
    "entry, check",
    "draw, found",
    "draw, not found",
    "draw, wrong",
}
"""The pages that send what was typed along when the language is changed."""


IN_CHECK = {"fr", "ar"}
"""One language of each direction is enough before a merge. `make test-long` has all of them."""
EVERY = [
    pytest.param(name, language, marks=() if language in IN_CHECK else LONG)
    for name, language in product(PAGES, LANGUAGES)
]


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_a_page_is_well_formed_and_names_its_language(name: str, language: str) -> None:
    html = page(name, language)
    tags = Tags(html)
    assert tags.open == []
    assert tags.all("html") == [{"lang": language, "dir": "rtl" if language == "ar" else "ltr"}]
    assert len(tags.all("h1")) == 1
    ids = [a["id"] for _, a in tags.tags if "id" in a]
    assert sorted(ids) == sorted(set(ids))
    assert not re.search(r"%\(|None|Undefined|\{['&]", text_of(html))


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_every_reference_within_a_page_has_its_target(name: str, language: str) -> None:
    tags = Tags(page(name, language))
    ids = {a["id"] for _, a in tags.tags if "id" in a}
    targets = [a["href"][1:] for a in tags.all("a") if a["href"].startswith("#")]
    targets += [a["for"] for a in tags.all("label")]
    for reference in ("aria-describedby", "aria-labelledby", "form"):
        targets += [target for _, a in tags.tags for target in a.get(reference, "").split()]
    assert [target for target in targets if target not in ids] == []


@pytest.mark.parametrize(("name", "language"), EVERY)
def test_every_field_has_a_label_and_every_picture_a_text(name: str, language: str) -> None:
    tags = Tags(page(name, language))
    labelled = {a["for"] for a in tags.all("label")}
    assert [a for a in tags.all("input") if a.get("type") != "hidden" and a["id"] not in labelled] == []
    assert [a for a in tags.all("img") if not a["alt"]] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_one_module_of_its_own_and_nothing_inline_or_from_other_sites(name: str) -> None:
    html = page(name)
    tags = Tags(html)
    module = {"type": "module", "src": f"../../static/{templates.asset('guichet.js')}"}
    assert tags.all("script", "style", "iframe") == [module]
    assert html.count("></script>") == 1
    assert [a for _, a in tags.tags if "style" in a or any(key.startswith("on") for key in a)] == []
    addresses = [
        a[key]
        for tag, a in tags.tags
        for key in ("href", "src", "action", "formaction")
        if key in a and not (tag == "a" and a[key].startswith("https://"))  # a link loads nothing
    ]
    assert [url for url in addresses if url.startswith("/") or "//" in url.partition("data:")[0]] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_page_offers_each_language_in_its_own_name(name: str) -> None:
    choices = [a for a in Tags(page(name)).all("a", "button") if "lang" in a]
    assert [a["lang"] for a in choices] == list(LANGUAGES)
    assert [a["lang"] for a in choices if "aria-current" in a] == ["fr"]
    if name in WITH_FORM:
        is_details = "details" in name or "check" in name
        form = "details" if is_details else "find" if name.startswith("draw") else "ranking"
        assert all((a["form"], a["name"], a["value"]) == (form, "lang", a["lang"]) for a in choices)
        assert all("formnovalidate" in a for a in choices)
    else:
        assert all(a["href"].startswith(f"../../a/b?lang={a['lang']}") for a in choices)


@pytest.mark.parametrize(
    ("path", "open_at"),
    [
        ("", ""),
        ("manage", "manage"),
        ("services/aes", "services/aes"),
        ("services/aes/holds", "services/aes/slots"),
        ("holds/x/captcha/answer", "holds/x"),
        ("holds/x/extension", "holds/x"),
        ("requests/x/cancellation", "requests/x/cancellation"),
    ],
)
def test_a_language_link_never_leads_to_a_url_that_only_accepts_forms(path: str, open_at: str) -> None:
    assert f'href="../../{open_at}?lang=en"' in page("hold over", path=path)


@pytest.mark.parametrize(
    "name",
    [
        "calendar, slot taken",
        "calendar, nothing chosen",
        "calendar, box missing",
        "captcha, wrong, with sound",
        "details, wrong",
        "manage, wrong",
        "hold over",
    ],
)
def test_the_title_of_a_page_with_an_error_begins_with_error(name: str) -> None:
    assert re.search(r"<title>Erreur\u00a0: ", page(name))


@pytest.mark.parametrize(
    ("name", "step"), [("home", 1), ("notice", 2), ("calendar", 3), ("captcha", 4), ("details", 5), ("check", 6)]
)
def test_the_current_step_of_six_is_marked(name: str, step: int) -> None:
    html = page(name)
    steps = re.findall(r"<li( aria-current=\"step\")?>([^<]+)(<span class=\"gu-sr\">)?", html.partition("gu-steps")[2])[
        :6
    ]
    assert [bool(current) for current, _, _ in steps] == [number == step for number in range(1, 7)]
    assert [bool(completed) for _, _, completed in steps] == [number < step for number in range(1, 7)]


def test_a_template_without_a_value_that_it_needs_fails() -> None:
    with pytest.raises(UndefinedError):
        templates.render("home.html", locale_from_source("fr"), "")
