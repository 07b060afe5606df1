"""The parts of the simulation keep the rules that AWS and the service keep, and a run loses nobody."""

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.load.prices import FULL_CORE, Given, Use, bill
from tests.load.simulation.inputs import GB_SECOND, INVOCATION, Costs, Crowd, Limits, line
from tests.load.simulation.laptop import Laptop, storm
from tests.load.simulation.parts import Account, Bucket, Mailer, Memory, Pool, Seats
from tests.load.simulation.rehearsal import Rehearsal
from tests.load.simulation.rush import Monday, Result

QUICK = Costs(look=0.005, look_seat=0, hold=0.004, hold_seat=0, fill=0.005, fill_seat=0, load=0.3)
BOUNDLESS = Limits(
    gateway=1e9,
    gateway_burst=1e9,
    concurrency=10**9,
    scaling=1e9,
    scaling_burst=1e9,
    table_writes=1e9,
    table_reads=1e9,
    partition_reads=1e9,
)


def monday(limits: Limits, visitors: int = 2_000, seats: int = 100, seed: int = 7, **crowd: Any) -> Result:
    return Monday(replace(Crowd(visitors, seats, desks=2), **crowd), limits, QUICK, seed).run()


# The parts


def test_a_bucket_never_grants_more_than_its_burst_and_its_rate() -> None:
    chance, bucket, now, granted = random.Random(1), Bucket(100, 20), 0.0, list[float]()
    for _ in range(5_000):
        now += chance.expovariate(300)
        granted += [now] * bucket.take(now)
    for start in range(0, len(granted), 50):
        window = [at for at in granted[start:] if at < granted[start] + 1]
        assert len(window) <= 120
    assert len(granted) == pytest.approx(20 + 100 * now, rel=0.01)


def test_a_bucket_grants_many_at_once_up_to_what_is_left() -> None:
    bucket = Bucket(10, 5)
    assert [bucket.grant(0, 8), bucket.grant(0, 8), bucket.grant(0.2, 8)] == [5, 0, 2]
    assert bucket.grant(1_000, 8) == 5  # a long pause saves up no more than the burst


def test_a_request_of_many_units_passes_whole_and_is_paid_back_first() -> None:
    bucket = Bucket(100, 10)
    assert [bucket.take(0, 60), bucket.take(0.4, 60), bucket.take(0.52, 60)] == [True, False, True]


def test_a_seat_is_held_once_until_it_is_given_back() -> None:
    seats = Seats(2)
    assert [seats.take(1, 5, 0), seats.take(1, 6, 1)] == [True, False]
    seats.give_back(1)
    assert seats.take(1, 6, 2)
    assert seats.holder == {1: 6}


def test_a_memory_is_good_for_less_than_a_second_and_leaves_out_what_it_asked_for() -> None:
    memory = Memory()
    assert memory.is_old(0)
    memory.read(Seats(30).seen(), 0)
    assert not memory.is_old(0.999)
    assert memory.is_old(1)
    memory.asked |= {0, 1}
    drawn = {seat for _ in range(300) for seat in memory.earliest(random.Random(_), 0)}
    assert drawn == set(range(2, 12))
    assert len(list(memory.earliest(random.Random(0), 0))) == 3
    assert memory.of_slot(0, 2, random.Random(0)) == []
    assert memory.nearest(0, 2) == [1, 2, 3]
    assert memory.nearest(10, 2) == [10, 9, 11]


def test_the_full_weeks_are_read_by_an_environment_once_a_minute_and_the_new_one_each_second() -> None:
    played, memory = Monday(Crowd(10, 100), BOUNDLESS, QUICK, 7), Memory()
    read = [played.read_weeks(memory, at, 1)[0] for at in (0, 1, 59.999, 60, 61)]
    assert read == [3, 1, 1, 3, 1]


def test_an_environment_that_met_a_throttle_rests_and_then_draws_among_all_for_a_second() -> None:
    memory = Memory()
    memory.read(Seats(30).seen(), 0)
    memory.asked |= {0, 1}
    memory.throttle(0)
    assert [memory.is_resting(at) for at in (0, 0.099, 0.1)] == [True, True, False]
    assert {seat for _ in range(300) for seat in memory.earliest(random.Random(_), 0.5)} == set(range(2, 30))
    assert max(seat for _ in range(300) for seat in memory.earliest(random.Random(_), 1)) == 11


def test_a_busy_environment_goes_its_own_way_as_the_service_does() -> None:
    memory, theirs = Memory(), {5, 10, 11, 1, 2}
    memory.read(Seats(30).seen(), 0)
    memory.told(29, 0, won=False)
    memory.told(3, 0, won=True)
    asked = []
    for _ in range(8):
        for seat in memory.earliest(random.Random(0), 0):
            asked.append(seat)
            memory.told(seat, 0, won=seat not in theirs)
            if seat not in theirs:
                break
    assert asked[:10] == [4, 5, 6, 7, 8, 9, 10, 11, 2, 1]


def test_a_function_has_no_more_environments_than_its_account_and_grows_no_faster_than_lambda_lets_it() -> None:
    account = Account(3)
    pool, other = Pool(account, rate=10, burst=2), Pool(account, rate=10, burst=2)
    started = [pool.start(0) for _ in range(2)]
    assert [one is not None and one[1] for one in started] == [True, True]
    for one in started:
        assert one is not None
        pool.work(one[0], until=1.0)
    assert pool.start(0.05) is None  # it grows by one in a tenth of a second
    last = other.start(0.05)
    assert last is not None
    other.work(last[0], until=2.0)
    assert pool.start(0.5) is None  # the account is full
    again = pool.start(1.0)
    assert again is not None
    assert again[1] is False


def test_letters_leave_at_the_rate_and_no_faster() -> None:
    mailer = Mailer(10)
    assert [round(mailer.send(0), 3) for _ in range(3)] == [0, 0.1, 0.2]
    assert mailer.send(5) == 5


def test_a_line_goes_through_its_points() -> None:
    assert line([(100, 12), (500, 20), (2_000, 50)]) == pytest.approx((10, 0.02))


# A whole Monday


@pytest.mark.parametrize("limits", [Limits(), Limits(gateway=50, gateway_burst=10), BOUNDLESS, Limits(edge=True)])
def test_every_visitor_ends_in_exactly_one_way_and_every_holder_has_a_seat(limits: Limits) -> None:
    found = monday(limits)
    assert sum(found.outcomes.values()) == 2_000
    assert found.outcomes["won"] + found.tally.lapsed >= found.held == len(found.held_at)
    assert found.held <= 100


def test_of_2000_on_100_seats_100_win_and_1900_are_told_that_nothing_is_free() -> None:
    found = monday(Limits())
    assert found.outcomes == {"won": 100, "nothing free": 1_900, "gave up": 0, "lost the hold": 0}
    assert found.tally.letters == 200


def test_a_seat_that_a_run_sells_twice_stops_it() -> None:
    seats = Seats(1)
    seats.take(0, 1, 0)
    seats.free[0] = 1
    with pytest.raises(RuntimeError, match="sold twice"):
        seats.take(0, 2, 0)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not() -> None:
    assert monday(Limits()) == monday(Limits())
    assert monday(Limits()) != monday(Limits(), seed=8)


def test_with_all_else_boundless_the_partition_drains_at_its_thousand_writes_a_second() -> None:
    limits = replace(BOUNDLESS, partition_writes=20, window=100)
    found = monday(limits, visitors=400, seats=100, arrival=0.01, think=0.01, first_free=1.0)
    assert found.drain is not None
    assert 4.9 <= found.drain < 10
    halves = replace(limits, partitions=2)
    twice = monday(halves, visitors=400, seats=100, arrival=0.01, think=0.01, first_free=0.0)
    assert twice.drain is not None
    assert 2.4 <= twice.drain < found.drain


def test_the_last_letter_leaves_no_sooner_than_the_rate_lets_it() -> None:
    quick: dict[str, Any] = {"captcha": 1.0, "form": 1.0, "confirm": 1.0}
    assert monday(Limits(mails=1), **quick).last_mail >= 199
    assert monday(Limits(mails=14), **quick).last_mail < 60


def test_who_waits_too_long_gives_up() -> None:
    found = monday(Limits(gateway=5, gateway_burst=5), visitors=500, patience=30)
    assert found.outcomes["gave up"] > 250
    assert max(found.waits.values()) < 30 + 10


def test_a_hold_whose_captcha_cannot_be_sent_in_time_runs_out_and_its_seat_opens_again() -> None:
    found = monday(Limits(gateway=2, gateway_burst=5), visitors=250, seats=60, patience=300)
    assert found.tally.lapsed > 0
    assert found.outcomes["lost the hold"] == found.tally.lapsed


def test_an_edge_takes_the_looks_off_the_service() -> None:
    found = monday(Limits(edge=True))
    assert found.tally.edge >= 2_000
    assert found.tally.looks == 0


def test_the_simulated_laptop_gives_each_seat_once_and_serves_no_faster_than_its_cores() -> None:
    seen = storm(Laptop(cores=2, request=0.01, fill=0, write=0), threads=32, attempts=2_000)
    assert seen.rate == pytest.approx(200, rel=0.01)
    assert sum(seen.refusals.values()) == 1_900
    assert seen.attempts_per_win == 20


@pytest.mark.parametrize(("at_once", "seconds"), [(1, 18), (4, 4)])
def test_the_rehearsed_rush_drains_no_faster_than_its_lines_answer(at_once: int, seconds: float) -> None:
    service = {step: {"p50": 0.5, "mean": 0.5} for step in ("notice", "calendar", "hold")}
    crowd = {"visitors": 200, "bots": 4, "seats": 40, "rate": 50, "haste": 0.1, "at_once": at_once}
    rushed = Rehearsal({**crowd, "service": service})
    found = rushed.run()
    assert len(rushed.seats.first_held) == 40 >= len(rushed.seats.holder)
    assert seconds <= found["drain_seconds"] < 100


def test_what_an_edge_answers_itself_passes_no_gateway_and_all_that_comes_passes_the_edge() -> None:
    uses = {"page": Use(cpu_ms=0, calls=0, sent=0, memory=1024), "file": Use(cpu_ms=0, calls=0, sent=1000, memory=1024)}
    alone = bill({"page": 1e6, "file": 1e6}, uses, writes=0, reads=0, letters=0, load_gb_seconds=0)
    behind = bill({"page": 1e6}, uses, writes=0, reads=0, letters=0, load_gb_seconds=0, kept={"file": 1e6})
    parts = ("API Gateway", "CloudFront", "web ACL", "traffic out")
    assert [round(alone.get(part, 0), 2) for part in parts] == [7.0, 0, 0, 0.09]
    assert [round(behind[part], 2) for part in parts] == [3.5, 2.0, 1.2, 0.09]


def test_of_what_aws_gives_each_month_only_what_is_used_beyond_it_is_billed() -> None:
    uses = {"page": Use(cpu_ms=1000, calls=0, sent=1_000_000, memory=FULL_CORE)}
    mostly = Given(edge=1e6, sent=900, calls=0.5e6, gb_seconds=1e6, logged=0.1)
    billed = bill(
        {"page": 1e6}, uses, writes=0, reads=0, letters=0, load_gb_seconds=0, kept={"page": 1e6}, given=mostly
    )
    cents = {part: round(value, 2) for part, value in billed.items()}
    assert cents == {
        "API Gateway": 3.5,
        "Lambda": round(0.5e6 * INVOCATION + (1e6 * FULL_CORE / 1024 - 1e6) * GB_SECOND, 2),
        "DynamoDB": 0,
        "SES": 0,
        "traffic out": round((2_000 - 900) * 0.09, 2),
        "logs": 0.2,
        "CloudFront": 1.0,
        "web ACL": 1.2,
        "total": cents["total"],
    }
    assert cents["total"] == pytest.approx(sum(cents.values()) - cents["total"], abs=0.02)
