"""Accessibility and weight: keyboard, axe, phone, large text, dark colours, three languages, few bytes."""

import gzip
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from chalicelib.domain import languages
from chalicelib.domain.service import LANGUAGES
from infra.local.stack import Stack
from tests.browser.applicant import (
    HEIGHT,
    SERVICE,
    Applicant,
    Becomes,
    Starts,
    Window,
    Witness,
    every_state,
    faults,
    next_week,
    one_line,
)
from tests.long import IS_LONG, LONG
from tests.stackfixture import ANSWER

PHONE = 390
WIDTHS = (320, PHONE, 1280)
WIDE: Any = {"width": 1280, "height": HEIGHT}
DIRECTIONS = {"fr": "ltr", "en": "ltr", "ar": "rtl", "tr": "ltr", "fr-x-facile": "ltr"}
ERRORS = {"calendar without the box", "slot taken", "captcha wrong"}
ERRORS |= {"details with errors", "already requested", "manage with errors", "correction of the whole name"}
ERRORS |= {"attestation not valid", "attestation with a mistake"}
FIRST_PAGE = 20_000  # bytes, compressed, with everything that it needs
CALENDAR = 4_000
REQUESTS = 4
READABLE = 4.5  # WCAG 1.4.3
VISIBLE = 3.0  # WCAG 1.4.11
GROUNDS = {"--ground", "--raised", "--pending"}
INKS = {"--text", "--mute", "--accent", "--error", "--good", "--warn"}
EDGES = {"--edge", "--focus"}
ORNAMENTS = {"--line"}  # decorative: the layout separates the same parts without it


@dataclass(frozen=True)
class Checks:
    """What to check in each state: axe in each colour scheme, each width, and the link to another language."""

    schemes: frozenset[str]
    widths: tuple[int, ...]
    follows_language: bool = False


BOTH = frozenset({"light", "dark"})
CHECKS = {
    "fr": Checks(frozenset({"light"}), WIDTHS, follows_language=True),
    "en": Checks(frozenset({"light"}), (320,)),
    "ar": Checks(frozenset({"dark"}), (320, PHONE)),
    "tr": Checks(frozenset(), (320,)),
    "fr-x-facile": Checks(frozenset(), (320,)),
}
"""axe checks each state in light and dark, and at every width, but not in every language: `make test-long` does."""
if IS_LONG:
    CHECKS = dict.fromkeys(DIRECTIONS, Checks(BOTH, WIDTHS, follows_language=True))

CONTROLS = (
    "main :is(a[href], button, input:not([type=hidden], [type=radio]), .gu-day [type=radio]:is([id$='0'])):visible"
)
OVERFLOW = "() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
TEXTS = """() => {
  const texts = [], walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const inside = node.parentElement.closest('[lang]') === document.documentElement;
    if (inside && !node.parentElement.closest('script, style')) texts.push(node.data);
  }
  for (const name of ['alt', 'aria-label', 'placeholder', 'title'])
    for (const one of document.querySelectorAll(`[${name}]`))
      if (one.closest('[lang]') === document.documentElement) texts.push(one.getAttribute(name));
  return texts;
}"""
COLOURS = """() => {
  const sheet = [...document.styleSheets].flatMap(one => [...one.cssRules]);
  const names = new Set(sheet.filter(one => one.selectorText === ':root').flatMap(one => [...one.style]));
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries([...names].filter(one => one.startsWith('--'))
    .map(one => [one, style.getPropertyValue(one).trim()]));
}"""
CHOICE = """one => one.form
  ? ["POST", one.form.action, Object.fromEntries(new FormData(one.form, one))]
  : ["GET", one.href, null]"""
FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  const drawn = [one, ...(one.labels || [])].some(it => {
    const style = getComputedStyle(it);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  });
  const box = one.getBoundingClientRect();
  const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const family = [one, ...(one.labels || [])];
  const seen = Boolean(at) && family.some(it => it.contains(at));
  return {name: one.outerHTML.slice(0, 120), visible: drawn && one.matches(':focus-visible'), seen};
}"""


@dataclass
class Sight:
    """The observations of one state of a page."""

    title: str
    language: str
    direction: str
    texts: frozenset[str]
    overflows: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    other_language: str = ""


@dataclass
class Tour:
    """The observations of one walk through every state."""

    sights: dict[str, Sight]
    witness: Witness


def look(page: Page, checks: Checks) -> Sight:
    """Check a state at each width: dark colours at the width of a phone, light colours at the last width."""
    root = page.locator("html")
    texts = frozenset(one_line(text) for text in page.evaluate(TEXTS))
    sight = Sight(page.title(), root.get_attribute("lang") or "", root.get_attribute("dir") or "", texts)
    for width in checks.widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        sight.overflows[width] = page.evaluate(OVERFLOW)
        if width == PHONE and "dark" in checks.schemes:
            page.emulate_media(color_scheme="dark")
            sight.faults += faults(page)
            page.emulate_media(color_scheme="light")
    if "light" in checks.schemes:
        sight.faults += faults(page)
    if checks.follows_language:
        sight.other_language = follow_language(page, sight.language)
    return sight


def follow_language(page: Page, language: str) -> str:
    """Choose another language on this page. Return the language of the page that follows, or what went wrong."""
    other = "fr" if language == "ar" else "ar"
    method, url, data = page.locator(f".gu-languages [lang={other}]").evaluate(CHOICE)
    answer = requests.request(method, url, data=data, headers={"Accept": "text/html"}, timeout=30)
    following = re.search(r'<html lang="([^"]+)"', answer.text)
    return following[1] if following else f"{answer.status_code} {url}"


@pytest.fixture(scope="module")
def travel(browser: Browser, stack: Stack) -> Callable[[str], Tour]:
    """Walk through every state in a language. Each language is walked through once."""

    @cache
    def travelled(language: str) -> Tour:
        witness = Witness(stack)
        context = browser.new_context(locale=language, viewport=WIDE, reduced_motion="reduce")
        context.set_default_timeout(15_000)
        if not languages.TABLE[language].is_negotiable:  # it is chosen in the menu
            context.add_cookies([{"name": "lang", "value": language, "url": stack.api}])
        witness.watch(context)
        someone = Applicant(context.new_page(), stack)
        sights = {state: look(someone.page, CHECKS[language]) for state in every_state(someone)}
        context.close()
        return Tour(sights, witness)

    return travelled


@pytest.fixture(scope="module", params=DIRECTIONS)
def tour(request: pytest.FixtureRequest, travel: Callable[[str], Tour]) -> Tour:
    return travel(request.param)


# Every page and state


def test_no_page_has_an_accessibility_fault_in_light_or_dark(tour: Tour) -> None:
    assert {state: sight.faults for state, sight in tour.sights.items() if sight.faults} == {}


def test_no_page_scrolls_sideways_on_a_phone_or_a_wide_screen(tour: Tour) -> None:
    assert {state: sight.overflows for state, sight in tour.sights.items() if any(sight.overflows.values())} == {}


def test_the_title_of_a_page_with_an_error_says_so(travel: Callable[[str], Tour]) -> None:
    titles = {state for state, sight in travel("fr").sights.items() if re.match(r"Erreur\s:", sight.title)}
    assert titles == ERRORS | {"problem 404", "unknown path 404", "wrong method 405", "hold over 410"}


@pytest.mark.parametrize("language", DIRECTIONS)
def test_every_page_declares_its_language_and_direction(language: str, travel: Callable[[str], Tour]) -> None:
    attributes = {(sight.language, sight.direction) for sight in travel(language).sights.values()}
    assert attributes == {(language, DIRECTIONS[language])}


@pytest.mark.parametrize("language", ["en", "ar", "tr"])
def test_no_page_in_another_language_contains_a_french_sentence(language: str, travel: Callable[[str], Tour]) -> None:
    french = frozenset().union(*(sight.texts for sight in travel("fr").sights.values()))
    sentences = {text for text in french if re.search(r"[a-zà-ÿ]{2,} \S*[a-zà-ÿ]{2,}", text)}
    left = {state: sorted(sight.texts & sentences) for state, sight in travel(language).sights.items()}
    assert {state: texts for state, texts in left.items() if texts} == {}


@pytest.mark.parametrize("language", [language for language in CHECKS if CHECKS[language].follows_language])
def test_another_language_is_one_click_away_from_every_page(language: str, travel: Callable[[str], Tour]) -> None:
    other = "fr" if language == "ar" else "ar"
    sights = travel(language).sights
    assert {state: sight.other_language for state, sight in sights.items() if sight.other_language != other} == {}


def test_no_page_makes_a_request_to_another_host(tour: Tour) -> None:
    assert tour.witness.requests
    assert tour.witness.strangers == []


def test_every_page_forbids_inline_code_and_none_has_any(tour: Tour) -> None:
    policies = set(tour.witness.policies.values())
    assert len(policies) == 1
    (policy,) = policies
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert tour.witness.complaints == []


# The sound


def test_the_browser_can_play_the_sound(applicant_with_script: Applicant) -> None:
    applicant_with_script.hold_first_free()
    applicant_with_script.page.click("[name=sound]")
    expect(applicant_with_script.page.locator("audio")).to_have_js_property("readyState", 4)


@pytest.fixture
def applicant_with_script(open_page: Window, somebody: Becomes) -> Applicant:
    return somebody(open_page())


# Colours


def luminance(colour: str) -> float:
    """Return the WCAG relative luminance of `#rrggbb` or `#rgb`."""
    digits = colour.removeprefix("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    shares = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(colour: str, other: str) -> float:
    dark, light = sorted((luminance(colour), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_pair_of_theme_colours_has_enough_contrast(scheme: str, open_page: Window, stack: Stack) -> None:
    page = open_page(scheme=scheme)
    page.goto(stack.api + "/")
    colours = page.evaluate(COLOURS)
    assert set(colours) == GROUNDS | INKS | EDGES | ORNAMENTS | {"--on-accent"}
    pairs = dict.fromkeys(product(INKS, GROUNDS), READABLE)
    pairs |= {("--on-accent", "--accent"): READABLE}
    pairs |= dict.fromkeys(product(EDGES, GROUNDS), VISIBLE)
    weak = {pair: contrast(*(colours[name] for name in pair)) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < pairs[pair]} == {}


# Weight


@pytest.mark.parametrize("path", ["", "services/aes"])
def test_a_first_visit_needs_few_requests_and_few_bytes(path: str, open_page: Window, stack: Stack) -> None:
    page = open_page()
    sizes: dict[str, int] = {}
    page.on("requestfinished", lambda request: sizes.update({request.url: 0}))
    page.goto(f"{stack.api}/{path}", wait_until="networkidle")
    loaded = {url: page.request.get(url) for url in sizes if not url.startswith("data:")}
    assert len(loaded) <= REQUESTS
    assert sum(len(gzip.compress(response.body())) for response in loaded.values()) <= FIRST_PAGE


def test_a_calendar_is_within_its_size_limit(open_page: Window, stack: Stack) -> None:
    page = open_page()
    answer = page.goto(f"{stack.api}/services/aes/slots?week={next_week()}&conditions_accepted=true")
    assert answer
    assert len(gzip.compress(answer.body())) <= CALENDAR


# The keyboard


class Keyboard:
    """A person who uses only the keyboard. Every focused element must be visible."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def walk(self, key: str) -> None:
        self.page.keyboard.press(key)
        where = self.page.evaluate(FOCUS)
        if where and "<audio" not in where["name"]:  # the browser draws the focus inside its player
            assert where["visible"], where
            assert where["seen"], where

    def reach(self, selector: str, *, key: str = "Tab") -> None:
        """Press Tab until the element has the focus."""
        target = self.page.locator(selector)
        for _ in range(60):
            self.walk(key)
            if target.evaluate("one => one === document.activeElement"):
                return
        raise AssertionError(f"{key} never reaches {selector}")

    def go(self, key: str = "Enter") -> None:
        """Press a key that leads to the next page."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)


@pytest.mark.parametrize("width", [pytest.param(PHONE, marks=LONG), 1280])
def test_the_keyboard_alone_goes_from_the_first_page_to_the_confirmation(
    width: int, open_page: Window, somebody: Becomes
) -> None:
    page = open_page(script=False, width=width)
    someone, keys = somebody(page), Keyboard(page)
    someone.goto("")
    keys.walk("Tab")
    expect(page.locator(".fr-skiplinks a")).to_be_focused()
    page.keyboard.press("Enter")
    keys.reach(f"a[href$='services/{SERVICE}']")
    keys.go()
    keys.reach("#conditions_accepted")
    page.keyboard.press("Space")
    keys.reach(".gu-door .fr-btn")
    keys.go()
    keys.reach("[type=radio] >> nth=0")
    page.keyboard.press("Space")
    keys.walk("ArrowDown")
    keys.walk("ArrowRight")
    keys.reach("[name=first_free]")
    keys.reach(".gu-choose .fr-btn:not([name])", key="Shift+Tab")
    keys.go("Space")
    keys.reach("form[action$='/captcha'] .fr-btn:not([name])")
    keys.go()
    keys.reach("#answer")
    keys.type("wrong")
    keys.go()
    expect(page.locator("#errors")).to_be_focused()
    keys.walk("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    keys.type(ANSWER)
    keys.go()
    for name, value in someone.person.fields.items():
        keys.reach(f"#{name}")
        keys.type(value)
    keys.reach("#first_name", key="Shift+Tab")
    keys.type("Awa Marie")
    keys.reach("#details > .fr-btn")
    keys.go()
    keys.reach("[name=change] >> nth=0")
    keys.go()
    expect(page.locator("#first_name")).to_have_value("Awa Marie")
    keys.reach("#phone")
    keys.go()
    keys.reach("[name=checked]")
    keys.go()
    expect(page.locator(".gu-pending")).to_be_visible()
    someone.goto(someone.link_of())
    keys.reach("form .fr-btn")
    keys.go()
    keys.reach(".fr-btn[href$='/convocation']")
    keys.go()
    expect(page.locator(".gu-sheet")).to_be_visible()


def test_the_language_menu_of_a_phone_works_with_the_keyboard(open_page: Window, stack: Stack) -> None:
    page = open_page(script=False, width=PHONE)
    page.goto(f"{stack.api}/services/{SERVICE}")
    keys = Keyboard(page)
    expect(page.get_by_role("link", name="English")).to_be_hidden()
    keys.reach(".gu-menu summary")
    page.keyboard.press("Enter")
    for name in ("Français", "Français facile", "English", "العربية", "Türkçe"):
        keys.walk("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    assert page.evaluate(OVERFLOW) == 0
    keys.go()
    expect(page.locator("html")).to_have_attribute("lang", "tr")
    expect(page.locator(".gu-menu summary")).to_have_text("Türkçe")


# Large text


def test_text_at_200_percent_leaves_every_control_usable(launch: Starts, open_page: Window, somebody: Becomes) -> None:
    large = launch("--blink-settings=defaultFontSize=32")
    someone = somebody(open_page(on=large))
    page = someone.page
    for state in every_state(someone):
        assert page.evaluate("() => getComputedStyle(document.body).fontSize") == "34px", state
        page.evaluate("() => document.querySelectorAll('main details').forEach(part => part.open = true)")
        assert page.evaluate(OVERFLOW) == 0, state
        for control in page.locator(CONTROLS).all():
            control.click(trial=True)  # fails if another element covers it


# Two people, reloads, the back button and changes of language


def test_the_slower_of_two_people_can_take_a_nearby_slot_in_one_click(open_page: Window, somebody: Becomes) -> None:
    quick, slow = somebody(open_page(script=False)), somebody(open_page(script=False))
    slot = slow.open_calendar()[-1]
    quick.open_calendar()
    quick.choose(slot)
    expect(quick.page.locator("#answer")).to_be_visible()
    slow.choose(slot)
    message = slow.page.locator("#errors")
    expect(message).to_be_focused()
    expect(message.get_by_role("heading")).to_have_text("Une autre personne vient de prendre ce créneau.")
    expect(message.get_by_role("button")).to_have_count(3)
    nearest = one_line(message.get_by_role("button").first.inner_text())
    slow.press("#errors .fr-btn >> nth=0")
    summary = one_line(slow.page.locator(".gu-kept").inner_text())
    day, hour = nearest.split(" à ")
    assert day in summary
    assert hour in summary


def test_a_reload_at_any_step_loses_nothing(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(script=False))
    page = someone.page
    someone.accept()
    page.reload()
    expect(page.locator("[name=conditions_accepted]")).to_have_value("true")
    someone.press("[name=first_free]")
    hold = page.url
    day, hours = page.locator(".gu-when strong").all_inner_texts()
    page.reload()
    someone.answer("wrong")
    page.reload()
    expect(page.locator("#answer-error")).to_be_visible()
    someone.answer()
    page.reload()
    expect(page).to_have_url(hold)
    someone.fill(phone="")
    someone.next()
    page.reload()
    expect(page.locator("#last_name")).to_have_value(someone.person.last_name)
    page.fill("#phone", "06 12 34 56 78")
    someone.next()
    page.reload()
    expect(page.locator(".gu-check")).to_contain_text(someone.person.last_name)
    expect(page.locator(".gu-key__when")).to_contain_text(day)
    expect(page.locator(".gu-key__when")).to_contain_text(hours.partition(" à ")[0])
    someone.send()
    expect(page.locator(".gu-pending")).to_be_visible()


def test_the_back_button_after_filing_files_nothing_again(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(script=False))
    page = someone.page
    hold = someone.reach_done()
    content = page.locator("main").inner_text()
    page.go_back()  # to the check page, whose hold has become a request since
    assert page.locator("main").inner_text() == content
    again: dict[str, str | float | bool] = {**someone.person.fields, "language": "fr", "checked": "true"}
    answer = page.request.post(f"{hold}/details", form=again, headers={"Accept": "text/html"})
    assert answer.url == hold
    page.goto(hold)
    assert page.locator("main").inner_text() == content
    someone.link_of()
    assert len(someone.program.letters(someone.person.email)) == 1


def test_a_change_of_language_in_the_middle_of_the_form_loses_nothing(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(script=False, width=320))
    page, typed = someone.page, {**someone.person.fields, "phone": "none"}
    hold = someone.reach_details()
    someone.fill(phone="none")
    someone.change_language("العربية")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("#errors, [aria-invalid]")).to_have_count(0)
    assert {name: page.locator(f"#{name}").input_value() for name in typed} == typed
    assert page.evaluate(OVERFLOW) == 0
    someone.next()
    expect(page.locator("#phone-error")).to_be_visible()
    someone.change_language("English")
    assert {name: page.locator(f"#{name}").input_value() for name in typed} == typed
    page.fill("#phone", "06 12 34 56 78")
    with page.expect_navigation():
        page.press("#phone", "Enter")
    expect(page.locator("h1")).to_have_text("Check before you submit")
    someone.change_language("العربية")
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    expect(page.locator(".gu-check")).to_contain_text(someone.person.last_name)
    assert page.evaluate(OVERFLOW) == 0
    assert someone.program.get(f"/holds/{hold.rpartition('/')[2]}").json()["state"] == "held"
    someone.send()
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    someone.link_of()
    assert someone.program.letter(someone.person.email, 1)["subject"] == "أكّد طلب موعدك"


def test_a_chosen_language_stays_on_the_next_page(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(script=False))
    someone.goto("")
    someone.press(someone.link("العربية"))
    someone.press(f"a[href$='services/{SERVICE}']")
    expect(someone.page.locator("html")).to_have_attribute("lang", "ar")


def test_a_printed_convocation_has_the_sheet_only(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(script=False))
    someone.reach_done()
    link = someone.link_of()
    someone.goto(link)
    someone.press("form .fr-btn")
    someone.goto(f"{link}/convocation")
    someone.page.emulate_media(media="print")
    expect(someone.page.locator(".gu-sheet")).to_be_visible()
    for hidden in (".fr-header", ".fr-footer", ".gu-screen"):
        expect(someone.page.locator(f"{hidden}:visible")).to_have_count(0)
    for language in LANGUAGES:
        someone.goto(f"{link}/convocation?lang={language}")
        printed = PdfReader(io.BytesIO(someone.page.pdf(format="A4", prefer_css_page_size=True)))
        assert len(printed.pages) == 1, language
        assert "Venez 10 minutes en avance" in " ".join(printed.pages[0].extract_text().split()), language
