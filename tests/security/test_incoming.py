"""Checks that run before the handler of every POST: an unreadable body and a form of another site are refused."""

import json
from collections.abc import Iterator, Mapping

import pytest

import app
from chalicelib.storage import service_store
from infra.deploy.cloudformation import APP, read_template
from tests.client import (
    AWA,
    CLIENT,
    FIRST,
    FORM,
    JSON,
    ROUTES,
    Answer,
    TableFails,
    all_items,
    captcha_passed,
    confirmed,
    count_taken_seats,
    fields,
    filed,
    hold,
    post,
    refused,
    send,
)
from tests.security.events import event

pytestmark = pytest.mark.usefixtures("service")
PAGE = {"Accept": "text/html", "Content-Type": "application/json"}
OWN_HOST = "guichet.example.org"


def posts() -> Iterator[str]:
    """Yield the path of every POST route, with a live hold token and a live link token."""
    hold_id, token = captcha_passed(), confirmed()
    for method, route in ROUTES:
        if method == "POST":
            yield (
                route.replace("{service}", "aes")
                .replace("{hold}", hold_id)
                .replace("{token}", token)
                .replace("{agent}", "none")
                .replace("{seat}", "none")
            )


# Bodies


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"last_name": "\\ud800"}'),
        ("application/json", b'{"slot": "\\udfff"}'),
        ("application/json", b'{"lang": "\\ud800"}'),
        ("application/json", b'{"\\ud800": "x"}'),
        ("application/json", b'{"phone": [{"x": "\\ud83d"}]}'),
        ("application/json", b'{"reference": "\xff"}'),
        ("application/x-www-form-urlencoded", b"last_name=%ff"),
        ("application/x-www-form-urlencoded", b"last_name=%ed%a0%80"),
        ("application/x-www-form-urlencoded", b"%c3=x"),
        ("application/x-www-form-urlencoded", b"last_name=\xff"),
    ],
)
def test_a_body_that_is_not_valid_unicode_is_refused_by_every_post_and_changes_nothing(kind: str, body: bytes) -> None:
    paths = list(posts())
    assert len(paths) == 34
    before = all_items()
    for path in paths:
        assert fields(send("POST", path, {"Accept": "application/json", "Content-Type": kind}, body)) == ["body"]
        page = send("POST", path, {"Accept": "text/html", "Content-Type": kind}, body)
        assert (page.status, page.kind) == (422, "text/html"), path
    assert all_items() == before


def test_a_character_outside_the_basic_plane_is_valid_escaped_and_unescaped() -> None:
    for name in (b'"\\ud83d\\ude00"', '"😀"'.encode()):
        answer = post(f"/holds/{captcha_passed()}/details", b'{"first_name": ' + name + b"}")
        assert "first_name" in fields(answer)


def test_a_null_character_in_any_field_is_refused_on_a_page_and_in_json() -> None:
    hold_id, token = captcha_passed(), confirmed()
    for path, values in (
        (f"/holds/{hold_id}/details", {**AWA, "last_name": "\0"}),
        (f"/requests/{token}/correction", {"first_name": "\0", "last_name": "x", "phone": "\0"}),
        (f"/requests/{token}/move", {"slot": "\0"}),
        ("/manage", {"reference": "\0", "email": "\0@example.org"}),
        ("/services/aes/holds", {"slot": "\0", "\0": "\0"}),
    ):
        for headers in (JSON, PAGE):
            form = {**headers, "Content-Type": FORM["Content-Type"]}
            expected = {422} if headers is JSON else {303, 422}
            assert send("POST", path, headers, json.dumps(values).encode()).status in expected
            assert send("POST", path, form, b"&".join(f"{name}=%00".encode() for name in values)).status in {
                200,
                303,
                422,
            }


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_half_a_surrogate_pair_in_a_path_a_query_or_a_header_causes_no_server_error(accept: str) -> None:
    odd = "x\ud800"
    query = {name: [odd] for name in ("lang", "week", "part", "sound", "conditions_accepted", odd)}
    headers = {"accept": accept, "accept-language": odd, "cookie": f"lang={odd}; visit={odd}"}
    for method, route in ROUTES:
        for value in ("aes", odd):
            names = ("service", "hold", "token", "file", "week", "list", "agent", "seat")
            ids = {name: value for name in names if f"{{{name}}}" in route}
            request_event = event(
                method, route, f"/api/{odd}", ids=ids, headers=headers, multiValueQueryStringParameters=query
            )
            answer = app.app(request_event, None)
            assert answer["statusCode"] < 500 or route == "/health/booking", route  # 503 until the canary has run
            assert json.dumps(answer, ensure_ascii=False).encode()


# Checkboxes


def test_in_json_only_the_boolean_true_checks_a_box() -> None:
    for value in ("true", "on", "false", "", 1, None):
        answer = post("/services/aes/holds", {**FIRST, "conditions_accepted": value})
        assert fields(answer) == ["conditions_accepted"]
        answer = post("/services/aes/holds", {**FIRST, "first_free": value})
        assert "first_free" in fields(answer)
    assert count_taken_seats() == 0
    assert post("/services/aes/holds", FIRST).status == 201


def test_in_json_only_the_boolean_true_requests_the_sound() -> None:
    path = f"/holds/{hold()}/captcha"
    assert not send("POST", path, PAGE, b'{"sound": "true"}').headers["Location"].endswith("?sound=true#sound")
    assert send("POST", path, PAGE, b'{"sound": true}').headers["Location"].endswith("?sound=true#sound")


def test_in_a_form_only_true_and_on_check_a_box() -> None:
    kind = {**FORM, "Accept": "application/json"}
    for word in ("true", "on"):
        assert (
            send("POST", "/services/aes/holds", kind, f"first_free=true&conditions_accepted={word}".encode()).status
            == 201
        )
    for word in ("True", "1", "yes", ""):
        answer = send("POST", "/services/aes/holds", kind, f"first_free=true&conditions_accepted={word}".encode())
        assert fields(answer) == ["conditions_accepted"]


# Cross-site requests


def post_with_host(headers: Mapping[str, str], path: str, body: bytes = b"") -> Answer:
    return send("POST", path, {"Host": OWN_HOST, **headers}, body)


CROSS_SITE: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": f"https://{OWN_HOST}"},
    {"Sec-Fetch-Site": "x"},
    {"Origin": "https://evil.example.com"},
    {"Origin": f"https://{OWN_HOST}.evil.example.com"},
    {"Origin": f"https://{OWN_HOST}:8443"},
    {"Origin": "x"},
    {"Origin": "https://"},
]
SAME_SITE: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": f"https://{OWN_HOST}"},
    {"Origin": f"https://{OWN_HOST.upper()}"},
    {"Origin": "null"},  # our pages in a browser without Sec-Fetch-Site: Referrer-Policy is no-referrer
    {"Origin": "https://rdv.example.fr", "X-Forwarded-Host": "rdv.example.fr"},  # behind CloudFront
]


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_a_post_from_another_site_is_refused_by_every_route_and_changes_nothing(
    headers: dict[str, str],
) -> None:
    paths = list(posts())
    before = all_items()
    for path in paths:
        refused(post_with_host({**JSON, **headers}, path, json.dumps(FIRST).encode()), 403, "cross-site")
        page = post_with_host({**FORM, **headers}, path, b"lang=ar&first_free=true&conditions_accepted=true")
        assert (page.status, page.kind) == (403, "text/html")
        assert "Set-Cookie" not in page.headers
    assert all_items() == before


@pytest.mark.parametrize("headers", SAME_SITE)
def test_a_post_from_our_pages_or_from_a_program_is_accepted(headers: dict[str, str]) -> None:
    form = b"first_free=true&conditions_accepted=true"
    assert post_with_host({**FORM, **headers}, "/services/aes/holds", form).status == 303
    assert post_with_host({**JSON, **headers}, "/services/aes/holds", json.dumps(FIRST).encode()).status == 201


def test_the_page_that_refuses_another_site_explains_and_links_to_the_first_page() -> None:
    page = post_with_host({**FORM, "Sec-Fetch-Site": "cross-site"}, f"/holds/{hold()}/extension")
    assert "Votre envoi vient d’un autre site. Rien n’a été enregistré." in page.text
    assert 'href="../../"' in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_link_opened_from_an_e_mail_shows_its_page() -> None:
    token = filed()
    mail = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example.com"}
    for page in ("", "/confirmation", "/cancellation"):
        assert send("GET", f"/requests/{token}{page}", mail).status == 200


# HEAD


def test_every_get_route_answers_head_with_the_same_status_and_no_body() -> None:
    hold_id, token = captcha_passed(), confirmed()
    for method, route in ROUTES:
        if method != "GET":
            continue
        assert "HEAD" in app.app.routes[route], route
        path = (
            route.replace("{service}", "aes")
            .replace("{hold}", hold_id)
            .replace("{token}", token)
            .replace("{agent}", "none")
            .replace("{seat}", "none")
        )
        for headers in (JSON, FORM):
            answer, head = (CLIENT.http.request(verb, path, headers=headers) for verb in ("GET", "HEAD"))
            assert (head.status_code, head.body) == (answer.status_code, b""), route
            assert head.headers["Content-Type"] == answer.headers["Content-Type"]


def test_api_gateway_has_exactly_the_routes_and_methods_of_the_code() -> None:
    paths = read_template(APP)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    deployed = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert deployed == {(method, path) for path, methods in app.app.routes.items() for method in methods}


def test_a_server_error_has_no_body_for_head(table_fails: TableFails) -> None:
    table_fails("AccessDeniedException")
    service_store.clear_caches()
    answer = CLIENT.http.request("HEAD", "/services/aes", headers=JSON)
    assert (answer.status_code, answer.body) == (500, b"")
