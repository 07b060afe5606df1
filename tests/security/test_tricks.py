"""Tricks with path, query, headers, cookies and bodies. Every answer is held against the contract by `send`."""

import json
from typing import Any

import pytest
from chalice.app import Request

import app
from chalicelib.booking import availability, holds
from chalicelib.domain.seat import State
from chalicelib.web import clock, visit
from infra.deploy.stacks import APP, EDGE, template
from tests.client import (
    AWA,
    FIRST,
    JSON,
    Answer,
    Page,
    filed,
    get,
    hold,
    passed,
    post,
    refused,
    seat_of,
    send,
    table_now,
)
from tests.security import gateway
from tests.security.events import event

pytestmark = pytest.mark.usefixtures("service")


def raw(given: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
    """Status, headers and body of the answer to an event."""
    answer = app.app(given, None)
    return answer["statusCode"], {**answer["headers"], **answer["multiValueHeaders"]}, answer["body"]


# The path


ODD_NAMES = [
    "..",
    "../../etc/passwd",
    "a/b",
    "\0",
    "aes\0",
    "aes%2fslots",
    "é" * 2000,
    "\u202eaes",
    "ａｅｓ",
    "aes;x=1",
    "{service}",
    "SERVICES",
    "aes#",
    " ",
    "x" * 8000,
]


@pytest.mark.parametrize("resource", ["/services/{service}", "/services/{service}/slots", "/static/{file}"])
def test_an_odd_name_in_a_path_is_not_found(resource: str) -> None:
    name = resource.partition("{")[2].partition("}")[0]
    for odd in ODD_NAMES:
        status, headers, body = raw(event("GET", resource, f"/api/{odd}", ids={name: odd}))
        assert (status, json.loads(body)["type"]) == (404, "urn:guichet:problem:not-found"), odd
        assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("around", ["\r\n{}", "{}\r\n", "\u2028{}\x85", "\t{} "])
@pytest.mark.parametrize("step", ["captcha", "end", "extension"])
def test_what_stands_around_an_id_is_not_repeated_in_the_answer(around: str, step: str) -> None:
    kept = hold()
    odd = around.format(kept)
    resource = f"/holds/{{hold}}/{step}"
    for accept in ("application/json", "text/html"):
        given = event("POST", resource, f"/api/holds/x/{step}", ids={"hold": odd}, headers={"accept": accept})
        status, headers, body = raw(given)
        assert status in {200, 201, 303}
        assert "\n" not in headers.get("Location", "")
        assert odd not in headers.get("Location", "") + body


def test_an_address_with_a_slash_at_its_end_has_links_that_lead_to_the_service() -> None:
    given = event(
        "GET", "/services/{service}", "/api/services/aes/", ids={"service": "aes"}, headers={"accept": "text/html"}
    )
    _, _, body = raw(given)
    assert Page(body).links["Guichet Préfecture de l’Exemple"] == "../../"


def test_a_path_that_holds_markup_is_text_in_the_page() -> None:
    path = '/api/services/"><script>alert(1)</script>'
    given = event("GET", "/services/{service}", path, ids={"service": "aes"}, headers={"accept": "text/html"})
    status, _, body = raw(given)
    assert status == 200
    assert "<script>alert" not in body
    assert "&lt;script&gt;" in body or "script>alert" not in body


# Methods


def test_a_method_that_is_not_in_the_contract_is_not_found_at_the_gateway() -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"):
        for path in ("/", "/manage", "/health", "/services/aes", "/services/aes/holds"):
            assert gateway.call(method, path)[0] == 404, (method, path)


@pytest.mark.parametrize(
    "override",
    [{"X-HTTP-Method-Override": "POST"}, {"X-HTTP-Method": "POST"}, {"X-Method-Override": "POST"}],
)
def test_a_header_does_not_change_the_method(override: dict[str, str]) -> None:
    token = filed()
    get(f"/requests/{token}/confirmation", **override)
    get(f"/requests/{token}/cancellation?_method=POST", **override)
    assert get(f"/requests/{token}").data["state"] == "pending"


def test_head_and_a_get_with_a_body_change_nothing() -> None:
    token = filed()
    before = table_now()
    for step in ("", "/confirmation", "/cancellation"):
        assert gateway.call("HEAD", f"/requests/{token}{step}", dict(JSON))[0] == 200
        given = event("GET", f"/requests/{{token}}{step}", "/api/x", ids={"token": token}, body="{}")
        assert raw(given)[0] == 200
    assert table_now() == before


# Query


@pytest.mark.parametrize(
    "week",
    ["", "2026", "2026-W99", "2026-W49-1", "٢٠٢٦-W٤٩", "9999-W53", "0000-W00", "x" * 7000, "%00", "../..", "%ff%fe"],
)
def test_a_week_that_is_none_of_those_shown_is_not_found(week: str) -> None:
    refused(get(f"/services/aes/slots?week={week}"), 404, "not-found")


def test_a_key_that_is_there_twice_counts_once_and_a_thousand_unknown_ones_not_at_all() -> None:
    huge = "&".join(f"x{n}={n}" for n in range(1000))
    assert get(f"/services/aes/slots?week=2020-W01&week=&{huge}").status == 404
    assert get(f"/services/aes/slots?{huge}").status == 200


@pytest.mark.parametrize("lang", ["ar%0d%0aSet-Cookie:%20a=b", "ar;", "AR", "fr,en", "%00fr", "ar%20"])
def test_a_language_in_the_query_cannot_split_the_answer(lang: str) -> None:
    answer = get(f"/services/aes/slots?lang={lang}")
    assert answer.headers["Content-Language"] == "fr"
    assert "Set-Cookie" not in answer.headers


# Headers and cookies


FORGED = {
    "Host": "evil.example.com",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-For": "203.0.113.66, 203.0.113.67",
    "X-Forwarded-Proto": "http",
    "X-Original-URL": "/requests/x",
    "X-Rewrite-URL": "/requests/x",
    "Forwarded": "for=203.0.113.66;host=evil.example.com",
    "X-Real-Ip": "203.0.113.66",
    "X-Guichet-Edge": "a" * 52,
    "Origin": "https://evil.example.com",
    "Referer": "https://evil.example.com/",
}


def test_forged_headers_change_no_page_and_no_address() -> None:
    page = {"Accept": "text/html"}
    for path in ("/", "/services/aes", "/manage"):
        plain, forged = (send("GET", path, {**page, **more}).text for more in ({}, FORGED))
        assert "evil.example.com" not in forged
        assert plain == forged
    who = visit.read_visit(_request({**FORGED}), clock.now())
    assert who.ip_address == "192.0.2.7"


def _request(headers: dict[str, str]) -> Any:
    given = event("GET", "/manage", "/api/manage", headers={name.lower(): value for name, value in headers.items()})
    return Request(given)


def test_the_place_that_is_counted_is_the_gateways_and_no_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = holds.place

    def look(*args: Any, ip_address: str, **more: Any) -> Any:
        seen.append(ip_address)
        return real(*args, ip_address=ip_address, **more)

    monkeypatch.setattr(holds, "place", look)
    given = event("POST", "/services/{service}/holds", "/api/x", ids={"service": "aes"}, body=json.dumps(FIRST))
    given["headers"] |= {"x-forwarded-for": "203.0.113.66", "content-type": "application/json"}
    assert raw(given)[0] == 201
    assert seen == ["192.0.2.7"]


@pytest.mark.parametrize(
    "cookie",
    [
        "lang=ar\r\nSet-Cookie: a=b",
        ";;;=;=x;lang",
        "lang=" + "a" * 9000,
        "visit=\xff\xfe; lang=\x00",
        "lang=xx; lang",
        "=",
        ",",
    ],
)
def test_odd_cookies_are_no_choice_and_are_not_repeated(cookie: str) -> None:
    answer = send("GET", "/services/aes/slots", {**JSON, "Cookie": cookie})
    assert (answer.status, answer.headers["Content-Language"]) == (200, "fr")
    assert "Set-Cookie" not in answer.headers


def test_a_content_type_is_read_in_any_case() -> None:
    kind = "Application/X-WWW-Form-URLencoded; Charset=UTF-8"
    answer = send(
        "POST",
        "/services/aes/holds",
        {"Accept": "Application/JSON", "Content-Type": kind},
        b"first_free=true&conditions_accepted=on",
    )
    assert answer.status == 201


# Bodies


@pytest.mark.parametrize(
    "sent",
    [
        b"[" * 15_000,
        b'{"a":' * 3_000,
        b'{"first_free": true, "conditions_accepted": true, "date": ' + b"9" * 10_000 + b"}",
        json.dumps(FIRST).encode("utf-16"),
        b'{"first_free": "\\ud800"}',
        b'{"first_free": NaN, "conditions_accepted": true}',
        b'{"first_free": 1, "conditions_accepted": 1}',
        b'{"first_free": [true], "conditions_accepted": {"a": true}}',
        b'{"__proto__": {"conditions_accepted": true}, "first_free": true}',
        b"null",
        b"true",
        b"x" * 20_000,
    ],
)
def test_a_body_that_is_no_wish_is_refused_by_field_and_holds_nothing(sent: bytes) -> None:
    refused(post("/services/aes/holds", sent), 422, "invalid-fields")
    free = availability.free_seats(availability.service("aes", clock.now()), clock.now())
    assert len(free) == len({str(key.ref) for key in free}) > 0


def test_a_byte_order_mark_in_front_of_a_body_does_not_count() -> None:
    assert post("/services/aes/holds", b"\xef\xbb\xbf" + json.dumps(FIRST).encode()).status == 201


def test_of_a_key_that_is_there_twice_the_last_one_counts_in_json_and_in_a_form() -> None:
    twice = b'{"first_free": true, "conditions_accepted": true, "conditions_accepted": false}'
    refused(post("/services/aes/holds", twice), 422, "conditions-not-accepted")
    form = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    sent = b"first_free=true&conditions_accepted=true&conditions_accepted=false"
    refused(send("POST", "/services/aes/holds", form, sent), 422, "conditions-not-accepted")


def test_a_field_that_is_the_services_own_is_refused_and_changes_nothing() -> None:
    kept = passed()
    for name in ("state", "hold", "person", "until", "moves", "sent", "reference"):
        refused(post(f"/holds/{kept}/details", {**AWA, name: "confirmed"}), 422, "invalid-fields")
    assert seat_of(kept).state is State.HELD


def test_the_first_free_slot_takes_along_no_text_that_is_no_text() -> None:
    refused(post("/services/aes/holds", {**FIRST, "date": {"$gt": ""}}), 422, "invalid-fields")
    refused(post("/services/aes/holds", {**FIRST, "start": "1" * 17}), 422, "invalid-fields")


# The edge: what may be kept there, and by what it is told apart


def cached(answer: Answer) -> bool:
    return "no-store" not in answer.headers["Cache-Control"]


def test_only_the_calendar_the_contract_and_hashed_files_may_be_kept_by_an_edge() -> None:
    token, kept = filed(), hold()
    for path in (
        "/",
        "/services/aes",
        "/manage",
        "/health",
        f"/holds/{kept}",
        f"/requests/{token}",
        f"/requests/{token}/data",
    ):
        for accept in ("application/json", "text/html"):
            assert not cached(send("GET", path, {"Accept": accept})), path
    for path in ("/services/aes/slots", "/openapi.json"):
        assert cached(send("GET", path, {"Accept": "application/json"})), path


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_calendar_that_may_be_kept_holds_nothing_of_who_asked_for_it(accept: str) -> None:
    plain = send("GET", "/services/aes/slots", {"Accept": accept})
    ours = holds.visitor_token("", clock.now())
    asked = {
        **FORGED,
        "Accept": accept,
        "Cookie": f"visit={ours}",
        "User-Agent": "<b>",
        "Content-Type": "application/json",
    }
    other = send("GET", "/services/aes/slots", asked)
    for answer in (plain, other):
        assert answer.headers["Cache-Control"] == "public, max-age=0, s-maxage=1"
        assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie"
        assert "Set-Cookie" not in answer.headers
    assert _timeless(plain) == _timeless(other)
    assert ours not in other.text


def _timeless(answer: Answer) -> Any:
    if "html" in answer.kind:
        return answer.text
    return {**answer.data, "generated_at": None}


def test_a_calendar_that_sets_a_language_or_is_refused_is_kept_nowhere() -> None:
    for path in ("/services/aes/slots?lang=ar", "/services/aes/slots?week=2020-W01", "/services/none/slots"):
        for accept in ("application/json", "text/html"):
            assert not cached(send("GET", path, {"Accept": accept})), path


def test_the_type_of_a_body_that_a_get_does_not_have_does_not_choose_between_page_and_json() -> None:
    given = event("GET", "/services/{service}/slots", "/api/services/aes/slots", ids={"service": "aes"})
    given["headers"] = {"accept": "*/*", "content-type": "application/json"}
    assert raw(given)[1]["Content-Type"] == "text/html; charset=utf-8"


def test_what_is_in_the_query_of_a_calendar_is_not_repeated_on_it() -> None:
    page = send(
        "GET", '/services/aes/slots?x="><script>alert(1)</script>&conditions_accepted="><b>', {"Accept": "text/html"}
    )
    assert page.status == 200
    assert "alert(1)" not in page.text
    assert '"><b>' not in page.text


def test_what_api_gateway_refuses_by_itself_is_kept_nowhere_and_not_guessed_at() -> None:
    told = template(APP)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
        "x-amazon-apigateway-gateway-responses"
    ]
    assert set(told) == {
        "MISSING_AUTHENTICATION_TOKEN",
        "RESOURCE_NOT_FOUND",
        "THROTTLED",
        "QUOTA_EXCEEDED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    }
    for response in told.values():
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"
        assert headers["gatewayresponse.header.X-Content-Type-Options"] == "'nosniff'"
        assert headers["gatewayresponse.header.Strict-Transport-Security"] == "'max-age=31536000; includeSubDomains'"


def test_what_fails_for_one_is_kept_for_nobody_else_by_the_edge() -> None:
    distribution = template(EDGE)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    kept = {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in distribution["CustomErrorResponses"]}
    assert kept == {500: 0, 502: 0, 503: 0, 504: 0}


def test_the_edge_tells_calendars_apart_by_all_that_the_service_reads_for_one() -> None:
    policy = template(EDGE)["Resources"]["Calendar"]["Properties"]["CachePolicyConfig"]
    told_apart = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert told_apart["QueryStringsConfig"]["QueryStrings"] == ["week", "lang", "conditions_accepted"]
    assert told_apart["CookiesConfig"]["Cookies"] == ["lang"]
    assert told_apart["HeadersConfig"]["Headers"] == ["Accept", "Accept-Language"]


def test_the_edge_speaks_tls_1_2_at_least_and_counts_what_one_address_asks() -> None:
    resources = template(EDGE)["Resources"]
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    assert distribution["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert distribution["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    rules = resources["Limits"]["Properties"]["Rules"]
    assert [rule["Name"] for rule in rules] == ["bookings", "visits"]
    assert [rule["Statement"]["RateBasedStatement"]["AggregateKeyType"] for rule in rules] == ["IP", "IP"]
