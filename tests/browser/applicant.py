"""An applicant with a browser: the steps of a booking, and a monitor of requests and console messages."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from chalicelib.domain.attestation import Attestation, Outcome, sign
from chalicelib.domain.stage_secret import StageSecret
from infra.local.stack import Stack
from tests.stack.visitor import Visitor, key_of
from tests.stackfixture import ANSWER

SERVICE = "essai"
FULL = "complet"
DESK = "accueil"
"""A service that only agents see, with seats that only they give."""
NAMES = {
    SERVICE: {"fr": "Demande d’essai", "en": "Trial application", "ar": "طلب تجريبي", "tr": "Deneme başvurusu"},
    FULL: {
        "fr": "Demande toujours prise",
        "en": "Application in high demand",
        "ar": "طلب عليه إقبال شديد",
        "tr": "Talebi çok başvuru",
    },
    DESK: {"fr": "Demande à l’accueil"},
}
"""Names that differ from the real service on the first page."""
HEIGHT = 800
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
"""The console message of Chromium for a 4xx answer, which is an ordinary page here."""

numbers = itertools.count(1)


def one_line(text: str) -> str:
    """Return text in which each run of spaces and line breaks is one space."""
    return " ".join(text.split())


def next_week() -> str:
    """Return next week, which is open on any day."""
    return f"{datetime.now(ZoneInfo('Europe/Paris')) + timedelta(days=7):%G-W%V}"


@dataclass(frozen=True)
class Person:
    """An invented person whom no other test uses."""

    number: int = field(default_factory=lambda: next(numbers))

    @property
    def email(self) -> str:
        return f"awa{self.number}@example.org"

    @property
    def last_name(self) -> str:
        return "Exemple-" + "".join("BCDFGHIJKL"[int(digit)] for digit in str(self.number))

    @property
    def fields(self) -> dict[str, str]:
        """Return the values of the form."""
        return {
            "first_name": "Awa",
            "last_name": self.last_name,
            "email": self.email,
            "email_confirmation": self.email,
            "birth_day": "3",
            "birth_month": "4",
            "birth_year": "1990",
            "phone": "06 12 34 56 78",
        }


@dataclass
class Witness:
    """Records what happens in a window: requests, foreign URLs, console messages, server errors and policies."""

    stack: Stack
    requests: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    breakdowns: list[str] = field(default_factory=list)
    policies: dict[str, str] = field(default_factory=dict)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", self.on_request)
        context.on("console", self.on_console)
        context.on("response", self.on_response)

    def on_request(self, request: Request) -> None:
        if request.url.startswith("data:"):
            return
        self.requests.append(request.url)
        identities = self.stack.identities.url if self.stack.identities else self.stack.api
        if not request.url.startswith((self.stack.api, self.stack.inbox, identities)):
            self.strangers.append(request.url)

    def on_console(self, message: ConsoleMessage) -> None:
        if not REFUSED.match(message.text):
            self.complaints.append(message.text)

    def on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.breakdowns.append(f"{response.status} {response.url}")
        if response.url.startswith(self.stack.api) and response.headers.get("content-type", "").startswith("text/html"):
            self.policies[response.url] = response.headers.get("content-security-policy", "")


def faults(page: Page) -> list[str]:
    """Return the accessibility faults that axe reports, with their elements."""
    violations = Axe().run(page).response["violations"]
    return [f"{item['id']}: {node['html'][:200]}" for item in violations for node in item["nodes"]]


class Applicant:
    """An applicant at one page, with methods for each step."""

    def __init__(self, page: Page, stack: Stack) -> None:
        self.page = page
        self.person = Person()
        self.stack = stack
        self.program = Visitor(stack)

    def goto(self, path: str) -> None:
        self.page.goto(path if path.startswith("http") else f"{self.stack.api}/{path}")

    def press(self, target: str | Locator) -> None:
        """Press an element that leads to the next page, and wait for that page."""
        element = self.page.locator(target) if isinstance(target, str) else target
        with self.page.expect_navigation():
            element.click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def change_language(self, name: str) -> None:
        """Choose a language on the page of a form. The menu of languages is closed on a phone."""
        menu = self.page.locator(".gu-menu > summary")
        if menu.is_visible():
            menu.click()
        self.press(self.button(name))

    # The steps

    def accept(self) -> None:
        """Go from the notice to the calendar."""
        self.goto(f"services/{SERVICE}")
        self.page.check("#conditions_accepted")
        self.press(".gu-door .fr-btn")

    def open_calendar(self) -> list[str]:
        """Open the calendar of a week with many free slots. Return their values."""
        self.goto(f"services/{SERVICE}/slots?week={next_week()}&conditions_accepted=true")
        return self.free()

    def free(self) -> list[str]:
        values: list[str] = self.page.locator("[type=radio]").evaluate_all("inputs => inputs.map(input => input.value)")
        return values

    def choose(self, slot: str) -> None:
        self.page.check(f"[value='{slot}']")
        self.press(".gu-choose .fr-btn:not([name])")

    def take_elsewhere(self, slot: str) -> None:
        """Take this slot as another visitor."""
        day, start = slot.split("T")
        self.program.hold(SERVICE, date=day, start=start)

    def hold_first_free(self) -> str:
        """Place a hold on the first free slot. Return its URL."""
        self.accept()
        self.press("[name=first_free]")
        return self.page.url

    def answer(self, text: str = ANSWER) -> None:
        self.page.fill("#answer", text)
        self.press("form:has(#answer) .fr-btn")

    def reach_details(self) -> str:
        """Place a hold and pass its captcha. Return its URL."""
        hold = self.hold_first_free()
        self.answer()
        return hold

    def fill(self, **changes: str) -> None:
        for name, value in {**self.person.fields, **changes}.items():
            self.page.fill(f"#{name}", value)

    def next(self) -> None:
        self.press("#details > .fr-btn:not([name])")

    def give_up(self) -> None:
        self.press("form[action$='/end'] .fr-btn")

    def send(self) -> None:
        self.press("[name=checked]")

    def reach_done(self) -> str:
        """File a request. Return the URL of its hold."""
        hold = self.reach_details()
        self.fill()
        self.next()
        self.send()
        return hold

    def open_letter(self, number: int) -> None:
        """Wait for the first letter to this person, or for a later one, and open its page in the inbox."""
        letter = self.program.letter(self.person.email, number)
        self.goto(self.stack.inbox)
        row = self.page.get_by_role("row").filter(has_text=self.person.email)
        self.press(row.locator(f"a[href$='/{letter['id']}']"))

    def displace(self, link: str) -> None:
        """Displace a confirmed request, as the operator program does when it closes a morning."""
        week = datetime.now(UTC) + timedelta(days=7)
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.table,
            Key=key_of(link),
            UpdateExpression="SET past = #h, past_state = :d, #s = :c, closed = :o, #r = :r, #u = :u REMOVE #h",
            ExpressionAttributeNames={"#s": "state", "#h": "hold", "#r": "reserve", "#u": "until"},
            ExpressionAttributeValues={
                ":d": {"S": "displaced"},
                ":c": {"S": "closed"},
                ":o": {"S": "office"},
                ":r": {"S": "r"},
                ":u": {"N": str(int(week.timestamp() * 1000))},
            },
        )

    def attestation_of_three_weeks(self) -> str:
        """Return the code of an attestation of the full service, as the stack would sign it in the third week."""
        functions = self.stack.client("lambda").list_functions()["Functions"]
        variables = [function["Environment"]["Variables"] for function in functions]
        secret = next(each["GUICHET_SECRET"] for each in variables if "GUICHET_SECRET" in each)
        at = datetime.now(UTC).replace(second=0, microsecond=0)
        earlier = (at - timedelta(days=7), at - timedelta(days=14))
        attestation = Attestation(FULL, at, Outcome.FULL, None, earlier)
        return sign(attestation, StageSecret.parse(secret).attestation_keys[0])

    def link_of(self, number: int = 1) -> str:
        """Return the URL of the request, from a letter."""
        link = re.search(r"http\S+/requests/[^\s/]+", self.program.letter(self.person.email, number)["text"])
        assert link
        return link[0]


Starts = Callable[..., Browser]
"""Starts a Chromium with additional arguments."""
Window = Callable[..., Page]
"""Opens a window with its own cookies."""
Becomes = Callable[[Page], Applicant]
"""Makes an applicant for a window."""


def every_state(someone: Applicant) -> Iterator[str]:
    """Go through every page in each of its states. Yield the name of each state."""
    page = someone.page
    for name, path in (
        ("home", ""),
        ("notice", f"services/{SERVICE}"),
        ("notice of a full service", f"services/{FULL}"),
        ("documents", f"services/{SERVICE}/documents"),
        ("figures", f"services/{SERVICE}/figures"),
        ("problem 404", "services/none"),
        ("unknown path 404", "no/such/page"),
        ("wrong method 405", f"services/{SERVICE}/holds"),
        *((name, name) for name in ("legal", "accessibility", "privacy", "contact", "sitemap")),
        ("manage", "manage"),
    ):
        someone.goto(path)
        yield name
    someone.press("main form .fr-btn")
    yield "manage with errors"
    page.fill("#reference", "AES-7K3M9-QXPT2")
    page.fill("#email", someone.person.email)
    someone.press("main form .fr-btn")
    yield "manage sent"
    yield from _states_of_an_attestation(someone)
    yield from _states_of_a_slot(someone)
    yield from _states_of_a_hold(someone)
    yield from _states_of_a_request(someone)


def _states_of_an_attestation(someone: Applicant) -> Iterator[str]:
    someone.goto(f"services/{FULL}/slots?conditions_accepted=true")
    yield "calendar of a full service"
    someone.press(".gu-attest .fr-btn")
    yield "attestation"
    someone.goto(f"attempts/{someone.attestation_of_three_weeks()}")
    yield "attestation of three weeks"
    someone.press("main [href$='letter=true']")
    yield "letter to the prefecture"
    someone.goto("attempts")
    yield "check of an attestation"
    someone.page.fill("#code", f"{FULL}.{'a' * 60}")
    someone.press("main form .fr-btn")
    yield "attestation not valid"
    someone.goto(f"services/{FULL}/slots?conditions_accepted=true")
    someone.page.click(".gu-attest summary")
    someone.page.fill("#earlier", "not a code")
    someone.press(".gu-attest .fr-btn")
    yield "attestation with a mistake"


def _states_of_a_slot(someone: Applicant) -> Iterator[str]:
    someone.goto(f"services/{SERVICE}/slots")
    someone.press("[name=first_free]")
    yield "calendar without the box"
    slot = someone.open_calendar()[-1]
    yield "calendar with free slots"
    someone.take_elsewhere(slot)
    someone.choose(slot)
    yield "slot taken"
    someone.press("#errors .fr-btn >> nth=0")
    hold = someone.page.url
    someone.give_up()
    yield "seat given back"
    someone.goto(hold)
    yield "hold over 410"


def _states_of_a_hold(someone: Applicant) -> Iterator[str]:
    someone.hold_first_free()
    yield "captcha"
    someone.page.click("[name=sound]")
    expect(someone.page.locator("audio")).to_be_visible()  # in place if the script runs
    yield "captcha with sound"
    someone.answer("wrong")
    yield "captcha wrong"
    someone.answer()
    yield "details"
    someone.fill(last_name="", email_confirmation="other@example.org", birth_day="31", birth_month="2")
    someone.next()
    yield "details with errors"
    someone.fill()
    someone.next()
    yield "check"
    someone.send()
    yield "done"
    someone.reach_details()
    someone.fill()
    someone.next()
    someone.send()
    yield "already requested"
    someone.give_up()


def _states_of_a_request(someone: Applicant) -> Iterator[str]:
    link = someone.link_of()
    someone.goto(link)
    yield "pending"
    someone.press("form .fr-btn")
    yield "confirmed"
    for name in ("convocation", "cancellation", "move"):
        someone.goto(f"{link}/{name}")
        yield name
    someone.page.locator("[name=slot]").last.check()
    someone.press(".gu-choose .fr-btn")
    yield "confirmed at another date"
    new = someone.page.url
    someone.goto(link)
    yield "moved"
    someone.goto(f"{new}/correction")
    yield "correction"
    someone.page.fill("#first_name", "Zoé")
    someone.press("main form button")
    yield "correction of the whole name"
    someone.goto(new)
    someone.press("main form[action$=convocation] .fr-btn")
    yield "convocation sent again"
    someone.displace(new)
    someone.goto(new)
    yield "displaced"
    someone.goto(f"{new}/move")
    yield "choose again"
    someone.goto(f"{new}/erasure")
    yield "erasure"
    someone.press("main form .fr-btn")
    yield "erased"
    someone.goto(new)
    yield "cancelled"
