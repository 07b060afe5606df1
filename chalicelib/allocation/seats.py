"""Seats for those who were drawn: for the winners of a draw, and for the next ranks when a seat comes free."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib import log
from chalicelib.allocation import entries
from chalicelib.domain import draw as rule
from chalicelib.domain import draw_record
from chalicelib.domain.draw import Result
from chalicelib.domain.draw_record import Draw, ListKind, Stage
from chalicelib.domain.entry import Entry, EntryState
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.seat import EntryKey, SeatKey, State
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store, seat_store
from chalicelib.storage.draw_store import LogLine
from chalicelib.storage.move_store import MoveResult

NOTICE = timedelta(hours=1)
"""A seat is given only if there is this much time between the end of the time to confirm and its start."""


def open_seats(service: Service, week: str, now: datetime) -> dict[str, SeatKey]:
    """Read the seats of a week that nobody has and that there is time to confirm.

    Return each under its line in the public record.
    """
    earliest = now + service.limits.confirm + NOTICE
    return {
        line_of(seat.key): seat.key
        for seat in seat_store.read_week(service.id, week, consistent=True)
        if seat.state is State.OPEN and not seat.is_set_aside(now) and service.start_of(seat.key) >= earliest
    }


def line_of(key: SeatKey) -> str:
    """Return a seat as the public record names it: `2026-12-15T09:15/001`."""
    return f"{key.day.isoformat()}T{key.start:%H:%M}/{key.unit:03}"


def assign(service: Service, draw: Draw, now: datetime) -> Draw:
    """Give the winners of a draw their seats, each in one transaction. A run that was cut short is continued.

    A winner who has left since the freeze is skipped, and so is a seat that was closed since: its winner stays in the
    list, and the first seat that comes free and fits is theirs.
    """
    if draw.stage is not Stage.DRAWN:
        return draw
    winners = [result for result in _results(draw) if result.seat]
    ids = draw_store.read_entry_ids(draw) if winners else {}
    seats = open_seats(service, draw.week, now)
    unassigned = [
        winner.receipt
        for winner in winners
        if not _assign_seat(service, EntryKey(service.id, ids[winner.receipt]), seats.get(winner.seat or ""), now)
    ]
    done = replace(draw, stage=Stage.ASSIGNED, unassigned=tuple(unassigned))
    if not draw_store.advance(done, before=Stage.DRAWN):
        return draw_store.read(draw.service, draw.week) or draw
    log.event("draw_assigned", service=service.id, week=draw.week, winners=len(winners), unassigned=len(unassigned))
    return done


def _assign_seat(service: Service, key: EntryKey, seat: SeatKey | None, now: datetime) -> bool:
    """Give a winner a seat, which is None if it is not open. Tell whether they have theirs, perhaps since before."""
    entry = _read(key)
    if entry is None or entry.state is not State.CONFIRMED:
        return entry is not None and entry.moved_to is not None
    return seat is not None and entries.give_seat(service, entry, seat, EntryState.DRAWN, now=now) is MoveResult.DONE


def offer(service: Service, draw: Draw, now: datetime) -> int:
    """Offer each free seat of a draw's week to the first rank that can take it. Return how many were offered.

    A rank can take it if it has had no seat and no offer in this draw, is still in the list, and prefers the half-day.
    Ranks that have left are recorded as such when they are passed over, so that anybody can follow the order. A seat
    that no rank is left for is remembered: the lists are read again only when another seat comes free.
    """
    if draw.stage is not Stage.ASSIGNED:
        return 0
    seats = open_seats(service, draw.week, now)
    free = sorted(set(seats) - set(draw.unclaimed))
    if not free:
        return 0
    queue = _Queue(service, draw, now)
    outcomes = {seat: queue.offer(seat, seats[seat]) for seat in free}
    if unclaimed := [seat for seat, outcome in outcomes.items() if outcome is None]:
        draw_store.remember_unclaimed(draw, [*draw.unclaimed, *unclaimed])
    offered = list(outcomes.values()).count(MoveResult.DONE)
    log.event("draw_offers", service=service.id, week=draw.week, offered=offered, unclaimed=len(unclaimed))
    return offered


class _Queue:
    """The ranks of a draw that have no seat, in order."""

    def __init__(self, service: Service, draw: Draw, now: datetime) -> None:
        self._service, self._draw = service, draw
        recorded = draw_store.read_log(draw.service, draw.week)
        self._passed = {line.receipt for line in recorded}
        # The lines stay in order even if the clock of an earlier run was ahead.
        drawn_at = datetime.fromisoformat(draw.record["drawn_at"])
        self._now = max([now.astimezone(service.zone), drawn_at, *(line.at for line in recorded[-1:])])
        self._ids = draw_store.read_entry_ids(draw)
        frozen = draw_record.parse_entries(draw_store.read_list(draw, ListKind.ENTRIES))
        self._preferences = {entry.receipt: entry.preferences for entry in frozen}
        unassigned = set(draw.unassigned)
        self._waiting = [result for result in _results(draw) if not result.seat or result.receipt in unassigned]

    def offer(self, seat: str, key: SeatKey) -> MoveResult | None:
        """Offer a seat to the first rank that can take it.

        Return DONE, SEAT_TAKEN if it is not free any more, REQUEST_CHANGED to try again later, or None if no rank is
        left for it. None is final: ranks that have left or were offered a seat do not come back.
        """
        outcome: MoveResult | None = None
        for result in self._candidates(rule.half_day(seat)):
            given = self._give(result, seat, key)
            if given is None:
                continue
            if given is MoveResult.DONE:
                self._passed.add(result.receipt)
            if given is not MoveResult.REQUEST_CHANGED:
                return given
            if self._still_entered(result):  # not as it was read, and not ended: nobody else waits for it
                log.event("draw_skipped", service=self._service.id, week=self._draw.week, rank=result.rank)
                outcome = MoveResult.REQUEST_CHANGED
        return outcome

    def _give(self, result: Result, seat: str, key: SeatKey) -> MoveResult | None:
        """Move a rank to a seat, and record the offer. Return None if it does not wait for a seat any more.

        It tries twice: an applicant who renews the entry at this moment does not lose their turn.
        """
        given: MoveResult | None = None
        for _ in range(2):
            entry = self._still_entered(result)
            if entry is None:
                return None
            line = LogLine(self._now, result.rank, result.receipt, seat)
            record = draw_store.log_item(self._draw.service, self._draw.week, line)
            given = entries.give_seat(self._service, entry, key, EntryState.OFFERED, now=self._now, also=[record])
            if given is not MoveResult.REQUEST_CHANGED:
                break
        return given

    def _candidates(self, half_day: str) -> Iterator[Result]:
        """Yield the ranks that prefer a half-day and were not passed over yet."""
        for result in self._waiting:
            if result.receipt not in self._passed and {rule.ANY, half_day} & set(self._preferences[result.receipt]):
                yield result

    def _still_entered(self, result: Result) -> Entry | None:
        """Return the entry of a rank if it waits for a seat. Record a departure."""
        entry = _read(EntryKey(self._service.id, self._ids[result.receipt]))
        if entry and entry.state is State.CONFIRMED:
            return entry
        if entry is None or entry.moved_to is None:  # otherwise another run has just offered it a seat
            line = LogLine(self._now, result.rank, result.receipt, None)
            draw_store.append_log(self._draw.service, self._draw.week, line)
        self._passed.add(result.receipt)
        return None


def _read(key: EntryKey) -> Entry | None:
    try:
        return seat_store.read(key)
    except NotFound:  # its data was erased
        return None


def _results(draw: Draw) -> list[Result]:
    return draw_record.parse_results(draw_store.read_list(draw, ListKind.RESULTS))
