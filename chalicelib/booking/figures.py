"""Publish the figures of the weeks that are over."""

from datetime import datetime

from chalicelib import log
from chalicelib.booking.schedule import run_for_each_service
from chalicelib.domain import draw_record, figures
from chalicelib.domain.draw_record import Draw, ListKind
from chalicelib.domain.figures import DrawCounts
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store, figure_store, seat_store


def publish(now: datetime) -> None:
    """Publish the figures of each week that has none yet, for all services.

    Idempotent; a late, missed or doubled run does no harm. Costs one Query for each service, and the reads of a week
    once in its life.
    """
    counts = list[int]()
    run_for_each_service(
        now,
        lambda service: counts.append(_publish_service(service, now)),
        then=lambda: log.event("figures", weeks=sum(counts)),
    )


def _publish_service(service: Service, now: datetime) -> int:
    published = {of_week["week"] for of_week in figure_store.read_recent(service.id)}
    count = 0
    for week in figures.weeks_due(service, now):
        if week in published:
            continue
        seats, draw = seat_store.read_week(service.id, week, consistent=True), draw_store.read(service.id, week)
        if seats or draw or published:  # weeks before the service began have no figures
            counted = figures.of_week(service, week, seats, draw_counts(draw) if draw else None)
            count += figure_store.publish(service.id, counted)
            published.add(week)
    return count


def draw_counts(draw: Draw) -> DrawCounts:
    """Count a draw from its record and its published lists."""
    entries = draw_record.parse_entries(draw_store.read_list(draw, ListKind.ENTRIES))
    waited = {entry.receipt: entry.waited for entry in entries}
    results = draw_record.parse_results(draw_store.read_list(draw, ListKind.RESULTS))
    tries = [waited[result.receipt] + 1 for result in results if result.seat]
    return DrawCounts(int(draw.record.get("seats", 0)), len(entries), tries, is_drawn=draw.is_drawn)
