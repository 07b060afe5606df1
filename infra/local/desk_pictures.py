"""Take the pictures of docs/desk.md from the pages of a local stack: `make desk-pictures`. Needs Chromium."""

from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from infra.deploy.package import ROOT
from infra.local import practice_day
from infra.local.stack import running
from infra.tools.browser import find
from infra.tools.command_line import no_arguments

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
WIDTH, HEIGHT = 900, 700


def take(api: str, folder: Path) -> None:
    """Sign in as an invented agent, work on the list, and take a picture of each page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, locale="fr-FR", color_scheme="light")

        def picture(name: str, height: int = HEIGHT) -> None:
            page.set_viewport_size({"width": WIDTH, "height": height})
            page.screenshot(path=folder / f"desk-{name}.png")

        page.goto(f"{api}/desk/{practice_day.SERVICE}/day")
        picture("sign-in", 420)
        page.get_by_role("link", name="Se connecter").click()
        page.get_by_role("link", name="Basile").click()
        work(page)
        picture("list", 860)
        page.locator("#list tbody th a").last.click()
        picture("person", 560)
        page.get_by_role("link", name="Bilan").click()
        picture("evening", 560)
        page.get_by_role("link", name="Feuille à imprimer").click()
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 1060, "height": 520})
        page.screenshot(path=folder / "desk-sheet.png")
        browser.close()


def work(page: Page) -> None:
    """Note some outcomes and arrivals, as in the middle of a morning."""
    for label in ("Reçu", "Reçu", "Absent", "Arrivé", "Arrivé"):
        page.locator(".gu-acts").get_by_role("button", name=label).first.click()
    page.locator("#q").focus()
    page.evaluate("scrollTo(0, 0)")


def main() -> None:
    """Start a stack and take the pictures."""
    with running() as stack:
        practice_day.fill(stack, datetime.now(UTC))
        take(stack.api, ROOT / "docs")


if __name__ == "__main__":
    no_arguments("infra.local.desk_pictures", "Take the pictures of docs/desk.md from the pages of a local stack.")
    main()
