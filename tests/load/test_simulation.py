"""Tests of the simulation: its parts follow the limits of AWS and of the service, and a run counts every visitor."""

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from tests.load.prices import FULL_CORE, FreeTier, Use, bill
from tests.load.simulation.aws.inputs import AwsCrowd, Limits, RequestCosts
from tests.load.simulation.aws.parts import Account, Bucket, Pool
from tests.load.simulation.aws.release import AwsRelease, Reading, Result
from tests.load.simulation.seats import Seats, WeekCache

QUICK = RequestCosts(look=0.005, look_seat=0, hold=0.004, hold_seat=0, fill=0.005, fill_seat=0, load=0.3)
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


def play(limits: Limits, visitors: int = 2_000, seats: int = 100, seed: int = 7, **crowd: Any) -> Result:
    return AwsRelease(replace(AwsCrowd(visitors, seats, desks=2), **crowd), limits, QUICK, seed).run()


def calls(readings: Iterable[Reading | None]) -> list[int]:
    return [reading.calls if reading else 0 for reading in readings]


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


def test_a_large_request_may_overdraw_a_bucket_and_is_paid_back_first() -> None:
    bucket = Bucket(100, 10)
    assert [bucket.take(0, 60), bucket.take(0.4, 60), bucket.take(0.52, 60)] == [True, False, True]


def test_a_cached_week_is_valid_for_less_than_a_second_and_omits_the_seats_already_tried() -> None:
    cache = WeekCache()
    assert cache.is_old(0)
    cache.store(Seats(30).query(), 0)
    assert not cache.is_old(0.999)
    assert cache.is_old(1)
    cache.tried |= {0: 0.5, 1: 0.5}
    drawn = {seat for _ in range(300) for seat in cache.earliest(random.Random(_), 0)}
    assert drawn == set(range(2, 12))
    assert len(list(cache.earliest(random.Random(0), 0))) == 3
    assert cache.of_slot(0, 2, random.Random(0)) == []
    assert cache.nearest(0, 2) == [1, 2, 3]
    assert cache.nearest(10, 2) == [10, 9, 11]


def test_an_environment_reads_the_full_weeks_once_a_minute_and_the_new_one_once_a_second() -> None:
    simulation, cache = AwsRelease(AwsCrowd(10, 100), BOUNDLESS, QUICK, 7), WeekCache()
    assert calls(simulation.read_weeks(cache, at) for at in (0, 1, 59.999, 60, 61)) == [3, 1, 1, 3, 1]


def test_a_busy_environment_tries_consecutive_seats_as_the_service_does() -> None:
    cache, taken_by_others = WeekCache(), {5, 10, 11, 1, 2}
    cache.store(Seats(30).query(), 0)
    cache.record(29, 0, won=False)
    cache.record(3, 0, won=True)
    attempts = []
    for _ in range(8):
        for seat in cache.earliest(random.Random(0), 0):
            attempts.append(seat)
            cache.record(seat, 0, won=seat not in taken_by_others)
            if seat not in taken_by_others:
                break
    assert attempts[:10] == [4, 5, 6, 7, 8, 9, 10, 11, 2, 1]


def test_the_first_environment_makes_the_snapshot_and_the_others_show_it_once_it_is_there() -> None:
    simulation = AwsRelease(AwsCrowd(10, 100), BOUNDLESS, QUICK, 7)
    readings = [simulation.read_snapshots(WeekCache(), at) for at in (0, 0.001, 0.5, 1.2, 1.3)]
    # a read, a Query and a put of each week; later a claim of the released one too
    assert calls(readings) == [9, 9, 3, 6, 3]


def test_a_week_with_a_partition_for_each_day_is_read_with_seven_queries_and_from_its_snapshot() -> None:
    simulation = AwsRelease(AwsCrowd(10, 100), replace(BOUNDLESS, by_day=100), QUICK, 7)
    assert simulation.has_snapshots
    assert calls(simulation.read_snapshots(WeekCache(), at) for at in (0, 0.5)) == [27, 3]
    weeks = simulation.units + 2 * simulation.full + 3 * 2 * 0.5  # two days of each have no seats
    assert simulation.tally.reads == pytest.approx(weeks + 6 * 0.5)


def test_a_snapshot_shows_the_week_as_it_was_and_not_the_seats_tried_since() -> None:
    simulation, cache = AwsRelease(AwsCrowd(10, 100), BOUNDLESS, QUICK, 7), WeekCache()
    simulation.read_snapshots(WeekCache(), 0)
    for seat, at in ((0, 0.2), (1, 0.3)):
        simulation.seats.take(seat, 1, at)
    cache.record(0, 0.2, won=False)
    simulation.read_snapshots(cache, 0.9)
    assert cache.of_slot(0, 2, random.Random(0)) == [1]


def test_a_throttled_week_is_shown_from_a_stale_snapshot_and_refused_without_one() -> None:
    simulation, cache = AwsRelease(AwsCrowd(10, 100), BOUNDLESS, QUICK, 7), WeekCache()
    simulation.read_snapshots(WeekCache(), 0)
    simulation.seats.take(0, 1, 1)
    simulation.reads[0].take(2.9, units=1e12)
    assert calls([simulation.read_snapshots(cache, 2.9)]) == [4]  # the three snapshots, and a claim of the released one
    assert cache.week == Seats(100).query()
    assert simulation.read_snapshots(WeekCache(), 11) is None


def test_a_function_stays_within_the_concurrency_and_the_scaling_rate_of_the_account() -> None:
    account = Account(3)
    pool, other = Pool(account, rate=10, burst=2), Pool(account, rate=10, burst=2)
    started = [pool.start(0) for _ in range(2)]
    assert [environment is not None and environment[1] for environment in started] == [True, True]
    for environment in started:
        assert environment is not None
        pool.work(environment[0], until=1.0)
    assert pool.start(0.05) is None  # it may add one environment in a tenth of a second
    last = other.start(0.05)
    assert last is not None
    other.work(last[0], until=2.0)
    assert pool.start(0.5) is None  # the account is full
    again = pool.start(1.0)
    assert again is not None
    assert again[1] is False


# A whole release


@pytest.mark.parametrize("limits", [Limits(), Limits(gateway=50, gateway_burst=10), BOUNDLESS, Limits(cdn=True)])
def test_every_visitor_ends_in_exactly_one_way_and_every_holder_has_a_seat(limits: Limits) -> None:
    result = play(limits)
    assert sum(result.outcomes.values()) == 2_000
    assert result.outcomes["won"] + result.tally.lapsed >= result.held == len(result.held_at)
    assert result.held <= 100


def test_of_2000_visitors_on_100_seats_100_win_and_1900_find_nothing_free() -> None:
    result = play(Limits())
    assert result.outcomes == {"won": 100, "nothing free": 1_900, "gave up": 0, "lost the hold": 0}
    assert result.tally.letters == 200


def test_a_booking_costs_eleven_write_units_beside_the_creation_of_its_seat_and_the_counters() -> None:
    result = play(BOUNDLESS, visitors=10, arrival=1_000.0)
    assert result.tally.attempts == 10
    # hold 1, captcha 1, transaction of seat, person and e-mail address 6, confirmation 1, marks of two letters 2
    assert result.tally.writes == 10 * 11


def test_in_a_crowd_a_seat_is_taken_after_the_captcha_and_only_by_its_answer() -> None:
    result = play(Limits(), captcha_first=True, captcha=10.0)
    assert result.outcomes == {"won": 100, "nothing free": 1_900, "gave up": 0, "lost the hold": 0}
    assert result.tally.letters == 200
    assert result.tally.answers["taken"] > 0
    late = play(BOUNDLESS, visitors=10, captcha_first=True, captcha=1_000.0, patience=10_000.0)
    assert late.drain is None
    assert late.held == 10
    assert late.held_at[-1] > 500
    assert late.waits["p100"] < 30  # without the time that people take for the captcha


def test_a_run_stops_when_a_seat_is_sold_twice() -> None:
    seats = Seats(1)
    seats.take(0, 1, 0)
    seats.free[0] = 1
    with pytest.raises(RuntimeError, match="sold twice"):
        seats.take(0, 2, 0)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not() -> None:
    assert play(Limits()) == play(Limits())
    assert play(Limits()) != play(Limits(), seed=8)


def test_without_other_limits_the_write_rate_of_the_partition_decides_the_drain() -> None:
    limits = replace(BOUNDLESS, partition_writes=20, window=100)
    result = play(limits, visitors=400, seats=100, arrival=0.01, think=0.01, first_free=1.0)
    assert result.drain is not None
    assert 4.9 <= result.drain < 12
    five_partitions = replace(limits, by_day=100)
    faster = play(five_partitions, visitors=400, seats=100, arrival=0.01, think=0.01, first_free=0.0)
    assert faster.drain is not None
    assert 0.9 <= faster.drain < result.drain


def test_letters_leave_no_faster_than_the_mail_rate() -> None:
    quick: dict[str, Any] = {"captcha": 1.0, "form": 1.0, "confirm": 1.0}
    assert play(Limits(mails=1), **quick).last_mail >= 199
    assert play(Limits(mails=14), **quick).last_mail < 60


def test_a_visitor_gives_up_when_patience_ends() -> None:
    result = play(Limits(gateway=5, gateway_burst=5), visitors=500, patience=30)
    assert result.outcomes["gave up"] > 250
    assert result.waits["p99"] < 30 + 15


def test_a_hold_whose_captcha_is_refused_for_too_long_expires_and_frees_its_seat() -> None:
    result = play(Limits(gateway=2, gateway_burst=5), visitors=250, seats=60, patience=300)
    assert result.tally.lapsed > 0
    assert result.outcomes["lost the hold"] == result.tally.lapsed


def test_the_cdn_answers_all_requests_for_the_calendar() -> None:
    result = play(Limits(cdn=True))
    assert result.tally.cdn >= 2_000
    assert result.tally.looks == 0


def test_cached_answers_are_billed_by_the_cdn_but_not_by_the_gateway() -> None:
    uses = {"page": Use(cpu_ms=0, calls=0, sent=0, memory=1024), "file": Use(cpu_ms=0, calls=0, sent=1000, memory=1024)}
    alone = bill({"page": 1e6, "file": 1e6}, uses, writes=0, reads=0, letters=0, load_gb_seconds=0)
    behind = bill({"page": 1e6}, uses, writes=0, reads=0, letters=0, load_gb_seconds=0, cached={"file": 1e6})
    parts = ("API Gateway", "CloudFront", "web ACL", "traffic out")
    assert [round(alone.get(part, 0), 2) for part in parts] == [7.0, 0, 0, 0.09]
    assert [round(behind[part], 2) for part in parts] == [3.5, 2.0, 1.2, 0.09]


def test_only_usage_beyond_the_free_tier_is_billed() -> None:
    uses = {"page": Use(cpu_ms=1000, calls=0, sent=1_000_000, memory=FULL_CORE)}
    free = FreeTier(cdn=1e6, sent=900, calls=0.5e6, gb_seconds=1e6, logged=0.1)
    billed = bill({"page": 1e6}, uses, writes=0, reads=0, letters=0, load_gb_seconds=0, cached={"page": 1e6}, free=free)
    cents = {part: round(value, 2) for part, value in billed.items()}
    assert cents == {
        "API Gateway": 3.5,
        "Lambda": 12.23,  # half a million calls and 727,539 GB-seconds
        "DynamoDB": 0,
        "SES": 0,
        "traffic out": 99.0,
        "logs": 0.2,
        "CloudFront": 1.0,
        "web ACL": 1.2,
        "total": 117.13,
    }
