"""The windows of a draw: when entries for the seats of a week are collected."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from chalicelib.domain.seat import monday_of, week_of
from chalicelib.domain.service import DrawRules, Service, WeeklyMoment

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The weekdays as a half-day such as `tue-am` names them."""
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which entries for the seats of a week are collected: from `opens` until just before `closes`, in UTC.

    It is shorter than seven days, so the windows of a service never overlap. Only that of the canary lasts all week.
    """

    week: str
    opens: datetime
    closes: datetime

    def is_open(self, now: datetime) -> bool:
        """Tell whether an entry that is filed now belongs to this window."""
        return self.opens <= now < self.closes


def window_of(service: Service, week: str) -> Window:
    """Return the window whose draw gives the seats of a week. Raise ValueError if the service has no draw."""
    return _closing_in(service, monday_of(week) - (rules(service).weeks_ahead + 1) * _WEEK)


def open_window(service: Service, now: datetime) -> Window | None:
    """Return the window that is open now, if any."""
    window = _next_to_close(service, now)
    return window if window.is_open(now) else None


def next_window(service: Service, now: datetime) -> Window:
    """Return the next window that opens, after the one that is open now."""
    window = _next_to_close(service, now)
    return window if window.opens > now else window_of(service, week_of(monday_of(window.week) + _WEEK))


def current_window(service: Service, now: datetime) -> Window | None:
    """Return the window that is open now, or else the next one; None for a service without draws."""
    if service.draw is None:
        return None
    return open_window(service, now) or next_window(service, now)


def windows_due(service: Service, now: datetime) -> list[Window]:
    """Return the windows that have closed and whose week is not over yet, in order.

    The draw of such a window may still have something to do: in its own week, a seat that is given up may be offered.
    """
    week = week_of(now.astimezone(service.zone).date())
    windows = []
    while (window := window_of(service, week)).closes <= now:
        windows.append(window)
        week = week_of(monday_of(week) + _WEEK)
    return windows


def dated(preference: str, week: str) -> str:
    """Return a preference such as `tue-am` with its date in this week, `2026-12-15-am`; `any` as it is."""
    day, _, half = preference.partition("-")
    if not half:
        return preference
    return f"{monday_of(week) + timedelta(days=DAYS.index(day))}-{half}"


def undated(preference: str) -> str:
    """Return a preference such as `2026-12-15-am` without its date, `tue-am`; `any` as it is."""
    day, _, half = preference.rpartition("-")
    return f"{DAYS[date.fromisoformat(day).weekday()]}-{half}" if day else preference


def rules(service: Service) -> DrawRules:
    """Return the rules of a draw. Raise ValueError if the service has none."""
    if service.draw is None:
        raise ValueError(f"{service.id} has no draw")
    return service.draw


def _next_to_close(service: Service, now: datetime) -> Window:
    """Return the first window that has not closed yet."""
    monday = monday_of(week_of(now.astimezone(service.zone).date()))
    window = _closing_in(service, monday)
    return window if window.closes > now else _closing_in(service, monday + _WEEK)


def _closing_in(service: Service, monday: date) -> Window:
    """Return the window that closes in the week that begins on this Monday."""
    rule = rules(service)
    closes = _in_week(service, monday, rule.closes)
    opens = _in_week(service, monday, rule.opens)
    if (rule.opens.weekday, rule.opens.at) >= (rule.closes.weekday, rule.closes.at):
        opens = _in_week(service, monday - _WEEK, rule.opens)
    return Window(week_of(monday + (rule.weeks_ahead + 1) * _WEEK), opens, closes)


def _in_week(service: Service, monday: date, moment: WeeklyMoment) -> datetime:
    day = monday + timedelta(days=moment.weekday - 1)
    return datetime.combine(day, moment.at, service.zone).astimezone(UTC)
