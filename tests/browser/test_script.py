"""What the script adds: the slots refresh, the time is counted, the captcha is renewed in place. The clock is ours."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.applicant import Applicant, Becomes, Window, faults

ROUND = 18_000  # milliseconds, more than one refresh takes
STATUS = "#status"


def with_script(open_page: Window, somebody: Becomes, **eyes: Any) -> Applicant:
    """A person whose browser runs scripts on a clock that the test moves."""
    page = open_page(**eyes)
    page.clock.install()
    return somebody(page)


def refresh_until(page: Page, found: Locator, count: int) -> None:
    """Let refreshes pass until so many are found; on the server a week is remembered for a real second."""
    for _ in range(10):
        page.wait_for_timeout(300)
        with page.expect_response(re.compile("/slots")):
            page.clock.run_for(ROUND)
        if found.count() == count:
            return
    expect(found).to_have_count(count)


def test_a_slot_that_another_takes_goes_by_itself_and_choice_and_focus_stay(
    open_page: Window, somebody: Becomes
) -> None:
    someone = with_script(open_page, somebody)
    mine, theirs = someone.open_calendar()[3:5]
    someone.page.check(f"[value='{mine}']")
    someone.page.focus(f"[value='{mine}']")
    someone.take_elsewhere(theirs)
    refresh_until(someone.page, someone.page.locator(f"[value='{theirs}']"), 0)
    expect(someone.page.locator(f"[value='{mine}']")).to_be_checked()
    expect(someone.page.locator(f"[value='{mine}']")).to_be_focused()
    expect(someone.page.locator(STATUS)).to_contain_text("demande(s) de rendez-vous disponible(s)")


def test_who_is_on_a_slot_that_is_taken_is_told_and_stays_where_they_are(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    mine = someone.open_calendar()[6]
    someone.page.check(f"[value='{mine}']")
    someone.page.focus(f"[value='{mine}']")
    someone.take_elsewhere(mine)
    told = someone.page.locator(STATUS).filter(has_text="La plage que vous aviez choisie vient d’être prise.")
    refresh_until(someone.page, told, 1)
    expect(someone.page.locator(f"[value='{mine}']")).to_be_focused()


def test_the_refresh_can_be_paused_and_resumed(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    theirs = someone.open_calendar()[8]
    someone.button("Arrêter l’actualisation automatique").click()
    asked: list[str] = []
    someone.page.on("request", lambda request: asked.append(request.url))
    someone.take_elsewhere(theirs)
    someone.page.clock.run_for(5 * ROUND)
    assert asked == []
    someone.button("Reprendre l’actualisation automatique").click()
    refresh_until(someone.page, someone.page.locator(f"[value='{theirs}']"), 0)


def test_the_time_left_is_counted_warned_of_early_and_lengthened_in_place(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    hold = someone.reach_details()
    page = someone.page
    page.fill("#first_name", "Awa")
    expect(page.locator("#left")).to_contain_text(re.compile(r"Il vous reste 1[45]:\d\d"))
    page.clock.run_for(14 * 60_000 + 10_000)
    expect(page.locator(STATUS)).to_contain_text(re.compile(r"Il vous reste \d\d secondes"))
    someone.button("Garder ma place plus longtemps").click()
    expect(page.locator(STATUS)).to_contain_text("Votre place est gardée jusqu’à")
    expect(page.locator("#left")).to_contain_text(re.compile(r"Il vous reste (29|30):\d\d"))
    expect(page.locator("#first_name")).to_have_value("Awa")
    assert page.url == hold


@pytest.mark.parametrize(
    "eyes",
    [
        {"language": "fr", "scheme": "light"},
        {"language": "en", "scheme": "dark", "width": 320},
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
    expect(someone.page.locator(STATUS)).to_have_text("Votre place n’est plus gardée.")
    assert someone.page.url == hold


def test_another_picture_comes_in_place_and_takes_an_old_mistake_away(open_page: Window, somebody: Becomes) -> None:
    someone = with_script(open_page, somebody)
    someone.hold_first_free()
    someone.answer("wrong")
    page, address = someone.page, someone.page.url
    before = page.locator(".gu-picture").get_attribute("src")
    someone.button("Une autre image").click()
    expect(page.locator(STATUS)).to_have_text("Voici une autre suite de caractères.")
    assert page.locator(".gu-picture").get_attribute("src") != before
    expect(page.locator("#errors, #answer-error")).to_have_count(0)
    expect(someone.button("Une autre image")).to_be_focused()
    assert page.url == address
    someone.button("Écouter").click()
    expect(page.locator("audio[controls]")).to_be_visible()
    someone.answer()
    expect(page.get_by_role("heading", level=1)).to_have_text("Coordonnées personnelles")


def test_a_second_click_while_the_first_is_on_its_way_sends_nothing(open_page: Window, somebody: Becomes) -> None:
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


def test_on_a_slow_network_the_walk_still_ends_well(open_page: Window, somebody: Becomes) -> None:
    someone = somebody(open_page(width=390))
    network = someone.page.context.new_cdp_session(someone.page)
    slow = {"offline": False, "latency": 600, "downloadThroughput": 30_000, "uploadThroughput": 15_000}
    network.send("Network.emulateNetworkConditions", slow)
    someone.page.set_default_timeout(60_000)
    someone.reach_done()
    expect(someone.page.get_by_role("heading", level=1)).to_be_visible()
    expect(someone.page.locator("main")).to_contain_text("ESSAI-")
