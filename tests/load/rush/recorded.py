"""Follow a visitor's hold from answer to answer, and turn the records into the history of all seats."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.seat import Seat, State
from chalicelib.domain.tokens import digest
from tests.load.history import OK, REFUSED, UNKNOWN, Operation

SECRET = 52  # characters of a hold token that are the secret
OPERATION_OF_STEP = {"captcha": "view", "seat": "answer"} | {
    step: step for step in ("hold", "extend", "answer", "details", "confirm", "end", "cancel", "view")
}
"""The kind of operation in the history that each step becomes."""


@dataclass
class Position:
    """The hold of a visitor: its token, as the service returned it.

    `waiting` is the digest of a hold that waits for its seat, until the captcha is passed.
    """

    token: str = ""
    waiting: str = ""

    @property
    def seat(self) -> str:
        """The reference of the hold's seat."""
        return ".".join(self.token.split(".")[:4])

    @property
    def digest(self) -> str:
        """The digest of the token's secret, as the table stores it."""
        return digest(self.token.rpartition(".")[2][:SECRET]) if self.token else ""

    def learn(self, step: str, outcome: str, body: Mapping[str, Any]) -> dict[str, str]:
        """Update the hold from an answer. Return the fields of the record that describe the hold."""
        if outcome == OK and step in {"hold", "answer", "seat"}:
            self.token = str(
                body.get("hold") or self.token
            )  # a waiting hold gets a new token with its turn and its seat
        if outcome == OK and step == "hold":
            self.waiting = self.digest if body.get("state") == "waiting" else ""
        waiting = self.waiting
        if outcome == OK and step in {"answer", "seat"} and body.get("state") != "turn":
            self.waiting = ""
        return {"seat": self.seat, "digest": self.digest, "waiting": waiting}


def history(
    records: Sequence[Mapping[str, Any]], seats: Sequence[Seat], read_between: tuple[float, float]
) -> list[Operation]:
    """Return the operations of all visitors, and the state of each seat in the table at the end."""
    return [*operations(records), *(table_read(seat, *read_between) for seat in seats)]


def operations(records: Sequence[Mapping[str, Any]]) -> Iterator[Operation]:
    """Return the operations on seats.

    A waiting hold has no seat, so nothing is recorded until the captcha is answered. The right answer takes the seat;
    it may be another seat, under another hold. An answer that got no reply may have taken a seat as well: when it is
    sent again, the reply names the seat, which was taken at some moment after the first attempt.
    """
    sent: dict[str, float] = {}
    granted = {record["waiting"] for record in records if may_take_seat(record) and record["outcome"] == OK}
    for record in records:
        if may_take_seat(record) and record["outcome"] != REFUSED:
            waiting = record["waiting"]
            is_first = waiting not in sent
            start = sent.setdefault(waiting, record["start"])
            if record["outcome"] == OK:
                yield operation(record, "hold", start)
                yield operation(record, "answer", record["start"])
            elif is_first and waiting not in granted:
                yield Operation("hold", "", "", start, math.inf, UNKNOWN)
        elif record["step"] in OPERATION_OF_STEP and (not record["waiting"] or record["outcome"] == REFUSED):
            yield operation(record, OPERATION_OF_STEP[record["step"]], record["start"])


def may_take_seat(record: Mapping[str, Any]) -> bool:
    """Return whether this may take the seat of a waiting hold: an answer to the captcha, or the request at the turn.

    It takes none if the answer is wrong or the request is refused: see `gave_seat`.
    """
    return record["step"] in {"answer", "seat"} and bool(record["waiting"]) and record["state"] != "turn"


def gave_seat(record: Mapping[str, Any]) -> bool:
    """Return whether this request took a seat."""
    if record["outcome"] != OK:
        return False
    return may_take_seat(record) or (record["step"] == "hold" and not record["waiting"])


def first_moments(history: Iterable[Operation], kind: str) -> dict[str, float]:
    """Return for each seat when an operation of this kind first succeeded: the moment at which its answer arrived."""
    moments: dict[str, float] = {}
    for operation in history:
        if operation.kind == kind and operation.outcome == OK:
            moments[operation.seat] = min(moments.get(operation.seat, operation.end), operation.end)
    return moments


def holds_that(history: Iterable[Operation], kind: str) -> set[str]:
    """Return the digests of the holds with which an operation of this kind succeeded."""
    return {operation.hold for operation in history if operation.kind == kind and operation.outcome == OK}


def operation(record: Mapping[str, Any], kind: str, start: float) -> Operation:
    """Turn a record into an operation."""
    return Operation(
        kind=kind,
        seat=record["seat"],
        hold=record["digest"],
        start=start,
        end=math.inf if record["end"] is None else record["end"],
        outcome=record["outcome"],
        code=record["code"],
        until=record["until"],
        state=record["state"] if kind == "view" else "",
    )


def table_read(seat: Seat, start: float, end: float) -> Operation:
    """Return the operation for a seat that was read in the table."""
    moment = seat.opens_at if seat.state is State.OPEN else seat.until
    hold = "" if seat.state is State.OPEN else seat.hold
    until = None if seat.state is State.CONFIRMED or moment is None else moment.timestamp()
    return Operation("table", seat.key.ref, hold, start, end, until=until, state=str(seat.state))
