"""Tests of the demonstration of fairness: seats, waits, offers and captchas are counted as the rules say."""

import random

import pytest

from chalicelib.domain.draw import ANY
from tests.load.fairness.__main__ import LONGEST, weeks_lost
from tests.load.fairness.first_come import FirstCome
from tests.load.fairness.invented import Infiltrated, captchas
from tests.load.fairness.turns import (
    BUILT,
    BY_NETWORK,
    EVEN,
    NONE,
    RULES,
    Kind,
    Pass,
    Release,
    Tally,
    at_once,
    passes_of,
)
from tests.load.fairness.waiting import MOST_WEEKS, Draw, Person, person, seats_of

CHANCE = random.Random(1)


def people(count: int, *, first: int = 0, is_invented: bool = False) -> list[Person]:
    return [person(number, 1, CHANCE, is_invented=is_invented) for number in range(first, first + count)]


def test_the_seats_of_a_week_are_distinct_and_fill_its_ten_half_days_evenly() -> None:
    seats = seats_of(1, 270)
    assert seats == sorted(set(seats))
    assert {seat[:13]: sum(other[:13] == seat[:13] for other in seats) for seat in seats} == {
        f"2026-12-{day}T{hour}": 27 for day in range(21, 26) for hour in ("09", "14")
    }


def test_a_lost_draw_is_counted_and_full_seniority_serves_those_who_lost_most_first() -> None:
    rule, early = Draw(100, seats=10), people(15)
    first = rule(1, early)
    rest = [one for one in early if one not in first]
    assert len(first) == 10
    assert [rule.waited[one.receipt] for one in rest] == [1] * 5
    for one in rest:
        one.wishes = (ANY,)
    second = rule(2, [*people(20, first=100), *rest])
    assert {one.receipt for one in rest} == {one.receipt for one in second[:5]}


def test_a_seat_that_is_given_up_goes_to_the_next_rank_that_it_fits() -> None:
    rule, waiting = Draw(0, seats=1), people(10)
    for one in waiting:
        one.wishes = (ANY,)
    winner = rule(1, waiting)
    order = [result.receipt for result in rule.results]
    assert [one.receipt for one in rule.offer(1, waiting, winner)] == [order[1]]
    by_receipt = {one.receipt: one for one in waiting}
    by_receipt[order[1]].wishes = ("4-pm",)  # the only seat is on a Monday morning
    by_receipt[order[2]].is_invented = True  # gives it up as well
    assert [one.receipt for one in rule.offer(1, waiting, winner)] == [order[3]]


@pytest.mark.parametrize(("confirms", "served"), [(True, 5), (False, 10)])
def test_seats_of_invented_people_are_lost_only_if_they_confirm(confirms: bool, served: int) -> None:  # noqa: FBT001
    rule = Infiltrated(100, confirms=confirms)
    rule.rule.seats = 10
    honest = people(100)
    for one in honest:
        one.wishes = (ANY,)
    weeks = [len(rule(week, honest)) for week in range(1, 21)]
    assert sum(weeks) / 20 == pytest.approx(served, abs=1)
    assert all(number == 10 for number in weeks) is not confirms
    assert rule.drawn + sum(rule.wins) == 200
    assert rule.tries == 2000


def test_the_receipt_of_an_invented_winner_starts_again_where_that_is_the_rule() -> None:
    for restarts in (True, False):
        rule = Infiltrated(3, confirms=True, restarts=restarts)
        rule.rule.seats = 1
        for week in range(1, 10):
            rule(week, [])
        lost = sum(rule.rule.waited.values())
        assert (lost == 18) is not restarts  # each week two of the three lose


def test_programs_take_seats_before_people_and_sell_them_to_others() -> None:
    waiting = people(300)
    rule = FirstCome(programs=4, identities=5, seats=30)
    winners = rule(1, waiting)
    assert 0 < rule.sold[0] <= 20
    assert len({one.receipt for one in winners}) == 30
    assert len([one for one in winners if rule.quickness[one.receipt] < 0.5]) >= 30 - rule.sold[0]


def test_steady_people_are_as_quick_each_week_and_others_are_not() -> None:
    waiting = people(50)
    for is_steady in (True, False):
        rule = FirstCome(programs=0, is_steady=is_steady)
        rule(1, waiting)
        before = rule.quickness
        rule(2, waiting)
        assert (rule.quickness == before) is is_steady


def test_further_captchas_are_counted_as_the_service_asks_for_them() -> None:
    at_once = {"networks": 1, "domains": 1, "hours": 1, "days": 1}
    assert captchas(10, **at_once) == 10
    assert captchas(11, **at_once) == 12
    assert captchas(31, **at_once) == 10 + 10 * 2 + 10 * 3 + 4
    assert captchas(1000, **at_once) == 1000 + 10 + 20 + 3 * 970
    assert captchas(1000, networks=100, domains=100, hours=1, days=1) == 1000
    assert captchas(1000, networks=100, domains=0, hours=1, days=1) == 1000


def test_a_wait_of_the_page_is_a_percentile_or_longer_than_the_play() -> None:
    assert weeks_lost([3, 1, 2, 0], 50) == "1"
    assert weeks_lost([3, 1, 2, 0], 100) == "3"
    assert weeks_lost([0, MOST_WEEKS], 100) == LONGEST


def test_each_rule_of_a_release_changes_who_gets_the_seats() -> None:
    programs = [Pass(3, 0, number, 0, is_program=True) for number in range(50)]
    passes = [*programs, *(Pass(4, 0, number, number, is_program=False) for number in range(50, 100))]
    passes += [Pass(25, 0, number, number, is_program=False) for number in range(100, 110)]
    seats_of_programs = {
        NONE: {10},
        # The programs are behind one network and have one rank; the next test looks at it.
        **dict.fromkeys((BY_NETWORK, BUILT, EVEN), range(11)),
        "1 confirmed request for each network": {1},
        "3 confirmed requests for each network": {3},
    }
    for name, rule in RULES.items():
        for seed in range(5):
            chance, tally = random.Random(seed), Tally()
            tally.add(passes, Release(10, rule.limit, chance).serve(rule.turns(passes, chance)))
            assert tally.people + tally.programs == 10
            assert tally.programs in seats_of_programs.get(name, range(1, 10)), name


def test_a_turn_is_never_before_the_captcha_and_a_batch_ends_when_its_name_says() -> None:
    passes = passes_of(random.Random(2), 20, Kind(), visitors=200)
    turns = {name: rule.turns(passes, random.Random(2)) for name, rule in RULES.items()}
    assert all(moment >= one.moment for rule in turns.values() for moment, _, one in rule)
    assert min(moment for moment, *_ in turns["batch of the first 20 s"]) == 20
    assert {moment % 5 for moment, *_ in turns["a batch every 5 s"]} == {0}
    ranks = {(one.network, rank) for _, rank, one in turns[BY_NETWORK]}
    networks = {one.network for one in passes}
    assert len(ranks) == len({rank for _, rank in ranks}) == len(networks) < len(passes)
    assert min(moment for moment, *_ in turns[BY_NETWORK]) == 120
    assert 60 <= min(moment for moment, *_ in turns[BUILT]) < 80
    assert max(moment for moment, _, one in turns[BUILT] if moment > one.moment) <= 110  # 45 s, and 5 s late
    assert 9 < max(moment - one.moment for moment, _, one in turns["random wait, 0 to 10 s"]) <= 10


def test_several_holds_get_one_seat_and_a_refused_confirmation_gives_its_seat_to_the_next() -> None:
    holds = passes_of(random.Random(3), 1, Kind(holds=10), visitors=1)
    assert len(holds) == 10
    assert len(Release(5, 0, CHANCE).serve(at_once(holds, CHANCE)).served) == 1
    shared = [Pass(moment, 0, moment, 7, is_program=False) for moment in (1, 2)]
    late = Pass(500, 499, 3, 8, is_program=False)
    release = Release(2, 1, random.Random(3)).serve(at_once([*shared, late], CHANCE))
    assert (len(release.served), release.served[3], release.refused) == (2, 500, 1)
    assert [release.was_free(moment) for moment in (1.5, 2.5, 499, 501)] == [True, False, True, False]
