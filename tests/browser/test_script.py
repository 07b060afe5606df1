"""The functions of the script: slots refresh, time counts down, the captcha is renewed. The test moves the clock."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from infra.deploy.package import ROOT
from tests.browser.applicant import Applicant, Becomes, Window, faults
from tests.long import IS_LONG, LONG
from tests.unit.web import pages

ROUND = 18_000  # milliseconds, more than one refresh takes
STATUS = "#status"


def with_script(open_page: Window, somebody: Becomes, **eyes: Any) -> Applicant:
    """Return an applicant whose browser runs the script, with a clock that the test moves."""
    page = open_page(**eyes)
    page.clock.install()
    return somebody(page)


def refresh_until(page: Page, target: Locator, count: int) -> None:
    """Refresh until this many elements match. The server caches a week for one second of real time."""
    for _ in range(10):
        page.wait_for_timeout(300)
        with page.expect_response(re.compile("/slots")):
            page.clock.run_for(ROUND)
        if target.count() == count:
            return
    expect(target).to_have_count(count)


def test_a_slot_that_is_taken_disappears_and_choice_and_focus_stay(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    slot, other = someone.open_calendar()[3:5]
    someone.page.check(f"[value='{slot}']")
    someone.page.focus(f"[value='{slot}']")
    someone.take_elsewhere(other)
    refresh_until(someone.page, someone.page.locator(f"[value='{other}']"), 0)
    expect(someone.page.locator(f"[value='{slot}']")).to_be_checked()
    expect(someone.page.locator(f"[value='{slot}']")).to_be_focused()
    expect(someone.page.locator(STATUS)).to_contain_text("rendez-vous libres")


def test_when_the_focused_slot_is_taken_a_message_says_so_and_the_focus_stays(
    open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody)
    slot = someone.open_calendar()[6]
    someone.page.check(f"[value='{slot}']")
    someone.page.focus(f"[value='{slot}']")
    someone.take_elsewhere(slot)
    message = someone.page.locator(STATUS).filter(has_text="Le créneau que vous aviez choisi vient d’être pris.")
    refresh_until(someone.page, message, 1)
    expect(someone.page.locator(f"[value='{slot}']")).to_be_focused()


def test_the_bar_shows_the_chosen_slot_its_end_and_how_many_appointments_are_left(
    open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody)
    slot = someone.open_calendar()[2]
    someone.page.check(f"[value='{slot}']")
    start = datetime.fromisoformat(slot)
    end = start + timedelta(minutes=5)
    chosen = someone.page.locator(".gu-bar #chosen")
    expect(chosen).to_contain_text(f"de {start.hour} h {start:%M} à {end.hour} h {end:%M}")
    expect(chosen).to_contain_text("Il reste 1 rendez-vous à ce créneau.")
    expect(chosen).to_be_in_viewport()


def test_no_slot_moves_under_the_finger_when_the_page_refreshes_itself(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody, width=390)
    slots = someone.open_calendar()
    page, last = someone.page, someone.page.locator(f"[value='{slots[-1]}']")
    last.scroll_into_view_if_needed()
    before = last.evaluate("one => Math.round(one.getBoundingClientRect().y)")
    for slot in slots[9:13]:
        someone.take_elsewhere(slot)
    refresh_until(page, page.locator(f"[value='{slots[12]}']"), 0)
    expect(page.locator(f".gu-bar {STATUS}")).to_contain_text("rendez-vous libres")
    expect(page.locator(STATUS)).to_be_in_viewport()
    assert abs(last.evaluate("one => one.getBoundingClientRect().y") - before) < 1


def test_a_choice_that_is_missing_is_announced_in_the_bar_and_nothing_is_sent(
    open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody)
    someone.open_calendar()
    url = someone.page.url
    someone.button("Choisir ce créneau").click()
    expect(someone.page.locator(f".gu-bar {STATUS}")).to_have_text("Choisissez un créneau.")
    expect(someone.page.locator("[type=radio]").first).to_be_focused()
    assert someone.page.url == url


def test_the_refresh_can_be_paused_and_resumed(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    other = someone.open_calendar()[8]
    someone.button("Arrêter l’actualisation automatique").click()
    urls: list[str] = []
    someone.page.on("request", lambda request: urls.append(request.url))
    someone.take_elsewhere(other)
    someone.page.clock.run_for(5 * ROUND)
    assert urls == []
    someone.button("Reprendre l’actualisation automatique").click()
    refresh_until(someone.page, someone.page.locator(f"[value='{other}']"), 0)


def test_the_time_left_counts_down_with_an_early_warning_and_is_extended_in_place(
    open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody)
    hold = someone.reach_details()
    page = someone.page
    page.fill("#first_name", "Awa")
    expect(page.locator("#left")).to_contain_text(re.compile(r"Il vous reste 1[45]:\d\d"))
    page.clock.run_for(14 * 60_000 + 10_000)
    expect(page.locator(STATUS)).to_contain_text(re.compile(r"Il vous reste \d\d secondes"))
    someone.button("Plus de temps").click()
    expect(page.locator(STATUS)).to_contain_text("Votre créneau est gardé jusqu’à")
    expect(page.locator("#left")).to_contain_text(re.compile(r"Il vous reste (29|30):\d\d"))
    expect(page.locator("#first_name")).to_have_value("Awa")
    assert page.url == hold


@pytest.mark.parametrize(
    "eyes",
    [
        {"language": "fr", "scheme": "light"},
        pytest.param({"language": "en", "scheme": "dark", "width": 320}, marks=LONG),
        {"language": "ar", "scheme": "dark", "width": 390},
    ],
    ids=lambda eyes: eyes["language"],
)
def test_a_hold_that_runs_out_has_no_accessibility_fault(
    eyes: dict[str, Any], open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody, **eyes)
    page = someone.page
    warned, more = page.locator(".gu-until--soon"), page.locator("#extend")
    someone.hold_first_free()
    page.clock.run_for(130_000)
    expect(warned).to_be_visible()
    expect(page.locator(STATUS)).not_to_be_empty()
    expect(more).to_be_enabled()
    assert faults(page) == []
    someone.answer()
    page.clock.run_for(14 * 60_000 + 10_000)
    expect(warned).to_be_visible()
    assert faults(page) == []
    more.click()
    expect(warned).to_have_count(0)
    expect(page.locator(STATUS)).not_to_be_empty()
    assert faults(page) == []
    more.click()
    expect(more).to_be_disabled()
    assert faults(page) == []
    page.clock.run_for(60 * 60_000)
    expect(page.locator("#left")).to_contain_text("0:00")
    assert faults(page) == []


def test_when_the_time_is_over_the_page_says_so_and_does_not_move(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    hold = someone.hold_first_free()
    someone.page.clock.run_for(181_000)
    expect(someone.page.locator(STATUS)).to_have_text("Le temps est écoulé : votre créneau n’est plus gardé.")
    expect(someone.page.locator("#until")).to_be_hidden()
    expect(someone.link("Choisir un autre créneau")).to_be_visible()
    assert someone.page.url == hold


def test_at_the_end_of_a_hold_the_form_is_inactive_and_what_was_typed_goes_along(
    open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody)
    someone.reach_details()
    page = someone.page
    page.fill("#first_name", "Awa")
    page.clock.run_for(15 * 60_000 + 1_000)
    another = someone.button("Choisir un autre créneau")
    expect(another).to_be_focused()
    assert page.locator("#step").evaluate("step => step.inert")
    someone.program.post(f"/holds/{page.url.rpartition('/')[2]}/end")  # the clock of the page runs ahead of the service
    someone.press(another)
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre créneau n’est plus gardé.")
    someone.press("main form .fr-btn >> nth=0")
    someone.answer()
    expect(page.locator("#first_name")).to_have_value("Awa")


def test_another_picture_replaces_the_first_in_place_and_clears_the_error(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    someone.hold_first_free()
    someone.answer("wrong")
    page, url = someone.page, someone.page.url
    before = page.locator(".gu-picture").get_attribute("src")
    someone.button("Une autre image").click()
    expect(page.locator(STATUS)).to_have_text("Voici une autre suite de caractères.")
    assert page.locator(".gu-picture").get_attribute("src") != before
    expect(page.locator("#errors, #answer-error")).to_have_count(0)
    expect(someone.button("Une autre image")).to_be_focused()
    assert page.url == url
    someone.button("Écouter").click()
    expect(page.locator("audio[controls]")).to_be_visible()
    page.wait_for_function("!document.querySelector('audio').paused")
    expect(page.locator(STATUS)).to_have_text("Voici six chiffres à écouter.")
    expect(page.locator("#listen")).to_be_focused()
    someone.answer()
    expect(page.get_by_role("heading", level=1)).to_have_text("Coordonnées personnelles")


def test_a_second_click_during_a_submission_sends_nothing(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page())
    someone.open_calendar()
    stopped = someone.page.locator("[name=first_free]").evaluate(
        """button => {
            const stopped = [];
            addEventListener("submit", (event) => {
                stopped.push(event.defaultPrevented);
                event.preventDefault(); // stay on the page
            });
            button.click();
            button.click();
            return stopped;
        }"""
    )
    assert stopped == [False, True]


def test_a_booking_succeeds_on_a_slow_network(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(width=390))
    network = someone.page.context.new_cdp_session(someone.page)
    slow = {
        "offline": False,
        "latency": 600 if IS_LONG else 200,
        "downloadThroughput": 30_000,
        "uploadThroughput": 15_000,
    }
    network.send("Network.emulateNetworkConditions", slow)
    someone.page.set_default_timeout(60_000)
    someone.reach_done()
    expect(someone.page.get_by_role("heading", level=1)).to_be_visible()
    expect(someone.page.locator("main")).to_contain_text("ESSAI-")


def test_a_turn_goes_on_by_itself_in_its_time_but_not_when_back_leads_to_it(browser: Browser) -> None:
    sent: list[str] = []

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(route.request.url)
        if route.request.url.endswith(".js"):
            route.fulfill(path=ROOT / "chalicelib" / "static" / "guichet.js")
        else:
            html = "<h1>Coordonnées</h1>" if sent else pages.page("turn", root="../")
            route.fulfill(body=html, content_type="text/html; charset=utf-8")

    page = browser.new_page()
    page.route("**/*", answer)
    page.clock.install()
    page.goto("http://guichet.example/holds/x")
    page.clock.run_for(60_000)
    expect(page.locator(STATUS)).to_have_text("")  # no countdown is read out
    assert sent == []
    page.clock.run_for(15_000)
    page.wait_for_url(re.compile("/seat$"))
    assert len(sent) == 1
    sent.clear()
    page.go_back()
    page.clock.run_for(80_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Attendez votre tour")
    assert sent == []
    page.context.close()
