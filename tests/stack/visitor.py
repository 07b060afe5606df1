"""A program that walks through the service as the contract says, and invented people for it to be."""

import itertools
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
    """Details of somebody who is in no other test."""
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
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < end, f"nothing came within {seconds} seconds"
        time.sleep(0.1)
    return found


@dataclass
class Visitor:
    """One person's program, with its own connections."""

    stack: Stack
    web: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.web.get(self.url(path), headers=headers or JSON, allow_redirects=False, timeout=30)

    def post(self, path: str, body: Any = None, **headers: str) -> requests.Response:
        return self.web.post(self.url(path), json=body, headers=headers or JSON, allow_redirects=False, timeout=30)

    def url(self, path: str) -> str:
        return path if path.startswith("http") else self.stack.api + path

    # The steps of a booking, each with the answer that it must have

    def hold(self, service: str = "aes", **slot: str) -> dict[str, Any]:
        wish: dict[str, object] = {"conditions_accepted": True, **(slot or {"first_free": True})}
        return answered(self.post(f"/services/{service}/holds", wish), 201)

    def pass_captcha(self, hold: str) -> dict[str, Any]:
        asked = answered(self.post(f"/holds/{hold}/captcha"), 201)
        return self.answer(hold, asked["challenge"])

    def answer(self, hold: str, challenge: str, answer: str = ANSWER) -> dict[str, Any]:
        body = {"challenge": challenge, "answer": answer}
        return answered(self.post(f"/holds/{hold}/captcha/answer", body), 200)

    def captcha_passed(self) -> str:
        """A hold whose captcha is passed."""
        hold = str(self.hold()["hold"])
        self.pass_captcha(hold)
        return hold

    def file(self, details: dict[str, str]) -> dict[str, Any]:
        """A request, as far as the first letter."""
        return answered(self.post(f"/holds/{self.captcha_passed()}/details", details), 202)

    def letters(self, address: str) -> list[dict[str, Any]]:
        """What this address has received, oldest first."""
        every = self.web.get(f"{self.stack.inbox}messages.json", timeout=30).json()
        return [letter for letter in reversed(every) if letter["to"] == [address]]

    def letter(self, address: str, number: int = 1) -> dict[str, Any]:
        """The first letter to this address, or a later one, when it comes."""

        def look() -> dict[str, Any] | None:
            found = self.letters(address)
            return found[number - 1] if len(found) >= number else None

        return until(look)

    def link(self, address: str) -> str:
        """The path of the request, from the first letter to this address."""
        return path_of(next(links(self.letter(address))))

    def item(self, token: str) -> dict[str, Any]:
        """The seat that a hold id or a link names, as the table keeps it; empty when it is not there."""
        table = self.stack.client("dynamodb")
        found = table.get_item(TableName=self.stack.table, Key=key_of(token), ConsistentRead=True)
        item: dict[str, Any] = found.get("Item", {})
        return item


@contextmanager
def changed(stack: Stack, name: str, **configuration: Any) -> Iterator[None]:
    """A function with another configuration, live for as long as the block lasts."""
    functions, function = stack.client("lambda"), f"guichet-laptop-{name}"
    known = functions.get_function_configuration(FunctionName=function)
    live = functions.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
    functions.update_function_configuration(FunctionName=function, **configuration)
    version = functions.publish_version(FunctionName=function)["Version"]
    functions.update_alias(FunctionName=function, Name="live", FunctionVersion=version)
    try:
        yield
    finally:
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion=live)
        before = {"Environment": {"Variables": known["Environment"]["Variables"]}, "MemorySize": known["MemorySize"]}
        functions.update_function_configuration(FunctionName=function, **before)


def restart(stack: Stack, *names: str) -> None:
    """Make functions start again: they remember the services for a minute."""
    functions = stack.client("lambda")
    for name in names:
        function = f"guichet-laptop-{name}"
        functions.update_function_configuration(FunctionName=function, Description=uuid4().hex)
        version = functions.publish_version(FunctionName=function)["Version"]
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion=version)


def answered(response: requests.Response, status: int) -> dict[str, Any]:
    """The JSON of an answer that has this status."""
    assert response.status_code == status, response.text
    read: dict[str, Any] = response.json()
    return read


def refused(response: requests.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer that has this status and this code."""
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    problem = answered(response, status)
    assert problem["status"] == status
    assert problem["type"].endswith(code), problem
    return problem


def links(letter: dict[str, Any]) -> Iterator[str]:
    """The addresses in a letter's text."""
    return (line for line in letter["text"].split() if line.startswith("http"))


def path_of(link: str) -> str:
    """Where a link leads inside the service."""
    return link[link.index("/requests/") :]


def key_of(token: str) -> dict[str, Any]:
    """The key of the seat that a hold id or a link names."""
    service, day, start, unit = token.rpartition("/")[2].split(".")[:4]
    date = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    week = f"{date:%G-W%V}"
    return {"pk": {"S": f"SEATS#{service}#{week}"}, "sk": {"S": f"{date:%Y-%m-%d}T{start}#{int(unit):03}"}}
