"""Measure each handler at a release: warm CPU, CPU to load, units, and size of the answer.

The table is an emulator in another process, so the CPU figures are those of the handlers alone. The service has 200
seats a week. The weeks before the last open one are full; half of the last one is free.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode
from zipfile import ZipFile

import boto3

# This import sets the environment that the imports below read.
from tests.load.units import Meter, Step, put_service

# isort: split
# As in infra/deploy/templates/app.yaml. Each visitor here has its own client network.
os.environ["GUICHET_ORIGIN_HOLDS"] = "30"
import app
from chalicelib import settings
from chalicelib.booking import captcha, filing, holds, requests
from chalicelib.domain import timetable, tokens
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import templates
from chalicelib.storage import dynamodb, person_store, recent, seat_keys, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock, forms

ORIGIN_HOLDS = os.environ["GUICHET_ORIGIN_HOLDS"]
HOURS = {"days": ["tuesday", "thursday"], "from": "09:15", "to": "13:25"}  # 50 slots a day, two desks
SEATS = 200
ROUNDS, CALLS, STARTS = 5, 9, 11
ENTRIES = {
    "page": "app",
    "slots": "slots_function",
    "hold": "hold_function",
    "captcha": "captcha_function",
    "request": "request_function",
    "mailer": "mailer",
    "feedback": "feedback_function",
    "release": "release",
    "expiry": "expiry",
    "draw": "draw",
    "canary": "canary",
}
START = """
import sys, time
began = time.process_time()
sys.path.insert(0, sys.argv[1])
import app
loaded = time.process_time()
import json
answer = getattr(app, sys.argv[2])(json.loads(sys.argv[3]), None)
if answer and answer.get("statusCode", 200) >= 400:
    raise SystemExit(answer)
print(loaded - began, time.process_time() - began)
"""
Event = dict[str, Any]
_numbers = count()


@dataclass(frozen=True)
class Case:
    """A call to measure: the function, its event, the expected status, and the cleanup after it."""

    function: str
    make_event: Callable[[], Event]
    status: int = 200
    clean_up: Callable[[Event], object] = lambda _answer: None


def request(method: str, resource: str, *, body: Mapping[str, Any] | None = None, page: bool, **ids: str) -> Event:
    """Build the event of API Gateway for a request of a browser (`page`) or of a program."""
    content_type = "application/x-www-form-urlencoded" if page else "application/json"
    content = (urlencode if page else json.dumps)(body or {})
    number = next(_numbers)
    accept = "text/html,application/xhtml+xml,*/*;q=0.8" if page else "application/json"
    return {
        "resource": resource,
        "path": resource.format(**ids),
        "httpMethod": method,
        "headers": {
            "Accept": accept,
            "Accept-Language": "fr-FR,fr;q=0.8",
            "Content-Type": content_type,
            "Cookie": f"visit={keys().visitor_token(clock.now())}",
        },
        "multiValueQueryStringParameters": None,
        "pathParameters": ids or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": "/api" + resource.format(**ids),
            "identity": {"sourceIp": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"},
        },
        "body": content if body is not None else None,
        "isBase64Encoded": False,
    }


class Monday:
    """A release: the service, its seats, and visitors at every step of a booking."""

    def __init__(self) -> None:
        boto3.client("ses").verify_email_identity(EmailAddress=os.environ["GUICHET_MAIL_FROM"])
        put_service(plannings=[{"desks": [1, 2], "openings": [HOURS]}], closures=[], public_holidays=None)
        self.service: Service = service_store.read("aes", clock.now())
        weeks = timetable.open_weeks(self.service, clock.now())
        self.keys = timetable.planned_seats(self.service, weeks[-1])
        if len(self.keys) != SEATS:
            raise ValueError(f"the last open week has {len(self.keys)} seats instead of {SEATS}")
        with SeatItem.batch_write() as batch:
            for week in weeks:
                for number, key in enumerate(timetable.planned_seats(self.service, week)):
                    batch.save(
                        self.row(key, State.CONFIRMED if key.week != weeks[-1] or number // 2 % 2 else State.OPEN)
                    )
        self.taken_key, self.key = self.keys[2], self.keys[0]

    def row(self, key: SeatKey, state: State, hold: str = "") -> SeatItem:
        """Build the item of a seat in this state."""
        now = clock.now()
        row = seat_store.new_item(key, now - timedelta(hours=1))
        if state is not State.OPEN:
            row.state, row.hold, row.until = state, hold or tokens.digest(key.ref), now + timedelta(minutes=15)
            row.holds_had, row.first_at = 1, now
        if state in {State.PENDING, State.CONFIRMED}:
            row.person, row.filed_at = keys().person_key(key.ref, "awa", now.date()), now
        return row

    def held(self, *, captcha_passed: bool = False) -> str:
        """Put a hold on the seat, and return its hold token."""
        token = keys().hold_token(self.key)
        row = self.row(self.key, State.HELD, tokens.digest(token.secret))
        row.captcha_passed = captcha_passed or None
        row.save()
        return str(token)

    def give_back(self, answer: Event) -> None:
        """Free the seat of the hold in this answer."""
        hold_url = answer["headers"].get("Location") or json.loads(answer["body"])["hold"]
        key = keys().read_hold_token(hold_url.rpartition("/")[2]).seat
        self.row(key, State.OPEN).save()
        recent.SEATS.record_given_back(key)

    def expire_second(self) -> None:
        """Expire what is cached for 1 s, but not what is cached for 60 s."""
        recent.SEATS.clear()  # instead of waiting a second per call
        for week in timetable.open_weeks(self.service, clock.now())[:-1]:
            seat_store.cached_week(self.service.id, week, clock.now())

    def details(self) -> dict[str, str]:
        """Return the details of a new applicant."""
        name = "".join("bcdfghijkl"[int(digit)] for digit in str(next(_numbers)))
        email = f"{name}@example.org"
        names = {"first_name": "Awa", "last_name": f"Exemple {name}", "birth_name": "", "birth_date": "1990-05-17"}
        return names | {"email": email, "email_confirmation": email, "phone": "06 12 34 56 78", "language": "fr"}

    def file_request(self) -> requests.Request:
        """File a request, which waits for its confirmation."""
        now = clock.now()
        ready = holds.view_ready(self.held(captcha_passed=True), now)
        return filing.file(ready, forms.read_details(self.details(), today=now.date(), language="fr"), now=now)

    def change_event(self, before: State) -> Event:
        """Build the stream event for a change of the seat from this state."""
        seat = SeatItem.get(*_keys(self.key))
        old = {**seat.serialize(), "state": {"S": str(before)}}
        change: Event = {"Keys": {}, "OldImage": old, "NewImage": seat.serialize(), "SequenceNumber": "1"}
        change |= {"ApproximateCreationDateTime": 0, "SizeBytes": 0, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        record = {"eventName": "MODIFY", "eventSourceARN": "a:b:c:d:e:table/x", "eventID": "1", "awsRegion": ""}
        return {"Records": [{**record, "dynamodb": change}]}

    def check_sent(self, _answer: Event) -> None:
        """Raise ValueError if no letter was sent. The mailer's answer does not say so."""
        person = person_store.read(seat_store.read(self.key).person, self.service.id)
        if person is None or not person.sent:
            raise ValueError(f"the mailer sent no letter to {person}")

    def confirm_request(self) -> requests.Request:
        """File and confirm a request."""
        return requests.confirm(self.file_request().token, clock.now())

    def captcha_answer(self) -> Event:
        """Build the request with the right answer to a captcha."""
        hold = self.held()
        challenge = captcha.new_challenge(hold, clock.now())
        body = {"challenge": challenge.id, "answer": challenge.picture}
        return request("POST", "/holds/{hold}/captcha/answer", body=body, page=False, hold=hold)

    def cases(self) -> dict[str, Case]:
        """Return a case for each handler that a release calls, by the name of its row."""
        slots, holds, hold = "/services/{service}/slots", "/services/{service}/holds", "/holds/{hold}"
        free = {"first_free": "true", "conditions_accepted": "true"}
        start = self.service.start_of(self.taken_key)
        taken = {"date": f"{start:%Y-%m-%d}", "start": f"{start:%H:%M}", "conditions_accepted": "true"}

        def look(*, page: bool, second: bool = False, minute: bool = False, **queried: str) -> Event:
            if second:
                self.expire_second()
            if minute:
                recent.SEATS.clear()
            query = {name: [value] for name, value in queried.items()} or None
            return request("GET", slots, page=page, service="aes") | {"multiValueQueryStringParameters": query}

        def wish(body: Mapping[str, str], *, page: bool) -> Event:
            fields = body if page else {name: True if value == "true" else value for name, value in body.items()}
            return request("POST", holds, body=fields, page=page, service="aes")

        def without_counters() -> Event:
            limit_holds("0")
            event = wish(free, page=False)
            del event["headers"]["Cookie"]
            return event

        def restore_counters(answer: Event) -> None:
            limit_holds(ORIGIN_HOLDS)
            self.give_back(answer)

        def show(*, captcha_passed: bool = False) -> Event:
            return request("GET", hold, page=True, hold=self.held(captcha_passed=captcha_passed))

        def send(**more: str) -> Event:
            body, page = {**self.details(), **more}, bool(more)
            return request("POST", "/holds/{hold}/details", body=body, page=page, hold=self.held(captcha_passed=True))

        def letter(change: Callable[[], object], before: State) -> Event:
            change()
            return self.change_event(before)

        birth_date = {"birth_day": "17", "birth_month": "5", "birth_year": "1990"}
        confirm = "/requests/{token}/confirmation"
        schedule: Event = {
            "version": "0",
            "id": "1",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "detail": {},
        }
        schedule |= {"account": "0", "region": "eu-west-3", "time": "", "resources": []}
        bounce = {
            "notificationType": "Bounce",
            "bounce": {"bounceType": "Permanent"},
            "mail": {"destination": ["a@b.fr"]},
        }
        return {
            "first page": Case("page", lambda: request("GET", "/", page=True)),
            "notice": Case("page", lambda: request("GET", "/services/{service}", page=True, service="aes")),
            "style sheet": Case("page", lambda: static("guichet.css")),
            "script": Case("page", lambda: static("guichet.js")),
            "calendar page": Case("slots", lambda: look(page=True)),
            "calendar JSON": Case("slots", lambda: look(page=False)),
            "calendar page, first of a second": Case("slots", lambda: look(page=True, second=True)),
            "calendar JSON, first of a second": Case("slots", lambda: look(page=False, second=True)),
            "calendar JSON, first of a minute": Case("slots", lambda: look(page=False, minute=True)),
            "calendar JSON of a week, first of a second": Case(
                "slots", lambda: look(page=False, second=True, week=self.key.week)
            ),
            "hold page": Case("hold", lambda: wish(free, page=True), 303, self.give_back),
            "hold JSON": Case("hold", lambda: wish(free, page=False), 201, self.give_back),
            "hold JSON, without visitor token and client count": Case("hold", without_counters, 201, restore_counters),
            "hold page, refused": Case("hold", lambda: wish(taken, page=True), 303),
            "calendar page, refused": Case(
                "slots", lambda: look(page=True, refused="slot-taken", slot=f"{start:%Y-%m-%dT%H:%M}")
            ),
            "hold JSON, refused": Case("hold", lambda: wish(taken, page=False), 409),
            "captcha page": Case("captcha", show),
            "captcha JSON, with sound": Case(
                "captcha", lambda: request("POST", f"{hold}/captcha", body={}, page=False, hold=self.held()), 201
            ),
            "captcha answer": Case("captcha", self.captcha_answer),
            "details page": Case("captcha", lambda: show(captcha_passed=True)),
            "details to check": Case("request", lambda: send(**birth_date), 303),
            "check page": Case("captcha", lambda: check_page(send(**birth_date))),
            "details sent": Case("request", send, 202),
            "request page": Case(
                "request", lambda: request("GET", confirm, page=True, token=self.file_request().token)
            ),
            "confirm": Case(
                "request", lambda: request("POST", confirm, page=True, token=self.file_request().token), 303
            ),
            "letter to confirm": Case(
                "mailer", lambda: letter(self.file_request, State.HELD), clean_up=self.check_sent
            ),
            "letter with convocation": Case(
                "mailer", lambda: letter(self.confirm_request, State.PENDING), clean_up=self.check_sent
            ),
            "feedback": Case("feedback", lambda: {"Records": [{"Sns": {"Message": json.dumps(bounce)}}]}),
            "release": Case("release", lambda: schedule),
            "expiry": Case("expiry", lambda: schedule),
            "draw": Case("draw", lambda: schedule),
            "canary": Case("canary", lambda: schedule),  # without a public URL it makes no test booking
        }


def check_page(details: Event) -> Event:
    """Build the request for the check page, with the cookie that keeps the details that were sent."""
    cookies = app.request_function(details, None)["multiValueHeaders"]["Set-Cookie"]
    event = request("GET", "/holds/{hold}", page=True, **details["pathParameters"])
    event["headers"]["Cookie"] += f"; {cookies[0].partition(';')[0]}"
    return event | {"multiValueQueryStringParameters": {"step": ["check"]}}


def limit_holds(maximum: str) -> None:
    """Limit the holds per hour of a client network. "0" means no limit."""
    os.environ["GUICHET_ORIGIN_HOLDS"] = maximum
    settings.current.cache_clear()
    settings.current()


def static(name: str) -> Event:
    """Build the request for a static file, as the pages link to it."""
    return request("GET", "/static/{file}", page=True, file=templates.asset(name))


def _keys(key: SeatKey) -> tuple[str, str]:
    row = seat_keys.seat_item(key)
    return row.pk, row.sk


def call(case: Case, event: Event) -> Event:
    """Call a function. Raise ValueError for an unexpected status or a failed record."""
    answer: Event = getattr(app, ENTRIES[case.function])(event, None) or {}
    if answer.get("statusCode", 200) != case.status or answer.get("batchItemFailures"):
        raise ValueError(f"{case.function} answered {answer} instead of status {case.status}")
    return answer


def timed(case: Case) -> float:
    """Measure one call in milliseconds of CPU."""
    event = case.make_event()
    began = time.process_time()
    answer = call(case, event)
    seconds = time.process_time() - began
    case.clean_up(answer)
    return seconds * 1000


def warm(cases: Mapping[str, Case]) -> dict[str, float]:
    """Measure each handler in milliseconds of CPU: the lowest of five medians, because other programs disturb some."""
    for case in cases.values():
        timed(case)
    rounds = [{name: median(timed(case) for _ in range(CALLS)) for name, case in cases.items()} for _ in range(ROUNDS)]
    return {name: min(measured[name] for measured in rounds) for name in cases}


def bare_call() -> float:
    """Measure one conditional write by botocore alone, in milliseconds of CPU."""
    client = dynamodb.connection().connection.client
    arguments = {
        "TableName": SeatItem.Meta.table_name,
        "Key": {"pk": {"S": "BARE"}, "sk": {"S": "CALL"}},
        "UpdateExpression": "SET #0 = :0",
        "ConditionExpression": "attribute_not_exists(#1) OR #1 <= :0",
        "ExpressionAttributeNames": {"#0": "state", "#1": "opens_at"},
        "ExpressionAttributeValues": {":0": {"N": "1"}},
    }

    def once() -> float:
        began = time.process_time()
        client.update_item(**arguments)
        return (time.process_time() - began) * 1000

    return min(median(once() for _ in range(CALLS)) for _ in range(ROUNDS))


def pace() -> float:
    """Measure a fixed piece of Python in milliseconds of CPU, to compare the speed of machines."""

    def once() -> float:
        began = time.process_time()
        for number in range(2000):
            json.loads(json.dumps({"number": number, "text": str(number) * 5, "list": [number] * 5}))
        return (time.process_time() - began) * 1000

    return median(once() for _ in range(ROUNDS * CALLS))


def count_units(cases: Mapping[str, Case]) -> tuple[dict[str, Step], dict[str, int]]:
    """Count the calls and units of each handler, and the bytes of its answer after gzip, as API Gateway sends it."""
    meter, sizes = Meter(), dict[str, int]()
    for name, case in cases.items():
        timed(case)  # fills the caches
        event = case.make_event()
        with meter.step(name):
            answer = call(case, event)
        case.clean_up(answer)
        sizes[name] = len(gzip.compress(answer["body"].encode(), 6)) if answer.get("body") else 0
    return {step.name: step for step in meter.steps}, sizes


def loads(cases: Mapping[str, Case], package: Path) -> dict[str, dict[str, float]]:
    """Measure a fresh process of each function in milliseconds of CPU: `import`, and `first` with one request."""
    by_function = {case.function: case for case in reversed([*cases.values()])}  # the first case of each function
    figures = {}
    with tempfile.TemporaryDirectory(prefix="guichet-") as folder:
        with ZipFile(package) as archive:
            archive.extractall(folder)
        env = os.environ | {"AWS_LAMBDA_FUNCTION_NAME": "bench"}
        for name, entry in ENTRIES.items():
            case, samples = by_function[name], []
            for _ in range(STARTS):
                command = [sys.executable, "-I", "-S", "-c", START, folder, entry, json.dumps(case.make_event())]
                process = subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603 - a constant
                samples.append([float(word) * 1000 for word in process.stdout.split()])
            figures[name] = {
                "import": min(sample[0] for sample in samples),
                "first": min(sample[1] for sample in samples),
            }
    return figures
