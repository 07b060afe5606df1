"""An agent books by phone with the keyboard alone, for a family, and an association books and sees nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from infra.local.stack import Stack, operate
from tests.browser.applicant import DESK, Person, Window, faults
from tests.long import LONG

BOOK = f"desk/{DESK}/book"


@pytest.fixture(scope="module", autouse=True)
def _agents(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give two of the invented agents a role in the service."""
    folder: Path = tmp_path_factory.mktemp("agents")
    for who, name, role in (("basile", "Basile Exemple", "agent"), ("gisele", "Gisèle Exemple", "association")):
        operate(stack, folder, "agents", "add", f"{who}@example.org", name, role, "--service", DESK)


def signed_in(page: Page, stack: Stack, name: str = "Basile") -> Page:
    page.goto(f"{stack.api}/{BOOK}")
    page.get_by_role("link", name="Se connecter").click()
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Réserver pour quelqu’un")
    return page


def write(page: Page, number: int, who: Person) -> None:
    page.locator(f"#last_name_{number}").fill(who.last_name)
    page.locator(f"#first_name_{number}").fill("Awa")
    page.locator(f"#birth_date_{number}").fill("03/04/1990")


def test_an_agent_books_by_phone_with_the_keyboard_alone_and_without_script(open_page: Window, stack: Stack) -> None:
    page, who = signed_in(open_page(script=False), stack), Person()
    expect(page.locator("[name=seat]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#last_name_1")).to_be_focused()
    for text in (who.last_name, "Awa", "03/04/1990", ""):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # "Ajouter une personne": the next field after it is the phone number
    expect(page.locator("#last_name_1")).to_have_value(who.last_name)
    page.get_by_role("button", name="Enlever").press("Enter")
    page.locator("#phone").fill("06 12 34 56 78")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("C’est réservé")
    expect(page.get_by_role("status")).to_contain_text("Sans adresse e-mail")
    expect(page.get_by_role("link", name="Réserver pour une autre personne")).to_be_focused()


def pages_of_a_family(page: Page, stack: Stack) -> Iterator[str]:
    """Book for three people, and change one of them; yield the name of each page."""
    signed_in(page, stack)
    page.get_by_label("Personnes qui viennent ensemble").select_option("3")
    page.get_by_role("button", name="Afficher les heures").click()
    yield "seats"
    page.locator("[name=seat]").first.click()
    people = [Person() for _ in range(3)]
    write(page, 1, people[0])
    page.get_by_role("button", name="Réserver", exact=True).click()
    expect(page.locator("#errors")).to_be_focused()
    yield "mistakes"
    for number, who in enumerate(people, start=1):
        write(page, number, who)
    page.locator("#phone").fill("06 12 34 56 78")
    page.locator("#email").fill(people[0].email)
    page.locator("#language").select_option("ar")
    yield "form"
    page.get_by_role("button", name="Réserver", exact=True).click()
    for who in people:
        expect(page.get_by_role("status")).to_contain_text(who.last_name)
        expect(page.locator(".gu-family")).to_contain_text(who.last_name)
    yield "convocation"
    page.get_by_role("link", name="Étiquette").click()
    expect(page.locator("#print")).to_be_focused()
    yield "label"
    page.get_by_role("link", name="Page de la personne").click()
    yield "person"
    for name in ("Modifier", "Déplacer", "Annuler le rendez-vous"):
        page.get_by_role("link", name=name).click()
        yield name
        page.go_back()
    page.goto(f"{stack.api}/{BOOK}")
    page.locator("[name=seat]").last.click()
    write(page, 1, people[0])
    page.locator("#phone").fill("06 12 34 56 78")
    page.get_by_role("button", name="Réserver", exact=True).click()
    expect(page.locator("#errors")).to_contain_text("a déjà un rendez-vous")
    yield "known"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), pytest.param(768, "dark", marks=LONG)])
def test_a_family_has_one_convocation_and_axe_finds_nothing_on_its_pages(
    open_page: Window, stack: Stack, width: int, scheme: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    for name in pages_of_a_family(page, stack):
        assert faults(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_an_association_books_and_prints_at_once_and_sees_nothing_else(open_page: Window, stack: Stack) -> None:
    page, who = open_page(), Person()
    page.add_init_script("window.printed = 0; window.print = () => { window.printed += 1; }")
    signed_in(page, stack, "Gisèle")
    expect(page.locator("main")).to_contain_text("Cette semaine")
    page.locator("[name=seat]").first.click()
    write(page, 1, who)
    page.locator("#phone").fill("06 12 34 56 78")
    page.get_by_role("button", name="Réserver", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(who.last_name)
    expect(page.locator("#print")).to_be_visible()  # the script has run, which also prints
    assert page.evaluate("window.printed") == 1
    assert page.locator("a[href*='/seats/']").count() == 0
    assert faults(page) == []
    page.goto(f"{stack.api}/desk/{DESK}/day")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Votre compte ne permet pas")
