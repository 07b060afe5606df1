"""The public record of a draw, as anybody reads it."""

from hashlib import sha256

import pytest

from chalicelib.booking import requests
from chalicelib.domain import draw_record
from chalicelib.storage import draw_items, draw_store
from tests.client import FORM, Answer, get, refused, send
from tests.conftest import Clock
from tests.unit.allocation.drawing import DRAWN_AT, FROZEN_AT, MORNING, at, put
from tests.unit.allocation.entrants import NOW, OPENS, WEEK, entered, somebody

pytestmark = pytest.mark.slow

BASE = f"/services/aes/draws/{WEEK}"
FOREVER, SHORT = "public, max-age=31536000, immutable", "public, max-age=0, s-maxage=1"


@pytest.fixture(autouse=True)
def _service(table: None, clock: Clock) -> None:  # noqa: ARG001  # a fixture for its effect
    clock.now = NOW
    put()
    at(OPENS)


def cached(answer: Answer) -> str:
    return answer.headers["Cache-Control"]


def drawn(people: int = 5) -> list[requests.Request]:
    made = [entered(somebody(number), preferences=("tue-am", "any")) for number in range(people)]
    at(FROZEN_AT)
    return made


def test_the_record_has_the_promise_from_the_opening_and_everything_else_once_it_is_drawn() -> None:
    promised = get(BASE)
    assert (promised.status, cached(promised)) == (200, SHORT)
    assert (
        promised.data["promise"] == draw_record.promise(promised.data) == get("/services/aes").data["draw"]["promise"]
    )
    assert {"seed", "root", "randomness"}.isdisjoint(promised.data)
    assert get("/services/aes/draws").data == {"draws": []}
    drawn()
    answer = get(BASE)
    assert cached(answer) == FOREVER
    assert answer.data["promise"] == promised.data["promise"]
    assert get("/services/aes/draws").data == {"draws": [{"week": WEEK, "drawn_at": answer.data["drawn_at"]}]}


def test_anybody_can_recompute_the_results_from_what_is_published() -> None:
    drawn()
    record = get(BASE).data
    entries, seats, results = (get(f"{BASE}/{name}?part=1") for name in ("entries", "seats", "results"))
    for answer in (entries, seats, results):
        assert (answer.status, answer.kind, answer.headers["X-Parts"]) == (200, "text/plain", "1")
        assert cached(answer) == FOREVER
    assert record["root"] == sha256((entries.text + seats.text).encode()).hexdigest()
    expected = draw_record.results(record, draw_record.parse_entries(entries.text), draw_record.parse_seats(seats.text))
    assert results.text == draw_record.result_lines(expected)


def test_offers_and_departures_are_added_to_and_cached_for_a_second() -> None:
    people = drawn()
    assert get(f"{BASE}/offers").text == ""
    by_rank = {line.split(";")[2]: line.split(";")[0] for line in get(f"{BASE}/results").text.splitlines()}
    winner = next(request for request in people if requests.view(request.token, FROZEN_AT).state.value == "pending")
    requests.cancel(winner.token, FROZEN_AT)
    at(DRAWN_AT)
    answer = get(f"{BASE}/offers")
    assert (cached(answer), answer.headers["X-Parts"]) == (SHORT, "1")
    (line,) = answer.text.splitlines()
    moment, seat, rank, _ = line.split(";")
    assert moment == DRAWN_AT.astimezone(winner.service.zone).isoformat(timespec="milliseconds")
    assert (rank, seat in by_rank) == ("5", True)


def test_a_long_list_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_store, "PART_SIZE", 120)
    drawn()
    first = get(f"{BASE}/entries")
    assert first.headers["X-Parts"] == "3"
    parts = [get(f"{BASE}/entries?part={number}").text for number in (1, 2, 3)]
    record = get(BASE).data
    assert len(draw_record.parse_entries("".join(parts))) == record["entries"] == 5
    refused(get(f"{BASE}/entries?part=4"), 404, "not-found")


@pytest.mark.parametrize(
    "path",
    [
        *(f"/services/aes/draws/{week}" for week in ("2026-W51", "2026-W99", "2026-W5", "none", "2" * 1500)),
        *(f"{BASE}/{name}" for name in ("standing", "live", "seed", "letters", "Entries")),
        *(f"{BASE}/seats?part={part}" for part in ("0", "-1", "2", "01", "x", "", "1.0", "١", "9" * 30)),
        *(f"{BASE}/offers?part={part}" for part in ("0", "2", "x")),
        "/services/aes/draws/2026-W5/seats",
        "/services/nope/draws",
        f"/services/nope/draws/{WEEK}",
        f"/services/nope/draws/{WEEK}/seats",
    ],
)
def test_what_is_not_published_is_not_found(path: str) -> None:
    drawn(1)
    refused(get(path), 404, "not-found")


def test_nothing_is_published_before_its_time() -> None:
    for name in ("entries", "seats", "results", "offers"):
        refused(get(f"{BASE}/{name}"), 404, "not-found")
    draw_items.draw_item("aes", WEEK).delete()
    put({"beacon": "drand"})
    at(OPENS)
    entered(somebody(1), preferences=("tue-am",))
    at(FROZEN_AT)
    assert get(BASE).data["root"]
    assert cached(get(BASE)) == SHORT
    assert MORNING in get(f"{BASE}/seats").text
    assert cached(get(f"{BASE}/seats")) == FOREVER
    for name in ("results", "offers"):
        refused(get(f"{BASE}/{name}"), 404, "not-found")


def test_a_draw_whose_seed_is_lost_is_void_for_all_to_see() -> None:
    draw_items.seed_item("aes", WEEK).delete()
    drawn(1)
    answer = get(BASE)
    assert (answer.data["void"], cached(answer)) == ("the seed is lost", FOREVER)
    assert get("/services/aes/draws").data == {"draws": [{"week": WEEK, "drawn_at": None}]}
    refused(get(f"{BASE}/results"), 404, "not-found")


def test_a_program_that_names_no_type_gets_the_record_and_a_browser_the_same_lists() -> None:
    drawn(1)
    for accept in ({}, {"Accept": "*/*"}):
        assert send("GET", BASE, accept).data == get(BASE).data
        assert "draws" in send("GET", "/services/aes/draws", accept).data
    assert send("GET", f"{BASE}/seats", FORM).text == get(f"{BASE}/seats").text


def test_nothing_of_a_person_is_published() -> None:
    drawn()
    texts = [get(path).text for path in (BASE, "/services/aes/draws", *(f"{BASE}/{n}" for n in ("entries", "results")))]
    assert not any(word in text for text in texts for word in ("Exemple", "Awa", "example.org", "entry."))
