"""The API of a stage, as a trial sees it, without HTTP."""

from datetime import datetime
from typing import Any

from chalicelib.booking import availability, captcha, filing, holds, personal_data, requests
from chalicelib.canary.api import Answer, Api
from chalicelib.domain.refusals import NothingFree, SlotTaken
from chalicelib.storage import dynamodb, person_store
from chalicelib.web import forms


class SimulatedApi(Api):
    """Answers by calling the use cases at the test's own time.

    Paths that end with one of `failing` answer 500. With `waits`, a hold has no seat before the captcha, and another
    token after it. Without `sends`, no letter leaves.
    """

    def __init__(
        self, now: datetime, *, failing: tuple[str, ...] = (), waits: bool = False, sends: bool = True
    ) -> None:
        super().__init__("https://api.example.org")
        self.now, self.failing, self.waits, self.sends = now, failing, waits, sends
        self.holds: dict[str, str] = {}

    def send(self, method: str, path: str, body: Any) -> tuple[int, Answer]:
        if self.failing and path.endswith(self.failing):
            return 500, {"type": "urn:guichet:problem:internal"}
        try:
            return self.answer(method, path.split("/")[1:], body)
        except SlotTaken:
            return 409, {"type": "urn:guichet:problem:slot-taken"}
        except NothingFree:
            return 409, {"type": "urn:guichet:problem:nothing-free"}

    def answer(self, method: str, parts: list[str], body: Any) -> tuple[int, Answer]:
        answer: tuple[int, Answer] = 200, {}
        match method, *parts:
            case "GET", "health":
                pass
            case "GET", "services", name:
                availability.service(name, self.now)
            case "POST", "services", name, "holds":
                wish = forms.read_wish(body, availability.service(name, self.now))
                hold = holds.place(name, wish, now=self.now).id
                token = "waiting" if self.waits else hold
                self.holds[token] = hold
                answer = 201, {"hold": token, "state": "waiting" if self.waits else "held"}
            case "POST", "holds", hold, "captcha":
                answer = 201, {"challenge": captcha.new_challenge(self.holds[hold], self.now).id}
            case "POST", "holds", hold, "captcha", "answer":
                captcha.answer(self.holds[hold], body["challenge"], body["answer"], now=self.now)
                answer = 200, {"hold": self.holds[hold]}
            case "POST", "holds", hold, "details":
                details = forms.read_details(body, today=self.now.date(), language="fr")
                self.post(filing.file(holds.view_ready(hold, self.now), details, now=self.now), "confirm")
                answer = 202, {}
            case "POST", "requests", token, "confirmation":
                self.post(requests.confirm(token, self.now), "convocation")
            case "POST", "requests", token, "erasure":
                personal_data.erase(token, self.now)
            case _:
                raise AssertionError((method, parts))
        return answer

    def post(self, request: requests.Request, letter: str) -> None:
        """Mark a letter as sent, as the mailer does."""
        if self.sends:
            assert request.person
            person = person_store.read(request.person.key, request.service.id)
            assert person
            assert person_store.mark_sent(person, letter)


def left() -> list[str]:
    """Return the kinds of items left, without the service's document and the counters, which expire."""
    items = dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"]
    kinds = {item["pk"]["S"].partition("#")[0] for item in items}
    return sorted(kinds & {"SEATS", "PERSON", "EMAIL"})
