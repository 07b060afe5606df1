"""Pages about the service as a whole, and the answers to paths that have no route."""

from dataclasses import replace
from typing import Any

import pytest

import app
from chalicelib.domain.service import LANGUAGES
from chalicelib.web import frame_views
from chalicelib.web.visit import UNKNOWN_PATH
from tests.client import send
from tests.security.events import event
from tests.unit.rendering.samples import locale_from_source
from tests.unit.web.pages import AES, Tags, page, text_of

ABOUT = ("legal", "accessibility", "privacy", "contact", "sitemap")


def unknown(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    """Return the answer to a path that has no route, as API Gateway asks for it."""
    request = event(
        method, UNKNOWN_PATH, f"/api/{path}", ids={"proxy": path}, headers={"accept": "text/html", **headers}
    )
    answer: dict[str, Any] = app.app(request, None)
    return answer


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("name", ABOUT)
def test_the_foot_of_each_page_leads_to_the_pages_about_the_service(name: str) -> None:
    answer = send("GET", f"/{name}", {"Accept": "text/html"})
    assert answer.status == 200
    links = [link["href"] for link in Tags(answer.text).all("a")]
    assert set(ABOUT) <= set(links)
    assert [link["href"] for link in Tags(answer.text).all("a") if link.get("aria-current") == "page"] == [name]


def test_a_fact_comes_from_the_service_file_and_else_the_page_says_whom_to_ask() -> None:
    assert AES.publisher in text_of(page("legal"))
    bare = text_of(page("legal, facts missing"))
    assert AES.publisher not in bare
    assert bare.count("Demandez-le-nous : sejour.loire@prefecture.example.org") == 2


def test_services_of_one_office_are_shown_together_and_each_fact_once() -> None:
    other = replace(AES, id="autre", host="Autre hébergeur")
    elsewhere = replace(AES, id="ailleurs", office="Sous-préfecture")
    offices = frame_views.page("contact", [AES, elsewhere, other]).context["offices"]
    assert [(office.name, [service.id for service in office.services]) for office in offices] == [
        (AES.office, ["aes", "autre"]),
        ("Sous-préfecture", ["ailleurs"]),
    ]
    assert offices[0].facts("host") == (AES.host, "Autre hébergeur")
    assert offices[0].facts("publisher") == (AES.publisher,)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_declaration_says_that_the_service_is_not_compliant(language: str) -> None:
    message = (
        "Ce service est <strong>non conforme</strong> au référentiel général d’amélioration de l’accessibilité "
        "(RGAA) : aucun audit n’a encore été fait."
    )
    locale = locale_from_source(language)
    assert locale.typeset(locale._(message)) in page("accessibility", language)


@pytest.mark.parametrize("path", ["nothing", "a/b", "a/b/c", "a/b/c/d", "services/aes/none", "legal/x"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_unknown_path_is_a_page_in_the_language_of_the_visitor_with_working_links(path: str, language: str) -> None:
    answer = unknown(path, cookie=f"lang={language}")
    assert answer["statusCode"] == 404
    assert answer["headers"]["Content-Language"] == language
    title = locale_from_source(language)._("Cette page n’existe pas, ou n’existe plus.")
    assert f"<h1>{title}</h1>" in answer["body"]
    root = "../" * path.count("/")
    links = [link["href"] for link in Tags(answer["body"]).all("a")]
    assert {f"{root}legal", f"{root}manage", root or "./"} <= set(links)
    assert f"{root or './'}{path}?lang=ar" in links


@pytest.mark.parametrize(
    "path", ["javascript:alert(1)", "https:example.net", "\\\\example.net", "//example.net", '"><b>']
)
def test_no_unknown_path_becomes_a_link_to_another_site_or_a_script(path: str) -> None:
    links = [link["href"] for link in Tags(unknown(path)["body"]).all("a") if "lang=" in link["href"]]
    assert len(links) == len(LANGUAGES)
    assert all(link.startswith(("./", "../")) for link in links)


@pytest.mark.parametrize("path", ["nothing", "a/b/c/d"])
def test_a_program_reads_about_an_unknown_path_in_json(path: str) -> None:
    answer = unknown(path, accept="application/json")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "services/aes/holds", "POST"),
        ("POST", "legal", "GET, HEAD"),
        ("DELETE", "manage", "GET, HEAD, POST"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused_with_those_that_it_has(
    method: str, path: str, allowed: str
) -> None:
    answer = unknown(path, method)
    assert answer["statusCode"] == 405
    assert answer["headers"]["Allow"] == allowed
    assert "Cette page ne s’ouvre pas de cette façon." in answer["body"]
