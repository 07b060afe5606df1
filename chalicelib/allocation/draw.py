"""The stages of a draw until its results: promise, freeze, randomness and results.

Each stage can be cut at any call and run again with the same result; of two runs at once, one commits. The commit is a
conditional update of the draw's stage. What is written before it is either addressed by its content or harmless.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from chalicelib import __version__, log
from chalicelib.allocation.beacon import SignedRound
from chalicelib.allocation.seats import open_seats
from chalicelib.domain import draw as rule
from chalicelib.domain import draw_record, draw_window
from chalicelib.domain.draw import FrozenEntry
from chalicelib.domain.draw_record import Draw, ListKind, PublishedList, Stage
from chalicelib.domain.draw_window import Window
from chalicelib.domain.entry import Entry
from chalicelib.domain.rng import RNG
from chalicelib.domain.seat import State
from chalicelib.domain.service import Beacon, Service
from chalicelib.storage import draw_store, entry_store

FREEZE_AFTER = timedelta(seconds=60)
"""How long after the close the entries are read: what was written before the close, by any clock, is visible then."""
SEED_BYTES = 32
Randomness = Callable[[int], SignedRound | None]
"""Reads a round of the beacon. None: try again later."""


def new_seed() -> str:
    """Return 256 random bits in hexadecimal."""
    return RNG.randbytes(SEED_BYTES).hex()


def promise(
    service: Service, window: Window, draws: Sequence[Draw], now: datetime, *, seed_of: Callable[[], str] = new_seed
) -> Draw | None:
    """Create the draw of a window, with its promise. `draws` are the last ones of the service, oldest first.

    It waits (None) until the draw before is frozen, because the promise contains the hash of its record. The seed is
    stored first, so no promise is without one.
    """
    before = [draw for draw in draws if draw.week < window.week]
    if before and before[-1].stage is Stage.PROMISED:
        return None
    rules = draw_window.rules(service)
    seed = draw_store.seed(service.id, window.week, seed_of())
    beacon: dict[str, Any] = {"kind": str(rules.beacon)}
    if rules.beacon is Beacon.DRAND:
        beacon["chain"] = draw_record.DRAND_CHAIN
    record: dict[str, Any] = {
        "service": service.id,
        "week": window.week,
        "opens": _local(window.opens, service),
        "closes": _local(window.closes, service),
        "promised_at": _local(now, service),
        "seniority_percent": rules.seniority_percent,
        "code": __version__,
        "previous": draw_record.record_hash(before[-1].record) if before else None,
        "commitment": sha256(bytes.fromhex(seed)).hexdigest(),
        "beacon": beacon,
    }
    record["promise"] = draw_record.promise(record)
    if draw_store.create(Draw(service.id, window.week, Stage.PROMISED, record)):
        log.event("draw", service=service.id, week=window.week, stage=str(Stage.PROMISED))
    return draw_store.read(service.id, window.week)


def _local(moment: datetime, service: Service) -> str:
    return moment.astimezone(service.zone).isoformat(timespec="seconds")


def freeze(service: Service, draw: Draw, now: datetime) -> Draw:
    """Fix and publish the entries and the seats of a draw, once its window has been closed for a minute.

    It waits until the draws before are over: their winners are not in this one, and their losers have waited once more.
    """
    if draw.stage is not Stage.PROMISED or now < draw.closes + FREEZE_AFTER:
        return draw
    before = _draws_before(draw)
    if not all(earlier.is_over for earlier in before):
        return draw
    seats = sorted(open_seats(service, draw.week, now))
    waited = _standing(before)
    half_days = {rule.half_day(seat) for seat in seats}
    live: list[str] = []
    entries: list[FrozenEntry] = []
    for entry in entry_store.read_entered(service.id):
        live.append(f"{entry.receipt};{entry.key.id}")
        if takes_part(entry, draw.closes) and (preferences := _dated(entry, draw.week, half_days)):
            entries.append(FrozenEntry(entry.receipt, waited.get(entry.receipt, 0), preferences))
    entry_text, seat_text = draw_record.entry_lines(entries), draw_record.seat_lines(seats)
    texts = {ListKind.ENTRIES: entry_text, ListKind.SEATS: seat_text, ListKind.LIVE: draw_record.lines_of(sorted(live))}
    frozen_at = now.replace(microsecond=0)
    round_ = draw_record.deciding_round(draw.closes, frozen_at)
    beacon = dict(draw.record["beacon"])
    if beacon["kind"] == Beacon.DRAND:
        beacon["round"] = round_.number
    record = {
        **draw.record,
        "beacon": beacon,
        "frozen_at": _local(frozen_at, service),
        "late": round_.late,
        "entries": len(entries),
        "seats": len(seats),
        "root": draw_record.root(entry_text, seat_text),
    }
    lists, witnesses = _write(draw, texts), draw_window.rules(service).witnesses
    return _commit(draw, replace(draw, stage=Stage.FROZEN, record=record, lists=lists, witnesses=witnesses))


def has_entries(service: Service, window: Window) -> bool:
    """Tell whether anybody entered before the close of a window."""
    return any(takes_part(entry, window.closes) for entry in entry_store.read_entered(service.id))


def takes_part(entry: Entry, closes: datetime) -> bool:
    """Tell whether an entry was proven before the close, and its time had not run out then."""
    is_proven = entry.state is State.CONFIRMED and entry.proved_at is not None and entry.proved_at < closes
    return is_proven and entry.until is not None and entry.until > closes


def _dated(entry: Entry, week: str, half_days: set[str]) -> tuple[str, ...]:
    """Return the preferences of an entry with their dates, without half-days that have no seat."""
    if not half_days:
        return ()
    dated = (draw_window.dated(preference, week) for preference in entry.preferences)
    return tuple(preference for preference in dated if preference == rule.ANY or preference in half_days)


def _draws_before(draw: Draw) -> list[Draw]:
    return [earlier for earlier in draw_store.read_recent(draw.service) if earlier.week < draw.week]


def _standing(draws: Sequence[Draw]) -> dict[str, int]:
    """Return how many draws each receipt has lost after these draws. A void draw changes nothing."""
    last = next((draw for draw in reversed(draws) if draw.is_drawn), None)
    lines = draw_store.read_list(last, ListKind.STANDING).splitlines() if last else ()
    return {receipt: int(waited) for receipt, waited, _ in (line.split(";") for line in lines)}


def draw_lots(service: Service, draw: Draw, now: datetime, randomness: Randomness) -> Draw:
    """Draw: fetch the randomness of a frozen draw, publish seed and results. A lost seed voids the draw."""
    if draw.stage is not Stage.FROZEN:
        return draw
    signed = None
    if number := draw.record["beacon"].get("round"):
        signed = randomness(number) if draw_record.round_moment(number) <= now else None
        if signed is None:
            return draw
    seed = draw_store.read_seed(draw.service, draw.week)
    if seed is None or sha256(bytes.fromhex(seed)).hexdigest() != draw.record["commitment"]:
        log.event("draw_void", {"DrawsVoid": 1}, service=draw.service, week=draw.week)
        return _commit(draw, replace(draw, stage=Stage.VOID, record={**draw.record, "void": "the seed is lost"}))
    record = {
        **draw.record,
        "beacon": {**draw.record["beacon"], **({"signature": signed.signature.hex()} if signed else {})},
        "randomness": signed.randomness.hex() if signed else draw.record["root"],
        "seed": seed,
        "drawn_at": _local(now, service),
    }
    entries = draw_record.parse_entries(draw_store.read_list(draw, ListKind.ENTRIES))
    seats = draw_record.parse_seats(draw_store.read_list(draw, ListKind.SEATS))
    results = draw_record.results(record, entries, seats)
    live = draw_store.read_entry_ids(draw)
    before = {receipt: lost for receipt, lost in _standing(_draws_before(draw)).items() if receipt in live}
    standing = draw_record.standing(entries, results, before)
    texts = {
        ListKind.RESULTS: draw_record.result_lines(results),
        ListKind.STANDING: draw_record.standing_lines(standing),
        ListKind.FIGURES: draw_record.figure_lines(entries, results),
    }
    lists = {**draw.lists, **_write(draw, texts)}
    return _commit(draw, replace(draw, stage=Stage.DRAWN, record=record, lists=lists))


def _write(draw: Draw, texts: dict[ListKind, str]) -> dict[ListKind, PublishedList]:
    return {kind: draw_store.write_list(draw.service, draw.week, kind, text) for kind, text in texts.items()}


def _commit(draw: Draw, advanced: Draw) -> Draw:
    """Store the next stage of a draw. Return the draw as it is now, advanced by this run or by another one."""
    if draw_store.advance(advanced, before=draw.stage):
        log.event("draw", service=draw.service, week=draw.week, stage=str(advanced.stage))
        return advanced
    return draw_store.read(draw.service, draw.week) or draw
