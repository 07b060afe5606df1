"""The public record of the draws of a service."""

from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain import draw_record
from chalicelib.domain.draw_record import Draw, Figure, ListKind
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import monday_of
from chalicelib.storage import draw_store

PUBLISHED = (ListKind.ENTRIES, ListKind.SEATS, ListKind.RESULTS)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a published list, and how many parts the list has."""

    text: str
    parts: int


def draws(service_id: str) -> list[dict[str, Any]]:
    """Return the draws of a service that were drawn, oldest first. One that became void has no `drawn_at`."""
    return [
        {"week": draw.week, "drawn_at": draw.record.get("drawn_at")}
        for draw in draw_store.read_all(service_id)
        if draw.is_final
    ]


def all_draws(service_id: str) -> list[Draw]:
    """Return all draws of a service, newest first: also those that are not drawn yet."""
    return draw_store.read_all(service_id)[::-1]


def draw(service_id: str, week: str) -> Draw:
    """Return a draw. Raises NotFound if the week has none, or is no week."""
    try:
        monday_of(week)
    except ValueError as error:
        raise NotFound from error
    stored = draw_store.read(service_id, week)
    if stored is None:
        raise NotFound
    return stored


def promise(service_id: str, week: str) -> str | None:
    """Return the promise of a draw, if it is made yet."""
    promised = draw_store.read(service_id, week)
    return str(promised.record["promise"]) if promised else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands: how many draws it has lost, its rank in the last one, and the latest promise."""

    waited: int
    rank: int | None
    promise: str | None


def place_of(service_id: str, receipt: str) -> Place:
    """Return where the entry with this receipt stands. It has no receipt before its e-mail address is proven."""
    draws = draw_store.read_recent(service_id)
    promise = str(draws[-1].record["promise"]) if draws else None
    last = next((draw for draw in reversed(draws) if draw.is_drawn), None)
    line = draw_store.find_line(last, ListKind.STANDING, receipt) if last and receipt else None
    if line is None:
        return Place(0, None, promise)
    _, waited, rank = line.split(";")
    return Place(int(waited), int(rank) or None, promise)


def part(service_id: str, week: str, kind: ListKind, number: int) -> Part:
    """Return a part, from 1, of the entries, seats or results of a draw. Raises NotFound if it is not published."""
    of_week = draw(service_id, week)
    text = draw_store.read_part(of_week, kind, number) if kind in PUBLISHED else None
    if text is None:
        raise NotFound
    return Part(text, of_week.lists[kind].parts)


def figures(draw: Draw) -> list[Figure]:
    """Return the figures of a draw; none before it is drawn."""
    return draw_record.parse_figures(draw_store.read_list(draw, ListKind.FIGURES))


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """What the public record says about a receipt. `rank` is None before the draw, `seat` if it got none."""

    waited: int
    preferences: tuple[str, ...]
    rank: int | None = None
    seat: str | None = None
    was_given: bool = True
    """Whether the request moved to the seat. False: the seat was closed since the freeze, or the entry had left."""
    offered: str | None = None
    """A seat that came free and was offered later."""
    has_left: bool = False


def find(draw: Draw, receipt: str) -> ReceiptRecord | None:
    """Find a receipt in the record of a draw; None if it did not take part. Raises NotFound before the freeze."""
    if ListKind.ENTRIES not in draw.lists:
        raise NotFound
    line = draw_store.find_line(draw, ListKind.ENTRIES, receipt)
    if line is None:
        return None
    _, waited, preferences = line.split(";")
    record = ReceiptRecord(int(waited), tuple(preferences.split(",")))
    place = draw_store.find_line(draw, ListKind.STANDING, receipt)
    rank = int(place.split(";")[2]) if place else 0
    result = draw_store.find_result(draw, rank)
    if result is None:
        return record
    seat = result.split(";")[2]
    later = draw_store.read_log_line(draw.service, draw.week, rank)
    return replace(
        record,
        rank=rank,
        seat=None if seat == "-" else seat,
        was_given=receipt not in draw.unassigned,
        offered=later.seat if later else None,
        has_left=later is not None and later.seat is None,
    )


def offers(service_id: str, week: str, number: int) -> Part:
    """Return a part of the offers and departures of a draw, oldest first. Raises NotFound if it is not published.

    Winners who did not get their seat come before: they wait for the first seat that fits, in the order of their ranks.
    """
    of_week = draw(service_id, week)
    if not of_week.is_drawn:
        raise NotFound
    lines = [*_unassigned(of_week), *map(str, draw_store.read_log(service_id, week))]
    parts = list(draw_store.parts_of(draw_record.lines_of(lines)))
    if not 1 <= number <= len(parts):
        raise NotFound
    return Part(parts[number - 1], len(parts))


def _unassigned(of_week: Draw) -> list[str]:
    """Return a line for each winner who did not get their seat, at the moment of the draw."""
    if not of_week.unassigned:
        return []
    results = draw_record.parse_results(draw_store.read_list(of_week, ListKind.RESULTS))
    ranks = [f"{result.rank};{result.receipt}" for result in results if result.receipt in of_week.unassigned]
    return [f"{of_week.record['drawn_at']};unassigned;{rank}" for rank in ranks]
