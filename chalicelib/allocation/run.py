"""What the schedule of the draw function runs every minute."""

from collections.abc import Callable
from datetime import datetime

from chalicelib import log
from chalicelib.allocation import beacon, draw, entries, overview, result_letters, seats
from chalicelib.allocation.draw import Randomness
from chalicelib.booking.schedule import run_for_each_service
from chalicelib.domain import draw_window
from chalicelib.domain.draw_record import Draw, Stage
from chalicelib.domain.draw_window import Window
from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.domain.seat import week_of
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store


def run(clock: Callable[[], datetime], *, randomness: Randomness = beacon.read_round) -> None:
    """Carry on the draws of all services as far as the clock allows, and end the entries whose time has run out.

    Idempotent; a late, missed or doubled run does no harm. The service whose draw the canary enters is left out.
    """
    overdue = list[int]()

    def carry_on(service: Service) -> None:
        if service.is_canary_draw:
            return
        try:
            (_run_service if service.draw else _finish)(service, clock, randomness)
            overdue.append(overview.count_overdue(service, clock(), result_letters.letters_a_run()))
        except (TooManyRequests, Unavailable) as refusal:  # the next run goes on
            log.event("draw_interrupted", service=service.id, reason=type(refusal).__name__)

    run_for_each_service(clock(), carry_on, then=lambda: log.event("draws", {"DrawsOverdue": sum(overdue)}))


def _run_service(service: Service, clock: Callable[[], datetime], randomness: Randomness) -> None:
    for week in _weeks_due(service, clock()):
        current = _draw_of(service, draw_window.window_of(service, week), clock())
        if current is not None:
            _advance(service, draw.freeze(service, current, clock()), clock, randomness)
    if open_now := draw_window.open_window(service, clock()):
        _draw_of(service, open_now, clock())
    now = clock()
    entries.end_by_time(service, entries.shard_due(now), now)


def _advance(service: Service, frozen: Draw, clock: Callable[[], datetime], randomness: Randomness) -> None:
    """Carry on a draw from its freeze to the letters."""
    current = draw.draw_lots(service, frozen, clock(), randomness)
    current = seats.assign(service, current, clock())
    seats.offer(service, current, clock())
    result_letters.move_cursor(current)


def _finish(service: Service, clock: Callable[[], datetime], randomness: Randomness) -> None:
    """Finish the draws that were frozen before a service stopped drawing, and end its entries in time.

    One that was only promised is not drawn: its window may not have been open to its end.
    """
    draws, now = draw_store.read_recent(service.id), clock()
    this_week = week_of(now.astimezone(service.zone).date())
    for current in draws:
        if current.stage is not Stage.PROMISED and (not current.is_over or current.week >= this_week):
            _advance(service, current, clock, randomness)
    if draws:
        entries.end_by_time(service, entries.shard_due(now), now)


def _weeks_due(service: Service, now: datetime) -> list[str]:
    """Return the weeks whose window has closed, in order: until their end, and those of draws that are not over.

    A draw that was promised is carried on whatever became of its week, because the next one waits for it.
    """
    unfinished = {last.week for last in draw_store.read_recent(service.id) if not last.is_over and last.closes <= now}
    return sorted(unfinished | {window.week for window in draw_window.windows_due(service, now)})


def _draw_of(service: Service, window: Window, now: datetime) -> Draw | None:
    """Return the draw of a window, promised now if it was not yet.

    The draws of a service begin with the first window that is open at a run, or in which somebody entered.
    """
    draws = draw_store.read_recent(service.id)
    if existing := next((stored for stored in draws if stored.week == window.week), None):
        return existing
    if draws and window.week < draws[-1].week:
        return None
    if not draws and not window.is_open(now) and not draw.has_entries(service, window):
        return None
    return draw.promise(service, window, draws, now)
