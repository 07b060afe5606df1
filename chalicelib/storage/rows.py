"""Seats, entries and people, from items as DynamoDB sends them: a model takes 0.1 ms to parse each."""

import json
from datetime import datetime
from typing import Any

from chalicelib.domain import codec
from chalicelib.domain.entry import Entry
from chalicelib.domain.person import Details, Person
from chalicelib.domain.seat import Seat, SeatKey, State, parse_key
from chalicelib.storage import entry_keys, items, seat_keys
from chalicelib.storage.dynamodb import Document


class _Values(dict[str, Any]):
    """The values of an item by attribute, without their types."""

    def __init__(self, document: Document) -> None:
        super().__init__((name, next(iter(value.values()))) for name, value in document.items())

    def moment(self, name: str) -> datetime | None:
        return items.timestamp(self[name]) if name in self else None

    def number(self, name: str) -> int:
        return int(self.get(name, 0))

    def text(self, name: str) -> str:
        return str(self.get(name, ""))


def _request_fields(values: _Values) -> dict[str, Any]:
    """Return what a seat and an entry both store about a hold and a request."""
    return {
        "state": State(values["state"]),
        "hold": values.text("hold"),
        "until": values.moment("until"),
        "captcha_passed": bool(values.get("proven")),
        "reminded": bool(values.get("reminded")),
        "extensions": values.number("extensions"),
        "person": values.text("person"),
        "filed_at": values.moment("filed_at"),
        "past": values.text("past"),
        "past_state": State(values["past_state"]) if "past_state" in values else None,
        "generation": values.number("generation"),
        "emails_refused": values.number("emails_refused"),
        "brief": bool(values.get("brief")),
        "captchas_due": values.number("captchas_due"),
        "checked_for": values.text("checked_for"),
    }


def seat_from(document: Document) -> Seat:
    """Return the seat in an item."""
    values = _Values(document)
    return Seat(
        key=seat_keys.seat_key(values["pk"].split("#")[1], values["sk"]),
        opens_at=items.timestamp(values["opens_at"]),
        **_request_fields(values),
        closed=values.text("closed"),
        extra=bool(values.get("extra")),
        reserve=values.text("reserve"),
        holds_had=values.number("holds_had"),
        freed=values.number("freed"),
        expired=values.number("expired"),
        first_at=values.moment("first_at"),
        wished=values.moment("wished"),
        by_draw=values.text("by_draw"),
        arrived_at=values.moment("arrived_at"),
        arrived_by=values.text("arrived_by"),
        called_at=values.moment("called_at"),
        called_by=values.text("called_by"),
        called_to=values.number("called_to"),
        calls=values.number("calls"),
        parked=bool(values.get("parked")),
        outcome_at=values.moment("outcome_at"),
        outcome_by=values.text("outcome_by"),
    )


def person_from(document: Document) -> Person | None:
    """Return the person in an item; None if it is only the lock of a name."""
    values = _Values(document)
    if "details" not in values:
        return None
    return Person(
        key=values["pk"].partition("#")[2],
        service=values["sk"].split("#")[1],
        seat=parse_key(values["seat"]),
        hold=values["hold"],
        details=_details(values["details"]),
        reference=values.text("reference"),
        filed_at=items.timestamp(values["filed_at"]),
        moves=values.number("moves"),
        sequence=values.number("sequence"),
        as_filed=_details(values["as_filed"]) if "as_filed" in values else None,
        corrected=values.number("corrected"),
        sent=frozenset(values.text("sent").split()),
        stopped=values.text("stopped"),
        names=tuple(values.text("names").split()),
        generation=values.number("generation"),
        wanted_3=values.moment("wanted_3"),
        booked_by=values.text("booked_by"),
        family=tuple(values.text("family").split()),
        unlocked_email=bool(values.get("unlocked_email")),
    )


def _details(text: str) -> Details:
    return codec.details_from_document(json.loads(text))


def entry_from(document: Document) -> Entry:
    """Return the entry in an item."""
    values = _Values(document)
    return Entry(
        key=entry_keys.entry_key(values["pk"], values["sk"]),
        **_request_fields(values),
        preferences=tuple(values.text("preferences").split(",")),
        receipt=values.text("receipt"),
        proved_at=values.moment("proved_at"),
        moved_to=SeatKey.parse(values["moved_to"]) if "moved_to" in values else None,
        erase_at=items.timestamp(values.number("erase_at") * 1000) if "erase_at" in values else None,
    )
