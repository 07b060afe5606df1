"""Interrupt every outside call of the steps of an entry, as `test_crash` does with those of a booking.

The same step again must leave the same table as a run without an interruption. An answer in the middle of the captcha
goes on, because nobody else can take the entry.
"""

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from chalicelib.allocation import entries, office
from chalicelib.allocation.entries import Application
from chalicelib.allocation.office import PaperForm
from chalicelib.booking import captcha, filing, holds, personal_data, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import entry, refusals, tokens
from chalicelib.domain.seat import DRAWN, State
from chalicelib.storage import entry_keys, person_store, seat_store, service_store
from tests.conftest import document
from tests.long import LONG
from tests.proof import inprocess
from tests.proof.cutting import CUTS, Killed, cut
from tests.unit.allocation.entrants import CLOSES, DOCUMENT, NOW, PREFERENCES, WEEK, entry_of
from tests.unit.booking.steps import AWA

pytestmark = LONG

FIRST_COME = document(plannings=DOCUMENT["plannings"])
RELEASED = datetime.fromisoformat("2026-12-14T09:05+01:00")
RECEIPT = "a" * tokens.RECEIPT_LENGTH


class Scene:
    """One entrant's steps, as far as a case needs them. Each step can be taken again."""

    def __init__(self, emulator: inprocess.Emulator) -> None:
        self.emulator = emulator
        self.service = service_store.put(DOCUMENT)
        schedule.release_seats(NOW)
        application = Application(PREFERENCES, conditions_accepted=True)
        self.hold = entries.place("aes", application, now=NOW, new_secret=lambda: "a" * 52).id
        challenge = captcha.new_challenge(self.hold, NOW)
        self.challenge, self.answer = challenge.id, challenge.sound
        self.token = ""

    def start(self) -> None:
        """Leave the table as it is before the first entrant."""

    def pass_captcha(self) -> None:
        captcha.answer(self.hold, self.challenge, self.answer, now=NOW)

    def file(self) -> None:
        self.token = filing.file(holds.view_ready(self.hold, NOW), AWA, now=NOW).token

    def filed(self) -> None:
        self.pass_captcha()
        self.file()

    def prove(self) -> None:
        requests.confirm(self.token, NOW)

    def entered(self) -> None:
        self.filed()
        self.prove()

    def leave(self) -> None:
        entries.leave(self.token, NOW)

    def change(self) -> None:
        entries.change_preferences(self.token, ["any"], NOW)

    def renew(self) -> None:
        entries.renew(self.token, NOW + timedelta(days=1))

    def erase(self) -> None:
        personal_data.erase(self.token, NOW)

    def correct(self) -> None:
        personal_data.correct(personal_data.view_correctable(self.token, NOW), "Awa", "Exempel", "06", now=NOW)

    def sweep(self) -> None:
        for shard in range(entry_keys.SHARDS):
            entries.end_by_time(self.service, shard, NOW + entry.LIFE + timedelta(hours=1))

    def frozen(self) -> None:
        self.entered()
        self.stored = entry_of(requests.view(self.token, NOW))

    def draw(self) -> None:
        """Give the first seat of the week to the entry as it was frozen."""
        seat = seat_store.read_week("aes", WEEK)[0]
        entries.give_seat(self.service, self.stored, seat.key, DRAWN, now=CLOSES)

    def no_draws(self) -> None:
        """Stop drawing, with a hold on a seat whose captcha is passed."""
        self.entered()
        self.stored = entry_of(requests.view(self.token, NOW))
        self.service = service_store.put(FIRST_COME)
        service_store.clear_caches()
        schedule.release_seats(RELEASED)
        waiting = holds.place("aes", Wish(None, conditions_accepted=True), now=RELEASED, new_secret=lambda: "b" * 52)
        challenge = captcha.new_challenge(waiting.id, RELEASED)
        self.hold = captcha.answer(waiting.id, challenge.id, challenge.sound, now=RELEASED).id

    def book(self) -> None:
        """File a request for an appointment, which replaces the entry."""
        filing.file(holds.view_ready(self.hold, RELEASED), AWA, now=RELEASED)

    def enter_paper(self) -> None:
        """Enter somebody without an e-mail address, as the office does."""
        form = PaperForm(replace(AWA, email=""), PREFERENCES)
        office.enter("aes", form, secret="c" * 52, now=NOW)


CASES: dict[str, tuple[Callable[[Scene], None], Callable[[Scene], None]]] = {
    "the captcha": (Scene.start, Scene.pass_captcha),
    "the details": (Scene.pass_captcha, Scene.file),
    "the proof": (Scene.filed, Scene.prove),
    "leaving before the proof": (Scene.filed, Scene.leave),
    "leaving": (Scene.entered, Scene.leave),
    "other preferences": (Scene.entered, Scene.change),
    "renewing": (Scene.entered, Scene.renew),
    "correcting": (Scene.entered, Scene.correct),
    "erasing": (Scene.entered, Scene.erase),
    "the end by time": (Scene.entered, Scene.sweep),
    "the seat": (Scene.frozen, Scene.draw),
    "an appointment instead": (Scene.no_draws, Scene.book),
    "an entry on paper": (Scene.start, Scene.enter_paper),
}


@pytest.fixture(autouse=True)
def _same_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the entry the same receipt in every run. Few shards are read as many are."""
    monkeypatch.setattr(entry_keys, "SHARDS", 3)
    monkeypatch.setattr(tokens, "new_receipt", lambda: RECEIPT)


@pytest.mark.parametrize("name", CASES)
def test_a_step_of_an_entry_that_is_cut_at_any_call_and_repeated_ends_like_one_without_a_cut(name: str) -> None:
    before, act = CASES[name]
    with inprocess.emulator() as emulator:
        scene = Scene(emulator)
        before(scene)
        saved, first = deepcopy(emulator.items()), len(emulator.calls)
        act(scene)
        calls, table = len(emulator.calls) - first, in_order(emulator)
        assert table != sorted(saved, key=order)
        for number, (after, killed) in product(range(calls), CUTS):
            emulator.put_back(saved)
            service_store.clear_caches()
            cut(emulator, number, after=after, killed=killed)
            try:
                act(scene)
            except (Killed, refusals.Refusal):
                act(scene)
            emulator.before = emulator.after = lambda _name: None
            assert in_order(emulator) == table, (number, after, killed)


def test_an_entry_that_leaves_while_a_request_replaces_it_ends_once_and_the_request_is_filed() -> None:
    """It leaves before any call of the filing. The filing, which may have found it live, tries again."""
    with inprocess.emulator() as emulator:
        scene = Scene(emulator)
        scene.no_draws()
        saved, first = deepcopy(emulator.items()), len(emulator.calls)
        scene.book()
        assert seat_store.read(scene.stored.key).past_state is State.WITHDRAWN
        for number in range(len(emulator.calls) - first):
            emulator.put_back(saved)
            service_store.clear_caches()
            before, left = len(emulator.calls), list[State]()

            def leave(_name: str, number: int = number, before: int = before, left: list[State] = left) -> None:
                if len(emulator.calls) - before == number:
                    emulator.before = lambda _name: None
                    with suppress(refusals.LinkExpired):  # the request has replaced it
                        left.append(requests.cancel(scene.token, RELEASED).state)

            emulator.before = leave
            scene.book()
            emulator.before = lambda _name: None
            entry, request = seat_store.read(scene.stored.key), holds.view_ready(scene.hold, RELEASED)
            assert (entry.state, request.carrier.state) == (State.OPEN, State.PENDING), number
            assert entry.past_state == (left[0] if left else State.WITHDRAWN), number
            person = person_store.read(request.carrier.person, "aes")
            assert person
            assert (person.seat, person.hold) == (request.carrier.key, request.carrier.hold)


def order(item: dict[str, dict[str, str]]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def in_order(emulator: inprocess.Emulator) -> list[dict[str, dict[str, str]]]:
    return deepcopy(sorted(emulator.items(), key=order))
