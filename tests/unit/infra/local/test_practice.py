"""The draw that `make run` offers to try: its windows and its service files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chalicelib.domain import codec, draw_window, timetable
from chalicelib.domain.service import Service
from infra.local import practice
from infra.servicefile import reader

MOMENTS = [
    "2026-11-25T10:00:30+01:00",
    "2026-11-29T23:57:30+01:00",  # closes on a Monday
    "2027-03-28T01:58:00+01:00",  # closes after the clocks have gone forward
    "2026-10-25T03:10:00+01:00",  # the clocks went back while it was open
]


def service(folder: Path, window: practice.Window) -> Service:
    read = reader.read([practice.write(folder, window)], today=window.closes.date())
    return codec.service_from_document(read.documents[0])


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_first_window_is_open_now_and_closes_four_minutes_later_at_most(moment: str, tmp_path: Path) -> None:
    now = datetime.fromisoformat(moment)
    window = practice.first_window(now)
    open_now = draw_window.open_window(service(tmp_path, window), now)
    assert open_now
    assert timedelta(minutes=3) <= open_now.closes - now <= timedelta(minutes=4)
    assert open_now.closes == window.closes.astimezone(UTC)


def test_each_window_draws_the_seats_of_another_week_until_there_is_none(tmp_path: Path) -> None:
    now = datetime(2026, 11, 29, 21, 0, tzinfo=UTC)
    window, weeks = practice.first_window(now), []
    while window.weeks_ahead <= practice.LONGEST:
        written = service(tmp_path, window)
        open_now = draw_window.open_window(written, now)
        assert open_now
        assert len(timetable.planned_seats(written, open_now.week)) in range(2, 5)  # fewer in a week with a holiday
        weeks.append(open_now.week)
        now = window.drawn_at + timedelta(seconds=5)
        window = practice.next_window(window, now)
    assert weeks[:3] == ["2026-W50", "2026-W51", "2026-W52"]
    assert len(weeks) == len(set(weeks)) >= 26
