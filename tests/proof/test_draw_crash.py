"""Interrupt the run of the draw at every call to the table, and run it again; and run two at once.

The table must be that of a run without an interruption: the same record, and nobody has two seats.
"""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest

from chalicelib.allocation import draw, run
from chalicelib.allocation.beacon import SignedRound
from chalicelib.booking import requests
from chalicelib.domain import draw_record, refusals
from chalicelib.domain.draw_record import Stage
from chalicelib.storage import draw_items, draw_store, entry_keys, seat_store, service_store
from tests.long import LONG
from tests.proof import inprocess
from tests.proof.cutting import CUTS, Killed, cut
from tests.unit.allocation.drawing import FROZEN_AT, put
from tests.unit.allocation.entrants import CLOSES, OPENS, WEEK, all_entries, entered, somebody

pytestmark = LONG

DRAWN_AT = draw_record.deciding_round(CLOSES, FROZEN_AT).at
LATER = DRAWN_AT + timedelta(minutes=6)
SEED = "5e" * 32


def any_round(number: int) -> SignedRound:
    return SignedRound(number, number.to_bytes(48, "big"))


class Scene:
    """A draw up to the run that a case interrupts."""

    def __init__(self) -> None:
        put({"beacon": "drand"})
        self.people: list[requests.Request] = []
        self.now = OPENS

    def run(self) -> None:
        run.run(lambda: self.now, randomness=any_round)

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.run()

    def open(self) -> None:
        """Leave the table as it is when the window opens."""

    def entered(self) -> None:
        self.at(OPENS)
        self.people = [entered(somebody(number), preferences=("any",)) for number in range(7)]
        self.now = FROZEN_AT

    def frozen(self) -> None:
        self.entered()
        self.run()
        self.now = DRAWN_AT

    def without_seed(self) -> None:
        self.frozen()
        draw_items.seed_item("aes", WEEK).delete()

    def drawn(self) -> None:
        """Two winners give their seats up, and the first of the waiting ranks leaves."""
        self.frozen()
        self.run()
        of_rank = [by_receipt(self.people)[line.split(";")[1]] for line in result_lines()]
        for request in (*of_rank[:2], of_rank[4]):
            requests.cancel(request.token, DRAWN_AT)
        self.now = LATER


def by_receipt(people: list[requests.Request]) -> dict[str, requests.Request]:
    holds = {entry.hold or entry.past: entry.receipt for entry in all_entries()}
    return {holds[request.carrier.hold]: request for request in people}


def result_lines() -> list[str]:
    drawn = draw_store.read("aes", WEEK)
    assert drawn
    return draw_store.read_list(drawn, draw_record.ListKind.RESULTS).splitlines()


CASES: dict[str, tuple[Callable[[Scene], None], Stage]] = {
    "the promise": (Scene.open, Stage.PROMISED),
    "the freeze": (Scene.entered, Stage.FROZEN),
    "the results and the seats": (Scene.frozen, Stage.ASSIGNED),
    "a lost seed": (Scene.without_seed, Stage.VOID),
    "the offers": (Scene.drawn, Stage.ASSIGNED),
}


@pytest.fixture(autouse=True)
def _same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the same seed in every run. Few shards are read as many are."""
    monkeypatch.setattr(entry_keys, "SHARDS", 3)
    defaults = draw.promise.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "seed_of", lambda: SEED)


def prepared(emulator: inprocess.Emulator, name: str) -> tuple[Scene, list[dict[str, Any]]]:
    scene = Scene()
    CASES[name][0](scene)
    return scene, deepcopy(emulator.items())


def ended(emulator: inprocess.Emulator, scene: Scene, saved: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
    """Run once without an interruption. Return how many calls it took, and the table."""
    emulator.put_back(saved)
    service_store.clear_caches()
    first = len(emulator.calls)
    scene.run()
    return len(emulator.calls) - first, in_order(emulator)


def in_order(emulator: inprocess.Emulator) -> list[dict[str, Any]]:
    return deepcopy(sorted(emulator.items(), key=lambda item: (item["pk"]["S"], item["sk"]["S"])))


def without_unclaimed(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out which seats nobody is left for: a run may also note it of a seat that the other has offered."""
    return [{name: value for name, value in item.items() if name != "unclaimed"} for item in table]


def assert_nobody_twice() -> None:
    """Fail if somebody has two seats, or a seat that their entry does not lead to."""
    seats = [seat for seat in seat_store.read_week("aes", WEEK) if seat.hold]
    moved = {entry.past: entry.moved_to for entry in all_entries() if entry.moved_to}
    assert len({seat.hold for seat in seats}) == len(seats)
    assert all(moved[seat.hold] == seat.key for seat in seats)


def name_of_stage() -> Stage:
    drawn = draw_store.read("aes", WEEK)
    assert drawn
    return drawn.stage


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_cut_at_any_call_and_repeated_ends_like_one_without_a_cut(name: str) -> None:
    with inprocess.emulator() as emulator:
        scene, saved = prepared(emulator, name)
        calls, table = ended(emulator, scene, saved)
        assert name_of_stage() is CASES[name][1]
        for number, (after, killed) in product(range(calls), CUTS):
            emulator.put_back(saved)
            service_store.clear_caches()
            cut(emulator, number, after=after, killed=killed)
            with suppress(Killed, refusals.Unavailable):
                scene.run()
            emulator.before = emulator.after = lambda _name: None
            scene.run()
            assert in_order(emulator) == table, (number, after, killed)
        assert_nobody_twice()


@pytest.mark.parametrize("name", CASES)
def test_a_run_within_which_another_one_runs_at_any_call_gives_the_same_result(name: str) -> None:
    with inprocess.emulator() as emulator:
        scene, saved = prepared(emulator, name)
        calls, table = ended(emulator, scene, saved)
        for number in range(calls):
            emulator.put_back(saved)
            service_store.clear_caches()
            first = len(emulator.calls)

            def other(_name: str, number: int = number, first: int = first) -> None:
                if len(emulator.calls) - first == number:
                    emulator.before = lambda _name: None
                    scene.run()

            emulator.before = other
            scene.run()
            emulator.before = lambda _name: None
            scene.run()
            assert without_unclaimed(in_order(emulator)) == without_unclaimed(table), number
            assert_nobody_twice()


@pytest.mark.parametrize("minutes", [1, 30])
def test_an_interrupted_run_that_goes_on_later_draws_the_same(minutes: int) -> None:
    """The later clock is in the record, and changes nothing else."""
    with inprocess.emulator() as emulator:
        scene, saved = prepared(emulator, "the results and the seats")
        calls, _ = ended(emulator, scene, saved)
        results = result_lines()
        for number in range(calls):
            emulator.put_back(saved)
            service_store.clear_caches()
            scene.now = DRAWN_AT
            cut(emulator, number, after=True, killed=True)
            with pytest.raises(Killed):
                scene.run()
            scene.at(DRAWN_AT + timedelta(minutes=minutes))
            assert result_lines() == results
            assert_nobody_twice()


def test_a_repeated_run_writes_nothing() -> None:
    with inprocess.emulator() as emulator:
        scene, saved = prepared(emulator, "the offers")
        _, table = ended(emulator, scene, saved)
        first = len(emulator.calls)
        for minutes in range(3):
            scene.at(LATER + timedelta(hours=1, minutes=20 + minutes))
        assert set(emulator.calls[first:]) == {"Query"}
        assert in_order(emulator) == table
