"""What every route has in common: its failures, its headers and its languages."""

import pytest

from chalicelib.domain import attestation
from chalicelib.domain.attestation import Attestation, Outcome
from chalicelib.keys import attestation_keys
from chalicelib.rendering import templates
from chalicelib.storage import service_store
from chalicelib.web import clock, desk_access
from tests.client import (
    AWA,
    CONTRACT,
    FIRST,
    FORM,
    JSON,
    ROUTES,
    Answer,
    Browser,
    TableFails,
    captcha_passed,
    fields,
    filed,
    get,
    hold,
    post,
    refused,
    send,
)

pytestmark = pytest.mark.usefixtures("service")

BIDI = "\u202e"


TABLE_ROUTES = [
    (method, path)
    for method, path in ROUTES
    if "429" in CONTRACT["paths"][path][method.lower()]["responses"]
    and not path.startswith(("/desk", "/display"))  # tests/unit/desk/test_sessions.py has a session, and
    # tests/unit/web/test_display_views.py a link to call them with
]


def attested() -> str:
    """Return the code of a valid attestation: an invalid one is refused before the table is read."""
    at = clock.now().replace(second=0, microsecond=0)
    return attestation.sign(Attestation("aes", at, Outcome.FULL, None), attestation_keys()[0])


def call_route(method: str, route: str, hold_id: str, token: str) -> Answer:
    """Call a route so that it reads the table."""
    bodies = {
        "place_hold": FIRST,
        "answer_challenge": {"challenge": "x", "answer": "x"},
        "send_details": AWA,
        "correct_email": {"email": "awa@example.org", "email_confirmation": "awa@example.org"},
        "ask_link": {"reference": "AES-22222-22222", "email": "awa@example.org"},
    }
    path = route.replace("{service}", "aes").replace("{hold}", hold_id).replace("{token}", token)
    sent = bodies.get(CONTRACT["paths"][route][method.lower()]["operationId"])
    return get(path) if method == "GET" else post(path, sent)


def test_an_invalid_token_is_not_found_on_any_route() -> None:
    owned = [(method, route) for method, route in ROUTES if "{hold}" in route or "{token}" in route]
    assert len(owned) == 28
    for wrong in ("x", "aes.20261203.1015.1." + "a" * 78, "%00", "a" * 2000, BIDI):
        for method, route in owned:
            refused(call_route(method, route, wrong, wrong), 404, "not-found")


def test_a_body_of_any_other_content_type_is_read_as_json() -> None:
    for kind in ("text/plain", "image/png", "application/json; charset=utf-16", "x"):
        answer = send("POST", "/services/aes/holds", {**JSON, "Content-Type": kind}, b"first_free=true")
        assert fields(answer) == ["body"]


def test_every_route_answers_429_when_the_table_throttles(table_fails: TableFails) -> None:
    hold_id, token = captcha_passed(), filed()
    table_fails("ProvisionedThroughputExceededException")
    for method, route in TABLE_ROUTES:
        service_store.clear_caches()
        answer = call_route(method, route, hold_id, attested() if route == "/attempts/{token}" else token)
        refused(answer, 429, "too-many-requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_every_route_answers_503_when_the_table_cannot_be_reached(table_fails: TableFails) -> None:
    hold_id, token = captcha_passed(), filed()
    table_fails(None)
    for method, route in TABLE_ROUTES:
        service_store.clear_caches()
        answer = call_route(method, route, hold_id, attested() if route == "/attempts/{token}" else token)
        refused(answer, 503, "try-again")
        assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_an_unforeseen_error_answers_500_with_retry_after_and_no_details(table_fails: TableFails) -> None:
    table_fails("AccessDeniedException")
    service_store.clear_caches()
    answer = get("/services/aes")
    refused(answer, 500, "try-again")
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    page = send("GET", "/services/aes", FORM)
    assert (page.status, page.kind) == (500, "text/html")
    assert "AccessDenied" not in answer.text + page.text


@pytest.mark.usefixtures("provider")
def test_a_route_of_the_desk_answers_an_unforeseen_error_as_the_others_do(table_fails: TableFails) -> None:
    table_fails("AccessDeniedException")
    answer = send("GET", "/desk", {**JSON, "Cookie": f"{desk_access.SESSION}={'a' * 52}"})
    refused(answer, 500, "try-again")
    assert 1 <= int(answer.headers["Retry-After"]) <= 5


def test_every_response_has_the_security_headers() -> None:
    css = f"/static/{templates.asset('guichet.css')}"
    answers = [get("/health"), get("/services/aes"), get("/services/nope"), get(css), get("/openapi.json")]
    answers += [send("GET", "/", FORM), send("POST", f"/holds/{hold()}/extension", FORM)]
    assert [answer.status for answer in answers] == [200, 200, 404, 200, 200, 200, 303]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_no_cache_stores_the_responses_of_a_hold_or_a_request() -> None:
    hold_id, token = captcha_passed(), filed()
    post(f"/requests/{token}/confirmation")
    for method, route in ROUTES:
        if "{hold}" in route or "{token}" in route or route == "/manage":
            assert call_route(method, route, hold_id, token).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "language", "direction", "title"),
    [
        ("en-GB,en;q=0.9", "en", "ltr", "Exceptional admission – Guichet"),
        ("ar", "ar", "rtl", "القبول – Guichet"),
        ("fr;q=0.2, en;q=0.1", "fr", "ltr", "Admission exceptionnelle au séjour – Guichet"),
        ("de, xx;q=x", "fr", "ltr", "Admission exceptionnelle au séjour – Guichet"),
    ],
)
def test_a_page_is_in_the_first_of_our_languages_that_the_browser_asks_for(
    accept: str, language: str, direction: str, title: str
) -> None:
    person = Browser("/services/aes", None, **{"Accept-Language": accept})
    html = person.page.html
    assert (html["lang"], html["dir"], html["title"]) == (language, direction, title)
    assert person.answer.headers["Content-Language"] == language


def test_a_chosen_language_is_kept_in_a_cookie_and_takes_precedence() -> None:
    chosen = send("GET", "/manage?lang=ar", {**FORM, "Accept-Language": "en"})
    assert chosen.headers["Set-Cookie"] == "lang=ar; Path=/; Max-Age=31536000; SameSite=Lax; Secure"
    assert chosen.headers["Cache-Control"] == "no-store"
    later = send("GET", "/manage", {**FORM, "Accept-Language": "en", "Cookie": "a=b; lang=ar"})
    assert later.headers["Content-Language"] == "ar"
    assert "Set-Cookie" not in later.headers


def test_an_unknown_language_is_neither_chosen_nor_kept() -> None:
    answer = send("GET", "/manage?lang=%0d%0aSet-Cookie:x", {**FORM, "Cookie": "lang=zz"})
    assert answer.headers["Content-Language"] == "fr"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_refusal_and_its_errors_are_in_the_language_of_the_visitor(language: str) -> None:
    french, other = (post("/services/aes/holds", b"{", **{"Accept-Language": code}).data for code in ("fr", language))
    assert other["title"] != french["title"]
    assert other["errors"][0]["message"] != french["errors"][0]["message"]
