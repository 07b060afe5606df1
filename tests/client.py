"""A test client of the HTTP API: requests to the app in this process, each answer checked against `openapi.json`."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin
from zoneinfo import ZoneInfo

import pytest
from chalice.local import RouteMatcher
from chalice.test import Client
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types
from pynamodb.expressions.update import Action

import app
from chalicelib.booking import captcha
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import templates
from chalicelib.storage import dynamodb, items, seat_keys, seat_store, service_store
from chalicelib.web import clock
from chalicelib.web.visit import UNKNOWN_PATH
from tests.conftest import UNREACHABLE, calls, client_error, document, fill

PARIS = ZoneInfo("Europe/Paris")
CLIENT = Client(app.app, stage_name="unit", project_dir=str(Path(app.__file__).parent))
CONTRACT = json.loads(templates.openapi())
ROUTES = sorted(
    (method, path)
    for path, methods in app.app.routes.items()
    for method in methods
    if method != "HEAD"  # answers like GET, without a body
    and path != UNKNOWN_PATH
)
JSON = {"Accept": "application/json", "Content-Type": "application/json"}
FORM = {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}
FIRST = {"first_free": True, "conditions_accepted": True}
AWA = {
    "first_name": "Awa",
    "last_name": "Exemple",
    "birth_name": "",
    "birth_date": "1990-05-17",
    "email": "awa@example.org",
    "email_confirmation": "awa@example.org",
    "phone": "06 12 34 56 78",
    "language": "fr",
}
AWA_TYPED = {
    **{name: AWA[name] for name in ("first_name", "last_name", "email", "email_confirmation", "phone")},
    "birth_day": "17",
    "birth_month": "mai",
    "birth_year": "1990",
}


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...] = ()
    """All Set-Cookie headers."""

    @property
    def kind(self) -> str:
        return self.headers["Content-Type"].partition(";")[0]

    @property
    def data(self) -> Any:
        return json.loads(self.text)


def strict(schema: Any) -> Any:
    """Return a schema in which an unknown field is an error."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rule = {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    return {name: strict(part) for name, part in schema.items()} | rule


COMPONENTS = strict(CONTRACT["components"])


@cache
def validator(ref: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(ref), "components": COMPONENTS})


def check(method: str, route: str, answer: Answer) -> None:
    """Fail unless the contract has this status, content type and shape for this route."""
    response = CONTRACT["paths"][route][method.lower()]["responses"][str(answer.status)]
    while "$ref" in response:
        response = COMPONENTS[response["$ref"].split("/")[2]][response["$ref"].split("/")[3]]
    for header, rule in response.get("headers", {}).items():
        assert header in answer.headers or not rule.get("required")
    if "content" in response:
        schema = response["content"][answer.kind]["schema"]
        if "json" in answer.kind:
            validator(json.dumps(strict(schema))).validate(answer.data)
    else:
        assert answer.text == ""


def send(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """Send a request and check its answer against the contract."""
    request_headers = {name: value for name, value in headers.items() if method == "POST" or name != "Content-Type"}
    response = CLIENT.http.request(method, path, headers=request_headers, body=body)
    answer_headers = {name: value[0] if isinstance(value, list) else value for name, value in response.headers.items()}
    cookies = tuple(response.headers.get("Set-Cookie", ()))
    answer = Answer(response.status_code, answer_headers, response.body.decode(), cookies)
    check(method, RouteMatcher(list(app.app.routes)).match_route(path).route, answer)
    return answer


def get(path: str, **headers: str) -> Answer:
    return send("GET", path, {**JSON, **headers})


def post(path: str, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return send("POST", path, {**JSON, **headers}, raw)


def refused(answer: Answer, status: int, code: str) -> Any:
    """Fail unless the answer is this problem. Return its document."""
    assert (answer.status, answer.kind) == (status, "application/problem+json")
    assert answer.data["type"] == f"urn:guichet:problem:{code}"
    return answer.data


def fields(answer: Answer) -> list[str]:
    """Return the fields that an `invalid-fields` problem names."""
    return [error["field"] for error in refused(answer, 422, "invalid-fields")["errors"]]


@dataclass
class Form:
    """A form of a page. `buttons` has the fields that each button adds, `elsewhere` the buttons with another URL."""

    action: str
    method: str
    id: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The forms and the links of a page, by their texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.html: dict[str, str] = {}
        self.open: tuple[str, dict[str, str]] | None = None
        self.text = self.select = ""
        self.outside: list[tuple[str, dict[str, str]]] = []
        self.feed(html)
        for text, attributes in self.outside:
            self.add(next(form for form in self.forms if form.id == attributes["form"]), text, attributes)

    def fields(self, name: str) -> dict[str, str]:
        """Return the fields of the first form that has this field."""
        return next(form.fields for form in self.forms if name in form.fields)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.html = attributes
        elif tag == "form":
            self.forms.append(Form(attributes["action"], attributes.get("method", "get"), attributes.get("id", "")))
        elif tag == "input" and "name" in attributes:
            chosen = attributes.get("type") not in {"radio", "checkbox"} or "checked" in attributes
            if chosen:
                self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "select":
            self.select = attributes["name"]
            self.forms[-1].fields[self.select] = ""
        elif tag == "option" and "selected" in attributes:
            self.forms[-1].fields[self.select] = attributes["value"]
        elif (
            tag in {"a", "button", "title", "h1"} and attributes.get("type") != "button"
        ):  # only the script uses buttons of this type
            self.open, self.text = (tag, attributes), ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if self.open is None or tag != self.open[0]:
            return
        text, attributes = " ".join(self.text.split()), self.open[1]
        if tag == "a":
            self.links[text] = attributes["href"]
        elif tag == "button":
            if "form" in attributes:
                self.outside.append((text, attributes))
            else:
                self.add(self.forms[-1], text, attributes)
        else:
            self.html[tag] = text
        self.open = None

    def add(self, form: Form, text: str, attributes: dict[str, str]) -> None:
        form.buttons[text] = {attributes["name"]: attributes.get("value", "")} if "name" in attributes else {}
        if "formaction" in attributes:
            form.elsewhere[text] = attributes["formaction"]


class Browser:
    """A browser without scripts: it follows links and redirects, and sends forms. Its jar, if any, keeps cookies."""

    def __init__(self, path: str, jar: dict[str, str] | None = None, **headers: str) -> None:
        self.headers = {**FORM, **headers}
        self.jar = jar
        self.answers: list[Answer] = []
        """The answers to the forms that were sent."""
        self.go(path)

    def send(self, method: str, path: str, body: bytes = b"") -> Answer:
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}
        return send(method, path, {**self.headers, **cookies}, body)

    def go(self, path: str) -> None:
        self.path = path
        self.arrive(self.send("GET", path))

    def arrive(self, answer: Answer) -> None:
        self.answer = answer
        if self.jar is not None:
            self.keep(self.jar, answer)
        if answer.status == 303:
            self.go(urljoin(self.path, answer.headers["Location"]).partition("#")[0])
        else:
            self.page = Page(answer.text)

    @staticmethod
    def keep(jar: dict[str, str], answer: Answer) -> None:
        """Put the cookies of an answer into a jar, and take out those that it ends."""
        for header in answer.cookies:
            name, _, value = header.partition(";")[0].partition("=")
            jar[name] = value
            if "Max-Age=0" in header:
                del jar[name]

    @property
    def title(self) -> str:
        return self.page.html["h1"]

    def follow(self, link: str) -> None:
        self.go(urljoin(self.path, self.page.links[link]))

    def press(self, button: str, **typed: str) -> None:
        """Submit the form of this button with these values in its fields."""
        form = next(form for form in self.page.forms if button in form.buttons)
        values = {**form.fields, **typed, **form.buttons[button]}
        path = urljoin(self.path, form.elsewhere.get(button, form.action))
        if form.method == "get":
            self.go(f"{path}?{urlencode(values)}")
        else:
            self.post(path, values)

    def post(self, path: str, values: Mapping[str, str]) -> None:
        """Submit a form with these values."""
        self.path = path
        self.answers.append(self.send("POST", path, urlencode(values).encode()))
        self.arrive(self.answers[-1])


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """A service on Wednesdays at 10:00, 10:05 and 10:10 with two desks, open for this week and the next."""
    text = {"fr": "Texte", "en": "Text", "ar": "نص"}
    service = service_store.put(
        document(
            plannings=[{"desks": [1, 2], "openings": [{"days": ["wednesday"], "from": "10:00", "to": "10:15"}]}],
            release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]},
            times={"notice_hours": 24},
            intro=text,
        )
    )
    fill(service, clock.now())
    return service


def wednesday(weeks: int = 1) -> datetime:
    """Return ten o'clock on the Wednesday of the next week, or of a later one."""
    today = clock.now().astimezone(PARIS).date()
    day = today - timedelta(days=today.weekday()) + timedelta(days=2 + 7 * weeks)
    return datetime(day.year, day.month, day.day, 10, 0, tzinfo=PARIS)


def wish(minute: int = 0, weeks: int = 1) -> dict[str, Any]:
    return {"date": f"{wednesday(weeks):%Y-%m-%d}", "start": f"10:{minute:02}", "conditions_accepted": True}


def count_taken_seats() -> int:
    """Return how many seats are not open."""
    rows = items.SeatItem.scan(items.SeatItem.pk.startswith("SEATS#") & (items.SeatItem.state != State.OPEN))
    return len(list(rows))


def hold(body: Mapping[str, Any] = FIRST) -> str:
    return str(post("/services/aes/holds", body).data["hold"])


def seat_of(hold_id: str) -> Seat:
    return seat_store.read(keys().read_hold_token(hold_id).seat)


def captcha_passed(body: Mapping[str, Any] = FIRST) -> str:
    """Place a hold and pass its captcha."""
    hold_id = hold(body)
    pass_captcha(hold_id)
    return hold_id


def pass_captcha(hold_id: str) -> None:
    challenge = captcha.new_challenge(hold_id, clock.now())
    captcha.answer(hold_id, challenge.id, challenge.picture, now=clock.now())


def link(hold_id: str) -> str:
    """Return the link token that the letters of a request contain."""
    seat = seat_of(hold_id)
    return str(keys().link_token(seat.key, seat.hold))


def filed(body: Mapping[str, Any] = FIRST) -> str:
    """File a request. Return its link token."""
    hold_id = captcha_passed(body)
    assert post(f"/holds/{hold_id}/details", AWA).status == 202
    return link(hold_id)


TableFails = Callable[..., None]


@pytest.fixture
def table_fails() -> Iterator[TableFails]:
    """Make all DynamoDB calls, or those of one operation, fail: with an error code, or without a connection."""
    with ExitStack() as errors:

        def answer(code: str | None, operation: str = "") -> None:
            errors.enter_context(calls(client_error(code) if code else UNREACHABLE, operation=operation))

        yield answer


def all_items() -> list[dict[str, Any]]:
    """Return every item of the table."""
    return sorted(dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"], key=repr)


def change(key: SeatKey, *actions: Action) -> None:
    """Update the item of a seat without any condition."""
    seat_keys.seat_item(key).update(list(actions))


def expire(key: SeatKey) -> None:
    """Set the end of the hold or request of a seat to a minute ago."""
    change(key, items.SeatItem.until.set(clock.now() - timedelta(minutes=1)))


def confirmed(body: Mapping[str, Any] = FIRST) -> str:
    """File a request and confirm it. Return its link token."""
    token = filed(body)
    assert post(f"/requests/{token}/confirmation").data["state"] == "confirmed"
    return token
