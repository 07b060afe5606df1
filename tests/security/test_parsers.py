"""Property tests of every parser of untrusted input: any input is parsed, or refused as documented.

`make fuzz` sets `EXAMPLES=5000` for a longer run.
"""

import json
import os
import string
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import pytest
from chalice.app import Request, Response
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from chalicelib.domain import codec, names, service, tokens
from chalicelib.domain.refusals import CaptchaSpent, InvalidFields, NotFound
from chalicelib.domain.seat import SeatKey
from chalicelib.mail import bounces, outbox
from chalicelib.rendering import i18n
from chalicelib.web import fields, forms, incoming, reply, response, visit
from tests.conftest import document

EVERY = settings(
    max_examples=int(os.environ.get("EXAMPLES", "40")),
    deadline=None,  # a loaded machine may be slow
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # all examples share one table
)
NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
AES = codec.service_from_document(document())
KEYS = tokens.Keys("0123456789012345678901234567890123456789012345")
SEAT = SeatKey.parse("aes.20261203.1015.1")
DEEP = b"[" * 12_000
JSON_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=40),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ALPHABET = string.ascii_letters + string.digits + ".-_ \r\n\0%/é\u202e"
ODD_TEXT = some.text(max_size=120) | some.text(alphabet=ALPHABET, max_size=120)


def request(
    method: str, headers: dict[str, str], body: bytes = b"", query: Any = None, path: str = "/manage"
) -> Request:
    """Return a request as API Gateway passes it to the service."""
    return Request(
        {
            "requestContext": {
                "httpMethod": method,
                "resourcePath": path,
                "path": f"/api{path}",
                "identity": {"sourceIp": "192.0.2.7"},
            },
            "multiValueQueryStringParameters": query,
            "headers": headers,
            "pathParameters": {},
            "stageVariables": {},
            "body": body.decode("utf-8", "replace"),
            "isBase64Encoded": False,
        }
    )


def outcome(parse: Callable[[], object], *refusals: type[Exception]) -> object:
    """Return the result of a parser, or the refusal that it raises."""
    try:
        return parse()
    except refusals as refusal:
        return refusal


def encoded(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode()


BODIES = some.one_of(
    some.binary(max_size=200),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    some.dictionaries(some.sampled_from([*forms.DETAILS, *forms.BUTTONS, "slot"]), JSON_VALUES, max_size=8).map(
        encoded
    ),
    some.dictionaries(ODD_TEXT, ODD_TEXT, max_size=4).map(
        lambda fields: "&".join(
            f"{quote(k, errors='replace')}={quote(v, errors='replace')}" for k, v in fields.items()
        ).encode()
    ),
)
TYPES = some.sampled_from(
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded; charset=utf-16",
        "",
        "text/xml",
    ]
)


@EVERY
@given(BODIES, TYPES)
@example(DEEP, "application/json")
@example(b'{"a":' * 5000, "application/json")
@example(b'{"slot": NaN, "first_free": Infinity, "date": 1e999999}', "application/json")
@example(b'{"slot": ' + b"9" * 5000 + b"}", "application/json")
@example(b"\xef\xbb\xbf{}", "application/json")
@example("{}".encode("utf-16"), "application/json")
@example(b'{"slot": "\\ud800"}', "application/json")
@example(b"&" * 401, "application/x-www-form-urlencoded")
@example(b"slot=%ff%fe&slot=%00", "application/x-www-form-urlencoded")
@example(b"x" * (fields.MOST_BYTES + 1), "application/json")
def test_any_body_is_parsed_or_refused_and_any_parsed_body_is_accepted_or_refused_by_field(
    content: bytes, content_type: str
) -> None:
    body = outcome(lambda: incoming.body(request("POST", {"content-type": content_type}, content)), InvalidFields)
    if isinstance(body, InvalidFields):
        assert set(body.errors) == {"body"}
        return
    assert isinstance(body, dict)
    assert json.dumps(body, ensure_ascii=False).encode()
    for parse in (
        lambda: forms.read_wish(body, AES),
        lambda: forms.read_slot(body, AES),
        lambda: forms.read_answer(body),
        lambda: forms.read_manage(body),
        lambda: forms.read_details(body, today=NOW.date(), language="fr"),
        lambda: forms.read_correction(body),
    ):
        result = outcome(parse, InvalidFields)
        assert not isinstance(result, InvalidFields) or (result.errors and json.dumps(dict(result.errors)).encode())


HEADERS = some.dictionaries(
    some.sampled_from(
        ["accept", "accept-language", "cookie", "content-type", "host", "x-forwarded-for", "x-http-method-override"]
    ),
    some.one_of(
        ODD_TEXT,
        some.sampled_from(
            ["lang=ar", "visit=x; lang=en\r\nSet-Cookie: a=b", "text/html", "application/json", "ar;q=0.9, fr;q=nan"]
        ),
    ),
)
QUERIES = some.none() | some.dictionaries(
    some.sampled_from(["lang", "week", "sound", "conditions_accepted"]),
    some.lists(ODD_TEXT, min_size=1, max_size=3),
    min_size=1,
)


@EVERY
@given(some.sampled_from(["GET", "POST", "HEAD"]), HEADERS, QUERIES, BODIES)
def test_any_headers_cookies_and_query_give_a_visit_in_a_supported_language(
    method: str, headers: dict[str, str], query: Any, body: bytes
) -> None:
    visitor = visit.read_visit(request(method, headers, body, query), NOW)
    assert visitor.locale.language in service.LANGUAGES
    assert visitor.ip_address == "192.0.2.7"
    assert (visitor.root, visitor.path) == ("", "manage")
    answer = response.to_response(reply.Page("manage.html", {"values": {}, "sent": False}), visitor)
    assert isinstance(answer, Response)
    assert all("\n" not in value and "\r" not in value for value in _values(answer))


def _values(response: Response) -> list[str]:
    return [
        value for values in response.headers.values() for value in (values if isinstance(values, list) else [values])
    ]


@EVERY
@given(some.text(max_size=300))
@example("fr;q=" + "9" * 150)
@example("ar;q=.,en;q=1.1.1,fr;q=²")
def test_any_accept_language_header_gives_a_supported_language(header: str) -> None:
    assert i18n.preferred_language(header) in service.LANGUAGES


IDS = some.one_of(
    ODD_TEXT,
    some.builds(
        "{}.{}{}".format,
        some.sampled_from(
            ["aes.20261203.1015.1", "aes.20261399.9999.1", "aes.00010101.0000.999", "a..b", "é.20261203.1015.1"]
        ),
        some.text(alphabet=string.ascii_lowercase + "234567", min_size=50, max_size=54),
        some.text(alphabet=string.ascii_lowercase + "234567", min_size=24, max_size=28),
    ),
)


@EVERY
@given(IDS, some.sampled_from([KEYS.read_hold_token, KEYS.read_link_token]))
@example("aes.20261203.1015.1." + "a" * 78, KEYS.read_hold_token)
@example("aes.20261203.1015.1." + "ａ" * 78, KEYS.read_link_token)
@example("\u0130" * 90, KEYS.read_hold_token)
def test_a_token_without_a_valid_signature_is_not_found(value: str, read: Callable[[str], tokens.SignedToken]) -> None:
    with pytest.raises(NotFound):
        read(value)


@EVERY
@given(ODD_TEXT)
@example("aes.00000101.0000.1")
@example("aes.20261203.1015.٣")
@example("aes.20261203.1015.1\n")
def test_a_seat_has_exactly_one_spelling_and_any_other_text_is_a_value_error(text: str) -> None:
    seat = outcome(lambda: SeatKey.parse(text), ValueError)
    assert isinstance(seat, ValueError) or seat.ref == text  # type: ignore[attr-defined]  # a SeatKey


CHALLENGES = some.one_of(ODD_TEXT, some.text(alphabet="0123456789abcdef", min_size=59, max_size=59))


@EVERY
@given(CHALLENGES)
@example("f" * 59)
@example("٣" * 59)
def test_a_challenge_or_a_visitor_token_without_a_valid_signature_is_refused(value: str) -> None:
    with pytest.raises(CaptchaSpent):
        KEYS.challenge_time(value, "hold", NOW)
    assert KEYS.visitor_token_age(value, NOW) is None


@EVERY
@given(some.ip_addresses().map(str) | ODD_TEXT)
@example("fe80::1%eth0")
@example("::ffff:192.0.2.7")
def test_any_ip_address_has_a_client_network_that_does_not_contain_it(ip_address: str) -> None:
    network = KEYS.client_network(ip_address, NOW)
    assert len(network) == 52
    assert not ip_address or len(ip_address) < 4 or ip_address not in network


SERVICE_PARTS = some.sampled_from(sorted(document()))


@EVERY
@given(some.dictionaries(SERVICE_PARTS, JSON_VALUES, max_size=3))
@example({"times": None})
@example({"timezone": "Europe"})
@example({"slot_minutes": 10**15})
@example({"slot_minutes": float("inf")})
@example({"holidays": 1})
def test_a_stored_service_with_anything_in_it_is_read_or_a_value_error(change: dict[str, Any]) -> None:
    result = outcome(lambda: codec.service_from_document({**document(), **change}), ValueError)
    assert isinstance(result, service.Service | ValueError)


@EVERY
@given(JSON_VALUES)
def test_a_stored_document_that_is_not_a_service_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is only for the log
        codec.service_from_document(value if isinstance(value, dict) else {"id": value})


EVENTS = some.one_of(
    ODD_TEXT,
    JSON_VALUES.map(json.dumps),
    some.fixed_dictionaries(
        {
            "notificationType": some.sampled_from(["Bounce", "Complaint", "Delivery", "Open"]) | JSON_VALUES,
            "mail": some.fixed_dictionaries({"destination": some.lists(JSON_VALUES, max_size=2) | JSON_VALUES})
            | JSON_VALUES,
        },
        optional={"bounce": JSON_VALUES, "complaint": JSON_VALUES, "eventType": JSON_VALUES},
    ).map(json.dumps),
)


@EVERY
@given(EVENTS)
@example(DEEP.decode())
@example('{"notificationType": "Delivery", "mail": {"destination": ["a@xn--"]}}')
@example('{"notificationType": "Delivery", "mail": {"destination": ["\\ud800@xn--a"]}}')
def test_any_message_is_feedback_on_one_letter_or_unreadable(message: str) -> None:
    result = outcome(lambda: bounces.read(message), bounces.Unreadable)
    assert isinstance(result, bounces.Feedback | bounces.Unreadable)


@pytest.mark.usefixtures("service")
@EVERY
@given(EVENTS)
def test_handling_any_message_raises_nothing(message: str) -> None:
    bounces.handle(message, NOW)


NUMBERS = some.fixed_dictionaries({"N": some.integers(0, 4_000_000_000_000).map(str)})
IMAGES = some.none() | some.fixed_dictionaries(
    {
        "pk": some.fixed_dictionaries(
            {
                "S": some.sampled_from(
                    ["EMAIL#a", "PERSON#b", "VISIT#c", "AUDIT#2026-11", "ORIGIN#d", "LATE#e", "SERVICES"]
                )
            }
        ),
        "sk": some.fixed_dictionaries({"S": some.sampled_from(["SERVICE#aes", "HOLD", "HOLDS", "x"])}),
    },
    optional={"number": NUMBERS, "erase_at": NUMBERS},
)


@EVERY
@given(IMAGES, IMAGES)
def test_a_change_of_an_item_that_is_not_a_seat_causes_no_letter(old: Any, new: Any) -> None:
    assert outbox.letter_due(old, new) is None


@EVERY
@given(some.text(max_size=30), some.text(max_size=30))
@example("", "")
@example("a", "İ")
def test_any_two_names_can_be_compared(name: str, other: str) -> None:
    assert names.is_respelling(name, name)
    assert isinstance(names.is_respelling(name, other), bool)
    assert KEYS.person_key(name, other, date(1990, 5, 17)) == KEYS.person_key(other, name, date(1990, 5, 17))
