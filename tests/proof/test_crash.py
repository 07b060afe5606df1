"""Every outside call of every handler, cut before and after it happened, by a connection that breaks or a function that
dies: whoever called tries again, and the table and the letters end as if nothing had been.

The calls are those of a clean run, so a new one is cut without a word here; a new handler wants its case.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

import app
from chalicelib.booking import availability, captcha, filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.holds import Wish
from chalicelib.domain import refusals, timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.mail import bounces, outbox
from chalicelib.storage import items, seat_store, service_store
from infra.ops import closing
from tests.conftest import MONDAY
from tests.proof import inprocess
from tests.proof.comparison import SMALL, alike

NOW = MONDAY + timedelta(minutes=1)
SOON = timedelta(seconds=6)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


class Killed(BaseException):
    """The function dies here: no handler of the service may see it."""


class Scene:
    """One visitor's way, as far as a case needs it. Each step can be taken again."""

    def __init__(self, engine: inprocess.Engine) -> None:
        self.engine = engine
        self.batch: list[inprocess.Record] = []
        self.hold = self.token = self.challenge = self.answer = ""
        self.service = service_store.put(SMALL)
        schedule.release_seats(MONDAY - timedelta(minutes=1))
        self.slots = [self.service.start_of(seat.key) for seat in seat_store.read_week("aes", "2026-W50")]

    def place(self, slot: int = 0) -> holds.Hold:
        return holds.place("aes", Wish(self.slots[slot], conditions_accepted=True), now=NOW)

    def held(self, slot: int = 0) -> None:
        self.hold = self.place(slot).id

    def asked(self, slot: int = 0) -> None:
        self.held(slot)
        made = captcha.new_challenge(self.hold, NOW)
        self.challenge, self.answer = made.id, made.sound

    def prove(self, answer: str = "") -> holds.Hold:
        return captcha.answer(self.hold, self.challenge, answer or self.answer, now=NOW)

    def captcha_passed(self) -> None:
        self.asked()
        self.prove()

    def file(self) -> requests.Request:
        return filing.file(self.hold, AWA, now=NOW)

    def readdress(self) -> requests.Request:
        return filing.change_email(self.hold, "awa@example.net", now=NOW)

    def filed(self) -> None:
        self.captcha_passed()
        self.token = self.file().token

    def confirm(self) -> requests.Request:
        return requests.confirm(self.token, NOW)

    def confirmed(self) -> None:
        self.filed()
        self.confirm()

    def cancel(self) -> requests.Request:
        return requests.cancel(self.token, NOW, random_fraction=lambda: 0.5)

    def move(self) -> requests.Request:
        return moves.move(self.token, self.slots[1], now=NOW, rng=alike())

    def erase(self) -> requests.Request:
        return personal_data.erase(self.token, NOW, random_fraction=lambda: 0.5)

    def correct(self) -> requests.Request:
        return personal_data.correct(personal_data.view_correctable(self.token, NOW), "Awa", "Exempel", "06", now=NOW)

    def ask_link(self) -> None:
        found = requests.view(self.token, NOW)
        requests.ask_link(found.reference, AWA.email, NOW)

    def mail(self) -> None:
        """As Lambda does it: again from the record that failed, or whole."""
        self.batch += self.engine.records()
        while self.batch:
            failed = outbox.deliver(self.batch, now=NOW)
            self.batch = [record for record in self.batch if record[0] >= failed[0]] if failed else []

    def unconfirmed(self) -> None:
        """A hold that will run out, and a request that nobody will confirm."""
        self.filed()
        self.place(2)

    def sweep(self) -> None:
        """Five days later: what ran out ends, and who comes in two days is reminded."""
        schedule.end_expired(self.slots[0].astimezone(NOW.tzinfo) - timedelta(days=1), random_fraction=lambda: 0.5)

    def close(self) -> None:
        what = closing.Closing("aes", self.slots[0].date())
        closing.close(what, closing.prepare(what, NOW), NOW)

    def bounce(self) -> None:
        said = {"eventType": "Bounce", "mail": {"destination": [AWA.email]}, "bounce": {"bounceType": "Permanent"}}
        bounces.handle(json.dumps(said), NOW, random_fraction=lambda: 0.5)

    def nothing(self) -> None:
        """As the service is before the first visitor."""

    def release(self) -> None:
        schedule.release_seats(MONDAY + timedelta(days=7))


def looks(scene: Scene) -> list[Any]:
    """What only reads, all at once."""
    hold, request = holds.view(scene.hold, NOW), requests.view(scene.token, NOW)
    shown = availability.week_calendar("aes", None, NOW)
    return [hold.seat, request.state, shown.first_free, moves.choices(scene.token, NOW)[1], availability.services(NOW)]


@dataclass(frozen=True)
class Case:
    """What has been done before, what is cut and done again, and for which handlers of app.py this stands."""

    before: Callable[[Scene], object]
    act: Callable[[Scene], object]
    handlers: str


CASES = {
    "looking": Case(
        Scene.confirmed,
        looks,
        "home show_service show_slots slots_function show_hold show_request show_confirmation show_cancellation "
        "show_move show_convocation show_correction show_erasure show_data",
    ),
    "a hold": Case(Scene.nothing, Scene.held, "place_hold hold_function"),
    "an extension": Case(Scene.held, lambda scene: holds.extend(scene.hold, NOW), "extend_hold"),
    "giving back": Case(Scene.held, lambda scene: holds.end(scene.hold, NOW), "end_hold"),
    "a challenge": Case(
        Scene.held, lambda scene: captcha.new_challenge(scene.hold, NOW), "new_challenge captcha_function"
    ),
    "the right answer": Case(Scene.asked, Scene.prove, "answer_challenge"),
    "a wrong answer": Case(Scene.asked, lambda scene: scene.prove("wrong"), "answer_challenge"),
    "the details": Case(Scene.captcha_passed, Scene.file, "send_details request_function"),
    "correcting the address": Case(Scene.filed, Scene.readdress, "correct_email"),
    "confirming": Case(Scene.filed, Scene.confirm, "confirm_request"),
    "cancelling": Case(Scene.confirmed, Scene.cancel, "cancel_request"),
    "moving": Case(Scene.confirmed, Scene.move, "move_request"),
    "sending again": Case(
        Scene.confirmed, lambda scene: personal_data.send_convocation(scene.token, NOW), "send_convocation"
    ),
    "correcting": Case(Scene.confirmed, Scene.correct, "correct_request"),
    "erasing": Case(Scene.confirmed, Scene.erase, "erase_request"),
    "asking for the link": Case(Scene.filed, Scene.ask_link, "ask_link"),
    "the first letter": Case(Scene.filed, Scene.mail, "mailer"),
    "two letters": Case(Scene.confirmed, Scene.mail, "mailer"),
    "a bounce": Case(Scene.filed, Scene.bounce, "feedback_function"),
    "the sweep": Case(Scene.unconfirmed, Scene.sweep, "expiry"),
    "reminding": Case(Scene.confirmed, Scene.sweep, "expiry"),
    "the release": Case(Scene.nothing, Scene.release, "release"),
    "closing a morning": Case(Scene.confirmed, Scene.close, ""),
}
TOUCH_NOTHING = {"show_manage", "static", "openapi", "health"}
LEAVES_MORE = {"a hold", "an extension", "a wrong answer"}
"""Where a second try is one more, as for everybody: their own tests are below."""


def test_every_handler_has_a_case() -> None:
    handlers = {entry.view_function.__name__ for of in app.app.routes.values() for entry in of.values()}
    handlers |= {function.handler_string.rpartition(".")[2] for function in app.app.pure_lambda_functions}
    handlers |= {source.handler_string.rpartition(".")[2] for source in app.app.event_sources} | {"mailer"}
    assert handlers - TOUCH_NOTHING == {name for case in CASES.values() for name in case.handlers.split()}


@contextmanager
def cut(engine: inprocess.Engine, number: int, *, after: bool, killed: bool) -> Iterator[None]:
    """This call from now on, counted from 0, is cut: before it is carried out, or before its answer arrives."""
    first = len(engine.calls)

    def check(_name: str) -> None:
        if len(engine.calls) - first == number + after:
            engine.before = engine.after = lambda _name: None
            if killed:
                raise Killed
            if after:
                raise ReadTimeoutError(endpoint_url="table")
            raise ConnectTimeoutError(endpoint_url="table")

    if after:
        engine.after = check
    else:
        engine.before = check
    try:
        yield
    finally:
        engine.before = engine.after = lambda _name: None


def again(case: Case, scene: Scene, number: int, *, after: bool, killed: bool) -> None:
    """The case with one call cut, then done once more."""
    with cut(scene.engine, number, after=after, killed=killed), suppress(Killed, refusals.Refusal):
        case.act(scene)
    if killed:
        service_store.forget()
    with suppress(refusals.CaptchaWrong):
        case.act(scene)


def end(scene: Scene) -> tuple[list[Any], set[tuple[str, str]]]:
    """The table and the letters, once all have left."""
    scene.mail()
    items = sorted(scene.engine.items(), key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
    return deepcopy(items), set(scene.engine.letters)


@pytest.fixture(autouse=True)
def same_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hold has the same id in every run."""
    defaults = holds.place.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "new_secret", lambda: "a" * 52)


@pytest.mark.parametrize("name", CASES)
def test_whatever_call_is_cut_doing_it_again_ends_as_if_nothing_had_been(name: str) -> None:
    case = CASES[name]
    with inprocess.engine() as engine:
        scene = Scene(engine)
        case.before(scene)
        before, batch, first = deepcopy(engine.items()), engine.records(), len(engine.calls)
        scene.batch = [*batch]
        with suppress(refusals.CaptchaWrong):
            case.act(scene)
        calls = len(engine.calls) - first
        table, letters = end(scene)
        assert calls > 0
        for number, after, killed in product(range(calls), (False, True), (False, True)):
            engine.put_back(before)
            scene.batch = [*batch]
            service_store.forget()
            with suppress(refusals.SlotTaken):
                again(case, scene, number, after=after, killed=killed)
            found, sent = end(scene)
            assert sent == letters, (number, after, killed)
            assert len(engine.letters) <= len(letters) + 1
            if name not in LEAVES_MORE:
                assert found == table, (number, after, killed)


def test_a_hold_whose_answer_got_lost_keeps_the_seat_no_longer_than_its_time_and_six_seconds() -> None:
    with inprocess.engine() as engine:
        scene = Scene(engine)
        calls = len(engine.calls)
        scene.held()
        calls = len(engine.calls) - calls
    for number in range(calls):
        with inprocess.engine() as engine:
            scene = Scene(engine)
            with cut(engine, number, after=True, killed=False), suppress(refusals.Unavailable):
                scene.held()
            over = NOW + scene.service.limits.hold + SOON
            service_store.forget()
            hold = holds.place("aes", Wish(scene.slots[0], conditions_accepted=True), now=over)
            assert hold.seat.state is State.HELD


def test_an_extension_that_is_lost_and_asked_for_again_is_one_of_the_two() -> None:
    with inprocess.engine() as engine:
        scene = Scene(engine)
        scene.held()
        again(CASES["an extension"], scene, 1, after=True, killed=False)
        kept = holds.view(scene.hold, NOW)
        assert (kept.seat.extensions, kept.can_extend) == (2, False)
        assert kept.seat.until == NOW + 3 * scene.service.limits.hold


def test_a_wrong_answer_that_is_lost_counts_as_a_try_and_no_more() -> None:
    with inprocess.engine() as engine:
        scene = Scene(engine)
        scene.asked()
        again(CASES["a wrong answer"], scene, 1, after=True, killed=False)
        with pytest.raises(refusals.CaptchaWrong) as told:
            scene.prove("wrong")
        assert told.value.tries_left == 2


@pytest.mark.parametrize("gone", [False, True], ids=["the slot is free", "the slot is gone"])
def test_an_answer_in_a_crowd_that_is_cut_anywhere_gives_one_seat_or_a_new_start_and_never_two(
    monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    defaults = holds.place.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "new_secret", tokens.new_secret)  # who begins anew has another hold
    ends = Counter[str]()
    for number, after, killed in product(range(7), (False, True), (False, True)):
        with inprocess.engine() as engine:
            scene = Scene(engine)
            service_store.put({**SMALL, "seat_after": "captcha"})
            visit = keys().visitor_token(NOW)
            scene.asked()
            if gone:
                key = keys().read_token("hold", scene.hold).seat
                availability.week_calendar("aes", key.week, NOW)
                seat_store.update(key, [items.SeatItem.state.set(State.CLOSED)], items.SeatItem.pk.exists())

            def answer(now: datetime, scene: Scene = scene, visit: str = visit) -> holds.Hold:
                return captcha.answer(scene.hold, scene.challenge, scene.answer, now=now, visitor_token=visit)

            with cut(engine, number, after=after, killed=killed), suppress(Killed, refusals.Refusal):
                answer(NOW)
            if killed:
                service_store.forget()
            with suppress(refusals.Refusal):
                answer(NOW + timedelta(seconds=1))
            try:
                kept = answer(NOW + timedelta(seconds=11))
                ends["went on"] += 1
            except refusals.HoldExpired:
                assert owned(scene.hold) == []
                scene.asked(1)
                kept = answer(NOW)
                ends["began anew"] += 1
            assert owned(scene.hold) == [kept.seat.key]
            assert holds.view(scene.hold, NOW).id == kept.id
    assert set(ends) == {"went on", "began anew"}


def owned(hold_id: str) -> list[SeatKey]:
    """The seats in the table that this hold has."""
    digest = tokens.digest(keys().read_token("hold", hold_id).secret)
    weeks = timetable.weeks_to_create(service_store.read("aes", NOW), NOW)
    return [seat.key for week in weeks for seat in seat_store.read_week("aes", week) if seat.hold == digest]
