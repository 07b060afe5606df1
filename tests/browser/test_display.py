"""The screen of the waiting room: new calls, sound, a lost network and a whole night. The test moves the clock."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from chalicelib.storage import desk_items
from infra.local import practice_day
from infra.local.stack import Stack
from tests.browser.applicant import Window, faults

ROUND = 5_000  # milliseconds, more than from one request to the next
SINCE = re.compile(r"Réseau perdu. Dernière mise à jour : \d")
CAPITAL = 0.71
"""The height of a digit, as a part of the size of usual fonts."""
CUT = (
    "{ const real = fetch; window.fetch = (...asked) => window.cut ? Promise.reject(new TypeError()) : real(...asked) }"
)
TONES = """{
    window.tones = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (at) { window.tones += 1; start.call(this, at) };
}"""
NIGHT = """{
    const timers = new Map();
    let now = 0, number = 0, asked = 0;
    window.setTimeout = (act, wait) => { timers.set(++number, [now + wait, act]); return number };
    window.clearTimeout = (key) => timers.delete(key);
    performance.now = () => now;
    let hour = "10";
    const call = (n) => ({ number: `${n}A`, desk: n % 9 + 1, at: `2026-12-03T10:00:00.${n}`, calls: 1 });
    const answer = () => {
        const last = Math.floor(asked++ / 10); // a new call at each tenth request
        const calls = Array.from({ length: 9 }, (_, n) => call(last + 9 - n)).slice(last % 10);
        return { now: `2026-12-03T${hour}:00:00+01:00`, version: document.body.dataset.version, calls };
    };
    const real = fetch;
    window.fetch = async (url, asking) => {
        if (asking.headers.Accept === "text/html") return real(url, asking);
        if (asked % 97 === 96) { asked++; throw new TypeError() } // the network is lost now and then
        return { ok: true, status: 200, json: async () => answer() };
    };
    window.play = async (requests, at) => {
        hour = at;
        for (const end = asked + requests; asked < end;) {
            const [key, [moment, act]] = [...timers].sort(([, [a]], [, [b]]) => a - b)[0];
            timers.delete(key);
            now = moment;
            act();
            for (let n = 0; n < 20; n++) await null;
        }
        return timers.size;
    };
}"""


@pytest.fixture
def link(open_page: Window, stack: Stack) -> str:
    """Sign in as an administrator, and make the link of a screen."""
    page = open_page()  # axe needs scripts
    page.goto(f"{stack.api}/desk/{practice_day.SERVICE}/displays")
    page.get_by_role("link", name="Se connecter").click()
    page.get_by_role("link", name="Agnès").click()
    page.get_by_label("Où est l’écran").fill("Salle d’attente")
    page.get_by_role("button", name="Créer le lien").click()
    assert faults(page) == []
    return str(page.locator("#made a").get_attribute("href"))


class Calls:
    """Whom the desks call, in the table of the stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.day = datetime.now(ZoneInfo("Europe/Paris")).date()

    def put(self, desk: int, number: str, calls: int = 1) -> None:
        """Let a desk call somebody, or call them again."""
        now = datetime.now(UTC)
        values: dict[str, Any] = {"seat": "s", "number": number, "agent": "a", "at": now, "calls": calls}
        values["erase_at"] = int((now + timedelta(days=2)).timestamp())
        item = desk_items.call_item(practice_day.SERVICE, self.day, desk, **values)
        self.stack.client("dynamodb").put_item(TableName=self.stack.table, Item=item.serialize())

    def end(self, *desks: int) -> None:
        """Let desks have finished."""
        for desk in desks:
            row = desk_items.call_item(practice_day.SERVICE, self.day, desk)
            key = {"pk": {"S": row.pk}, "sk": {"S": row.sk}}
            self.stack.client("dynamodb").delete_item(TableName=self.stack.table, Key=key)


@pytest.fixture
def calls(stack: Stack) -> Iterator[Calls]:
    """Let desks call, and end all calls afterwards."""
    calls = Calls(stack)
    yield calls
    calls.end(*range(1, 10))


def started(page: Page, link: str, *scripts: str) -> Page:
    """Open a screen, which may still wait for its first answer. Its page has the calls before that."""
    page.clock.install()
    for script in scripts:
        page.add_init_script(script)
    page.goto(link)
    expect(page.get_by_role("button")).to_be_visible()
    return page


def opened(page: Page, link: str, *scripts: str) -> Page:
    """Open a screen that has had an answer: it knows which calls are not new, and what it shows without network."""
    time = started(page, link, *scripts).locator("#now")
    time.evaluate("time => { time.textContent = '' }")
    page.clock.run_for(ROUND)
    expect(time).not_to_be_empty()
    return page


def rows(page: Page) -> list[str]:
    return [" ".join(row.split()) for row in page.locator("#calls li").all_inner_texts()]


def tones(page: Page, count: int) -> None:
    """Wait until the page has rung this number of tones."""
    for _ in range(100):
        if page.evaluate("window.tones") == count:
            return
        page.wait_for_timeout(50)
    assert page.evaluate("window.tones") == count


def test_a_new_call_comes_first_and_one_that_is_over_goes(open_page: Window, link: str, calls: Calls) -> None:
    calls.put(1, "1000A")
    page = opened(open_page(width=1920, scheme="dark"), link)
    expect(page.locator("#calls li")).to_have_text(["1000A Guichet 1"])
    expect(page.locator(".gu-new")).to_have_count(0)  # nothing flashes when the screen is switched on
    calls.put(2, "1005B")
    page.clock.run_for(ROUND)
    expect(page.locator("#calls li").first).to_have_class("gu-new")
    assert rows(page) == ["1005B Guichet 2", "1000A Guichet 1"]
    calls.put(1, "1000A", calls=2)
    page.clock.run_for(ROUND)
    expect(page.locator("#calls li").first).to_have_text("1000A Guichet 1")
    assert faults(page) == []
    calls.end(1, 2)
    page.clock.run_for(ROUND)
    expect(page.get_by_text("Votre numéro s’affichera ici.")).to_be_visible()
    assert faults(page) == []


def test_eight_calls_fit_and_their_letters_are_a_tenth_of_the_screen_high(
    open_page: Window, link: str, calls: Calls
) -> None:
    for desk in range(1, 10):
        calls.put(desk, f"10{desk:02}A")
    page = opened(open_page(width=1422), link)  # 16:9
    expect(page.locator("#calls li")).to_have_count(8)
    sizes = page.locator("#calls strong").evaluate_all(
        "all => all.map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) * CAPITAL >= page.evaluate("innerHeight") / 10
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 2")
    expect(page.locator("#calls li").last).to_be_in_viewport(ratio=0.95)


def test_the_sound_is_started_by_a_button_rings_at_a_new_call_and_is_remembered(
    open_page: Window, link: str, calls: Calls
) -> None:
    page = opened(open_page(), link, TONES)
    button = page.locator("#sound")
    calls.put(1, "1000A")
    page.clock.run_for(ROUND)
    expect(page.locator("#calls li")).to_have_count(1)
    tones(page, 0)
    button.click()
    expect(button).to_have_text("Couper le son")
    tones(page, 2)  # one to try it
    calls.put(1, "1000A", calls=2)
    page.clock.run_for(ROUND)
    tones(page, 4)
    with page.expect_navigation():
        page.evaluate("location.reload()")
    expect(button).to_have_text("Couper le son")
    button.click()
    expect(button).to_have_text("Activer le son")
    calls.put(2, "1005B")
    page.clock.run_for(ROUND)
    expect(page.locator("#calls li")).to_have_count(2)
    tones(page, 0)


def sends_to_the_reception(page: Page) -> None:
    """Check what a screen without network shows: the calls and since when, after two minutes the reception instead."""
    page.clock.run_for(20_000)
    expect(page.get_by_role("alert")).to_have_text(SINCE)
    expect(page.locator("#calls li")).to_be_visible()
    page.clock.run_for(110_000)
    expect(page.get_by_text("Demandez à l’accueil.")).to_be_visible()
    expect(page.locator("#calls")).to_be_hidden()


def test_a_screen_without_network_says_so_sends_people_to_the_reception_and_recovers(
    open_page: Window, link: str, calls: Calls
) -> None:
    calls.put(1, "1000A")
    page = opened(open_page(), link, CUT)
    expect(page.locator("#calls li")).to_have_count(1)
    page.evaluate("window.cut = true")
    sends_to_the_reception(page)
    calls.put(2, "1005B")
    page.evaluate("window.cut = false; dispatchEvent(new Event('online'))")
    expect(page.locator("#calls li").first).to_have_class("gu-new")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_text("Demandez à l’accueil.")).to_be_hidden()


def test_a_screen_without_network_before_its_first_answer_sends_people_to_the_reception_too(
    open_page: Window, link: str, calls: Calls
) -> None:
    calls.put(1, "1000A")
    page = started(open_page(), link, CUT, "window.cut = true")
    sends_to_the_reception(page)


def test_a_revoked_link_says_so_on_its_screen(open_page: Window, link: str, stack: Stack) -> None:
    page, planner = opened(open_page(), link), open_page()
    planner.goto(f"{stack.api}/desk/{practice_day.SERVICE}/displays")
    planner.get_by_role("link", name="Se connecter").click()
    planner.get_by_role("link", name="Agnès").click()
    while planner.get_by_role("button", name="Désactiver").count():
        planner.get_by_role("button", name="Désactiver").first.click()
        expect(planner.locator("#revoked")).to_be_visible()
    page.clock.run_for(ROUND)
    expect(page.get_by_role("heading")).to_have_text("Ce lien d’affichage n’est plus valable.")
    assert faults(page) == []


def test_a_night_of_ten_thousand_requests_leaves_nothing_behind_and_ends_with_a_new_page(
    open_page: Window, link: str
) -> None:
    page = open_page()
    page.add_init_script(NIGHT)
    page.goto(link)
    devtools = page.context.new_cdp_session(page)

    def size() -> tuple[int, float]:
        devtools.send("HeapProfiler.collectGarbage")
        nodes = devtools.send("Memory.getDOMCounters")["nodes"]
        return nodes, devtools.send("Runtime.getHeapUsage")["usedSize"]

    page.evaluate("play(500, '10')")
    nodes, heap = size()
    assert page.evaluate("play(10000, '10')") == 2  # the next request, and the end of the calls
    more_nodes, more_heap = size()
    assert more_nodes < nodes + 50
    assert more_heap < heap + 300_000
    with page.expect_navigation():
        page.evaluate("play(1, '03')")
