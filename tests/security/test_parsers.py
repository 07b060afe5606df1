"""Anything at all, given to everything that reads what strangers send: it is read, or refused as documented.

`EXAMPLES=5000` tries longer: `make fuzz`.
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
from chalicelib.web import forms, incoming, reply, visit
from tests.conftest import document

EVERY = settings(
    max_examples=int(os.environ.get("EXAMPLES", "40")),
    deadline=None,  # a loaded machine is slow without a fault of the code
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # one table for all examples
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
    method: str, headers: dict[str, str], sent: bytes = b"", query: Any = None, path: str = "/manage"
) -> Request:
    """A request as API Gateway gives it to the service."""
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
            "body": sent.decode("utf-8", "replace"),
            "isBase64Encoded": False,
        }
    )


def outcome(read_it: Callable[[], object], *refusals: type[Exception]) -> object:
    """What was read, or the refusal."""
    try:
        return read_it()
    except refusals as refused:
        return refused


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
@example(b"&" * 41, "application/x-www-form-urlencoded")
@example(b"slot=%ff%fe&slot=%00", "application/x-www-form-urlencoded")
@example(b"x" * (forms.MOST_BYTES + 1), "application/json")
def test_any_body_is_an_object_of_fields_or_refused_and_any_object_is_read_or_refused_by_field(
    sent: bytes, typed: str
) -> None:
    found = outcome(lambda: incoming.body(request("POST", {"content-type": typed}, sent)), InvalidFields)
    if isinstance(found, InvalidFields):
        assert set(found.errors) == {"body"}
        return
    assert isinstance(found, dict)
    body = found
    assert json.dumps(body, ensure_ascii=False).encode()
    for read_it in (
        lambda: forms.read_wish(body, AES),
        lambda: forms.read_slot(body, AES),
        lambda: forms.read_answer(body),
        lambda: forms.read_manage(body),
        lambda: forms.read_details(body, today=NOW.date(), language="fr"),
        lambda: forms.read_correction(body),
    ):
        read = outcome(read_it, InvalidFields)
        assert not isinstance(read, InvalidFields) or (read.errors and json.dumps(dict(read.errors)).encode())


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
def test_any_headers_cookies_and_query_make_a_visit_in_one_of_our_languages(
    method: str, headers: dict[str, str], query: Any, sent: bytes
) -> None:
    who = visit.read_visit(request(method, headers, sent, query), NOW)
    assert who.locale.language in service.LANGUAGES
    assert who.ip_address == "192.0.2.7"
    assert (who.root, who.path) == ("", "manage")
    shown = reply.to_response(reply.Reply({}, "manage.html", {"values": {}, "sent": False}), who)
    assert isinstance(shown, Response)
    assert all("\n" not in value and "\r" not in value for value in _values(shown))


def _values(response: Response) -> list[str]:
    return [one for value in response.headers.values() for one in (value if isinstance(value, list) else [value])]


@EVERY
@given(some.text(max_size=300))
@example("fr;q=" + "9" * 150)
@example("ar;q=.,en;q=1.1.1,fr;q=²")
def test_any_accept_language_is_one_of_our_languages(header: str) -> None:
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
@given(IDS, some.sampled_from(["hold", "link"]))
@example("aes.20261203.1015.1." + "a" * 78, "hold")
@example("aes.20261203.1015.1." + "ａ" * 78, "link")
@example("\u0130" * 90, "hold")
def test_an_id_that_is_not_ours_is_not_found(value: str, purpose: str) -> None:
    with pytest.raises(NotFound):
        KEYS.read_token(purpose, value)


@EVERY
@given(ODD_TEXT)
@example("aes.00000101.0000.1")
@example("aes.20261203.1015.٣")
@example("aes.20261203.1015.1\n")
def test_any_text_is_a_seat_that_is_written_the_same_way_or_a_value_error(text: str) -> None:
    found = outcome(lambda: SeatKey.parse(text), ValueError)
    assert isinstance(found, ValueError) or found.ref == text  # type: ignore[attr-defined]  # a SeatKey


STAMPS = some.one_of(ODD_TEXT, some.text(alphabet="0123456789abcdef", min_size=59, max_size=59))


@EVERY
@given(STAMPS)
@example("f" * 59)
@example("٣" * 59)
def test_a_challenge_that_is_not_ours_is_spent_and_a_ticket_that_is_not_ours_is_none(value: str) -> None:
    with pytest.raises(CaptchaSpent):
        KEYS.challenge_time(value, "hold", NOW)
    assert KEYS.visitor_token_age(value, NOW) is None


@EVERY
@given(some.ip_addresses().map(str) | ODD_TEXT)
@example("fe80::1%eth0")
@example("::ffff:192.0.2.7")
def test_any_address_has_an_origin_that_does_not_show_it(address: str) -> None:
    origin = KEYS.client_network(address, NOW)
    assert len(origin) == 52
    assert not address or len(address) < 4 or address not in origin


SERVICE_PARTS = some.sampled_from(sorted(document()))


@EVERY
@given(some.dictionaries(SERVICE_PARTS, JSON_VALUES, max_size=3))
@example({"times": None})
@example({"timezone": "Europe"})
@example({"slot_minutes": 10**15})
@example({"slot_minutes": float("inf")})
@example({"holidays": 1})
def test_a_stored_service_with_anything_in_it_is_read_or_a_value_error(change: dict[str, Any]) -> None:
    found = outcome(lambda: codec.service_from_document({**document(), **change}), ValueError)
    assert isinstance(found, service.Service | ValueError)


@EVERY
@given(JSON_VALUES)
def test_what_is_no_service_at_all_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # its words are for the log
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
def test_any_message_is_feedback_on_one_letter_or_odd(message: str) -> None:
    found = outcome(lambda: bounces.read(message), bounces.Unreadable)
    assert isinstance(found, bounces.Feedback | bounces.Unreadable)


@pytest.mark.usefixtures("service")
@EVERY
@given(EVENTS)
def test_taking_any_message_changes_no_seat_and_raises_nothing(message: str) -> None:
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
def test_no_change_of_an_item_that_is_no_request_calls_for_a_letter(old: Any, new: Any) -> None:
    assert outbox.letter_due(old, new) is None


@EVERY
@given(some.text(max_size=30), some.text(max_size=30))
@example("", "")
@example("a", "İ")
def test_any_two_names_are_compared(one: str, other: str) -> None:
    assert names.is_respelling(one, one)
    assert isinstance(names.is_respelling(one, other), bool)
    assert KEYS.person_key(one, other, date(1990, 5, 17)) == KEYS.person_key(other, one, date(1990, 5, 17))
