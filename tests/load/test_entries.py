"""The entries that the bulk loader stores are as those of people who entered."""

from datetime import date

from chalicelib.booking import requests
from chalicelib.domain.draw_record import Stage
from chalicelib.domain.entry import EntryState
from chalicelib.storage import entry_store, items, seat_keys, seat_store
from tests.load import entries
from tests.proof import inprocess
from tests.unit.allocation.drawing import FROZEN_AT, at, frozen, put, results, stored
from tests.unit.allocation.entrants import NOW, OPENS, WEEK, entered, entry_of

COUNT = 60


def test_entries_that_were_stored_in_bulk_are_drawn_as_others_are() -> None:
    with inprocess.emulator():
        service = put()
        at(OPENS)
        made = entered()
        assert entries.put_all(entries.entry_item(service, n, ("tue-am", "any"), NOW) for n in range(COUNT)) == COUNT
        people = (row for n in range(COUNT) for row in entries.person_items(service, n, NOW, date(1990, 5, 17)))
        assert entries.put_all(people) == 2 * COUNT
        loaded = next(entry for entry in entry_store.read_all("aes") if entry.key != entry_of(made).key)
        assert attributes(loaded.key) == attributes(entry_of(made).key)
        at(FROZEN_AT)
        assert (stored().stage, len(frozen()), stored().unassigned) == (Stage.ASSIGNED, COUNT + 1, ())
        winners = [entry for entry in entry_store.read_all("aes") if entry.moved_to]
        assert {entry.receipt for entry in winners} == {result.receipt for result in results(WEEK) if result.seat}
        seats = [entry.moved_to for entry in winners if entry.moved_to]
        shown = {requests.request_of(service, seat_store.read(seat)).shown_state for seat in seats}
        assert shown == {EntryState.DRAWN}


def attributes(key: object) -> set[str]:
    """Return the names of what is stored of an entry."""
    row = seat_keys.seat_item(key)  # type: ignore[arg-type]  # of an entry
    row.refresh()
    return {name for name in items.SeatItem.get_attributes() if getattr(row, name) is not None}
