"""An agent works with the keyboard alone and without script, on pages that axe finds nothing wrong with."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from infra.local import practice_day
from infra.local.stack import Stack
from tests.browser.applicant import Window, faults
from tests.long import LONG

DAY = f"desk/{practice_day.SERVICE}/day"
CALL = f"desk/{practice_day.SERVICE}/call"
NOT_UNDO = re.compile("^Arrivé")
"""The button of an arrival. The one that takes it back is called "Annuler arrivé"."""


@pytest.fixture(scope="module", autouse=True)
def _today(stack: Stack) -> None:
    practice_day.fill(stack, datetime.now(UTC))


def signed_in(page: Page, stack: Stack, name: str = "Basile") -> Page:
    """Sign in with two clicks, and reach the list of the day."""
    page.goto(f"{stack.api}/{DAY}")
    page.get_by_role("link", name="Se connecter").click()
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("searchbox")).to_be_focused()
    return page


def names(page: Page) -> list[str]:
    return page.locator("#list tbody th").all_inner_texts()


def test_an_agent_notes_an_arrival_and_an_outcome_with_the_keyboard_alone(open_page: Window, stack: Stack) -> None:
    page = signed_in(open_page(script=False), stack)
    page.keyboard.type(names(page)[2])
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Arrivé")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("arrivé")
    expect(page.get_by_role("searchbox")).to_be_focused()
    row = page.locator("#list tbody tr").nth(2)
    for _ in range(60):
        page.keyboard.press("Tab")
        if row.get_by_role("button", name="Reçu").evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(row).to_be_focused()  # the list is where it was
    expect(row).to_contain_text("reçu")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(row.get_by_role("button", name="Annuler")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row).to_contain_text("arrivé")


def test_a_backlog_is_noted_at_once_and_a_colleague_is_told_who_was_first(open_page: Window, stack: Stack) -> None:
    basile, agnes = signed_in(open_page(script=False), stack), signed_in(open_page(), stack, "Agnès")
    for page in (basile, agnes):
        for number in (4, 5):
            page.locator("#list tbody input").nth(number).check()
        page.locator(".gu-all").get_by_role("button", name="Reçu").click()
    expect(basile.locator("#said")).to_contain_text("Noté pour 2 personnes")
    expect(agnes.locator("#errors")).to_be_focused()
    expect(agnes.locator("#errors")).to_contain_text("Basile Exemple a déjà noté « reçu »")


def pages(page: Page, stack: Stack) -> Iterator[str]:
    """Show each page of the day, and yield its name."""
    signed_in(page, stack, "Agnès")
    yield "list"
    page.get_by_role("searchbox").fill("a")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("résultats")
    yield "found"
    page.locator("#list tbody th a").last.click()
    yield "person"
    for name in ("Bilan", "Feuille à imprimer", "Accès des agents"):
        page.get_by_role("link", name=name).click()
        yield name
    for desk in (1, 3):
        page.goto(f"{stack.api}/{CALL}?desk={desk}")
        yield f"desk {desk}"
        if page.get_by_role("button", name="Appeler le suivant").is_visible():
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", level=2).first).to_be_visible()
            yield f"desk {desk} after a call"
    page.goto(f"{stack.api}/{DAY}")
    page.locator(".gu-all").get_by_role("button", name="Absent").click()
    yield "nothing ticked"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), pytest.param(768, "dark", marks=LONG)])
def test_axe_finds_nothing_and_no_page_is_wider_than_the_window(
    open_page: Window, stack: Stack, width: int, scheme: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    for name in pages(page, stack):
        assert faults(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_what_a_colleague_notes_appears_and_neither_focus_nor_words_are_lost(open_page: Window, stack: Stack) -> None:
    page = open_page()
    page.clock.install()
    signed_in(page, stack)
    page.keyboard.type("Exemp")
    colleague = signed_in(open_page(), stack, "Agnès")
    row = page.locator("#list tbody tr").last
    colleague.locator("#list tbody tr").last.get_by_role("button", name="Arrivé").click()
    expect(colleague.locator("#said")).to_be_visible()
    expect(row).to_contain_text("attendu")
    page.clock.run_for(16_000)
    expect(row).to_contain_text("arrivé")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value("Exemp")


def arrive(page: Page, count: int) -> None:
    """Note the last ones who are expected as arrived, and return to the list."""
    for _ in range(count):
        page.locator("#list tbody").get_by_role("button", name=NOT_UNDO).last.click()
        expect(page.locator("#said")).to_contain_text("arrivé")


def boxes(page: Page, selector: str) -> list[list[float]]:
    """Return where the buttons are: left, top, right, bottom."""
    script = (
        "all => all.map(one => { const r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; })"
    )
    found: list[list[float]] = page.locator(selector).evaluate_all(script)
    return found


def overlap(one: list[float], other: list[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("width", [1280, pytest.param(768, marks=LONG)])
def test_enter_calls_the_next_one_and_no_button_takes_the_place_of_another(
    open_page: Window, stack: Stack, width: int
) -> None:
    page = signed_in(open_page(script=False, width=width), stack)
    arrive(page, 2)
    page.goto(f"{stack.api}/{CALL}?desk=2")
    expect(page.get_by_role("button", name="Appeler le suivant")).to_be_focused()
    free = boxes(page, "main button")
    page.keyboard.press("Enter")
    person = page.locator("#counter h2")
    expect(person).to_be_focused()
    called = boxes(page, "#counter button")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Reçu")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Appeler le suivant")).to_be_focused()
    expect(page.locator("#said")).to_contain_text("reçu")
    after = [*free, *boxes(page, "main button")]
    assert len(called) >= 5
    assert [(one, other) for one in called for other in after if overlap(one, other)] == []


def test_what_colleagues_do_appears_on_the_page_of_the_calls_and_no_row_moves(open_page: Window, stack: Stack) -> None:
    page = open_page()
    page.clock.install()
    signed_in(page, stack)
    arrive(page, 2)
    page.goto(f"{stack.api}/{CALL}?desk=3")
    colleague = signed_in(open_page(), stack, "Agnès")
    colleague.goto(f"{stack.api}/{CALL}?desk=1")
    if colleague.get_by_role("button", name="Mettre de côté").first.is_visible():
        colleague.locator("#counter").get_by_role("button", name="Mettre de côté").click()
    row = page.locator("#list tbody tr").first
    expect(row.get_by_role("button")).to_contain_text("Appeler")
    number = row.locator("td").nth(1).inner_text()
    colleague.get_by_role("button", name="Appeler le suivant").click()
    expect(colleague.locator("#counter h2")).to_contain_text(number)
    page.clock.run_for(16_000)
    expect(row).to_contain_text("appelé au guichet 1")
    expect(page.locator("#next")).not_to_contain_text(number)
    colleague.get_by_role("button", name="Dossier incomplet").click()
    expect(colleague.locator("#said")).to_contain_text("dossier incomplet")
    page.clock.run_for(16_000)
    expect(row).to_have_class("gu-gone")
    expect(row.locator("button")).to_be_disabled()
