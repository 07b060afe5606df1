"""A client that books over HTTP as the contract describes, and the invented applicants that it books for."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

import requests

from infra.local.stack import Stack
from tests.stackfixture import ANSWER

JSON = {"Accept": "application/json"}
PAGE = {"Accept": "text/html"}
PATIENCE = 20.0  # seconds for a letter to arrive
T = TypeVar("T")

_numbers = itertools.count(1)


def person(**changes: str) -> dict[str, str]:
    """Return the details of an applicant whom no other test uses."""
    letters = "".join("bcdfghijkl"[int(digit)] for digit in str(next(_numbers)))
    email = f"stack.{letters}@example.org"
    return {
        "first_name": f"Awa-{letters.title()}",
        "last_name": "Dupont-Exemple",
        "birth_name": "",
        "birth_date": "1990-05-17",
        "email": email,
        "email_confirmation": email,
        "phone": "06 12 34 56 78",
        "language": "fr",
        **changes,
    }


def until(look: Callable[[], T | None], *, seconds: float = PATIENCE) -> T:
    """Call `look` until it returns a value, and return the value."""
    end = time.monotonic() + seconds
    while (value := look()) is None:
        assert time.monotonic() < end, f"no value within {seconds} seconds"
        time.sleep(0.1)
    return value


@dataclass
class Visitor:
    """An HTTP client of one person, with its own connections."""

    stack: Stack
    web: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.web.get(self.url(path), headers=headers or JSON, allow_redirects=False, timeout=30)

    def post(self, path: str, body: Any = None, **headers: str) -> requests.Response:
        return self.web.post(self.url(path), json=body, headers=headers or JSON, allow_redirects=False, timeout=30)

    def url(self, path: str) -> str:
        return path if path.startswith("http") else self.stack.api + path

    # The steps of a booking. Each checks the status of its answer.

    def hold(self, service: str = "aes", **slot: str) -> dict[str, Any]:
        wish: dict[str, object] = {"conditions_accepted": True, **(slot or {"first_free": True})}
        return answered(self.post(f"/services/{service}/holds", wish), 201)

    def pass_captcha(self, hold: str) -> dict[str, Any]:
        challenge = answered(self.post(f"/holds/{hold}/captcha"), 201)["challenge"]
        return self.answer(hold, challenge)

    def answer(self, hold: str, challenge: str, answer: str = ANSWER) -> dict[str, Any]:
        body = {"challenge": challenge, "answer": answer}
        return answered(self.post(f"/holds/{hold}/captcha/answer", body), 200)

    def captcha_passed(self) -> str:
        """Place a hold and pass its captcha. Return its hold token."""
        hold = str(self.hold()["hold"])
        self.pass_captcha(hold)
        return hold

    def file(self, details: dict[str, str]) -> dict[str, Any]:
        """File a request. Its first letter follows."""
        return answered(self.post(f"/holds/{self.captcha_passed()}/details", details), 202)

    def letters(self, email: str) -> list[dict[str, Any]]:
        """Return the letters to this e-mail address, oldest first."""
        letters = self.web.get(f"{self.stack.inbox}messages.json", timeout=30).json()
        return [letter for letter in reversed(letters) if letter["to"] == [email]]

    def letter(self, email: str, number: int = 1) -> dict[str, Any]:
        """Wait for the first letter to this e-mail address, or for a later one, and return it."""

        def look() -> dict[str, Any] | None:
            letters = self.letters(email)
            return letters[number - 1] if len(letters) >= number else None

        return until(look)

    def link(self, email: str) -> str:
        """Return the path of the request, from the first letter to this e-mail address."""
        return path_of(next(links(self.letter(email))))

    def item(self, token: str) -> dict[str, Any]:
        """Return the seat item that a hold token or a link names; empty if there is none."""
        table = self.stack.client("dynamodb")
        answer = table.get_item(TableName=self.stack.table, Key=key_of(token), ConsistentRead=True)
        item: dict[str, Any] = answer.get("Item", {})
        return item


@contextmanager
def changed(stack: Stack, name: str, **configuration: Any) -> Iterator[None]:
    """Run a function with another configuration for as long as the block lasts."""
    functions, function = stack.client("lambda"), f"guichet-laptop-{name}"
    original = functions.get_function_configuration(FunctionName=function)
    live = functions.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
    functions.update_function_configuration(FunctionName=function, **configuration)
    version = functions.publish_version(FunctionName=function)["Version"]
    functions.update_alias(FunctionName=function, Name="live", FunctionVersion=version)
    try:
        yield
    finally:
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion=live)
        before = {
            "Environment": {"Variables": original["Environment"]["Variables"]},
            "MemorySize": original["MemorySize"],
        }
        functions.update_function_configuration(FunctionName=function, **before)


def restart(stack: Stack, *names: str) -> None:
    """Restart functions, because they cache the services for a minute."""
    functions = stack.client("lambda")
    for name in names:
        function = f"guichet-laptop-{name}"
        functions.update_function_configuration(FunctionName=function, Description=uuid4().hex)
        version = functions.publish_version(FunctionName=function)["Version"]
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion=version)


def set_email(stack: Stack, link: str, email: str | int) -> None:
    """Set the e-mail address in the person item of a request. A number makes it an item that the mailer cannot use."""
    table = stack.client("dynamodb")
    seat = table.get_item(TableName=stack.table, Key=key_of(link))["Item"]
    key = {"pk": {"S": f"PERSON#{seat['person']['S']}"}, "sk": {"S": "SERVICE#aes"}}
    details = json.loads(table.get_item(TableName=stack.table, Key=key)["Item"]["details"]["S"])
    table.update_item(
        TableName=stack.table,
        Key=key,
        UpdateExpression="SET details = :new",
        ExpressionAttributeValues={":new": {"S": json.dumps(details | {"email": email})}},
    )


def answered(response: requests.Response, status: int) -> dict[str, Any]:
    """Check the status of an answer. Return its JSON."""
    assert response.status_code == status, response.text
    document: dict[str, Any] = response.json()
    return document


def refused(response: requests.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a problem with this status and code. Return its document."""
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    problem = answered(response, status)
    assert problem["status"] == status
    assert problem["type"].endswith(code), problem
    return problem


def links(letter: dict[str, Any]) -> Iterator[str]:
    """Return the URLs in the text of a letter."""
    return (line for line in letter["text"].split() if line.startswith("http"))


def path_of(link: str) -> str:
    """Return the path of a link within the service."""
    return link[link.index("/requests/") :]


def key_of(token: str) -> dict[str, Any]:
    """Return the key of the seat item that a hold token or a link names."""
    service, day, start, unit = token.rpartition("/")[2].split(".")[:4]
    date = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    week = f"{date:%G-W%V}"
    return {"pk": {"S": f"SEATS#{service}#{week}"}, "sk": {"S": f"{date:%Y-%m-%d}T{start}#{int(unit):03}"}}
