"""A Monday on a table of its own, and what each handler costs there: warm CPU, CPU to load, size of the answer.

The table is an engine in another process, so only our own CPU counts. The service has 200 seats a week: the weeks
before the last open one are taken, of that one half is free.
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

# The first names the table that the others read.
from tests.load.units import Meter, Step, put_service

# isort: split
os.environ["GUICHET_ORIGIN_HOLDS"] = (
    "30"  # as infra/deploy/templates/app.yaml has it; each visitor here has an address of their own
)
import app
from chalicelib import settings
from chalicelib.booking import captcha, filing, requests
from chalicelib.domain import timetable, tokens
from chalicelib.domain.seat import SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.rendering import templates
from chalicelib.storage import dynamodb, items, person_store, recent, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock, forms

HOLDS = os.environ["GUICHET_ORIGIN_HOLDS"]
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
    """A function, what it is sent, the status it must give, and what is put in order after; only the call counts."""

    function: str
    ask: Callable[[], Event]
    status: int = 200
    after: Callable[[Event], object] = lambda _answer: None


def request(method: str, resource: str, *, body: Mapping[str, Any] | None = None, page: bool, **ids: str) -> Event:
    """What API Gateway sends for a person's browser (`page`) or for a program."""
    kind = "application/x-www-form-urlencoded" if page else "application/json"
    sent = (urlencode if page else json.dumps)(body or {})
    number = next(_numbers)
    accept = "text/html,application/xhtml+xml,*/*;q=0.8" if page else "application/json"
    return {
        "resource": resource,
        "path": resource.format(**ids),
        "httpMethod": method,
        "headers": {
            "Accept": accept,
            "Accept-Language": "fr-FR,fr;q=0.8",
            "Content-Type": kind,
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
        "body": sent if body is not None else None,
        "isBase64Encoded": False,
    }


class Monday:
    """The service, its seats, and visitors who are at every step."""

    def __init__(self) -> None:
        boto3.client("ses").verify_email_identity(EmailAddress=os.environ["GUICHET_MAIL_FROM"])
        put_service(plannings=[{"desks": [1, 2], "openings": [HOURS]}], closures=[], public_holidays=None)
        self.service: Service = service_store.read("aes", clock.now())
        weeks = timetable.open_weeks(self.service, clock.now())
        self.keys = timetable.planned_seats(self.service, weeks[-1])
        if len(self.keys) != SEATS:
            raise ValueError(len(self.keys))
        with SeatItem.batch_write() as batch:
            for week in weeks:
                for number, key in enumerate(timetable.planned_seats(self.service, week)):
                    batch.save(
                        self.row(key, State.CONFIRMED if key.week != weeks[-1] or number // 2 % 2 else State.OPEN)
                    )
        self.taken, self.mine = self.keys[2], self.keys[0]

    def row(self, key: SeatKey, state: State, hold: str = "") -> SeatItem:
        """A seat's item in one of its states, with all that it has then."""
        now = clock.now()
        row = seat_store.new_item(key, now - timedelta(hours=1))
        if state is not State.OPEN:
            row.state, row.hold, row.until = state, hold or tokens.digest(key.ref), now + timedelta(minutes=15)
            row.holds_had, row.first_at = 1, now
        if state in {State.PENDING, State.CONFIRMED}:
            row.person, row.filed_at = keys().person_key(key.ref, "awa", now.date()), now
        return row

    def held(self, *, captcha_passed: bool = False) -> str:
        """The id of a hold that somebody has just been given."""
        ticket = keys().hold_token(self.mine)
        row = self.row(self.mine, State.HELD, tokens.digest(ticket.secret))
        row.captcha_passed = captcha_passed or None
        row.save()
        return str(ticket)

    def give_back(self, answer: Event) -> None:
        """Nobody has had the seat that this answer gives."""
        place = answer["headers"].get("Location") or json.loads(answer["body"])["hold"]
        key = SeatKey.parse(place.rpartition("/")[2].rpartition(".")[0])
        self.row(key, State.OPEN).save()
        recent.given_back(key)

    def forget_weeks(self) -> None:
        """The memory of a second is over, that of a minute is not."""
        recent.forget()  # waiting would take a second a call
        for week in timetable.open_weeks(self.service, clock.now())[:-1]:
            seat_store.cached_week(self.service.id, week, clock.now())

    def details(self) -> dict[str, str]:
        """Somebody who was never here."""
        name = "".join("bcdfghijkl"[int(digit)] for digit in str(next(_numbers)))
        email = f"{name}@example.org"
        own = {"first_name": "Awa", "last_name": f"Exemple {name}", "birth_name": "", "birth_date": "1990-05-17"}
        return own | {"email": email, "email_confirmation": email, "phone": "06 12 34 56 78", "language": "fr"}

    def filed(self) -> requests.Request:
        """A request that waits to be confirmed."""
        now = clock.now()
        return filing.file(
            self.held(captcha_passed=True), forms.read_details(self.details(), today=now.date(), language="fr"), now=now
        )

    def changed(self, before: State) -> Event:
        """What the stream tells the mailer of this seat, which was in another state before."""
        seat = SeatItem.get(*_keys(self.mine))
        old = {**seat.serialize(), "state": {"S": str(before)}}
        change: Event = {"Keys": {}, "OldImage": old, "NewImage": seat.serialize(), "SequenceNumber": "1"}
        change |= {"ApproximateCreationDateTime": 0, "SizeBytes": 0, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        record = {"eventName": "MODIFY", "eventSourceARN": "a:b:c:d:e:table/x", "eventID": "1", "awsRegion": ""}
        return {"Records": [{**record, "dynamodb": change}]}

    def must_be_sent(self, _answer: Event) -> None:
        """ValueError if no letter left: the mailer answers the same when SES refuses it."""
        person = person_store.read(seat_store.read(self.mine).person, self.service.id)
        if person is None or not person.sent:
            raise ValueError(person)

    def confirmed(self) -> requests.Request:
        """A request that was confirmed."""
        return requests.confirm(self.filed().token, clock.now())

    def challenged(self) -> Event:
        """The right answer to a challenge."""
        hold = self.held()
        asked = captcha.new_challenge(hold, clock.now())
        body = {"challenge": asked.id, "answer": asked.picture}
        return request("POST", "/holds/{hold}/captcha/answer", body=body, page=False, hold=hold)

    def cases(self) -> dict[str, Case]:
        """Every handler that a Monday calls, by the words of its row."""
        slots, holds, hold = "/services/{service}/slots", "/services/{service}/holds", "/holds/{hold}"
        free = {"first_free": "true", "conditions_accepted": "true"}
        at = self.service.start_of(self.taken)
        gone = {"date": f"{at:%Y-%m-%d}", "start": f"{at:%H:%M}", "conditions_accepted": "true"}

        def look(*, page: bool, miss: bool = False, full: bool = False, week: str = "") -> Event:
            if miss:
                self.forget_weeks()
            if full:
                recent.forget()
            asked = {"multiValueQueryStringParameters": {"week": [week]} if week else None}
            return request("GET", slots, page=page, service="aes") | asked

        def wish(body: Mapping[str, str], *, page: bool) -> Event:
            typed = body if page else {name: True if value == "true" else value for name, value in body.items()}
            return request("POST", holds, body=typed, page=page, service="aes")

        def alone() -> Event:
            limit("0")
            event = wish(free, page=False)
            del event["headers"]["Cookie"]
            return event

        def given_alone(answer: Event) -> None:
            limit(HOLDS)
            self.give_back(answer)

        def show(*, captcha_passed: bool = False) -> Event:
            return request("GET", hold, page=True, hold=self.held(captcha_passed=captcha_passed))

        def send(**more: str) -> Event:
            body, page = {**self.details(), **more}, bool(more)
            return request("POST", "/holds/{hold}/details", body=body, page=page, hold=self.held(captcha_passed=True))

        def letter(move: Callable[[], object], before: State) -> Event:
            move()
            return self.changed(before)

        born = {"birth_day": "17", "birth_month": "5", "birth_year": "1990"}
        confirm = "/requests/{token}/confirmation"
        clock: Event = {
            "version": "0",
            "id": "1",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "detail": {},
        }
        clock |= {"account": "0", "region": "eu-west-3", "time": "", "resources": []}
        said = {
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
            "calendar page, first of a second": Case("slots", lambda: look(page=True, miss=True)),
            "calendar JSON, first of a second": Case("slots", lambda: look(page=False, miss=True)),
            "calendar JSON, first of a minute": Case("slots", lambda: look(page=False, full=True)),
            "calendar JSON of a week, first of a second": Case(
                "slots", lambda: look(page=False, miss=True, week=self.mine.week)
            ),
            "hold page": Case("hold", lambda: wish(free, page=True), 303, self.give_back),
            "hold JSON": Case("hold", lambda: wish(free, page=False), 201, self.give_back),
            "hold JSON, without ticket and count": Case("hold", alone, 201, given_alone),
            "hold page, refused": Case("hold", lambda: wish(gone, page=True), 409),
            "hold JSON, refused": Case("hold", lambda: wish(gone, page=False), 409),
            "captcha page": Case("captcha", show),
            "captcha JSON, with sound": Case(
                "captcha", lambda: request("POST", f"{hold}/captcha", body={}, page=False, hold=self.held()), 201
            ),
            "captcha answer": Case("captcha", self.challenged),
            "details page": Case("captcha", lambda: show(captcha_passed=True)),
            "check page": Case("request", lambda: send(**born)),
            "details sent": Case("request", send, 202),
            "request page": Case("request", lambda: request("GET", confirm, page=True, token=self.filed().token)),
            "confirm": Case("request", lambda: request("POST", confirm, page=True, token=self.filed().token), 303),
            "letter to confirm": Case("mailer", lambda: letter(self.filed, State.HELD), after=self.must_be_sent),
            "letter with convocation": Case(
                "mailer", lambda: letter(self.confirmed, State.PENDING), after=self.must_be_sent
            ),
            "feedback": Case("feedback", lambda: {"Records": [{"Sns": {"Message": json.dumps(said)}}]}),
            "release": Case("release", lambda: clock),
            "expiry": Case("expiry", lambda: clock),
        }


def limit(holds: str) -> None:
    """So many holds of an hour from one address, 0 for any."""
    os.environ["GUICHET_ORIGIN_HOLDS"] = holds
    settings.current.cache_clear()
    settings.current()


def static(name: str) -> Event:
    """A file, as the pages link to it."""
    return request("GET", "/static/{file}", page=True, file=templates.asset(name))


def _keys(key: SeatKey) -> tuple[str, str]:
    row = items.seat_item(key)
    return row.pk, row.sk


def call(case: Case, event: Event) -> Event:
    """What a function answers; ValueError if that is not what is wanted."""
    answer: Event = getattr(app, ENTRIES[case.function])(event, None) or {}
    if answer.get("statusCode", 200) != case.status or answer.get("batchItemFailures"):
        raise ValueError(answer)
    return answer


def timed(case: Case) -> float:
    """Milliseconds of CPU of one call."""
    event = case.ask()
    began = time.process_time()
    answer = call(case, event)
    took = time.process_time() - began
    case.after(answer)
    return took * 1000


def warm(cases: Mapping[str, Case]) -> dict[str, float]:
    """Milliseconds of CPU of each handler: the lowest of five medians, because the machine is not ours alone."""
    for case in cases.values():
        timed(case)
    rounds = [{name: median(timed(case) for _ in range(CALLS)) for name, case in cases.items()} for _ in range(ROUNDS)]
    return {name: min(one[name] for one in rounds) for name in cases}


def bare_call() -> float:
    """Milliseconds of CPU of one conditional write by botocore alone: what a call costs whoever makes it."""
    client = dynamodb.connection().connection.client
    asked = {
        "TableName": SeatItem.Meta.table_name,
        "Key": {"pk": {"S": "BARE"}, "sk": {"S": "CALL"}},
        "UpdateExpression": "SET #0 = :0",
        "ConditionExpression": "attribute_not_exists(#1) OR #1 <= :0",
        "ExpressionAttributeNames": {"#0": "state", "#1": "opens_at"},
        "ExpressionAttributeValues": {":0": {"N": "1"}},
    }

    def once() -> float:
        began = time.process_time()
        client.update_item(**asked)
        return (time.process_time() - began) * 1000

    return min(median(once() for _ in range(CALLS)) for _ in range(ROUNDS))


def pace() -> float:
    """Milliseconds of CPU of a fixed piece of Python: how fast this machine is now, to compare runs by."""

    def once() -> float:
        began = time.process_time()
        for number in range(2000):
            json.loads(json.dumps({"number": number, "text": str(number) * 5, "list": [number] * 5}))
        return (time.process_time() - began) * 1000

    return median(once() for _ in range(ROUNDS * CALLS))


def asked(cases: Mapping[str, Case]) -> tuple[dict[str, Step], dict[str, int]]:
    """What each handler asks of the table, and the bytes of its answer as API Gateway sends it: gzip."""
    meter, sizes = Meter(), dict[str, int]()
    for name, case in cases.items():
        timed(case)  # what is remembered for a second, is
        event = case.ask()
        with meter.step(name):
            answer = call(case, event)
        case.after(answer)
        sizes[name] = len(gzip.compress(answer["body"].encode(), 6)) if answer.get("body") else 0
    return {step.name: step for step in meter.steps}, sizes


def loads(cases: Mapping[str, Case], package: Path) -> dict[str, dict[str, float]]:
    """Milliseconds of CPU of a fresh process of each function, out of its zip: `import`, and with a `first` request."""
    by_function = {case.function: case for case in reversed([*cases.values()])}  # the first of each
    figures = {}
    with tempfile.TemporaryDirectory(prefix="guichet-") as place:
        with ZipFile(package) as packed:
            packed.extractall(place)
        env = os.environ | {"AWS_LAMBDA_FUNCTION_NAME": "bench"}
        for name, entry in ENTRIES.items():
            case, seen = by_function[name], []
            for _ in range(STARTS):
                command = [sys.executable, "-I", "-S", "-c", START, place, entry, json.dumps(case.ask())]
                done = subprocess.run(command, env=env, cwd=place, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
                seen.append([float(word) * 1000 for word in done.stdout.split()])
            figures[name] = {"import": min(one[0] for one in seen), "first": min(one[1] for one in seen)}
    return figures
