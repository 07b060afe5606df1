"""The turns of a batch: when each rank's turn comes, and what the rank depends on."""

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain import codec, timetable, turns
from chalicelib.domain.service import Service
from chalicelib.domain.tokens import Keys
from tests.conftest import MONDAY, document

SECOND = timedelta(seconds=1)
KEYS = Keys("s" * 43)
NETWORKS = [f"network {number}" for number in range(4000)]


@pytest.fixture(scope="module")
def service() -> Service:
    moments = [{"day": "monday", "at": "09:00"}]
    return codec.service_from_document(
        document(seat_after="crowd", release={"weeks_ahead": 2, "moments": moments, "batch_seconds": 60})
    )


def test_the_turns_come_between_the_end_of_the_batch_and_the_end_of_its_spread(service: Service) -> None:
    coming = [turns.turn(service, MONDAY, rank) for rank in (0, 1 / 256, 1 / 16, 0.9999, 1)]
    assert coming == sorted(coming)
    assert [moment - MONDAY for moment in coming[:3]] == [60 * SECOND, 60 * SECOND, 82.5 * SECOND]
    assert coming[-1] - MONDAY == 105 * SECOND


def test_whoever_is_a_second_late_loses_the_same_part_of_the_chance_in_a_small_and_in_a_large_crowd(
    service: Service,
) -> None:
    moments = [turns.turn(service, MONDAY, KEYS.turn_rank("aes", MONDAY, network)) for network in NETWORKS]
    for seats in (40, 400, 1200):
        last = sorted(moments)[seats]
        late = sum(moment + SECOND <= last for moment in moments)
        assert 0.8 < late / seats < 0.95


def test_a_rank_is_the_same_for_a_network_in_each_process_and_another_in_each_release_service_and_stage() -> None:
    rank = KEYS.turn_rank("aes", MONDAY, "network")
    paris = MONDAY.astimezone(codec.service_from_document(document()).zone)
    assert rank == Keys("s" * 43).turn_rank("aes", paris, "network")
    others = {
        KEYS.turn_rank("aes", MONDAY + timedelta(days=7), "network"),
        KEYS.turn_rank("other", MONDAY, "network"),
        KEYS.turn_rank("aes", MONDAY, "other"),
        Keys("t" * 43).turn_rank("aes", MONDAY, "network"),
    }
    assert len(others | {rank}) == 5


def test_ranks_are_spread_evenly() -> None:
    ranks = [KEYS.turn_rank("aes", MONDAY, network) for network in NETWORKS]
    assert all(0 <= rank < 1 for rank in ranks)
    assert all(350 < sum(tenth == int(10 * rank) for rank in ranks) < 450 for tenth in range(10))


@pytest.mark.parametrize(
    ("now", "batched"),
    [
        (MONDAY - timedelta(milliseconds=1), False),
        (MONDAY, True),
        (MONDAY + 105 * SECOND - timedelta(milliseconds=1), True),
        (MONDAY + 105 * SECOND, False),
        (MONDAY + timedelta(days=7), True),
        (datetime(2026, 10, 26, 8, 0, 30, tzinfo=UTC), True),  # the Monday after the clocks went back
    ],
)
def test_turns_may_come_from_the_release_to_the_end_of_the_spread(
    service: Service, now: datetime, *, batched: bool
) -> None:
    assert (turns.batched_release(service, now) is not None) is batched


def test_of_two_moments_the_last_one_counts() -> None:
    moments = [{"day": "monday", "at": "09:00", "seats": 20}, {"day": "monday", "at": "09:01"}]
    twice = codec.service_from_document(
        document(seat_after="crowd", release={"weeks_ahead": 2, "moments": moments, "batch_seconds": 60})
    )
    assert turns.batched_release(twice, MONDAY + 59 * SECOND) == MONDAY
    assert turns.batched_release(twice, MONDAY + 60 * SECOND) == MONDAY + 60 * SECOND


def test_without_the_setting_there_is_no_batch() -> None:
    plain = codec.service_from_document(document())
    assert timetable.last_release(plain, MONDAY) == MONDAY
    assert turns.batched_release(plain, MONDAY) is None
