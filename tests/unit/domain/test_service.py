from datetime import UTC

import pytest

from tests.unit.domain.timetables import AES, key, moment


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        ("2026-07-02", "2026-07-02T08:15+00:00"),
        ("2026-12-03", "2026-12-03T09:15+00:00"),
        ("2026-03-28", "2026-03-28T09:15+00:00"),
        ("2026-03-29", "2026-03-29T08:15+00:00"),
        ("2026-10-24", "2026-10-24T08:15+00:00"),
        ("2026-10-25", "2026-10-25T09:15+00:00"),
        ("2027-03-28", "2027-03-28T08:15+00:00"),
        ("2027-10-31", "2027-10-31T09:15+00:00"),
    ],
)
def test_an_appointment_begins_at_its_local_time(day: str, utc: str) -> None:
    start = AES.start_of(key(day))
    assert (start.astimezone(UTC), f"{start:%H:%M}") == (moment(utc), "10:15")


@pytest.mark.parametrize(
    ("day", "filed", "before"),
    [
        ("2026-12-10", "2026-11-30T08:00+00:00", "2026-12-02T08:00+00:00"),
        ("2026-03-31", "2026-03-28T12:00+00:00", "2026-03-30T12:00+00:00"),
        ("2026-12-01", "2026-11-30T08:00+00:00", "2026-12-01T09:15+00:00"),
    ],
)
def test_a_request_may_be_confirmed_for_2880_elapsed_minutes_but_not_after_its_appointment(
    day: str, filed: str, before: str
) -> None:
    assert AES.confirm_before(key(day), moment(filed)) == moment(before)
