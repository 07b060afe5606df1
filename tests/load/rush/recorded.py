"""What a visitor learns about its hold from each answer, and the history of all seats from the records."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.seat import Seat, State
from chalicelib.domain.tokens import digest
from tests.load.history import OK, REFUSED, UNKNOWN, Operation

SECRET = 52  # characters of a hold id that are the secret
KINDS = {"captcha": "view"} | {
    step: step for step in ("hold", "extend", "answer", "details", "confirm", "end", "cancel", "view")
}
"""The operation of the history that each step is."""


@dataclass
class Position:
    """The hold that a visitor has. `waiting` is its digest while it has no seat: the captcha comes first."""

    hold: str = ""
    waiting: str = ""

    @property
    def seat(self) -> str:
        """The seat that the hold names."""
        return ".".join(self.hold.split(".")[:4])

    @property
    def digest(self) -> str:
        """What the table stores of the hold."""
        return digest(self.hold.rpartition(".")[2][:SECRET]) if self.hold else ""

    def learn(self, step: str, outcome: str, body: Mapping[str, Any]) -> dict[str, str]:
        """Take in an answer. Return what its record says about the hold."""
        if outcome == OK and step in {"hold", "answer"}:
            self.hold = str(body.get("hold") or self.hold)  # the right answer of a waiting hold gives it a new id
        if outcome == OK and step == "hold":
            self.waiting = self.digest if body.get("state") == "waiting" else ""
        waiting = self.waiting
        if outcome == OK and step == "answer":
            self.waiting = ""
        return {"seat": self.seat, "hold": self.digest, "waiting": waiting}


def history(
    records: Sequence[Mapping[str, Any]], seats: Sequence[Seat], looked: tuple[float, float]
) -> list[Operation]:
    """Return what the visitors did and were told, and what the table said at the end."""
    return [*operations(records), *(looked_at(seat, *looked) for seat in seats)]


def operations(records: Sequence[Mapping[str, Any]]) -> Iterator[Operation]:
    """Return the operations on seats.

    A waiting hold has no seat, so nothing is recorded until the captcha is answered. The right answer takes the seat;
    it may be another seat, under another hold. An answer that got no reply may have taken a seat as well: when it is
    sent again, the reply tells which, and the seat was taken at some moment since the first time it was sent.
    """
    sent: dict[str, float] = {}
    granted = {one["waiting"] for one in records if takes_seat(one) and one["outcome"] == OK}
    for record in records:
        if takes_seat(record) and record["outcome"] != REFUSED:
            waiting = record["waiting"]
            is_first = waiting not in sent
            start = sent.setdefault(waiting, record["start"])
            if record["outcome"] == OK:
                yield operation(record, "hold", start)
                yield operation(record, "answer", record["start"])
            elif is_first and waiting not in granted:
                yield Operation("hold", "", "", start, math.inf, UNKNOWN)
        elif record["step"] in KINDS and (not record["waiting"] or record["outcome"] == REFUSED):
            yield operation(record, KINDS[record["step"]], record["start"])


def takes_seat(record: Mapping[str, Any]) -> bool:
    """Is this the captcha's answer of a hold that waits for its seat?"""
    return record["step"] == "answer" and bool(record["waiting"])


def gave_seat(record: Mapping[str, Any]) -> bool:
    """Did this request take a seat?"""
    if record["outcome"] != OK:
        return False
    return takes_seat(record) or (record["step"] == "hold" and not record["waiting"])


def operation(record: Mapping[str, Any], kind: str, start: float) -> Operation:
    """Return one operation of a record."""
    return Operation(
        kind=kind,
        seat=record["seat"],
        hold=record["hold"],
        start=start,
        end=math.inf if record["end"] is None else record["end"],
        outcome=record["outcome"],
        code=record["code"],
        until=record["until"],
        state=record["state"] if kind == "view" else "",
    )


def looked_at(seat: Seat, start: float, end: float) -> Operation:
    """Return a look at a seat in the table."""
    moment = seat.opens_at if seat.state is State.OPEN else seat.until
    hold = "" if seat.state is State.OPEN else seat.hold
    until = None if seat.state is State.CONFIRMED or moment is None else moment.timestamp()
    return Operation("table", seat.key.ref, hold, start, end, until=until, state=str(seat.state))
