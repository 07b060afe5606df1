"""Records of draws in a folder, as `verify_draw.py --save` writes them, for the tests of that program.

The service's own code makes them, so the tests also compare it with the program. Two draws have real rounds of drand.
"""

import json
from base64 import b32encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from chalicelib.domain import draw_record
from chalicelib.domain.draw import FrozenEntry, Result
from chalicelib.domain.draw_record import DRAND_CHAIN

FIRST, SECOND, THIRD = "2024-W14", "2024-W31", "2024-W32"
CLOSES = {FIRST: "2024-03-16T11:59:09+01:00", SECOND: "2024-07-13T23:15:00+02:00", THIRD: "2024-07-20T23:15:00+02:00"}
SIGNATURES = {
    FIRST: "a5d07c0071b4e386b3ae09206522253c68fefe8490ad59ecc44a7dd0d0745be91da5779e2247a82403fbc0cb9a34cb61",
    SECOND: "845091b99635a8a5f93a15cd8622fae0c7ee5307fb5b888dc67ee4fe997b5b326dbd637bd7ab39e3188fd507ea94b314",
}
"""drand's signatures of the rounds 5928395 and 9367912, which decide these two draws. The third has no beacon."""
DAYS = {FIRST: "2024-04-02", SECOND: "2024-07-30", THIRD: "2024-08-06"}
OTHER_DAY = {FIRST: "2024-04-04", SECOND: "2024-08-01", THIRD: "2024-08-08"}


def receipt(number: int) -> str:
    """Return an invented receipt."""
    return b32encode(sha256(str(number).encode()).digest()).decode().lower()[:26]


@dataclass
class Published:
    """A draw as it is published. A test changes it to play somebody who cheats."""

    record: dict[str, Any]
    entries: list[str]
    seats: list[str]
    offers: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    @property
    def week(self) -> str:
        return str(self.record["week"])

    def text(self, name: str) -> str:
        return draw_record.lines_of(getattr(self, name))

    def frozen(self) -> list[FrozenEntry]:
        fields = (line.split(";") for line in self.entries)
        return [FrozenEntry(name, int(waited), tuple(wishes.split(","))) for name, waited, wishes in fields]

    def ranks(self) -> list[Result]:
        return draw_record.parse_results(self.text("results"))

    def waiting(self) -> list[Result]:
        return [result for result in self.ranks() if result.seat is None]

    def freeze(self) -> None:
        """Compute root and numbers again, as somebody does who covers up a change of the lists."""
        self.record |= {"entries": len(self.entries), "seats": len(self.seats)}
        self.record["root"] = draw_record.root(self.text("entries"), self.text("seats"))
        if self.record["beacon"]["kind"] == "commitment":
            self.record["randomness"] = self.record["root"]

    def draw(self) -> None:
        """Compute the results again."""
        results = draw_record.results(self.record, self.frozen(), self.seats)
        self.results = draw_record.result_lines(results).splitlines()

    def cover(self) -> None:
        """Compute again what follows from rules, entries and seats. Drop the offers."""
        self.freeze()
        self.draw()
        self.offers = []

    def write(self, folder: Path) -> None:
        place = folder / self.week
        place.mkdir(parents=True, exist_ok=True)
        (place / "record.json").write_text(json.dumps(self.record), "utf-8")
        for name in ("entries", "seats", "results", "offers"):
            (place / f"{name}.txt").write_text(self.text(name), "utf-8")


def offer(draw: Published, minutes: int, what: str, result: Result) -> str:
    at = datetime.fromisoformat(draw.record["drawn_at"]) + timedelta(minutes=minutes)
    return f"{at.isoformat(timespec='milliseconds')};{what};{result.rank};{result.receipt}"


def make(week: str, entries: list[str], before: Published | None) -> Published:
    """Make a draw of four seats that is as it should be."""
    closes = datetime.fromisoformat(CLOSES[week])
    frozen = closes + timedelta(seconds=60)
    seed = sha256(week.encode()).digest()
    opens = closes - timedelta(days=3)
    record: dict[str, Any] = {
        "service": "aes",
        "week": week,
        "opens": opens.isoformat(),
        "closes": closes.isoformat(),
        "promised_at": opens.isoformat(),
        "seniority_percent": 25,
        "code": "0.1.0",
        "previous": draw_record.record_hash(before.record) if before else None,
        "commitment": sha256(seed).hexdigest(),
        "beacon": {"kind": "drand", "chain": DRAND_CHAIN} if week in SIGNATURES else {"kind": "commitment"},
        "frozen_at": frozen.isoformat(),
        "late": False,
        "drawn_at": (closes + timedelta(minutes=31)).isoformat(),
        "seed": seed.hex(),
    }
    record["promise"] = draw_record.promise(record)
    if week in SIGNATURES:
        record["beacon"]["round"] = draw_record.deciding_round(closes, frozen).number
        record["beacon"]["signature"] = SIGNATURES[week]
        record["randomness"] = sha256(bytes.fromhex(SIGNATURES[week])).hexdigest()
    days = (DAYS[week], OTHER_DAY[week])
    seats = [f"{day}T{start}/001" for day in days for start in ("09:15", "14:00")]
    draw = Published(record, sorted(entries), seats)
    draw.cover()
    return draw


def entry(number_or_receipt: int | str, waited: int, *wishes: str) -> str:
    name = receipt(number_or_receipt) if isinstance(number_or_receipt, int) else number_or_receipt
    return f"{name};{waited};{','.join(wishes)}"


def chain() -> list[Published]:
    """Return three draws, with departures, offers, and a winner whose seat was closed."""
    first = make(FIRST, [entry(n, 0, f"{DAYS[FIRST]}-am", "any") for n in range(10)], None)
    left, offered, *rest = first.waiting()
    first.offers = [offer(first, 5, "left", left), offer(first, 5, first.seats[2], offered)]
    carried = [entry(loser.receipt, 1, "any") for loser in rest[1:]]  # one has no half-day in the second draw
    second = make(SECOND, [*carried, *(entry(n, 0, f"{DAYS[SECOND]}-pm", "any") for n in range(10, 15))], first)
    unassigned = second.ranks()[1]
    lost = {result.receipt: 1 + int(dict(waits(second))[result.receipt]) for result in second.waiting()}
    second.offers = [offer(second, 0, "unassigned", unassigned)]
    back = [
        entry(rest[0].receipt, 1, "any"),
        entry(unassigned.receipt, int(dict(waits(second))[unassigned.receipt]), "any"),
    ]
    third = make(THIRD, [*(entry(name, waited, "any") for name, waited in lost.items()), *back], second)
    first_for_seat = third.waiting()[0]
    third.offers = [offer(third, 60, third.seats[0], first_for_seat)]
    return [first, second, third]


def waits(draw: Published) -> list[tuple[str, int]]:
    return [(entry.receipt, entry.waited) for entry in draw.frozen()]
