"""Take the pictures of docs/desk.md from the pages of a local stack: `make desk-pictures`. Needs Chromium."""

import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from playwright.sync_api import Browser, Page, sync_playwright

from chalicelib.domain.seat import State
from chalicelib.storage import desk_items
from chalicelib.storage.items import SeatItem
from infra.deploy.package import ROOT
from infra.local import practice_day
from infra.local.stack import SERVICES, Stack, running
from infra.tools.browser import find
from infra.tools.command_line import no_arguments

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
WIDTH, HEIGHT = 900, 700
DESK = f"desk/{practice_day.SERVICE}"
FAMILY = (("Exemple", "Awa", "17/05/1988"), ("Exemple", "Moussa", "02/01/2012"), ("Exemple", "Fatoumata", "30/08/2015"))


class Pictures:
    """The pages of the desk, and a folder for their pictures."""

    def __init__(self, browser: Browser, api: str, folder: Path) -> None:
        self.browser = browser
        self.api = api
        self.folder = folder

    def sign_in(self, name: str, path: str) -> Page:
        """Open a page of the desk as an invented agent."""
        page = self.browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, locale="fr-FR", color_scheme="light", reduced_motion="reduce"
        )
        page.add_init_script("window.print = () => {}")
        page.goto(f"{self.api}/{DESK}/{path}")
        if name == "Basile":
            self.take(page, "sign-in", 420)
        page.get_by_role("link", name="Se connecter").click()
        page.get_by_role("link", name=name).click()
        page.get_by_role("heading", level=1).wait_for()
        return page

    def take(self, page: Page, name: str, height: int = HEIGHT, width: int = WIDTH) -> None:
        """Take the picture of a page."""
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=self.folder / f"desk-{name}.png")

    def absence(self) -> None:
        """Show what a closing of today would do. Nobody has arrived yet."""
        page = self.sign_in("Denis", "absence")
        page.get_by_label("Premier jour").fill(today().isoformat())
        page.get_by_label("Guichet 2").check()
        page.get_by_role("button", name="Voir qui a rendez-vous").click()
        page.get_by_role("heading", name="Qui a rendez-vous").wait_for()
        self.take(page, "absence", 940)

    def day(self) -> None:
        """Work on the list and at a desk."""
        page = self.sign_in("Basile", "day")
        work(page)
        self.take(page, "list", 860)
        page.locator("#list tbody th a").last.click()
        self.take(page, "person", 620)
        page.get_by_role("link", name="Appeler", exact=True).click()
        page.get_by_role("button", name="Choisir").click()
        page.get_by_role("button", name="Appeler le suivant").click()
        page.locator(".gu-counter__number").wait_for()
        self.take(page, "call", 760)
        self.book(page)
        page.get_by_role("link", name="Bilan").click()
        page.get_by_role("heading", name="Par guichet").wait_for()
        self.take(page, "evening", 820)
        page.get_by_role("link", name="Bilan de la semaine").click()
        page.get_by_role("heading", name="Par jour").wait_for()
        self.take(page, "week", 860)
        page.get_by_role("link", name="Feuille à imprimer").click()
        page.emulate_media(media="print")
        self.take(page, "sheet", 520, 1060)

    def book(self, page: Page) -> None:
        """Book for a family without an e-mail address."""
        page.get_by_role("link", name="Réserver pour quelqu’un").click()
        page.get_by_label("Personnes qui viennent ensemble").select_option(str(len(FAMILY)))
        page.get_by_role("button", name="Afficher les heures").click()
        self.take(page, "book-seats", 620)
        page.locator("[name=seat]").first.click()
        for number, values in enumerate(FAMILY, start=1):
            for field, value in zip(("last_name", "first_name", "birth_date"), values, strict=True):
                page.locator(f"#{field}_{number}").fill(value)
        page.locator("#phone").fill("06 12 34 56 78")
        self.take(page, "book", 1180)
        page.get_by_role("button", name="Réserver", exact=True).click()
        page.locator(".gu-family").wait_for()
        self.take(page, "booked", 1100)

    def display(self) -> None:
        """Make the link of a screen, and show whom `call` has called."""
        page = self.sign_in("Agnès", "displays")
        page.get_by_label("Où est l’écran").fill("Salle d’attente")
        page.get_by_role("button", name="Créer le lien").click()
        page.locator("#made a").click()
        page.locator("#sound").wait_for()
        self.take(page, "display", 720, 1280)


def today() -> date:
    """Return the day in France."""
    return datetime.now(ZoneInfo("Europe/Paris")).date()


def services(folder: Path) -> Path:
    """Write the service to a folder, with seats that are kept for the desk. Return the folder."""
    name = f"{practice_day.SERVICE}.yaml"
    document = yaml.safe_load((SERVICES / name).read_text("utf-8"))
    document["plannings"][0]["internal"] = 8
    (folder / name).write_text(yaml.safe_dump(document, allow_unicode=True), "utf-8")
    return folder


def call(stack: Stack, now: datetime) -> None:
    """Let three desks call, in the table of a stack."""
    for number, desk in enumerate(practice_day.DESKS):
        at = now - timedelta(minutes=number)
        values = {"seat": "-", "agent": "-", "calls": 1, "erase_at": int(now.timestamp()) + 3600}
        item = desk_items.call_item(
            practice_day.SERVICE, today(), desk, number=f"10{15 - 5 * number:02}{'ABC'[desk - 1]}", at=at, **values
        )
        stack.client("dynamodb").put_item(TableName=stack.table, Item=item.serialize())


def receive(stack: Stack, now: datetime) -> None:
    """Receive everybody who had an appointment on the days of this week before today, but a few who were absent."""
    for days in range(1, now.astimezone(ZoneInfo("Europe/Paris")).weekday() + 1):
        for number, item in enumerate(practice_day.items_of(stack, now - timedelta(days=days))):
            if not isinstance(item, SeatItem) or not item.until:
                continue  # the people are those of today
            item.state = State.MISSED if number % 13 == days else State.SEEN
            item.outcome_at, item.outcome_by = item.until, "practice"
            if item.state == State.SEEN:
                item.arrived_at = item.until - timedelta(minutes=9)
                item.called_at = item.until + timedelta(minutes=(number * 7 + days * 3) % 23 - 9)
                item.calls, item.called_to = 1, practice_day.DESKS[number // 2 % 3]
            stack.client("dynamodb").put_item(TableName=stack.table, Item=item.serialize())


def work(page: Page) -> None:
    """Note some outcomes and arrivals, as in the middle of a morning."""
    for label in ("Reçu", "Reçu", "Absent", "Arrivé", "Arrivé", "Arrivé"):
        page.locator(".gu-acts").get_by_role("button", name=label).first.click()
    page.locator("#q").focus()
    page.evaluate("scrollTo(0, 0)")


def main() -> None:
    """Start a stack and take the pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="guichet-services-") as name,
        running(services=services(Path(name))) as stack,
    ):
        now = datetime.now(UTC)
        practice_day.fill(stack, now)
        receive(stack, now)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
            pictures = Pictures(browser, stack.api, ROOT / "docs")
            pictures.absence()
            pictures.day()
            call(stack, now)  # these desks are then busy
            pictures.display()
            browser.close()


if __name__ == "__main__":
    no_arguments("infra.local.desk_pictures", "Take the pictures of docs/desk.md from the pages of a local stack.")
    main()
