"""The OpenAPI document, and the routes that serve files."""

import gc
from pathlib import Path

import pytest

from chalicelib.domain import refusals
from chalicelib.rendering import templates
from chalicelib.static import verify_draw
from chalicelib.web import forms, problems
from tests.client import (
    CONTRACT,
    FIRST,
    FORM,
    ROUTES,
    TableFails,
    get,
    post,
    refused,
    send,
)


def test_every_route_is_in_the_contract_and_the_reverse() -> None:
    verbs = {"get", "post", "put", "patch", "delete"}
    documented = sorted(
        (verb.upper(), path) for path, item in CONTRACT["paths"].items() for verb in verbs & item.keys()
    )
    assert documented == ROUTES


def test_every_refusal_has_a_status_and_the_contract_has_each_with_the_same_one() -> None:
    # by name: a dataclass with slots leaves its first class behind until it is collected
    assert {kind.__name__ for kind in problems.STATUS_OF} == {
        kind.__name__ for kind in refusals.Refusal.__subclasses__()
    }
    prefix = "urn:guichet:problem:"
    shapes = [schema["properties"] for schema in CONTRACT["components"]["schemas"].values() if "properties" in schema]
    documented = {
        (shape["type"]["const"].removeprefix(prefix), shape["status"]["const"])
        for shape in shapes
        if prefix in shape.get("type", {}).get("const", "")
    }
    assert documented == {(code, status) for status, code, _ in problems.STATUS_OF.values()} | {("try-again", 500)}


def test_the_contract_names_the_fields_that_are_read_and_no_others() -> None:
    shapes = {name: set(schema.get("properties", {})) for name, schema in CONTRACT["components"]["schemas"].items()}
    parts = {"birth_day", "birth_month", "birth_year"}
    assert shapes["Details"] == {*forms.DETAILS} - parts
    assert shapes["DetailsForm"] == {*forms.DETAILS, *forms.BUTTONS} - {"birth_date"}
    assert shapes["WishForm"] == {"slot", "week", *shapes["Wish"]}
    assert shapes["Answer"] == {"challenge", "answer"}
    assert shapes["Manage"] == {"reference", "email"}


def test_the_openapi_document_is_served() -> None:
    answer = get("/openapi.json")
    assert (answer.status, answer.kind, answer.data) == (200, "application/json", CONTRACT)


def test_the_checker_of_draws_is_served_as_a_text_that_is_the_program() -> None:
    answer = get("/verify_draw.py")
    assert (answer.status, answer.kind, answer.headers["Cache-Control"]) == (200, "text/plain", "public, max-age=300")
    assert answer.text == Path(verify_draw.__file__).read_text("utf-8")


def test_health_reports_the_version_and_touches_no_table(table_fails: TableFails) -> None:
    table_fails(None)
    assert get("/health").data == {"status": "ok", "version": "0.1.0"}


def test_the_garbage_collector_is_on_again_after_the_imports() -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("service")
def test_the_cdn_caches_a_calendar_for_a_second_and_a_hashed_file_for_a_year() -> None:
    assert get("/services/aes/slots").headers["Cache-Control"] == "public, max-age=0, s-maxage=1"
    answer = send("GET", f"/static/{templates.asset('guichet.css')}", FORM)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.usefixtures("service")
def test_an_unknown_service_or_file_is_not_found() -> None:
    for path in (
        "/services/nope",
        "/services/nope/slots",
        "/services/AES",
        "/static/guichet.css",
        "/static/..%2fapp.py",
    ):
        refused(get(path), 404, "not-found")
    refused(post("/services/nope/holds", FIRST), 404, "not-found")
