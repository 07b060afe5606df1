"""For each permission of a function, a step that fails without it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from chalicelib.domain import codec, draw_window, timetable, tokens
from chalicelib.domain.service import Service
from chalicelib.storage import seat_keys, service_items
from infra.local.stack import Stack
from tests.stack.agent import Agent
from tests.stack.visitor import Visitor, answered, changed, key_of, person, restart
from tests.stackfixture import ANSWER

CACHED = 1.1
"""Seconds after which a function reads the seats of a week again."""
Works = Callable[[], bool]
"""Performs a step, and returns whether it worked."""


@dataclass
class StepChecks:
    """Prepares steps. Uses the administrator's keys for what a step needs."""

    stack: Stack

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor(self.stack)

    def person_item(self, link: str) -> dict[str, Any]:
        """Return the key of the person item of a request."""
        return {"pk": {"S": f"PERSON#{self.visitor.item(link)['person']['S']}"}, "sk": {"S": "SERVICE#aes"}}

    def change(self, key: dict[str, Any], expression: str, values: dict[str, Any] | None = None) -> None:
        names = {"#until": "until"} if "#until" in expression else {}
        options = {"ExpressionAttributeNames": names} if names else {}
        options |= {"ExpressionAttributeValues": values} if values else {}
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.table, Key=key, UpdateExpression=expression, **options
        )

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Return the answer of the live function; None if it fails."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=f"guichet-laptop-{name}", Qualifier="live", Payload=json.dumps(event).encode()
        )
        document = json.loads(answer["Payload"].read())  # always read: an unread payload keeps its connection open
        return None if "FunctionError" in answer else document or "ended"

    def pending(self) -> tuple[str, str]:
        """Return the link and the e-mail address of a request whose first letter has arrived."""
        awa = person()
        self.visitor.file(awa)
        return self.visitor.link(awa["email"]), awa["email"]

    # The steps

    def looks_at(self, path: str) -> Works:
        return lambda: self.visitor.get(path).status_code < 400

    def looks_later_at(self, path: str) -> Works:
        def works() -> bool:
            time.sleep(CACHED)
            return self.visitor.get(path).status_code < 400

        return works

    def starts_and_looks_at(self, name: str, path: str) -> Works:
        """Restart the function first, so that its cache has no services."""

        def works() -> bool:
            restart(self.stack, name)
            return self.visitor.get(path).status_code < 400

        return works

    def sends(self, path: str, body: Any = None, *, wait: float = 0.0, also: int = 0) -> Works:
        def works() -> bool:
            time.sleep(wait)
            status = self.visitor.post(path, body).status_code
            return status < 400 or status == also

        return works

    def signs_in_and_out(self) -> Works:
        def works() -> bool:
            agent = Agent(self.stack)
            signed_in = agent.sign_in("agnes").status_code == 303
            return signed_in and agent.post("/desk/sign-out").status_code == 303

        return works

    def looks_at_the_desk(self, *, start: bool = False) -> Works:
        """Look at the first page of the desk, with a cache without services if the function is restarted first."""
        agent = Agent(self.stack)
        agent.sign_in("agnes")

        def works() -> bool:
            if start:
                restart(self.stack, "desk")
            return agent.get("/desk").status_code == 200

        return works

    def looks_at_an_applicant(self) -> Works:
        """Look at the page of an appointment at the desk."""
        link, _ = self.pending()
        answered(self.visitor.post(f"{link}/confirmation"), 200)
        seat = ".".join(link.rpartition("/")[2].split(".")[:4])
        agent = Agent(self.stack)
        agent.sign_in("agnes")
        return lambda: agent.get(f"/desk/aes/seats/{seat}").status_code == 200

    def holds(self) -> Works:
        def works() -> bool:
            time.sleep(CACHED)
            placed = self.visitor.post("/services/aes/holds", {"first_free": True, "conditions_accepted": True})
            if placed.status_code == 201:
                answered(self.visitor.post(f"/holds/{placed.json()['hold']}/end"), 200)
            return placed.status_code == 201

        return works

    def with_cookie(self) -> Visitor:
        """Return a visitor who has read the notice, and so has a visitor token."""
        visitor = Visitor(self.stack)
        visitor.web.headers["Cookie"] = visitor.get("/services/aes").headers["set-cookie"].partition(";")[0]
        return visitor

    def holds_with_a_visitor_token(self) -> Works:
        visitor = self.with_cookie()

        def works() -> bool:
            wish = {"first_free": True, "conditions_accepted": True}
            return visitor.post("/services/aes/holds", wish).status_code == 201

        return works

    def takes_after_the_captcha(self) -> Works:
        """Use up the limit of the client network, so that each further visitor takes the seat after the captcha."""
        configuration = self.stack.client("lambda").get_function_configuration(FunctionName="guichet-laptop-hold")
        variables = configuration["Environment"]["Variables"] | {"GUICHET_ORIGIN_HOLDS": "1"}
        with changed(self.stack, "hold", Environment={"Variables": variables}):
            placed = (visitor.hold() for visitor in iter(self.with_cookie, None))
            next(hold for hold in placed if hold["state"] == "waiting")
            waiting = [(visitor := self.with_cookie(), str(visitor.hold()["hold"])) for _ in range(2)]

        def works() -> bool:
            visitor, hold = waiting.pop()
            challenge = answered(visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"]
            body = {"challenge": challenge, "answer": ANSWER}
            return visitor.post(f"/holds/{hold}/captcha/answer", body).status_code == 200

        return works

    def answers_wrong(self, hold: str) -> Works:
        def works() -> bool:
            challenge = answered(self.visitor.post(f"/holds/{hold}/captcha"), 201)["challenge"]
            body = {"challenge": challenge, "answer": "wrong"}
            return self.visitor.post(f"/holds/{hold}/captcha/answer", body).status_code == 422

        return works

    def mails(self, *, start: bool = False) -> Works:
        """Give the mailer the change that filed a request, whose letter is marked as not sent."""
        link, _ = self.pending()
        seat, person_item = self.visitor.item(link), self.person_item(link)
        before = {**seat, "state": {"S": "held"}}
        change = {"Keys": {"pk": seat["pk"], "sk": seat["sk"]}, "OldImage": before, "NewImage": seat}
        facts = {"SequenceNumber": "1", "SizeBytes": 1, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        record = {"eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "awsRegion": "eu-west-3"}
        arn = f"arn:aws:dynamodb:eu-west-3:000000000000:table/{self.stack.table}/stream/0"
        when = {"ApproximateCreationDateTime": time.time()}
        event = {"Records": [record | {"eventSourceARN": arn, "dynamodb": change | facts | when}]}

        def works() -> bool:
            if start:
                restart(self.stack, "mailer")
            self.change(person_item, "REMOVE sent")
            return bool(self.invoke("mailer", event) == {"batchItemFailures": []})

        return works

    def hears(self, *, start: bool = False) -> Works:
        """Give the feedback function a bounce, which stops the letters."""
        link, email = self.pending()
        person_item = self.person_item(link)
        notice = {
            "eventType": "Bounce",
            "mail": {"messageId": "0100", "destination": [email], "tags": {}},
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": email}]},
        }

        def works() -> bool:
            if start:
                restart(self.stack, "feedback")
            self.change(person_item, "REMOVE stopped")
            return self.invoke("feedback", {"Records": [{"Sns": {"Message": json.dumps(notice)}}]}) is not None

        return works

    def makes(self, *, gone: bool = False, moved: bool = False) -> Works:
        """Run the release function. It creates a seat that is gone, or corrects the opening time of one."""
        table = self.stack.client("dynamodb")
        pages = table.get_paginator("scan").paginate(TableName=self.stack.table)
        seats = [item for page in pages for item in page["Items"] if item["pk"]["S"].startswith("SEATS#aes#")]
        last = max(seats, key=lambda item: str(item["sk"]["S"]))
        key = {"pk": last["pk"], "sk": last["sk"]}
        later = {":at": {"N": str(int(last["opens_at"]["N"]) + 3_600_000)}}

        def works() -> bool:
            if gone:
                table.delete_item(TableName=self.stack.table, Key=key)
            if moved:
                self.change(key, "SET opens_at = :at", later)
            return self.invoke("release", SCHEDULED_EVENT) is not None

        return works

    def ends(self) -> Works:
        """Run the expiry function, which ends an expired hold."""
        hold = str(self.visitor.hold()["hold"])
        past = {":past": {"N": str(int((time.time() - 60) * 1000))}}

        def works() -> bool:
            if self.visitor.item(hold)["state"]["S"] == "held":
                self.change(key_of(hold), "SET #until = :past", past)
            return self.invoke("expiry", SCHEDULED_EVENT) is not None

        return works

    def tries(self) -> Works:
        """Run the canary, which books, confirms and erases an appointment and remembers that it did."""
        key = {"pk": {"S": "PULSE"}, "sk": {"S": "CANARY"}}
        table = self.stack.client("dynamodb")

        def works() -> bool:
            table.delete_item(TableName=self.stack.table, Key=key)
            restart(self.stack, "canary")
            self.invoke("canary", SCHEDULED_EVENT)
            return "Item" in table.get_item(TableName=self.stack.table, Key=key, ConsistentRead=True)

        return works

    def shows_a_draw(self) -> Works:
        """Show the record of a draw, of which only the page function reads the item."""
        self.put("DRAWS#aes", WEEK, stage="void", record="{}", lists="{}")  # nothing is left to do for it
        return self.looks_at(f"/services/aes/draws/{WEEK}")

    def put(self, pk: str, sk: str, **texts: str) -> None:
        item = {name: {"S": text} for name, text in {"pk": pk, "sk": sk, **texts}.items()}
        self.stack.client("dynamodb").put_item(TableName=self.stack.table, Item=item)

    def draws(self) -> Works:
        """Run the draw function for a service whose window is open: it makes the promise, and reads it back."""
        self.put_drawing_service()

        def works() -> bool:
            for pk in ("DRAWS#tirage", "DRAWSEED#tirage"):
                self.delete_all(pk)
            restart(self.stack, "draw")
            return self.invoke("draw", SCHEDULED_EVENT) is not None

        return works

    def enters(self) -> Works:
        """Enter somebody by the office function, in a service whose window is open."""
        self.put_drawing_service()

        def works() -> bool:
            restart(self.stack, "office")
            form = {**person(), "email": "", "preferences": ["any"]}
            del form["email_confirmation"]
            answer = self.invoke("office", {"service": "tirage", "secret": tokens.new_secret(), "form": form})
            return isinstance(answer, dict) and "reference" in answer

        return works

    def offers(self) -> Works:
        """Run the draw function for a draw with a free seat that nobody is left for: it remembers the seat."""
        service = self.put_drawing_service()
        now = datetime.now(UTC)
        week = draw_window.windows_due(service, now)[-1].week
        key = next(iter(timetable.plan(service, week)))
        service_items.record_layout(service.id, None)
        pk, sk = seat_keys.seat_primary_key(key)
        opens_at = str(int(service.start_of(key).timestamp() * 1000))
        seat = {"pk": {"S": pk}, "sk": {"S": sk}, "state": {"S": "open"}, "opens_at": {"N": opens_at}}
        self.stack.client("dynamodb").put_item(TableName=self.stack.table, Item=seat)

        record = json.dumps({"beacon": {}, "drawn_at": now.isoformat()})

        def works() -> bool:
            self.put("DRAWS#tirage", week, stage="assigned", record=record, lists="{}")
            restart(self.stack, "draw")
            return self.invoke("draw", SCHEDULED_EVENT) is not None

        return works

    def delete_all(self, pk: str) -> None:
        table = self.stack.client("dynamodb")
        values = {":pk": {"S": pk}}
        stored = table.query(
            TableName=self.stack.table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues=values
        )
        for item in stored["Items"]:
            table.delete_item(TableName=self.stack.table, Key={"pk": item["pk"], "sk": item["sk"]})

    def looks_at_large_weeks(self, name: str, path: str) -> Works:
        """Look at a service with many planned seats a week, of which one opens: the others are never made."""
        openings = [{"days": ["monday"], "from": "09:00", "to": "10:00"}]
        plannings = [{"desks": list(range(1, 1000)), "openings": openings}]
        document = self.document() | {"id": "grand", "plannings": plannings}
        moments = [{"day": "monday", "at": "00:00", "seats": 1}]
        document["release"] = {"weeks_ahead": 2, "moments": moments}
        self.put(service_items.SERVICES, "grand", document=json.dumps(document))
        return self.starts_and_looks_at(name, path)

    def document(self) -> dict[str, Any]:
        """Return the document of the service `aes`."""
        key = {"pk": {"S": service_items.SERVICES}, "sk": {"S": "aes"}}
        stored = self.stack.client("dynamodb").get_item(TableName=self.stack.table, Key=key)["Item"]
        document: dict[str, Any] = json.loads(stored["document"]["S"])
        return document

    def put_drawing_service(self) -> Service:
        """Store a copy of the service `aes` that draws, with a window that is open now."""
        document, now = self.document(), datetime.now(UTC)
        sides = {name: {"day": DAYS[(now + step).weekday()], "at": "00:00"} for name, step in SIDES.items()}
        rules = {"weeks_ahead": 2, "seniority_percent": 25, "preferences": 5, "beacon": "commitment", "witnesses": []}
        document |= {"id": "tirage", "allocation": "draw", "draw": sides | rules}
        document = {name: value for name, value in document.items() if name not in {"release", "seat_after"}}
        self.put(service_items.SERVICES, "tirage", document=json.dumps(document))
        return codec.service_from_document(document)


WEEK = "2026-W51"
READS = ("dynamodb:Query", "dynamodb:GetItem")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SIDES = {"opens": timedelta(days=-1), "closes": timedelta(days=3)}
SCHEDULED_EVENT = {
    "version": "0",
    "id": "test",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "detail": {},
    "account": "",
    "region": "",
    "time": "2026-11-23T09:00:00Z",
    "resources": [],
}
Prepare = Callable[[StepChecks], Works]
NEEDED: dict[tuple[str, str], Prepare] = {
    ("page", "dynamodb:Query"): lambda at: at.starts_and_looks_at("page", "/services/aes"),
    ("page", "dynamodb:GetItem"): lambda at: at.shows_a_draw(),
    ("page", "dynamodb:UpdateItem"): lambda at: at.looks_at_large_weeks("page", "/services/grand"),
    ("slots", "dynamodb:Query"): lambda at: at.looks_later_at("/services/aes/slots"),
    ("slots", "dynamodb:UpdateItem"): lambda at: at.looks_at_large_weeks("slots", "/services/grand/slots"),
    ("hold", "dynamodb:GetItem"): lambda at: at.sends(f"/holds/{at.visitor.hold()['hold']}/extension"),
    ("hold", "dynamodb:Query"): lambda at: at.holds(),
    ("hold", "dynamodb:UpdateItem"): lambda at: at.holds(),
    ("hold", "dynamodb:PutItem"): lambda at: at.holds_with_a_visitor_token(),
    ("captcha", "dynamodb:PutItem"): lambda at: at.takes_after_the_captcha(),
    ("captcha", "dynamodb:GetItem"): lambda at: at.looks_at(f"/holds/{at.visitor.hold()['hold']}"),
    ("captcha", "dynamodb:Query"): lambda at: at.starts_and_looks_at("captcha", f"/holds/{at.visitor.hold()['hold']}"),
    ("captcha", "dynamodb:UpdateItem"): lambda at: at.answers_wrong(str(at.visitor.hold()["hold"])),
    ("request", "dynamodb:GetItem"): lambda at: at.looks_at(at.pending()[0]),
    ("request", "dynamodb:Query"): lambda at: at.starts_and_looks_at("request", at.pending()[0]),
    ("request", "dynamodb:PutItem"): lambda at: at.sends(f"/holds/{at.visitor.captcha_passed()}/details", person()),
    ("request", "dynamodb:UpdateItem"): lambda at: at.sends(f"{at.pending()[0]}/confirmation"),
    ("request", "dynamodb:DeleteItem"): lambda at: at.sends(f"{at.pending()[0]}/erasure"),
    ("desk", "dynamodb:Query"): lambda at: at.looks_at_the_desk(start=True),
    ("desk", "dynamodb:GetItem"): lambda at: at.looks_at_the_desk(),
    ("desk", "dynamodb:BatchGetItem"): lambda at: at.looks_at_an_applicant(),
    ("desk", "dynamodb:PutItem"): lambda at: at.signs_in_and_out(),
    ("desk", "dynamodb:UpdateItem"): lambda at: at.signs_in_and_out(),
    ("desk", "dynamodb:DeleteItem"): lambda at: at.signs_in_and_out(),
    ("mailer", "dynamodb:GetItem"): lambda at: at.mails(),
    ("mailer", "dynamodb:Query"): lambda at: at.mails(start=True),
    ("mailer", "dynamodb:UpdateItem"): lambda at: at.mails(),
    ("mailer", "ses:SendRawEmail"): lambda at: at.mails(),
    ("feedback", "dynamodb:GetItem"): lambda at: at.hears(),
    ("feedback", "dynamodb:Query"): lambda at: at.hears(start=True),
    ("feedback", "dynamodb:UpdateItem"): lambda at: at.hears(),
    ("release", "dynamodb:Query"): lambda at: at.makes(),
    ("release", "dynamodb:GetItem"): lambda at: at.makes(),
    ("release", "dynamodb:PutItem"): lambda at: at.makes(gone=True),
    ("release", "dynamodb:UpdateItem"): lambda at: at.makes(moved=True),
    ("expiry", "dynamodb:Query"): lambda at: at.ends(),
    ("expiry", "dynamodb:UpdateItem"): lambda at: at.ends(),
    **{("office", action): lambda at: at.enters() for action in (*READS, "dynamodb:PutItem", "dynamodb:UpdateItem")},
    ("draw", "dynamodb:Query"): lambda at: at.draws(),
    ("draw", "dynamodb:GetItem"): lambda at: at.draws(),
    ("draw", "dynamodb:PutItem"): lambda at: at.draws(),
    ("draw", "dynamodb:UpdateItem"): lambda at: at.offers(),
    **{("canary", action): lambda at: at.tries() for action in (*READS, "dynamodb:PutItem", "dynamodb:DeleteItem")},
}
"""For a function and an action, the step that works with this permission and fails without it."""

_STREAM = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
NOT_CHECKED = {
    "logs:CreateLogStream": "Lambda writes a function's log with its role; the emulator writes it without",
    "logs:PutLogEvents": "the same",
    "kms:Decrypt": "Lambda decrypts the settings of a function with its role; the emulator does not encrypt them",
    **{
        f"dynamodb:{action}": "Lambda reads the stream with the mailer's role; the emulator reads it without"
        for action in _STREAM
    },
    "dynamodb:ConditionCheckItem": "only a stage whose secret was rotated, or a seat without a rule, needs it",
    "sqs:SendMessage": "Lambda fills the queues of unsent letters and of undone runs with the function's role; the "
    "emulator does it without",
}
"""Permissions that AWS checks and the emulator does not. Only a real account can show that they are needed."""


@contextmanager
def without(stack: Stack, name: str, action: str) -> Iterator[None]:
    """Remove an action from the role of a function for as long as the block lasts."""
    iam = stack.client("iam")
    function = stack.client("lambda").get_function_configuration(FunctionName=f"guichet-laptop-{name}")
    role = function["Role"].rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    whole = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(lacking(whole, action)))
    try:
        yield
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(whole))


def lacking(document: dict[str, Any], action: str) -> dict[str, Any]:
    """Return a policy that no longer allows an action, which it must allow exactly once."""
    statements, removed = [], 0
    for statement in document["Statement"]:
        if statement["Effect"] == "Deny":
            statements.append(statement)
            continue
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        remaining = [other for other in actions if other != action]
        removed += len(actions) - len(remaining)
        if remaining:
            statements.append({**statement, "Action": remaining})
    assert removed == 1
    return {**document, "Statement": statements}
