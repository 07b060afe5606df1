"""Tests of the simulated machine: it agrees with the storms that were played, and each part follows its rule."""

import os
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from tests.load.simulation.storm import against
from tests.load.simulation.storm.crowd import (
    CALENDAR,
    FIRST_FREE,
    FULL,
    HELD,
    LOOK,
    MAIN,
    NOTHING,
    TAKEN,
    Reply,
    Size,
    StormAnswer,
    figures,
    people,
)
from tests.load.simulation.storm.machine import Inbox, Machine, SimulatedStorm
from tests.load.simulation.storm.played import Metered, Played
from tests.load.simulation.storm.service_times import Sample, StormCosts, storm_costs

QUICK = StormCosts(
    look=0.001,
    full=0.0008,
    held=0.004,
    taken=0.001,
    nothing=0.0005,
    failed=0.0015,
    week=0.005,
    empty=0.002,
    table_week=0.01,
    table_empty=0.001,
    table_write=0.0007,
    look_crowd=0.0002,
    full_crowd=0.0001,
    hold_crowd=0.0002,
    empty_weeks=1,
)
SIZE = Size(people=300, seats=60, at_once=12)


def storm(
    costs: StormCosts = QUICK, *, cores: float = 2.0, connections: tuple[int, ...] = (4, 4, 4)
) -> list[StormAnswer]:
    crowd = people(SIZE, 7)
    return SimulatedStorm(crowd, seats=SIZE.seats, connections=connections, costs=costs, cores=cores, seed=3).run()


# The comparison


def test_the_simulation_of_the_recorded_storms_agrees_with_them_within_15_per_cent() -> None:
    lines = against.compare()
    assert len({line["storm"] for line in lines}) == 3
    assert against.disagreements(lines) == []


@pytest.mark.parametrize("name", MAIN)
def test_a_main_figure_that_is_off_by_more_than_15_per_cent_is_named(name: str) -> None:
    line: dict[str, Any] = {"storm": "200 on 100", "figure": name, "measured": 1.0, "simulated": 1.16, "error": 0.16}
    assert against.disagreements([line]) == [f"200 on 100: {name} is 1, simulated 1.16"]
    assert against.disagreements([line | {"error": -0.16}]) != []
    assert against.disagreements([line | {"error": 0.14}]) == []
    assert against.disagreements([line | {"figure": "another"}]) == []


@pytest.mark.parametrize("name", ["look", "held", "look_crowd", "table_write"])
def test_a_recorded_storm_takes_longer_in_the_simulation_when_a_cost_is_ten_times_as_high(name: str) -> None:
    [run, *_] = against.read_runs()
    slower = run | {"costs": run["costs"] | {name: run["costs"][name] * 10}}
    assert against.simulate(slower)["drained in"] > against.simulate(run)["drained in"] * 1.02


# The machine


def burn(seconds: float, ends: list[float], machine: Machine) -> Generator[float | Inbox, Any, None]:
    yield seconds
    ends.append(machine.now)


def test_the_processes_of_a_core_share_it_equally_and_one_uses_a_single_core() -> None:
    machine, ends = Machine(2.0), list[float]()
    for seconds in (1.0, 5.0, 1.0, 5.0):
        machine.go_on(burn(seconds, ends, machine))
    machine.run()
    assert ends == pytest.approx([2.0, 2.0, 6.0, 6.0])


def test_an_idle_core_takes_a_process_from_another_one() -> None:
    machine, ends = Machine(2.0), list[float]()
    for seconds in (3.0, 1.0, 3.0):
        machine.go_on(burn(seconds, ends, machine))
    machine.run()
    assert ends == pytest.approx([1.0, 3.5, 3.5])


def test_a_process_wakes_up_on_an_idle_core_and_cores_that_others_use_are_slower() -> None:
    machine, ends, inbox = Machine(1.5), list[float](), Inbox()

    def wakes(item: Inbox) -> Generator[float | Inbox, Any, None]:
        yield item
        yield from burn(1.5, ends, machine)

    machine.go_on(wakes(inbox))
    machine.go_on(burn(3.0, ends, machine))
    machine.put(inbox, 1)
    machine.run()
    assert ends == pytest.approx([2.0, 4.0])


def test_a_process_that_waits_gets_the_items_in_their_order() -> None:
    machine, inbox, read = Machine(1.0), Inbox(), list[int]()

    def reader() -> Generator[float | Inbox, Any, None]:
        while True:
            read.append((yield inbox))
            yield 1.0

    machine.put(inbox, 1)
    machine.go_on(reader())
    machine.put(inbox, 2)
    machine.put(inbox, 3)
    machine.run()
    assert read == [1, 2, 3]
    assert machine.now == 3.0


# A simulated storm


def test_every_person_has_an_outcome_and_each_seat_has_one_holder() -> None:
    answers = storm()
    outcomes = {answer.person: answer.outcome for answer in answers}
    counts = Counter(outcomes.values())
    assert len(outcomes) == 300
    assert counts[HELD] == 60 == sum(answer.outcome == HELD for answer in answers)
    assert set(counts) == {HELD, NOTHING, FULL}  # who saw an empty calendar asked for nothing


def test_no_more_people_are_present_than_connections() -> None:
    moments = sorted([(answer.sent, 1) for answer in storm()] + [(answer.answered, -1) for answer in storm()])
    present = most = 0
    for _, change in moments:
        present += change
        most = max(most, present)
    assert most == 12


def test_a_storm_takes_longer_on_fewer_cores_or_with_a_single_server() -> None:
    rate = figures(storm())["answers per second"]
    assert figures(storm(cores=1.0))["answers per second"] == pytest.approx(rate / 2, rel=0.05)
    assert figures(storm(connections=(12,)))["answers per second"] < rate * 0.8


def test_the_same_seed_gives_the_same_storm() -> None:
    assert storm() == storm()


def test_each_server_reads_the_week_once_in_a_short_storm() -> None:
    seconds = max(answer.answered for answer in storm())
    slower = max(answer.answered for answer in storm(replace(QUICK, week=0.105)))
    assert 3 * 0.1 / 2 * 0.8 < slower - seconds < 3 * 0.1 * 2  # a storm of half a second, on two cores


# The people, and what is measured


def test_a_person_asks_until_there_is_a_seat_or_nothing_is_free() -> None:
    someone = people(SIZE, 1)[0]
    assert next(someone) == LOOK
    assert someone.send(Reply(CALENDAR, [5])) in {-1, 5}
    assert someone.send(Reply(TAKEN, [8])) == 8
    with pytest.raises(StopIteration):
        someone.send(Reply(HELD))


def answer(asked: int, outcome: str, milliseconds: float, **calls: int) -> Metered:
    crowd = 0.0001 if asked == LOOK else 0.0002
    return Metered(0, asked, 0.0, 1.0, outcome, 0, 1, milliseconds / 1000, crowd, Counter(calls))


def played(*answers: Metered, servers: float, emulator: float, crowd: float = 0.0) -> Played:
    milliseconds = {"servers": servers, "emulator": emulator, "crowd": crowd}
    return Played(list(answers), 1.0, {name: spent / 1000 for name, spent in milliseconds.items()})


TAKES_SEAT = {"UpdateItem": 2, "PutItem": 1}
SAMPLE = Sample(
    free=played(answer(LOOK, CALENDAR, 1), answer(LOOK, CALENDAR, 6, Query=1), servers=8, emulator=10),
    storm=played(
        answer(LOOK, CALENDAR, 1),
        answer(0, HELD, 4, **TAKES_SEAT),
        answer(0, HELD, 7, failed=2, **TAKES_SEAT),
        answer(0, TAKEN, 2),
        servers=15,
        emulator=16,
        crowd=1.1,
    ),
    holds=played(
        answer(FIRST_FREE, NOTHING, 0.5),
        answer(FIRST_FREE, NOTHING, 7.5, Query=1, Empty=1),
        servers=9,
        emulator=11,
    ),
    full=played(answer(LOOK, FULL, 0.8), servers=1, emulator=0, crowd=0.3),
)
"""Beside the application, the web server takes 0.25 ms for a request of the storm, 0.5 for `holds`, 0.2 for `full`."""


@pytest.mark.parametrize(
    ("name", "milliseconds"),
    [
        ("look", 1 + 0.25),
        ("full", 0.8 + 0.2),
        ("held", 4 + 0.25),
        ("taken", 2 + 0.25),
        ("nothing", 0.5 + 0.5),
        ("failed", (7 - 4) / 2),
        ("week", 6 - 1),
        ("empty", 7.5 - 0.5 - 5),
        ("table_week", 10),
        ("table_empty", 11 - 10),
        ("table_write", 16 / 8),
        ("look_crowd", 0.1 + 0.1),
        ("full_crowd", 0.3),
        ("hold_crowd", 0.2 + 0.1),
    ],
)
def test_a_cost_is_the_cpu_time_of_the_requests_and_calls_of_its_kind(name: str, milliseconds: float) -> None:
    assert getattr(storm_costs(SAMPLE), name) * 1000 == pytest.approx(milliseconds)


def test_the_weeks_without_seats_are_those_that_a_request_read_at_most() -> None:
    assert storm_costs(SAMPLE).empty_weeks == 1


def test_the_cores_that_are_left_to_a_storm_are_those_that_other_programs_do_not_use() -> None:
    alone = {"crowd": 1.0, "servers": 6.0, "emulator": 2.0, "machine": 9.0}
    assert Played([], 10.0, alone).cores == os.cpu_count()
    assert Played([], 10.0, alone | {"machine": 10.0}).cores == pytest.approx((os.cpu_count() or 0) - 0.1)
