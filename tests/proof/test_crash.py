"""Interrupt every outside call of every handler, before and after it was carried out.

The connection breaks or the function dies. Then the caller tries again, and the table and the letters must be those of
a run without an interruption. The calls come from such a run, so a new call is covered at once. A new handler needs a
case here.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

import app
from chalicelib.allocation import entries, publication, run
from chalicelib.booking import availability, captcha, figures, filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.hold import Held, Hold
from chalicelib.booking.holds import Wish
from chalicelib.desk import (
    accounts,
    audit,
    booking,
    calls,
    changes,
    closing,
    day,
    displays,
    history,
    places,
    register,
    sessions,
    signin,
)
from chalicelib.desk.booking import Order
from chalicelib.domain import display, refusals, timetable, tokens, turns
from chalicelib.domain.agent import Role
from chalicelib.domain.person import Details
from chalicelib.domain.seat import SeatKey, State
from chalicelib.keys import keys
from chalicelib.mail import bounces, outbox
from chalicelib.storage import call_store, figure_store, items, pulse_store, seat_store, service_store
from tests.conftest import MONDAY
from tests.proof import inprocess
from tests.proof.comparison import SMALL, alike
from tests.proof.cutting import CUTS
from tests.proof.seat_rules import GAP
from tests.unit.allocation import entrants

NOW = MONDAY + timedelta(minutes=1)
AFTER_GAP = GAP + timedelta(seconds=1)
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")


class Killed(BaseException):
    """Raised where the function dies. No handler of the service may catch it."""


class Scene:
    """One visitor's steps, as far as a case needs them. Each step can be taken again."""

    def __init__(self, emulator: inprocess.Emulator) -> None:
        self.emulator = emulator
        self.batch: list[inprocess.Record] = []
        self.hold = self.token = self.challenge = self.answer = ""
        self.service = service_store.put(SMALL)
        schedule.release_seats(MONDAY - timedelta(minutes=1))
        self.slots = [self.service.start_of(seat.key) for seat in seat_store.read_week("aes", "2026-W50")]

    def place(self, slot: int = 0) -> Hold:
        return holds.place("aes", Wish(self.slots[slot], conditions_accepted=True), now=NOW)

    def held(self, slot: int = 0) -> None:
        self.hold = self.place(slot).id

    def enlarge(self) -> None:
        """Give the rules so many desks that the weeks are read from snapshots. The further seats do not exist."""
        hours = SMALL["plannings"][0]["openings"]
        service_store.put(SMALL | {"plannings": [{"desks": list(range(1, 1_000)), "openings": hours}]})

    def challenged(self, slot: int = 0) -> None:
        self.held(slot)
        challenge = captcha.new_challenge(self.hold, NOW)
        self.challenge, self.answer = challenge.id, challenge.sound

    def prove(self, answer: str = "") -> Hold:
        return captcha.answer(self.hold, self.challenge, answer or self.answer, now=NOW)

    def captcha_passed(self) -> None:
        self.challenged()
        self.prove()

    def file(self) -> requests.Request:
        return filing.file(holds.view_ready(self.hold, NOW), AWA, now=NOW)

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
        return moves.move(requests.view(self.token, NOW), self.slots[1], now=NOW, rng=alike())

    def erase(self) -> requests.Request:
        return personal_data.erase(self.token, NOW, random_fraction=lambda: 0.5)

    def correct(self) -> requests.Request:
        return personal_data.correct(personal_data.view_correctable(self.token, NOW), "Awa", "Exempel", "06", now=NOW)

    def ask_link(self) -> None:
        request = requests.view(self.token, NOW)
        requests.ask_link(request.reference, AWA.email, NOW)

    def mail(self) -> None:
        """Run the mailer as Lambda does: again from the record that failed, until none is left."""
        self.batch += self.emulator.records()
        while self.batch:
            failed = outbox.deliver(self.batch, now=NOW)
            self.batch = [record for record in self.batch if record[0] >= failed[0]] if failed else []

    def unconfirmed(self) -> None:
        """Place a hold that will expire, and file a request that nobody will confirm."""
        self.filed()
        self.place(2)

    def sweep(self) -> None:
        """Run the scheduled expiry five days later: it also reminds of appointments in two days."""
        schedule.end_expired(self.slots[0].astimezone(NOW.tzinfo) - timedelta(days=1), random_fraction=lambda: 0.5)

    def close(self) -> None:
        day = closing.Closing("aes", self.slots[0].date())
        audit.record("aes", "agent", "close", NOW, closing=day.id)
        with history.recorded("aes", "agent", history.Act.CLOSING, NOW, **day.facts):
            closing.close(day, closing.prepare(day, NOW), NOW)
        assert history.read("aes")

    def bounce(self) -> None:
        event = {"eventType": "Bounce", "mail": {"destination": [AWA.email]}, "bounce": {"bounceType": "Permanent"}}
        bounces.handle(json.dumps(event), NOW, random_fraction=lambda: 0.5)

    def entered(self) -> None:
        """Enter the draws of the service, which has some from now on."""
        entrants.put_service()
        self.token = entrants.entered().token

    def invited(self) -> None:
        """Invite two administrators, and sign one in."""
        self.agent = accounts.invite("agnes@example.org", "Agnès", ["aes"], Role.ADMINISTRATOR, by=None, now=NOW)
        self.other = accounts.invite("denis@example.org", "Denis", ["aes"], Role.ADMINISTRATOR, by=None, now=NOW)
        self.hold = sessions.begin(self.agent, NOW)

    def retire(self) -> None:
        """Take the role of the other administrator away. Who does it again finds it done."""
        with suppress(refusals.NotFound):
            accounts.change_role(self.other.id, "aes", None, by=self.agent, now=NOW)

    def sign_in(self) -> None:
        """Do what follows when the provider has identified an agent."""
        account = accounts.bind("https://issuer", "agnes", "agnes@example.org")
        assert account
        signin.begin_session(account, self.hold, NOW)

    def arrive(self) -> None:
        register.arrive(self.service, keys().read_link_token(self.token).seat, "agent", self.slots[0])

    def see(self) -> None:
        register.record(self.service, keys().read_link_token(self.token).seat, State.SEEN, "agent", self.slots[0])

    def arrived(self) -> None:
        self.confirmed()
        self.arrive()

    def call(self) -> None:
        """Call the next applicant, as the page does: a desk that has called them has nothing more to do."""
        assert calls.read_queue(self.service, "agent", self.slots[0]).desks
        with suppress(refusals.DeskBusy):
            calls.call_next(self.service, 1, "agent", self.slots[0])

    def called(self) -> None:
        self.arrived()
        self.call()

    def call_again(self) -> None:
        calls.call(self.service, keys().read_link_token(self.token).seat, 1, "agent", self.slots[0], calls=1)

    def park(self) -> None:
        calls.park(self.service, keys().read_link_token(self.token).seat, "agent", self.slots[0])

    def ordered(self) -> None:
        """Let an agent choose seats for two people."""
        self.invited()
        free = places.free_for(self.service, NOW, public=True)
        self.order = Order(booking.rows(self.service, free, 2)[0], [AWA, replace(AWA, first_name="Moussa")], "s" * 52)

    def book(self) -> None:
        booking.book(self.service, self.order, self.agent, NOW)

    def booked(self) -> None:
        """Book two people, and name the seat and the hold of the first."""
        self.ordered()
        self.book()
        self.seat = seat_store.read(self.order.seats[0])

    def rename(self) -> None:
        details = replace(AWA, last_name="Exempel")
        changes.change_details(self.service, self.seat.key, details, self.agent, NOW)

    def cancel_for(self) -> None:
        """Cancel for somebody, as an agent."""
        hold = self.seat.hold
        changes.cancel(self.service, self.seat.key, self.agent, NOW, hold=hold, random_fraction=lambda: 0.5)

    def move_for(self) -> None:
        """Move somebody to the last slot, as an agent."""
        last = self.slots[-1]
        to, hold = SeatKey(last.date(), last.time(), self.seat.key.unit, "aes"), self.seat.hold
        changes.move(self.service, self.seat.key, to, self.agent, NOW, hold=hold, random_fraction=lambda: 0.5)

    def look_up(self) -> None:
        """Look at the day of the appointment and find its applicant, as an agent."""
        audit.record_view("aes", "agent", "day", NOW)
        assert day.read_day(self.service, self.slots[0].date(), NOW)
        day.note_search(self.service, day.find(self.service, AWA.last_name, NOW), "agent", NOW)

    def show_calls(self) -> None:
        """Give a screen its link, open it, and revoke the link."""
        displays.add("aes", "Salle A", "a2" * 26, "agent", NOW)
        shown = displays.find(display.token_of("aes", "a2" * 26), NOW)
        call_store.read_calls("aes", NOW.date())
        displays.of_service("aes", NOW)
        displays.revoke("aes", shown.id, "agent", NOW)

    def nothing(self) -> None:
        """Leave the service as it is before the first visitor."""

    def release(self) -> None:
        schedule.release_seats(MONDAY + timedelta(days=7))
        figures.publish(MONDAY + timedelta(days=23))


def looks(scene: Scene) -> list[Any]:
    """Return the answers of everything that only reads."""
    hold, request = holds.view(scene.hold, NOW), requests.view(scene.token, NOW)
    calendar = availability.week_calendar("aes", None, NOW)
    slots = moves.choices(scene.token, NOW)[1]
    return [
        hold,
        request.state,
        calendar.first_free,
        slots,
        availability.services(NOW),
        publication.draws("aes"),
        figure_store.read_recent("aes"),
        pulse_store.last_success(),
    ]


@dataclass(frozen=True)
class Case:
    """The steps before, the step that is cut and done again, and the handlers of app.py that it covers."""

    before: Callable[[Scene], object]
    act: Callable[[Scene], object]
    handlers: str


CASES = {
    "looking": Case(
        Scene.confirmed,
        looks,
        "home about show_service show_documents show_slots slots_function attest_attempt show_attempt "
        "booking_health show_entry_form show_figures show_draws show_draw find_receipt show_draw_list "
        "show_hold show_request show_confirmation show_cancellation "
        "show_move show_convocation show_calendar_event show_correction show_erasure show_data",
    ),
    "a hold": Case(Scene.nothing, Scene.held, "place_hold hold_function"),
    "a hold in a large week": Case(Scene.enlarge, Scene.held, "place_hold"),
    "an extension": Case(Scene.held, lambda scene: holds.extend(scene.hold, NOW), "extend_hold"),
    "giving back": Case(Scene.held, lambda scene: holds.end(scene.hold, NOW), "end_hold"),
    "a challenge": Case(
        Scene.held, lambda scene: captcha.new_challenge(scene.hold, NOW), "new_challenge captcha_function"
    ),
    "the right answer": Case(Scene.challenged, Scene.prove, "answer_challenge"),
    "a seat that was taken": Case(
        Scene.captcha_passed, lambda scene: captcha.take_seat(scene.hold, now=NOW), "take_seat"
    ),
    "a wrong answer": Case(Scene.challenged, lambda scene: scene.prove("wrong"), "answer_challenge"),
    "the details": Case(Scene.captcha_passed, Scene.file, "send_details request_function"),
    "correcting the e-mail address": Case(Scene.filed, Scene.readdress, "correct_email"),
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
    "the run of the draw": Case(Scene.nothing, lambda _scene: run.run(lambda: NOW), "draw"),
    "changing half-days": Case(
        Scene.entered,
        lambda scene: entries.change_preferences(scene.token, ["any"], entrants.NOW),
        "enter_draw show_preferences change_preferences",
    ),
    "renewing an entry": Case(Scene.entered, lambda scene: entries.renew(scene.token, entrants.NOW), "renew_entry"),
    "reminding": Case(Scene.confirmed, Scene.sweep, "expiry"),
    "booking for a family": Case(Scene.ordered, Scene.book, "book_for_people"),
    "details for somebody": Case(Scene.booked, Scene.rename, "change_person_details"),
    "cancelling for somebody": Case(Scene.booked, Scene.cancel_for, "cancel_person"),
    "moving somebody": Case(Scene.booked, Scene.move_for, "move_person"),
    "a page of the desk": Case(
        Scene.invited,
        lambda scene: sessions.read(scene.hold, NOW + timedelta(minutes=2)),
        "show_desk show_accounts desk_function",
    ),
    "the list of the day": Case(
        Scene.confirmed,
        Scene.look_up,
        "show_day show_person show_sheet show_evening show_week show_walk_in export_day search_people show_booking "
        "print_convocation print_label show_person_details show_person_moves show_person_cancellation",
    ),
    "an arrival": Case(Scene.confirmed, Scene.arrive, "record_rows record_person"),
    "an outcome": Case(Scene.confirmed, Scene.see, "record_rows record_person"),
    "a call": Case(Scene.arrived, Scene.call, "show_calls call_person"),
    "a second call": Case(Scene.called, Scene.call_again, "call_person"),
    "putting aside": Case(Scene.called, Scene.park, "call_person"),
    "an outcome after a call": Case(Scene.called, Scene.see, "call_person"),
    "signing in": Case(Scene.invited, Scene.sign_in, "finish_sign_in"),
    "signing out": Case(Scene.invited, lambda scene: sessions.end(scene.hold), "sign_out"),
    "signing out everywhere": Case(Scene.invited, lambda scene: sessions.end_all(scene.agent), "sign_out_everywhere"),
    "changing a role": Case(Scene.invited, Scene.retire, "invite_agent change_agent"),
    "the screen of the waiting room": Case(
        Scene.nothing, Scene.show_calls, "show_displays change_displays show_display"
    ),
    "the release": Case(Scene.nothing, Scene.release, "release"),
    "closing a morning": Case(Scene.confirmed, Scene.close, "show_absence close_desks show_history"),
}
TOUCH_NOTHING = {"show_manage", "show_attempts", "static", "checker", "openapi", "health", "unknown", "start_sign_in"}
LEAVES_MORE = {"a hold", "an extension", "a wrong answer", "signing in", "signing out everywhere"}
"""Cases in which a second try counts as another one. Their own tests are below."""


def test_every_handler_has_a_case() -> None:  # that of the office is in test_entry_crash, of the canary in unit/canary
    handlers = {entry.view_function.__name__ for of in app.app.routes.values() for entry in of.values()}
    handlers |= {function.handler_string.rpartition(".")[2] for function in app.app.pure_lambda_functions}
    handlers |= {source.handler_string.rpartition(".")[2] for source in app.app.event_sources} | {"mailer"}
    assert handlers - TOUCH_NOTHING - {"office_function", "canary"} == {
        name for case in CASES.values() for name in case.handlers.split()
    }


@contextmanager
def cut(emulator: inprocess.Emulator, number: int, *, after: bool, killed: bool) -> Iterator[None]:
    """Cut one of the next calls, counted from 0: before it is carried out, or before its answer arrives."""
    first = len(emulator.calls)

    def check(_name: str) -> None:
        if len(emulator.calls) - first == number + after:
            emulator.before = emulator.after = lambda _name: None
            if killed:
                raise Killed
            if after:
                raise ReadTimeoutError(endpoint_url="table")
            raise ConnectTimeoutError(endpoint_url="table")

    if after:
        emulator.after = check
    else:
        emulator.before = check
    try:
        yield
    finally:
        emulator.before = emulator.after = lambda _name: None


def again(case: Case, scene: Scene, number: int, *, after: bool, killed: bool) -> None:
    """Play a case with one call cut, then once more."""
    with cut(scene.emulator, number, after=after, killed=killed), suppress(Killed, refusals.Refusal):
        case.act(scene)
    if killed:
        service_store.clear_caches()
    with suppress(refusals.CaptchaWrong):
        case.act(scene)


def end(scene: Scene) -> tuple[list[Any], set[tuple[str, str]]]:
    """Send all letters. Return the table and the letters."""
    scene.mail()
    stored = (item for item in scene.emulator.items() if not item["pk"]["S"].startswith("CALENDAR#"))  # a cache
    items = sorted(stored, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
    return deepcopy(items), set(scene.emulator.letters)


@pytest.fixture(autouse=True)
def same_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the same hold the same id in every run."""
    defaults = holds.place.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "new_secret", lambda: "a" * 52)


@pytest.mark.parametrize("name", CASES)
def test_a_case_that_is_cut_at_any_call_and_repeated_ends_like_one_without_a_cut(name: str) -> None:
    case = CASES[name]
    with inprocess.emulator() as emulator:
        scene = Scene(emulator)
        case.before(scene)
        before, batch, first = deepcopy(emulator.items()), emulator.records(), len(emulator.calls)
        scene.batch = [*batch]
        with suppress(refusals.CaptchaWrong):
            case.act(scene)
        calls = len(emulator.calls) - first
        table, letters = end(scene)
        sent_once = len(emulator.letters)
        assert calls > 0
        for number, (after, killed) in product(range(calls), CUTS):
            emulator.put_back(before)
            scene.batch = [*batch]
            service_store.clear_caches()
            with suppress(refusals.SlotTaken):
                again(case, scene, number, after=after, killed=killed)
            table_after_cut, sent = end(scene)
            assert sent == letters, (number, after, killed)
            assert len(emulator.letters) <= sent_once + 1
            if name not in LEAVES_MORE:
                assert table_after_cut == table, (number, after, killed)


def test_a_hold_whose_answer_got_lost_keeps_the_seat_no_longer_than_its_time_and_six_seconds() -> None:
    with inprocess.emulator() as emulator:
        scene = Scene(emulator)
        calls = len(emulator.calls)
        scene.held()
        calls = len(emulator.calls) - calls
    for number in range(calls):
        with inprocess.emulator() as emulator:
            scene = Scene(emulator)
            with cut(emulator, number, after=True, killed=False), suppress(refusals.Unavailable):
                scene.held()
            over = NOW + scene.service.limits.hold + AFTER_GAP
            service_store.clear_caches()
            hold = holds.place("aes", Wish(scene.slots[0], conditions_accepted=True), now=over)
            assert hold.state is State.HELD


def test_an_extension_that_is_lost_and_asked_for_again_is_one_of_the_two() -> None:
    with inprocess.emulator() as emulator:
        scene = Scene(emulator)
        scene.held()
        again(CASES["an extension"], scene, 1, after=True, killed=False)
        hold = holds.view(scene.hold, NOW)
        assert isinstance(hold, Held)
        assert (hold.seat.extensions, hold.can_extend) == (2, False)
        assert hold.until == NOW + 3 * scene.service.limits.hold


def test_a_wrong_answer_that_is_lost_counts_as_a_try_and_no_more() -> None:
    with inprocess.emulator() as emulator:
        scene = Scene(emulator)
        scene.challenged()
        again(CASES["a wrong answer"], scene, 1, after=True, killed=False)
        with pytest.raises(refusals.CaptchaWrong) as refusal:
            scene.prove("wrong")
        assert refusal.value.tries_left == 2


@pytest.mark.parametrize(
    ("gone", "turn"),
    [(False, False), (True, False), (True, True)],
    ids=["the slot is free", "the slot is gone", "the slot is gone at the turn"],
)
def test_an_answer_in_a_crowd_that_is_cut_anywhere_gives_one_seat_or_a_new_start_and_never_two(
    monkeypatch: pytest.MonkeyPatch, *, gone: bool, turn: bool
) -> None:
    defaults = holds.place.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "new_secret", tokens.new_secret)  # a new start gets another hold
    ends = Counter[str]()
    for number, (after, killed) in product(range(7), CUTS):
        with inprocess.emulator() as emulator:
            scene = Scene(emulator)
            batch = {"release": SMALL["release"] | {"batch_seconds": 60}} if turn else {}
            service_store.put({**SMALL, "seat_after": "captcha", **batch})
            visit = keys().visitor_token(NOW)

            def begin(slot: int, scene: Scene = scene) -> datetime:
                scene.challenged(slot)
                if not turn:
                    return NOW
                scene.hold = scene.prove().id
                return holds.view(scene.hold, NOW).until - turns.KEPT

            start = begin(0)
            if gone:
                key = keys().read_hold_token(scene.hold).seat
                availability.week_calendar("aes", key.week, NOW)
                seat_store.update(key, [items.SeatItem.state.set(State.CLOSED)], items.SeatItem.pk.exists())

            def answer(now: datetime, scene: Scene = scene, visit: str = visit) -> Hold:
                if turn:
                    return captcha.take_seat(scene.hold, now=now, visitor_token=visit)
                return captcha.answer(scene.hold, scene.challenge, scene.answer, now=now, visitor_token=visit)

            with cut(emulator, number, after=after, killed=killed), suppress(Killed, refusals.Refusal):
                answer(start)
            if killed:
                service_store.clear_caches()
            with suppress(refusals.Refusal):
                answer(start + timedelta(seconds=1))
            try:
                hold = answer(start + timedelta(seconds=11))
                ends["went on"] += 1
            except refusals.HoldExpired:
                assert owned(scene.hold) == []
                hold = answer(begin(1))
                ends["began anew"] += 1
            assert owned(scene.hold) == [hold.key]
            assert holds.view(scene.hold, NOW).id == hold.id
    assert set(ends) == {"went on", "began anew"}


def owned(hold_id: str) -> list[SeatKey]:
    """Return the seats in the table that this hold has."""
    digest = tokens.digest(keys().read_hold_token(hold_id).secret)
    weeks = timetable.weeks_to_create(service_store.read("aes", NOW), NOW)
    return [seat.key for week in weeks for seat in seat_store.read_week("aes", week) if seat.hold == digest]
