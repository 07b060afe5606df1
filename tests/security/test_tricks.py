"""Hostile paths, queries, headers, cookies and bodies, and what a CDN may cache.

`send` checks every answer against the contract.
"""

import json
from typing import Any

import pytest
from chalice.app import Request

import app
from chalicelib.booking import availability, holds
from chalicelib.domain.seat import State
from chalicelib.web import clock, visit
from infra.deploy.cloudformation import APP, CDN, read_template
from tests.client import (
    AWA,
    FIRST,
    JSON,
    Answer,
    Page,
    all_items,
    captcha_passed,
    filed,
    get,
    hold,
    post,
    refused,
    seat_of,
    send,
)
from tests.security import gateway
from tests.security.events import event

pytestmark = pytest.mark.usefixtures("service")


def raw(request_event: dict[str, Any]) -> tuple[int, dict[str, Any], str]:
    """Return status, headers and body of the answer to an event."""
    answer = app.app(request_event, None)
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
def test_characters_around_a_token_are_not_repeated_in_the_answer(around: str, step: str) -> None:
    odd = around.format(hold())
    resource = f"/holds/{{hold}}/{step}"
    for accept in ("application/json", "text/html"):
        request_event = event("POST", resource, f"/api/holds/x/{step}", ids={"hold": odd}, headers={"accept": accept})
        status, headers, body = raw(request_event)
        assert status in {200, 201, 303}
        assert "\n" not in headers.get("Location", "")
        assert odd not in headers.get("Location", "") + body


def test_a_page_whose_url_ends_with_a_slash_has_working_links() -> None:
    request_event = event(
        "GET", "/services/{service}", "/api/services/aes/", ids={"service": "aes"}, headers={"accept": "text/html"}
    )
    _, _, body = raw(request_event)
    assert Page(body).links["Préfecture de l’Exemple Rendez-vous en ligne, gratuit"] == "../../"


def test_markup_in_a_path_is_escaped_on_the_page() -> None:
    path = '/api/services/"><script>alert(1)</script>'
    request_event = event("GET", "/services/{service}", path, ids={"service": "aes"}, headers={"accept": "text/html"})
    status, _, body = raw(request_event)
    assert status == 200
    assert "<script>alert" not in body
    assert "&lt;script&gt;" in body or "script>alert" not in body


# Methods


def test_a_method_that_is_not_in_the_contract_is_not_found() -> None:
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
    before = all_items()
    for step in ("", "/confirmation", "/cancellation"):
        assert gateway.call("HEAD", f"/requests/{token}{step}", dict(JSON))[0] == 200
        request_event = event("GET", f"/requests/{{token}}{step}", "/api/x", ids={"token": token}, body="{}")
        assert raw(request_event)[0] == 200
    assert all_items() == before


# Query


@pytest.mark.parametrize(
    "week",
    ["", "2026", "2026-W99", "2026-W49-1", "٢٠٢٦-W٤٩", "9999-W53", "0000-W00", "x" * 7000, "%00", "../..", "%ff%fe"],
)
def test_an_unknown_week_is_not_found(week: str) -> None:
    refused(get(f"/services/aes/slots?week={week}"), 404, "not-found")


def test_a_repeated_query_key_counts_once_and_unknown_keys_are_ignored() -> None:
    huge = "&".join(f"x{n}={n}" for n in range(1000))
    assert get(f"/services/aes/slots?week=2020-W01&week=&{huge}").status == 404
    assert get(f"/services/aes/slots?{huge}").status == 200


@pytest.mark.parametrize("lang", ["ar%0d%0aSet-Cookie:%20a=b", "ar;", "AR", "fr,en", "%00fr", "ar%20"])
def test_a_language_in_the_query_cannot_add_a_header(lang: str) -> None:
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


def test_forged_headers_change_neither_a_page_nor_the_ip_address() -> None:
    page = {"Accept": "text/html"}
    for path in ("/", "/services/aes", "/manage"):
        plain, forged = (send("GET", path, {**page, **more}).text for more in ({}, FORGED))
        assert "evil.example.com" not in forged
        assert plain == forged
    visitor = visit.read_visit(_request({**FORGED}), clock.now())
    assert visitor.ip_address == "192.0.2.7"


def _request(headers: dict[str, str]) -> Any:
    request_event = event(
        "GET", "/manage", "/api/manage", headers={name.lower(): value for name, value in headers.items()}
    )
    return Request(request_event)


def test_holds_are_counted_for_the_ip_address_that_the_gateway_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    ip_addresses: list[str] = []
    place = holds.place

    def record(*args: Any, ip_address: str, **more: Any) -> Any:
        ip_addresses.append(ip_address)
        return place(*args, ip_address=ip_address, **more)

    monkeypatch.setattr(holds, "place", record)
    request_event = event("POST", "/services/{service}/holds", "/api/x", ids={"service": "aes"}, body=json.dumps(FIRST))
    request_event["headers"] |= {"x-forwarded-for": "203.0.113.66", "content-type": "application/json"}
    assert raw(request_event)[0] == 201
    assert ip_addresses == ["192.0.2.7"]


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
def test_malformed_cookies_choose_no_language_and_are_not_repeated(cookie: str) -> None:
    answer = send("GET", "/services/aes/slots", {**JSON, "Cookie": cookie})
    assert (answer.status, answer.headers["Content-Language"]) == (200, "fr")
    assert "Set-Cookie" not in answer.headers


def test_a_content_type_is_case_insensitive() -> None:
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
    "body",
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
def test_an_invalid_body_is_refused_by_field_and_places_no_hold(body: bytes) -> None:
    refused(post("/services/aes/holds", body), 422, "invalid-fields")
    free = availability.free_seats(availability.service("aes", clock.now()), clock.now())
    assert len(free) == len({str(key.ref) for key in free}) > 0


def test_a_byte_order_mark_before_a_body_is_ignored() -> None:
    assert post("/services/aes/holds", b"\xef\xbb\xbf" + json.dumps(FIRST).encode()).status == 201


def test_the_last_value_of_a_repeated_key_counts_in_json_and_in_a_form() -> None:
    twice = b'{"first_free": true, "conditions_accepted": true, "conditions_accepted": false}'
    refused(post("/services/aes/holds", twice), 422, "conditions-not-accepted")
    form = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    body = b"first_free=true&conditions_accepted=true&conditions_accepted=false"
    refused(send("POST", "/services/aes/holds", form, body), 422, "conditions-not-accepted")


def test_an_internal_field_in_a_body_is_refused_and_changes_nothing() -> None:
    hold_id = captcha_passed()
    for name in ("state", "hold", "person", "until", "moves", "sent", "reference"):
        refused(post(f"/holds/{hold_id}/details", {**AWA, name: "confirmed"}), 422, "invalid-fields")
    assert seat_of(hold_id).state is State.HELD


def test_a_date_or_start_of_the_wrong_type_is_refused_with_first_free_too() -> None:
    refused(post("/services/aes/holds", {**FIRST, "date": {"$gt": ""}}), 422, "invalid-fields")
    refused(post("/services/aes/holds", {**FIRST, "start": "1" * 17}), 422, "invalid-fields")


# The CDN: what it may cache, and its cache key


def is_cacheable(answer: Answer) -> bool:
    return "no-store" not in answer.headers["Cache-Control"]


def test_only_the_calendar_the_contract_and_hashed_files_may_be_cached_by_a_cdn() -> None:
    token, hold_id = filed(), hold()
    for path in (
        "/",
        "/services/aes",
        "/manage",
        "/health",
        f"/holds/{hold_id}",
        f"/requests/{token}",
        f"/requests/{token}/data",
    ):
        for accept in ("application/json", "text/html"):
            assert not is_cacheable(send("GET", path, {"Accept": accept})), path
    for path in ("/services/aes/slots", "/openapi.json"):
        assert is_cacheable(send("GET", path, {"Accept": "application/json"})), path


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_cacheable_calendar_does_not_depend_on_the_visitor(accept: str) -> None:
    plain = send("GET", "/services/aes/slots", {"Accept": accept})
    visitor_token = holds.visitor_token("", clock.now())
    headers = {
        **FORGED,
        "Accept": accept,
        "Cookie": f"visit={visitor_token}",
        "User-Agent": "<b>",
        "Content-Type": "application/json",
    }
    other = send("GET", "/services/aes/slots", headers)
    for answer in (plain, other):
        assert answer.headers["Cache-Control"] == "public, max-age=0, s-maxage=1"
        assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie"
        assert "Set-Cookie" not in answer.headers
    assert _without_time(plain) == _without_time(other)
    assert visitor_token not in other.text


def _without_time(answer: Answer) -> Any:
    if "html" in answer.kind:
        return answer.text
    return {**answer.data, "generated_at": None}


def test_a_calendar_that_sets_a_language_or_is_refused_is_not_cached() -> None:
    for path in ("/services/aes/slots?lang=ar", "/services/aes/slots?week=2020-W01", "/services/none/slots"):
        for accept in ("application/json", "text/html"):
            assert not is_cacheable(send("GET", path, {"Accept": accept})), path


def test_the_content_type_of_a_get_does_not_choose_between_page_and_json() -> None:
    request_event = event("GET", "/services/{service}/slots", "/api/services/aes/slots", ids={"service": "aes"})
    request_event["headers"] = {"accept": "*/*", "content-type": "application/json"}
    assert raw(request_event)[1]["Content-Type"] == "text/html; charset=utf-8"


def test_the_query_of_a_calendar_is_not_repeated_on_its_page() -> None:
    page = send(
        "GET", '/services/aes/slots?x="><script>alert(1)</script>&conditions_accepted="><b>', {"Accept": "text/html"}
    )
    assert page.status == 200
    assert "alert(1)" not in page.text
    assert '"><b>' not in page.text


def test_the_error_responses_of_api_gateway_are_not_cached_and_have_security_headers() -> None:
    responses = read_template(APP)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
        "x-amazon-apigateway-gateway-responses"
    ]
    assert set(responses) == {
        "MISSING_AUTHENTICATION_TOKEN",
        "RESOURCE_NOT_FOUND",
        "THROTTLED",
        "QUOTA_EXCEEDED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    }
    for response in responses.values():
        headers = response["responseParameters"]
        assert headers["gatewayresponse.header.Cache-Control"] == "'no-store'"
        assert headers["gatewayresponse.header.X-Content-Type-Options"] == "'nosniff'"
        assert headers["gatewayresponse.header.Strict-Transport-Security"] == "'max-age=31536000; includeSubDomains'"


def test_the_cdn_does_not_cache_server_errors() -> None:
    distribution = read_template(CDN)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
    seconds = {
        response["ErrorCode"]: response["ErrorCachingMinTTL"] for response in distribution["CustomErrorResponses"]
    }
    assert seconds == {500: 0, 502: 0, 503: 0, 504: 0}


def test_the_cache_key_of_the_cdn_has_every_input_of_a_calendar() -> None:
    policy = read_template(CDN)["Resources"]["Calendar"]["Properties"]["CachePolicyConfig"]
    cache_key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert cache_key["QueryStringsConfig"]["QueryStrings"] == ["week", "lang", "conditions_accepted", "refused", "slot"]
    assert cache_key["CookiesConfig"]["Cookies"] == ["lang"]
    assert cache_key["HeadersConfig"]["Headers"] == ["Accept", "Accept-Language"]


def test_the_cdn_requires_tls_1_2_and_limits_the_requests_of_an_ip_address() -> None:
    resources = read_template(CDN)["Resources"]
    distribution = resources["Distribution"]["Properties"]["DistributionConfig"]
    assert distribution["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert distribution["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    rules = resources["Limits"]["Properties"]["Rules"]
    assert [rule["Name"] for rule in rules] == ["bookings", "visits"]
    assert [rule["Statement"]["RateBasedStatement"]["AggregateKeyType"] for rule in rules] == ["IP", "IP"]
