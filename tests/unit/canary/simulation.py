"""The API of a stage, as a trial sees it, without HTTP."""

from datetime import datetime
from typing import Any

from chalicelib.allocation import entries
from chalicelib.booking import availability, captcha, filing, holds, personal_data, requests
from chalicelib.canary.api import Answer, Api
from chalicelib.domain.refusals import CaptchaRequired, NothingFree, SlotTaken
from chalicelib.domain.service import CANARY_DRAW
from chalicelib.storage import dynamodb, person_store
from chalicelib.web import forms
from infra.deploy.stacks import Deployment


class SimulatedApi(Api):
    """Answers by calling the use cases at the test's own time.

    Paths that end with one of `failing` answer 500; those of the draw only, with `draw_fails`. With `waits`, a hold has
    no seat before the captcha, and another token after it. Without `sends`, no letter leaves. All calls are from
    `ip_address`.
    """

    def __init__(
        self,
        now: datetime,
        *,
        failing: tuple[str, ...] = (),
        draw_fails: bool = False,
        waits: bool = False,
        sends: bool = True,
        ip_address: str = "",
    ) -> None:
        super().__init__("https://api.example.org")
        self.now, self.failing, self.waits, self.sends = now, failing, waits, sends
        self.draw_fails, self.ip_address = draw_fails, ip_address
        self.holds: dict[str, str] = {}

    def send(self, method: str, path: str, body: Any) -> tuple[int, Answer]:
        is_of_draw = any(f"{place}{CANARY_DRAW}" in path for place in ("/services/", "/holds/", "/requests/"))
        if self.failing and path.endswith(self.failing) and (is_of_draw or not self.draw_fails):
            return 500, {"type": "urn:guichet:problem:internal"}
        try:
            return self.answer(method, path.split("/")[1:], body)
        except SlotTaken:
            return 409, {"type": "urn:guichet:problem:slot-taken"}
        except NothingFree:
            return 409, {"type": "urn:guichet:problem:nothing-free"}
        except CaptchaRequired:
            return 409, {"type": "urn:guichet:problem:captcha-required"}

    def answer(self, method: str, parts: list[str], body: Any) -> tuple[int, Answer]:
        answer: tuple[int, Answer] = 200, {}
        match method, *parts:
            case "GET", "health":
                pass
            case "GET", "services", name:
                availability.service(name, self.now)
            case "POST", "services", name, "holds":
                wish = forms.read_wish(body, availability.service(name, self.now))
                hold = holds.place(name, wish, now=self.now, ip_address=self.ip_address).id
                token = "waiting" if self.waits else hold
                self.holds[token] = hold
                answer = 201, {"hold": token, "state": "waiting" if self.waits else "held"}
            case "POST", "services", name, "entries":
                hold = entries.place(name, forms.read_application(body), now=self.now).id
                self.holds[hold] = hold
                answer = 201, {"hold": hold, "state": "waiting"}
            case "POST", "holds", hold, "captcha":
                answer = 201, {"challenge": captcha.new_challenge(self.holds[hold], self.now).id}
            case "POST", "holds", hold, "captcha", "answer":
                given, origin = (body["challenge"], body["answer"]), self.ip_address
                hold = captcha.answer(self.holds[hold], *given, now=self.now, ip_address=origin).id
                self.holds[hold] = hold
                answer = 200, {"hold": hold}
            case "POST", "holds", hold, "details":
                details = forms.read_details(body, today=self.now.date(), language="fr")
                held = holds.view_ready(hold, self.now)
                request = filing.file(held, details, now=self.now, ip_address=self.ip_address)
                self.post(request, "entry" if held.is_entry else "confirm")
                answer = 202, {}
            case "POST", "requests", token, "confirmation":
                request = requests.confirm(token, self.now)
                self.post(request, "entered" if request.is_entry else "convocation")
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
    """Return the kinds of items left, without the documents, the last success and the counters, which expire."""
    items = dynamodb.connection().connection.client.scan(TableName="guichet-test")["Items"]
    kinds = {item["pk"]["S"].partition("#")[0] for item in items}
    return sorted(kinds - {"SERVICES", "PULSE", "ORIGIN"})


class OneTable(Deployment):
    """A stage that uses the table of the unit tests."""

    @property
    def table(self) -> str:
        return "guichet-test"


def the_table() -> OneTable:
    return OneTable("trial", lambda _service: dynamodb.connection().connection.client)
