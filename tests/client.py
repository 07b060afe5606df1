"""The HTTP API as the tests call it: requests to the app in this process, and what they answer."""

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

import boto3
import pytest
from chalice.local import RouteMatcher
from chalice.test import Client
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

import app
from chalicelib.booking import captcha
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import templates
from chalicelib.storage import items, seat_store, service_store
from chalicelib.web import clock
from tests.conftest import AWAY, calls, document, fill, says

PARIS = ZoneInfo("Europe/Paris")
CLIENT = Client(app.app, stage_name="unit", project_dir=str(Path(app.__file__).parent))
CONTRACT = json.loads(templates.openapi())
ROUTES = sorted(
    (method, path)
    for path, methods in app.app.routes.items()
    for method in methods
    if method != "HEAD"  # it promises what GET promises, without the body
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
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def kind(self) -> str:
        return self.headers["Content-Type"].partition(";")[0]

    @property
    def data(self) -> Any:
        return json.loads(self.text)


def closed(schema: Any) -> Any:
    """The same schema, in which a field that is not named is an error."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    own = {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    return {name: closed(part) for name, part in schema.items()} | own


COMPONENTS = closed(CONTRACT["components"])


@cache
def validator(ref: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(ref), "components": COMPONENTS})


def promised(method: str, route: str, answer: Answer) -> None:
    """Fail unless the contract has this status, content type and shape for this route."""
    found = CONTRACT["paths"][route][method.lower()]["responses"][str(answer.status)]
    while "$ref" in found:
        found = COMPONENTS[found["$ref"].split("/")[2]][found["$ref"].split("/")[3]]
    for header, about in found.get("headers", {}).items():
        assert header in answer.headers or not about.get("required")
    if "content" in found:
        schema = found["content"][answer.kind]["schema"]
        if "json" in answer.kind:
            validator(json.dumps(closed(schema))).validate(answer.data)
    else:
        assert answer.text == ""


def send(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    sent = {name: value for name, value in headers.items() if method == "POST" or name != "Content-Type"}
    raw = CLIENT.http.request(method, path, headers=sent, body=body)
    plain = {name: value[0] if isinstance(value, list) else value for name, value in raw.headers.items()}
    answer = Answer(raw.status_code, plain, raw.body.decode())
    promised(method, RouteMatcher(list(app.app.routes)).match_route(path).route, answer)
    return answer


def get(path: str, **headers: str) -> Answer:
    return send("GET", path, {**JSON, **headers})


def post(path: str, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return send("POST", path, {**JSON, **headers}, raw)


def refused(answer: Answer, status: int, code: str) -> Any:
    """The problem, once it is the one."""
    assert (answer.status, answer.kind) == (status, "application/problem+json")
    assert answer.data["type"] == f"urn:guichet:problem:{code}"
    return answer.data


def fields(answer: Answer) -> list[str]:
    """The fields that an `invalid-fields` names."""
    return [one["field"] for one in refused(answer, 422, "invalid-fields")["errors"]]


@dataclass
class Form:
    """One form of a page: where it goes, what it carries, what each button adds, and which go elsewhere."""

    action: str
    method: str
    id: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What a person can do with a page: its forms and links, by their words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.html: dict[str, str] = {}
        self.open: tuple[str, dict[str, str]] | None = None
        self.words = ""
        self.outside: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        for said, has in self.outside:
            self.add(next(one for one in self.forms if one.id == has["form"]), said, has)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.html = has
        elif tag == "form":
            self.forms.append(Form(has["action"], has.get("method", "get"), has.get("id", "")))
        elif tag == "input" and "name" in has:
            chosen = has.get("type") not in {"radio", "checkbox"} or "checked" in has
            if chosen:
                self.forms[-1].fields[has["name"]] = has.get("value", "")
        elif tag in {"a", "button", "title", "h1"} and has.get("type") != "button":  # which only a script hears
            self.open, self.words = (tag, has), ""

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_endtag(self, tag: str) -> None:
        if self.open is None or tag != self.open[0]:
            return
        said, has = " ".join(self.words.split()), self.open[1]
        if tag == "a":
            self.links[said] = has["href"]
        elif tag == "button":
            if "form" in has:
                self.outside.append((said, has))
            else:
                self.add(self.forms[-1], said, has)
        else:
            self.html[tag] = said
        self.open = None

    def add(self, form: Form, said: str, has: dict[str, str]) -> None:
        form.buttons[said] = {has["name"]: has.get("value", "")} if "name" in has else {}
        if "formaction" in has:
            form.elsewhere[said] = has["formaction"]


class Browser:
    """A person's browser: follows relative links and 303, sends forms, runs no script."""

    def __init__(self, path: str, **headers: str) -> None:
        self.headers = {**FORM, **headers}
        self.go(path)

    def go(self, path: str) -> None:
        self.path = path
        self.arrive(send("GET", path, self.headers))

    def arrive(self, answer: Answer) -> None:
        self.answer = answer
        if answer.status == 303:
            self.go(urljoin(self.path, answer.headers["Location"]))
        else:
            self.page = Page(answer.text)

    @property
    def title(self) -> str:
        return self.page.html["h1"]

    def follow(self, link: str) -> None:
        self.go(urljoin(self.path, self.page.links[link]))

    def press(self, button: str, **typed: str) -> None:
        """Send the form of this button, with what was typed or ticked."""
        form = next(one for one in self.page.forms if button in one.buttons)
        sent = {**form.fields, **typed, **form.buttons[button]}
        path = urljoin(self.path, form.elsewhere.get(button, form.action))
        if form.method == "get":
            self.go(f"{path}?{urlencode(sent)}")
        else:
            self.path = path
            self.arrive(send("POST", path, self.headers, urlencode(sent).encode()))


@pytest.fixture
def service(table: None) -> Service:  # noqa: ARG001  # a fixture for its effect
    """Wednesdays 10:00, 10:05 and 10:10, two desks; this week's and the next one's are open, the one after is not."""
    text = {"fr": "Texte", "en": "Text", "ar": "نص"}
    put = service_store.put(
        document(
            plannings=[{"desks": [1, 2], "openings": [{"days": ["wednesday"], "from": "10:00", "to": "10:15"}]}],
            release={"weeks_ahead": 1, "moments": [{"day": "monday", "at": "00:00"}]},
            times={"notice_hours": 24},
            intro=text,
        )
    )
    fill(put, clock.now())
    return put


def wednesday(weeks: int = 1) -> datetime:
    """Ten o'clock on the Wednesday of the next week, or of one further on."""
    today = clock.now().astimezone(PARIS).date()
    day = today - timedelta(days=today.weekday()) + timedelta(days=2 + 7 * weeks)
    return datetime(day.year, day.month, day.day, 10, 0, tzinfo=PARIS)


def wish(minute: int = 0, weeks: int = 1) -> dict[str, Any]:
    return {"date": f"{wednesday(weeks):%Y-%m-%d}", "start": f"10:{minute:02}", "conditions_accepted": True}


def taken() -> int:
    """How many seats somebody has."""
    found = items.SeatItem.scan(items.SeatItem.pk.startswith("SEATS#") & (items.SeatItem.state != State.OPEN))
    return len(list(found))


def hold(sent: Mapping[str, Any] = FIRST) -> str:
    return str(post("/services/aes/holds", sent).data["hold"])


def seat_of(hold_id: str) -> Seat:
    return seat_store.read(keys().read_token("hold", hold_id).seat)


def passed(sent: Mapping[str, Any] = FIRST) -> str:
    """A hold whose captcha is passed."""
    kept, now = hold(sent), clock.now()
    asked = captcha.new_challenge(kept, now)
    captcha.answer(kept, asked.id, asked.picture, now=now)
    return kept


def link(hold_id: str) -> str:
    """The token that the mail carries."""
    seat = seat_of(hold_id)
    return str(keys().link_token(seat.key, seat.hold))


def filed(sent: Mapping[str, Any] = FIRST) -> str:
    """The token of a request that waits for its confirmation."""
    kept = passed(sent)
    assert post(f"/holds/{kept}/details", AWA).status == 202
    return link(kept)


Says = Callable[..., None]


@pytest.fixture
def table_says() -> Iterator[Says]:
    """Let the table answer every call, or those of one operation, with an error code, or not at all."""
    with ExitStack() as refusals:

        def answer(code: str | None, operation: str = "") -> None:
            refusals.enter_context(calls(says(code) if code else AWAY, operation=operation))

        yield answer


def table_now() -> list[dict[str, Any]]:
    """Every item of the table, whole."""
    return sorted(boto3.client("dynamodb").scan(TableName="guichet-test")["Items"], key=repr)


def confirmed(sent: Mapping[str, Any] = FIRST) -> str:
    token = filed(sent)
    assert post(f"/requests/{token}/confirmation").data["state"] == "confirmed"
    return token
