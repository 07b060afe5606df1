"""The public record of a draw: its lists as text, their root, the promise, and the round of the beacon.

Anybody can compute all of this from the published record: `static/verify_draw.py`, which shares no code with it, does.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import Any

from chalicelib.domain.draw import FrozenEntry, Result, assign, order, score_of

DRAND_CHAIN = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
"""The chain hash of drand's quicknet."""
DRAND_PUBLIC_KEY = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb"
    "5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)
_DRAND_GENESIS, _DRAND_PERIOD = 1_692_803_367, 3
"""When quicknet published its first round, in seconds since 1970, and the seconds from one round to the next."""
ROUND_AFTER = timedelta(minutes=30)
"""How long after the close, or after a late publication, the round is published that decides the draw."""
LATE_AFTER = timedelta(minutes=20)
"""A freeze that is published later than this after the close is late."""

_PREFERENCE = "(?:any|[0-9]{4}-[0-9]{2}-[0-9]{2}-[ap]m)"
_ENTRY = re.compile(rf"([a-z2-7]{{26}});(0|[1-9][0-9]{{0,4}});({_PREFERENCE}(?:,{_PREFERENCE})*)")
_SEAT = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}/[0-9]{3}")
_PROMISED = ("service", "week", "opens", "closes", "seniority_percent", "code", "commitment", "previous")
_PROMISED_OF_BEACON = ("kind", "chain")
_ADDED = ("signature", "randomness", "seed", "drawn_at", "void")
"""The fields that a record has only after its freeze."""


class Stage(StrEnum):
    """How far a draw is."""

    PROMISED = "promised"
    FROZEN = "frozen"
    DRAWN = "drawn"
    """The results are known and published."""
    ASSIGNED = "assigned"
    """The winners have their seats."""
    VOID = "void"
    """The seed is lost. The record says so; nobody has won or lost."""


class ListKind(StrEnum):
    """The lists of a draw. The first three are published."""

    ENTRIES = "entries"
    SEATS = "seats"
    RESULTS = "results"
    LIVE = "live"
    """All entries that were in the list at the freeze, also those that do not take part: `receipt;id`."""
    STANDING = "standing"
    """How many draws each receipt has lost after this draw. Anybody can compute it from the records."""
    FIGURES = "figures"
    """For the page of the draw: how many entries had lost how many draws, and how many of them got a seat."""


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A stored list: a digest of its text, and how many parts it has."""

    digest: str
    parts: int


@dataclass(frozen=True, slots=True)
class Draw:
    """A draw: its public record, and what the service needs besides."""

    service: str
    week: str
    stage: Stage
    record: Mapping[str, Any]
    lists: Mapping[ListKind, PublishedList] = field(default_factory=dict)
    unassigned: tuple[str, ...] = ()
    """The receipts of winners who did not get their seat: it was closed since the freeze, or they have left."""
    unclaimed: tuple[str, ...] = ()
    """Seats that came free and that no rank is left for."""
    letters: int = 0
    """Up to which rank the letters about the result were sent."""
    witnesses: tuple[str, ...] = ()
    """Who is told promise and root, as the service's file named them at the freeze. Stored only while it is frozen."""

    @property
    def closes(self) -> datetime:
        """When its window closes, as it was promised. A later change of the service's file does not change it."""
        return datetime.fromisoformat(self.record["closes"])

    @property
    def is_drawn(self) -> bool:
        """Tell whether its results are known."""
        return self.stage in {Stage.DRAWN, Stage.ASSIGNED}

    @property
    def is_final(self) -> bool:
        """Tell whether its record does not change any more."""
        return self.is_drawn or self.stage is Stage.VOID

    @property
    def is_over(self) -> bool:
        """Tell whether its winners have their seats, or there will never be any."""
        return self.stage in {Stage.ASSIGNED, Stage.VOID}


class InvalidRecord(ValueError):
    """A list of a record is malformed, not sorted, or has a line twice."""


def entry_lines(entries: Iterable[FrozenEntry]) -> str:
    """Return the entries as they are published, sorted by receipt, one line each."""
    lines = sorted(f"{entry.receipt};{entry.waited};{','.join(entry.preferences)}" for entry in entries)
    return lines_of(lines)


def seat_lines(seats: Iterable[str]) -> str:
    """Return the seats as they are published, sorted, one line each."""
    return lines_of(sorted(seats))


def result_lines(results: Iterable[Result]) -> str:
    """Return the results as they are published, by rank, one line each."""
    return lines_of([f"{result.rank};{result.receipt};{result.seat or '-'}" for result in results])


def lines_of(lines: Iterable[str]) -> str:
    """Return a text of lines, each with a line feed."""
    return "".join(f"{line}\n" for line in lines)


def parse_results(text: str) -> list[Result]:
    """Read the results that `result_lines` wrote."""
    fields = (line.split(";") for line in _lines(text))
    return [Result(int(rank), receipt, None if seat == "-" else seat) for rank, receipt, seat in fields]


def parse_entries(text: str) -> list[FrozenEntry]:
    """Read the published entries. Raise InvalidRecord if they are malformed, not sorted, or one is there twice."""
    entries = []
    for line in _lines(text):
        match = _ENTRY.fullmatch(line)
        if not match:
            raise InvalidRecord(line)
        entries.append(FrozenEntry(match[1], int(match[2]), tuple(match[3].split(","))))
    _check_sorted([entry.receipt for entry in entries])
    return entries


def parse_seats(text: str) -> list[str]:
    """Read the published seats. Raise InvalidRecord if they are malformed, not sorted, or one is there twice."""
    seats = _lines(text)
    if malformed := [seat for seat in seats if not _SEAT.fullmatch(seat)]:
        raise InvalidRecord(malformed[0])
    _check_sorted(seats)
    return seats


def _lines(text: str) -> list[str]:
    if text and not text.endswith("\n"):
        raise InvalidRecord("the last line does not end with a line feed")
    return text.split("\n")[:-1]


def _check_sorted(keys: Sequence[str]) -> None:
    for before, after in pairwise(keys):
        if before >= after:
            raise InvalidRecord(after)


def root(entries: str, seats: str) -> str:
    """Return the root hash of the published lists: SHA-256 of all entries and then all seats, in hexadecimal."""
    return sha256(entries.encode() + seats.encode()).hexdigest()


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a document as canonical JSON: keys in order, no spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def promise(record: Mapping[str, Any]) -> str:
    """Return the promise of a draw: SHA-256 of what its record fixes when the window opens, in hexadecimal.

    The round and the signature of the beacon come later, so the promise covers its kind and chain only.
    """
    beacon = {name: value for name, value in record["beacon"].items() if name in _PROMISED_OF_BEACON}
    return sha256(canonical({**{name: record[name] for name in _PROMISED}, "beacon": beacon})).hexdigest()


def record_hash(record: Mapping[str, Any]) -> str:
    """Return the hash of a record as it was frozen, in hexadecimal. The promise of the next draw contains it.

    What the draw itself adds is left out. Promise and root determine it, and the next window may open before it.
    """
    fixed = {name: value for name, value in record.items() if name not in _ADDED}
    beacon = {name: value for name, value in record["beacon"].items() if name not in _ADDED}
    return sha256(canonical({**fixed, "beacon": beacon})).hexdigest()


@dataclass(frozen=True, slots=True)
class Round:
    """The round of the beacon that decides a draw, and whether it is late."""

    number: int
    at: datetime
    late: bool


def deciding_round(closes: datetime, published: datetime) -> Round:
    """Return the first round of quicknet at or after 30 minutes after the close, or after a late publication."""
    late = published > closes + LATE_AFTER
    seconds = round(((published if late else closes) + ROUND_AFTER).timestamp() * 1000)
    steps = -((_DRAND_GENESIS * 1000 - seconds) // (_DRAND_PERIOD * 1000))
    return Round(steps + 1, round_moment(steps + 1), late)


def round_moment(number: int) -> datetime:
    """Return when quicknet publishes a round."""
    return datetime.fromtimestamp(_DRAND_GENESIS + (number - 1) * _DRAND_PERIOD, UTC)


def results(record: Mapping[str, Any], entries: Sequence[FrozenEntry], seats: Sequence[str]) -> list[Result]:
    """Return the results that a drawn record determines."""
    score = score_of(*(bytes.fromhex(record[name]) for name in ("randomness", "seed", "root")))
    return assign(order(entries, len(seats), record["seniority_percent"], score), seats)


@dataclass(frozen=True, slots=True)
class Figure:
    """How many entries had lost `waited` draws before this one, and how many of them got a seat."""

    waited: int
    entries: int
    winners: int


def figure_lines(entries: Iterable[FrozenEntry], results: Iterable[Result]) -> str:
    """Return the figures of a draw as they are stored, by `waited`: `waited;entries;winners`."""
    waited = {entry.receipt: entry.waited for entry in entries}
    counts = Counter(waited.values())
    winners = Counter(waited[result.receipt] for result in results if result.seat)
    return lines_of(f"{lost};{counts[lost]};{winners[lost]}" for lost in sorted(counts))


def parse_figures(text: str) -> list[Figure]:
    """Read the figures that `figure_lines` wrote."""
    return [Figure(*map(int, line.split(";"))) for line in _lines(text)]


Standing = Mapping[str, tuple[int, int]]
"""Of each receipt how many draws it has lost, and its rank in the last one; 0 if it was not in that one."""


def standing(entries: Iterable[FrozenEntry], results: Iterable[Result], before: Mapping[str, int]) -> Standing:
    """Return the standing after a draw. A receipt `before` that was not in the draw keeps its number of lost draws."""
    waited = {entry.receipt: entry.waited for entry in entries}
    after = {receipt: (lost, 0) for receipt, lost in before.items() if receipt not in waited}
    for result in results:
        after[result.receipt] = (waited[result.receipt] + (result.seat is None), result.rank)
    return after


def standing_lines(standing: Standing) -> str:
    """Return a standing as it is stored, sorted by receipt: `receipt;waited;rank`."""
    return lines_of([f"{receipt};{waited};{rank}" for receipt, (waited, rank) in sorted(standing.items())])
