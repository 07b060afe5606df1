"""What each function's role allows, and a thing that fails without it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from infra.local.stack import Stack
from tests.stack.visitor import Visitor, answered, changed, key_of, person, restart
from tests.stackfixture import ANSWER

REMEMBERED = 1.1
"""Seconds after which a function reads the seats of a week again."""
Works = Callable[[], bool]


@dataclass
class Office:
    """Somebody who can see whether a step works, with keys of their own for what the step needs."""

    stack: Stack

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor(self.stack)

    def row(self, link: str) -> dict[str, Any]:
        """The key of the person item of a request."""
        return {"pk": {"S": f"PERSON#{self.visitor.item(link)['person']['S']}"}, "sk": {"S": "SERVICE#aes"}}

    def change(self, key: dict[str, Any], expression: str, values: dict[str, Any] | None = None) -> None:
        names = {"#until": "until"} if "#until" in expression else {}
        given = {"ExpressionAttributeNames": names} if names else {}
        given |= {"ExpressionAttributeValues": values} if values else {}
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.table, Key=key, UpdateExpression=expression, **given
        )

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """What the live function answers; None where it fails."""
        done = self.stack.client("lambda").invoke(
            FunctionName=f"guichet-laptop-{name}", Qualifier="live", Payload=json.dumps(event).encode()
        )
        return None if "FunctionError" in done else json.loads(done["Payload"].read()) or "done"

    def pending(self) -> tuple[str, str]:
        """The link and the address of a request whose first letter has come."""
        awa = person()
        self.visitor.file(awa)
        return self.visitor.link(awa["email"]), awa["email"]

    # What works, one thing a permission

    def looks_at(self, path: str) -> Works:
        return lambda: self.visitor.get(path).status_code < 400

    def looks_later_at(self, path: str) -> Works:
        def works() -> bool:
            time.sleep(REMEMBERED)
            return self.visitor.get(path).status_code < 400

        return works

    def starts_and_looks_at(self, name: str, path: str) -> Works:
        """A function that has just started remembers no services."""

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

    def holds(self) -> Works:
        def works() -> bool:
            time.sleep(REMEMBERED)
            placed = self.visitor.post("/services/aes/holds", {"first_free": True, "conditions_accepted": True})
            if placed.status_code == 201:
                answered(self.visitor.post(f"/holds/{placed.json()['hold']}/end"), 200)
            return placed.status_code == 201

        return works

    def ticketed(self) -> Visitor:
        """Somebody who has read the notice."""
        visitor = Visitor(self.stack)
        visitor.web.headers["Cookie"] = visitor.get("/services/aes").headers["set-cookie"].partition(";")[0]
        return visitor

    def holds_with_a_ticket(self) -> Works:
        visitor = self.ticketed()

        def works() -> bool:
            wish = {"first_free": True, "conditions_accepted": True}
            return visitor.post("/services/aes/holds", wish).status_code == 201

        return works

    def takes_after_the_captcha(self) -> Works:
        """A place that had its one hold of the hour: each further visitor takes the seat after the captcha."""
        known = self.stack.client("lambda").get_function_configuration(FunctionName="guichet-laptop-hold")
        variables = known["Environment"]["Variables"] | {"GUICHET_ORIGIN_HOLDS": "1"}
        with changed(self.stack, "hold", Environment={"Variables": variables}):
            until_late = (visitor.hold() for visitor in iter(self.ticketed, None))
            next(hold for hold in until_late if hold["state"] == "waiting")
            late = [(visitor := self.ticketed(), str(visitor.hold()["hold"])) for _ in range(2)]

        def works() -> bool:
            visitor, hold = late.pop()
            asked = answered(visitor.post(f"/holds/{hold}/captcha"), 201)
            body = {"challenge": asked["challenge"], "answer": ANSWER}
            return visitor.post(f"/holds/{hold}/captcha/answer", body).status_code == 200

        return works

    def answers_wrong(self, hold: str) -> Works:
        def works() -> bool:
            asked = self.visitor.post(f"/holds/{hold}/captcha")
            body = {"challenge": answered(asked, 201)["challenge"], "answer": "wrong"}
            return self.visitor.post(f"/holds/{hold}/captcha/answer", body).status_code == 422

        return works

    def mails(self, *, start: bool = False) -> Works:
        """The mailer takes the change that filed a request, whose letter counts as not sent yet."""
        link, _ = self.pending()
        seat, row = self.visitor.item(link), self.row(link)
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
            self.change(row, "REMOVE sent")
            return bool(self.invoke("mailer", event) == {"batchItemFailures": []})

        return works

    def hears(self, *, start: bool = False) -> Works:
        """Feedback is told of a bounce, and stops the letters."""
        link, address = self.pending()
        row = self.row(link)
        said = {
            "eventType": "Bounce",
            "mail": {"messageId": "0100", "destination": [address], "tags": {}},
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": address}]},
        }

        def works() -> bool:
            if start:
                restart(self.stack, "feedback")
            self.change(row, "REMOVE stopped")
            return self.invoke("feedback", {"Records": [{"Sns": {"Message": json.dumps(said)}}]}) is not None

        return works

    def makes(self, *, gone: bool = False, moved: bool = False) -> Works:
        """The release function makes a seat that is gone, or moves one that opens at another moment."""
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
            return self.invoke("release", CLOCK) is not None

        return works

    def ends(self) -> Works:
        """The expiry function ends a hold whose time ran out."""
        hold = str(self.visitor.hold()["hold"])
        past = {":past": {"N": str(int((time.time() - 60) * 1000))}}

        def works() -> bool:
            if self.visitor.item(hold)["state"]["S"] == "held":
                self.change(key_of(hold), "SET #until = :past", past)
            return self.invoke("expiry", CLOCK) is not None

        return works


CLOCK = {
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
Prepare = Callable[[Office], Works]
NEEDED: dict[tuple[str, str], Prepare] = {
    ("page", "dynamodb:Query"): lambda at: at.starts_and_looks_at("page", "/services/aes"),
    ("slots", "dynamodb:Query"): lambda at: at.looks_later_at("/services/aes/slots"),
    ("hold", "dynamodb:GetItem"): lambda at: at.sends(f"/holds/{at.visitor.hold()['hold']}/extension"),
    ("hold", "dynamodb:Query"): lambda at: at.holds(),
    ("hold", "dynamodb:UpdateItem"): lambda at: at.holds(),
    ("hold", "dynamodb:PutItem"): lambda at: at.holds_with_a_ticket(),
    ("captcha", "dynamodb:PutItem"): lambda at: at.takes_after_the_captcha(),
    ("captcha", "dynamodb:GetItem"): lambda at: at.looks_at(f"/holds/{at.visitor.hold()['hold']}"),
    ("captcha", "dynamodb:Query"): lambda at: at.starts_and_looks_at("captcha", f"/holds/{at.visitor.hold()['hold']}"),
    ("captcha", "dynamodb:UpdateItem"): lambda at: at.answers_wrong(str(at.visitor.hold()["hold"])),
    ("request", "dynamodb:GetItem"): lambda at: at.looks_at(at.pending()[0]),
    ("request", "dynamodb:Query"): lambda at: at.starts_and_looks_at("request", at.pending()[0]),
    ("request", "dynamodb:PutItem"): lambda at: at.sends(f"/holds/{at.visitor.captcha_passed()}/details", person()),
    ("request", "dynamodb:UpdateItem"): lambda at: at.sends(f"{at.pending()[0]}/confirmation"),
    ("request", "dynamodb:DeleteItem"): lambda at: at.sends(f"{at.pending()[0]}/erasure"),
    ("mailer", "dynamodb:GetItem"): lambda at: at.mails(),
    ("mailer", "dynamodb:Query"): lambda at: at.mails(start=True),
    ("mailer", "dynamodb:UpdateItem"): lambda at: at.mails(),
    ("mailer", "ses:SendRawEmail"): lambda at: at.mails(),
    ("feedback", "dynamodb:GetItem"): lambda at: at.hears(),
    ("feedback", "dynamodb:Query"): lambda at: at.hears(start=True),
    ("feedback", "dynamodb:UpdateItem"): lambda at: at.hears(),
    ("release", "dynamodb:Query"): lambda at: at.makes(),
    ("release", "dynamodb:PutItem"): lambda at: at.makes(gone=True),
    ("release", "dynamodb:UpdateItem"): lambda at: at.makes(moved=True),
    ("expiry", "dynamodb:Query"): lambda at: at.ends(),
    ("expiry", "dynamodb:UpdateItem"): lambda at: at.ends(),
}
"""What works with a permission, and fails without."""

_STREAM = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
NOT_ASKED = {
    "logs:CreateLogStream": "Lambda writes a function's log in its role; the engine writes it by itself",
    "logs:PutLogEvents": "the same",
    **{
        f"dynamodb:{action}": "Lambda reads the stream in the mailer's role; the engine reads it by itself"
        for action in _STREAM
    },
    "sqs:SendMessage": "Lambda puts what the mailer gave up in the queue in its role; the engine does it by itself",
}
"""What AWS demands of a role and the engine does not look at: only a real account can show that it is needed."""


@contextmanager
def without(stack: Stack, name: str, action: str) -> Iterator[None]:
    """The role of a function lacks one action for as long as the block lasts."""
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
    """A policy without an action; one that has not had it is a mistake."""
    statements, found = [], 0
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        kept = [one for one in actions if one != action]
        found += len(actions) - len(kept)
        if kept:
            statements.append({**statement, "Action": kept})
    assert found == 1
    return {**document, "Statement": statements}
