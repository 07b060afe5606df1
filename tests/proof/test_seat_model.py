"""Compare the service with the model of a seat: any order of calls, clocks two seconds off, any call twice.

40 runs of 50 steps here; 2,000 of 80 by `make test-long` (GUICHET_LONG=1).
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule

from chalicelib.booking import captcha, filing, holds, moves, personal_data, requests, schedule
from chalicelib.booking.hold import Hold
from chalicelib.booking.holds import Wish
from chalicelib.desk import calls, closing, register
from chalicelib.domain import emails, timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.refusals import CaptchaWrong, Refusal
from chalicelib.domain.seat import RECORDED, Seat, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.keys import keys
from chalicelib.mail import outbox
from chalicelib.mail.ses import Letter
from chalicelib.storage import recent, seat_store, service_store
from tests.conftest import MONDAY
from tests.long import IS_LONG
from tests.proof import call_rules, inprocess, seatmodel
from tests.proof.call_rules import CONFIRMED, Appointment
from tests.proof.comparison import SMALL, alike
from tests.proof.seat_rules import BOOKED, HELD, NOTICE, OPEN, PERIOD, READY, RETURN_FIRST, RETURN_LAST

DRIFT = timedelta(seconds=2)
"""How far the clock of a function may be off."""
AWA = Details("Awa", "Exemple", "", date(1990, 5, 17), "awa@example.org", "06 12 34 56 78", "fr")
PEOPLE = ("Awa", "Ben", "Chloé")
ADDRESSES = (
    "awa@example.org",
    "b.e.n@gmail.com",
    "Ben+2@gmail.com",
    "chloe@example.org",
)  # Ben's mailbox in two spellings
APPLICANT = some.tuples(some.integers(0, len(PEOPLE) - 1), some.integers(0, len(ADDRESSES) - 1))
SLOTS = [
    (MONDAY + timedelta(days=day + 7 * week)).date().isoformat() + f"T09:{minute}"
    for week in range(3)
    for day in (1, 3)
    for minute in (15, 20, 25)
]
PASSES = [timedelta(seconds=s) for s in (0.001, 4, 170, 840, 3 * 3600, 26 * 3600, 74 * 3600)]
LAST = MONDAY + timedelta(days=15)
OFFSETS = some.sampled_from([-1, -0.5, 0, 0, 0.5, 1])


def answer_of(call: Callable[[], Any]) -> Any:
    """Return the value of a call, or the name of its refusal."""
    try:
        return call()
    except CaptchaWrong as refusal:
        return f"CaptchaWrong {refusal.tries_left}"
    except Refusal as refusal:
        return type(refusal).__name__


class Seats(RuleBasedStateMachine):
    """Calls of visitors, agents and the scheduled functions, in any order."""

    drift = DRIFT
    holds = Bundle("holds")
    challenges = Bundle("challenges")
    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.life = ExitStack()
        self.emulator = self.life.enter_context(inprocess.emulator())
        self.t = MONDAY - timedelta(seconds=1)
        self.service = service_store.put(SMALL)
        self.model = seatmodel.Model(self.service)
        self.seen: dict[str, tuple[dict[str, Any], Seat]] = {}
        self.promises: dict[SeatKey, tuple[str, datetime]] = {}
        self.closed: set[str] = set()
        self.sent: list[tuple[str, str]] = []
        self.emails: dict[tuple[str, str], str] = {}

    def teardown(self) -> None:
        try:
            self.post(2)
        finally:
            self.life.close()

    def now(self, offset: float) -> datetime:
        """Return the clock of the function that answers. Its cache of the seats is empty."""
        recent.SEATS.clear()  # the next call is served by another function
        return self.t + offset * self.drift

    # What must hold after each step

    @invariant()
    def the_table_is_as_the_model_says(self) -> None:
        for item in self.emulator.items():
            if not item["pk"]["S"].startswith("SEATS#"):
                continue
            known = self.seen.get(item["sk"]["S"])
            if known is None or known[0] != item:
                seat = seat_store.seat_from_image(item)
                assert seat
                self.seen[item["sk"]["S"]] = (dict(item), seat)
        assert len(self.seen) == len(self.model.seats)
        for _, seat in self.seen.values():
            assert shape(seat) == expected(self.model.seats[seat.key]), seat.key
        self.nobody_has_two_requests()

    def nobody_has_two_requests(self) -> None:
        live = [
            seat
            for _, seat in self.seen.values()
            if seat.state in {State.PENDING, State.CONFIRMED} and self.service.start_of(seat.key) > self.t + self.drift
        ]
        people = [seat.person for seat in live]
        addresses = [self.model.seats[seat.key].address for seat in live]
        assert len(set(people)) == len(people)
        assert len(set(addresses)) == len(addresses)

    def agree(self, answer: Any, model_answer: Any) -> None:
        """Check an answer of the service, and let the model know when the seats that it gave back open again."""
        assert answer == model_answer
        for key, _ in self.model.returns:
            self.returned(key)
        self.model.returns.clear()

    def returned(self, key: SeatKey) -> None:
        """Set when a seat opens again in the model. It must be inside the return window, or never."""
        expected_seat, seat, now = self.model.seats[key], seat_store.read(key), self.model.returns[-1][1]
        first, last = now + RETURN_FIRST, min(now + RETURN_LAST, expected_seat.start - NOTICE)
        assert first <= seat.opens_at <= last if first < last else seat.opens_at == expected_seat.start
        expected_seat.opens = seat.opens_at

    # The clock

    @initialize()
    def seats_are_made(self) -> None:
        self.make_seats(self.t)
        self.t = MONDAY + timedelta(seconds=3)

    def make_seats(self, now: datetime) -> None:
        """Run the scheduled release, which runs every hour."""
        schedule.release_seats(now)
        for week in timetable.weeks_to_create(self.service, now):
            for key in timetable.planned_seats(self.service, week):
                if self.service.start_of(key) > now and key not in self.model.seats:
                    opens = seatmodel.released_at(key, self.service)
                    self.model.seats[key] = seatmodel.ModelSeat(self.service.start_of(key), opens)

    @rule(span=some.sampled_from(PASSES))
    def time_passes(self, span: timedelta) -> None:
        self.t = min(self.t + span, max(self.t, LAST))
        if span >= timedelta(hours=1):
            self.make_seats(self.now(0))

    @precondition(lambda self: self.promises)
    @rule(number=some.integers(0, 99), milliseconds=some.integers(-3000, 9000))
    def a_hold_is_about_to_end(self, number: int, milliseconds: int) -> None:
        ends = sorted(until for _, until in self.promises.values())
        self.t = max(self.t, ends[number % len(ends)] + timedelta(milliseconds=milliseconds))

    @rule(offset=OFFSETS)
    def what_ran_out_is_ended(self, offset: float) -> None:
        now = self.now(offset)
        schedule.end_expired(now, random_fraction=lambda: 0.25)
        self.model.expire(now)
        self.agree(None, None)

    @rule(times=some.integers(1, 2))
    def the_mailer_runs(self, times: int) -> None:
        self.post(times)

    def post(self, times: int) -> None:
        """Deliver every new record of the stream to the mailer, once or twice."""
        records = self.emulator.records()
        self.sent.clear()
        for _ in range(times):
            assert outbox.deliver(records, now=self.t, send=self.send) == []
        assert sorted(self.sent) == sorted(self.model.letters())

    def send(self, letter: Letter, key: str, **_more: str) -> str:
        self.sent.append((emails.mailbox_key(letter.to), key.split(".")[1]))
        return "sent"

    # Visitors

    @rule(target=holds, slot=some.sampled_from(SLOTS), offset=OFFSETS)
    def hold(self, slot: str, offset: float) -> Any:
        now = self.now(offset)
        start = datetime.fromisoformat(slot).replace(tzinfo=self.service.zone)
        key = SeatKey(start.date(), start.time(), 1, "aes")
        answer = answer_of(lambda: holds.place("aes", Wish(start, conditions_accepted=True), now=now))
        return self.check_hold(answer, {key} if self.model.why_not(key, now) == "held" else set(), now, key)

    @rule(target=holds, offset=OFFSETS, seed=some.integers(0, 9))
    def hold_the_first_free(self, offset: float, seed: int) -> Any:
        now, chance = self.now(offset), random.Random(seed)  # noqa: S311 - drawn again
        answer = answer_of(lambda: holds.place("aes", Wish(None, conditions_accepted=True), now=now, rng=chance))
        free = self.model.offered_weeks(now)
        return self.check_hold(answer, {key for key in free if key.week == free[0].week}, now)

    @rule(
        target=holds,
        slot=some.sampled_from(SLOTS),
        offset=OFFSETS,
        later=some.sampled_from([timedelta(seconds=s) for s in (1, 300, 1079, 1081)]),
        others=some.lists(some.integers(0, 20), max_size=2),
        old=some.booleans(),
    )
    def hold_in_a_crowd(self, slot: str, offset: float, later: timedelta, others: list[int], old: bool) -> Any:  # noqa: FBT001 - drawn
        """A waiting hold writes nothing; its captcha takes a seat once, and the old id goes on with it."""
        placed = self.now(offset)
        start = datetime.fromisoformat(slot).replace(tzinfo=self.service.zone)
        key = SeatKey(start.date(), start.time(), 1, "aes")
        with self.crowd():
            waiting = answer_of(lambda: holds.place("aes", Wish(start, conditions_accepted=True), now=placed))
        if (why := self.model.why_not(key, placed)) != "held":
            self.agree(waiting, why)
            return multiple()
        assert not waiting.has_seat
        for number in others:
            self.hold_what_looked_free(number, offset)
        self.t += later
        now, gets = placed + later, self.model.after_captcha(key, placed, placed + later)
        recent.SEATS.clear()
        shown_captcha = answer_of(lambda: captcha.new_challenge(waiting.id, now))
        if gets == seatmodel.OVER:
            self.agree(shown_captcha, seatmodel.OVER)
            return multiple()
        passed = [
            answer_of(lambda: captcha.answer(waiting.id, shown_captcha.id, shown_captcha.sound, now=now))
            for _ in range(2)
        ]
        if isinstance(gets, str):
            self.agree(passed[0], gets)
            return multiple()
        assert [hold.seat.key for hold in passed] == [gets, gets]
        assert passed[0].instead_of == (None if gets == key else waiting.start)
        digest = tokens.digest(keys().read_hold_token(waiting.id).secret)
        self.take(gets, digest, now, captcha_passed=True)
        self.t += timedelta(seconds=15)  # until then, a missing seat counts as one that is still being written
        return waiting.id if old else passed[0].id, gets, digest

    @contextmanager
    def crowd(self) -> Iterator[None]:
        """Take all seats after the captcha inside this block."""
        service_store.put({**SMALL, "seat_after": "captcha"})
        yield
        service_store.put(SMALL)

    @rule(number=some.integers(0, 20), offset=OFFSETS)
    def hold_what_looked_free(self, number: int, offset: float) -> None:
        """A function with an old cache writes a hold on any seat: only the condition of the write decides."""
        now = self.now(offset)
        key = sorted(self.model.seats)[number % len(self.model.seats)]
        hold = f"cached{number}"
        free = self.model.seats[key].is_free(now)
        self.agree(seat_store.take(key, hold, now + PERIOD[HELD], now), free)
        if free:
            self.take(key, hold, now)

    def check_hold(self, answer: Any, can: set[SeatKey], now: datetime, wished: SeatKey | None = None) -> Any:
        """Check that the answer is a hold of one of these seats, or a refusal if there is none."""
        if not can:
            self.agree(answer, self.model.why_not(wished, now) if wished else "NothingFree")
            return multiple()
        assert isinstance(answer, Hold), answer
        assert answer.key in can
        token = keys().read_hold_token(answer.id)
        digest = tokens.digest(token.secret)
        self.take(token.seat, digest, now)
        return answer.id, token.seat, digest

    def take(self, key: SeatKey, digest: str, now: datetime, *, captcha_passed: bool = False) -> None:
        """Check that no earlier hold can still use this seat by any clock, and take it in the model."""
        before, until = self.promises.get(key, ("", self.t - self.drift))
        assert until <= self.t - self.drift, f"{before} could still go on by some clock"
        self.model.take(key, digest, now, captcha_passed=captcha_passed)
        self.promises[key] = digest, now + PERIOD[READY if captcha_passed else HELD]

    def note_promise(self, key: SeatKey, digest: str) -> None:
        """Remember until when the holder was promised the seat."""
        seat = self.model.seats[key]
        if seat.hold == digest and seat.state == HELD and seat.until:
            self.promises[key] = digest, seat.until
        elif self.promises.get(key, ("",))[0] == digest:
            del self.promises[key]

    @rule(
        hold=holds, what=some.sampled_from(["look", "extend", "give back"]), offset=OFFSETS, times=some.integers(1, 2)
    )
    def holder_does(self, hold: Any, what: str, offset: float, times: int) -> None:
        name, key, digest = hold
        call, model_call = {
            "look": (lambda now: str(holds.view(name, now).state), self.model.view),
            "extend": (lambda now: str(holds.extend(name, now).state), self.model.extend),
            "give back": (lambda now: "ended" if holds.end(name, now) else "", self.model.give_back),
        }[what]
        for _ in range(times):
            now = self.now(offset)
            self.agree(answer_of(partial(call, now)), model_call(key, digest, now))
            self.note_promise(key, digest)

    @rule(target=challenges, hold=holds, offset=OFFSETS)
    def ask_for_a_challenge(self, hold: Any, offset: float) -> Any:
        name, key, digest = hold
        now = self.now(offset)
        shown_captcha = answer_of(lambda: captcha.new_challenge(name, now))
        if self.model.view(key, digest, now) == seatmodel.OVER:
            self.agree(shown_captcha, seatmodel.OVER)
            return multiple()
        return hold, shown_captcha, int(now.timestamp() * 1000)

    @rule(challenge=challenges, right=some.booleans(), offset=OFFSETS, times=some.integers(1, 6))
    def answer(self, challenge: Any, right: bool, offset: float, times: int) -> None:  # noqa: FBT001 - drawn
        (name, key, digest), shown_captcha, made_at = challenge
        text = shown_captcha.sound if right else "wrong"
        for _ in range(times):
            now = self.now(offset)
            answer = answer_of(
                lambda now=now: str(  # type: ignore[misc]
                    captcha.answer(name, shown_captcha.id, text, now=now).state
                )
            )
            self.agree(answer, self.model.answer(key, digest, made_at, now, right=right))
        self.note_promise(key, digest)

    @rule(target=requests, hold=holds, applicant=APPLICANT, offset=OFFSETS)
    def send_details(self, hold: Any, applicant: tuple[int, int], offset: float) -> Any:
        return self.file(hold, applicant, self.now(offset))

    @rule(
        target=requests,
        applicants=some.lists(APPLICANT, min_size=1, max_size=2),
        times=some.integers(1, 2),
        confirmed=some.booleans(),
    )
    def book(self, applicants: list[tuple[int, int]], times: int, confirmed: bool) -> Any:  # noqa: FBT001 - drawn
        """Book the first free seat in one go. After a refusal another person may be tried."""
        hold = self.hold_the_first_free(0, times)
        if not isinstance(hold, tuple):
            return hold
        self.answer(self.ask_for_a_challenge(hold, 0), right=True, offset=0, times=1)
        filed: Any = multiple()
        for applicant in applicants:
            answers = [self.file(hold, applicant, self.now(0)) for _ in range(times)]
            assert isinstance(answers[0], tuple) == isinstance(answers[-1], tuple)
            if isinstance(answers[0], tuple):
                filed = answers[0]
                break
        if confirmed and isinstance(filed, tuple):
            self.applicant_does(filed, "confirm", 0, times, 0)
        return filed

    def file(self, hold: Any, applicant: tuple[int, int], now: datetime) -> Any:
        """Send the form. Sent again it has the same e-mail address: the model does not know its correction."""
        name, key, digest = hold
        details = replace(AWA, first_name=PEOPLE[applicant[0]])
        person = keys().person_key(details.first_name, details.last_name, details.birth_date)
        details = replace(details, email=self.emails.get((digest, person), ADDRESSES[applicant[1]]))
        answer = answer_of(lambda: filing.file(holds.view_ready(name, now), details, now=now))
        model_answer = self.model.file(key, digest, person, emails.mailbox_key(details.email), now)
        self.note_promise(key, digest)
        if isinstance(answer, str):
            self.agree(answer, model_answer)
            return multiple()
        self.agree(str(answer.state), model_answer)
        self.emails[digest, person] = details.email
        return answer.token, key, digest

    # Applicants with a request

    @rule(
        request=requests,
        what=some.sampled_from(["look", "confirm", "cancel", "erase"]),
        offset=OFFSETS,
        times=some.integers(1, 2),
        chance=some.sampled_from([0.0, 0.5, 0.99]),
    )
    def applicant_does(self, request: Any, what: str, offset: float, times: int, chance: float) -> None:
        token, key, digest = request
        calls: dict[str, tuple[Callable[..., Any], Callable[..., str]]] = {
            "look": (requests.view, self.model.look),
            "confirm": (requests.confirm, self.model.confirm),
            "cancel": (partial(requests.cancel, random_fraction=lambda: chance), self.model.cancel),
            "erase": (partial(personal_data.erase, random_fraction=lambda: chance), self.model.erase),
        }
        call, model_call = calls[what]
        for _ in range(times):
            now = self.now(offset)
            answer = answer_of(partial(call, token, now))
            self.agree(answer if isinstance(answer, str) else str(answer.state), model_call(key, digest, now))

    @rule(target=requests, request=requests, number=some.integers(0, 20), offset=OFFSETS, times=some.integers(1, 2))
    def move(self, request: Any, number: int, offset: float, times: int) -> Any:
        """Move to a free seat, to one that is set aside, or to any other."""
        token, key, digest = request
        now = self.now(offset)
        moved: Any = multiple()
        set_aside = [other for other, seat in self.model.seats.items() if seat.reserve and seat.state == OPEN]
        can = [*self.model.offered_weeks(now), *set_aside]
        to = can[number % len(can)] if can and number else sorted(self.model.seats)[number % len(self.model.seats)]
        start = self.service.start_of(to)
        for _ in range(times):
            self.now(offset)
            answer = answer_of(lambda: moves.move(requests.view(token, now), start, now=now, rng=alike()))
            self.agree(answer if isinstance(answer, str) else str(answer.state), self.model.move(key, digest, to, now))
            if not isinstance(answer, str):
                moved = answer.token, to, digest
        return moved

    # Agents

    @rule(
        target=requests,
        applicant=APPLICANT,
        steps=some.lists(some.sampled_from([*call_rules.BEFORE]), max_size=6),
        number=some.integers(0, 20),
        is_early=some.booleans(),
        times=some.integers(1, 2),
    )
    def a_visit(self, applicant: tuple[int, int], steps: list[str], number: int, is_early: bool, times: int) -> Any:  # noqa: FBT001 - drawn
        """Book an appointment if nobody has one. On its day, record the arrival and take other steps at the desk."""
        request = multiple() if self.booked() else self.book([applicant], 1, confirmed=True)
        if booked := self.booked():
            key = booked[number % len(booked)]
            self.t = max(self.t, self.model.seats[key].start + timedelta(minutes=-20 if is_early else 1))
            self.agents_do(key, ["arrive", *steps], 0, times)
        return request

    @rule(
        steps=some.lists(some.sampled_from([*call_rules.BEFORE]), min_size=1, max_size=6),
        number=some.integers(0, 20),
        offset=OFFSETS,
        times=some.integers(1, 2),
    )
    def agents_do_anything(self, steps: list[str], number: int, offset: float, times: int) -> None:
        """Take steps at the desk about any seat."""
        keys = sorted(self.model.seats)
        self.agents_do(keys[number % len(keys)], steps, offset, times)

    def booked(self) -> list[SeatKey]:
        """Return the seats with an appointment."""
        return sorted(key for key, seat in self.model.seats.items() if seat.shown_state == CONFIRMED)

    def agents_do(self, key: SeatKey, steps: list[str], offset: float, times: int) -> None:
        """Take steps about a seat, or call the next person. Every third step is another agent's."""
        now = self.now(offset)
        for number, step in enumerate(step for step in steps for _ in range(times)):
            agent = "bba"[number % 3]
            answer = answer_of(partial(desk_step(self.service, key, step, agent), now))
            shown = answer if isinstance(answer, str) else f"{answer.state} {answer.key.ref}"
            self.agree(shown, self.model.at_desk(None if step == "next" else key, step, agent, now))

    # Operators

    @rule(number=some.integers(0, 20), offset=OFFSETS, times=some.integers(1, 2))
    def close_a_day(self, number: int, offset: float, times: int) -> None:
        now = self.now(offset)
        booked = sorted(key for key, seat in self.model.seats.items() if seat.state in BOOKED)
        keys = booked or sorted(self.model.seats)
        day = closing.Closing("aes", keys[number % len(keys)].day)
        prepared = closing.prepare(day, now)
        if day.id in self.closed or len(self.closed) > 1 or prepared.missing or prepared.present:
            return
        self.closed.add(day.id)
        for _ in range(times):
            closing.close(day, closing.prepare(day, now), now)
            self.model.close(day.day, day.id, prepared.until, now)
        for key, (digest, _) in list(self.promises.items()):
            self.note_promise(key, digest)


def desk_step(service: Service, key: SeatKey, step: str, agent: str) -> Callable[[datetime], Seat]:
    """Return the call of the use case for a step of an agent at the desk."""
    undone = step.removeprefix("undo ")
    if undone != step:
        return partial(register.undo, service, key, State(undone), agent)
    steps: dict[str, Callable[[datetime], Seat]] = {
        "next": partial(calls.call_next, service, 1, agent),
        "call": partial(calls.call, service, key, 1, agent),
        "park": partial(calls.park, service, key, agent),
        "arrive": partial(register.arrive, service, key, agent),
    }
    return steps.get(step) or partial(register.record, service, key, State(step), agent)


def shape(seat: Seat) -> dict[str, Any]:
    """Return the attributes of a stored seat that the model knows."""
    return {
        "state": str(seat.state),
        "hold": seat.hold,
        "until": seat.until,
        "opens": seat.opens_at,
        "captcha_passed": seat.captcha_passed,
        "extensions": seat.extensions,
        "person": seat.person,
        "filed": seat.filed_at,
        "reminded": seat.reminded,
        "past": seat.past,
        "past_state": str(seat.past_state or ""),
        "reserve": seat.reserve,
        "visit": visit_of(seat),
    }


def visit_of(seat: Seat) -> Appointment:
    """Return what the desk recorded on a seat."""
    state = str(seat.state) if seat.state in RECORDED else CONFIRMED
    by = seat.arrived_by, seat.called_by, seat.outcome_by
    return Appointment(state, seat.called_to, seat.calls, seat.parked, *by)


def expected(seat: seatmodel.ModelSeat) -> dict[str, Any]:
    """Return the same attributes from the model."""
    return {name: getattr(seat, name) for name in SHAPE}


SHAPE = shape(Seat(SeatKey(date(2026, 12, 1), time(9, 15), 1, "aes"), MONDAY))
TestSeats = Seats.TestCase
TestSeats.settings = settings(
    max_examples=2000 if IS_LONG else 40,
    stateful_step_count=80 if IS_LONG else 50,
    deadline=None,
    derandomize=not IS_LONG,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.mark.parametrize(("drift", "apart"), [(2.0, True), (2.4, True), (3.0, False)])
def test_two_clocks_two_seconds_off_never_give_one_seat_to_two_and_three_seconds_off_do(
    drift: float,
    apart: bool,  # noqa: FBT001 - the expected value
) -> None:
    with inprocess.emulator():
        service_store.put(SMALL)
        key = SeatKey(date(2026, 12, 8), time(9, 15), 1, "aes")
        end, off = MONDAY + timedelta(minutes=3), timedelta(seconds=drift)
        moments = [end + timedelta(seconds=tenth / 10) for tenth in range(-50, 100)]
        seat_store.create(key, MONDAY, MONDAY + timedelta(days=90))
        assert seat_store.take(key, "first", end, MONDAY)
        may_go_on = [t for t in moments if seat_store.read(key).holds("first", t - off)]
        may_take = next(t for t in moments if seat_store.take(key, "second", end + timedelta(minutes=3), t + off))
        assert (may_go_on[-1] < may_take) is apart
