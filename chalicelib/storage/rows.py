"""Seats and entries, from the items that store them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from chalicelib.domain.entry import Entry
from chalicelib.domain.seat import Seat, SeatKey, State
from chalicelib.storage import entry_keys, items
from chalicelib.storage.items import SeatItem


def seat_from(row: SeatItem) -> Seat:
    """Return the seat that was read into an item."""
    return Seat(
        key=items.seat_key_of(row),
        opens_at=row.opens_at,
        state=State(row.state),
        hold=row.hold or "",
        until=row.until,
        captcha_passed=bool(row.captcha_passed),
        reminded=bool(row.reminded),
        extensions=int(row.extensions or 0),
        person=row.person or "",
        filed_at=row.filed_at,
        past=row.past or "",
        past_state=State(row.past_state) if row.past_state else None,
        closed=row.closed or "",
        extra=bool(row.extra),
        reserve=row.reserve or "",
        generation=int(row.generation or 0),
        emails_refused=int(row.emails_refused or 0),
        holds_had=int(row.holds_had or 0),
        freed=int(row.freed or 0),
        expired=int(row.expired or 0),
        first_at=row.first_at,
        brief=bool(row.brief),
        captchas_due=int(row.captchas_due or 0),
        checked_for=row.checked_for or "",
        wished=row.wished,
        by_draw=row.by_draw or "",
    )


def entry_from(document: Mapping[str, Mapping[str, str]]) -> Entry:
    """Return the entry in an item as DynamoDB sends it: a draw reads too many of them for a model, at 0.1 ms each."""
    values = {name: next(iter(value.values())) for name, value in document.items()}

    def moment(name: str) -> datetime | None:
        return items.timestamp(values[name]) if name in values else None

    erase_at = values.get("erase_at")
    return Entry(
        key=entry_keys.entry_key(values["pk"], values["sk"]),
        state=State(values["state"]),
        hold=values.get("hold", ""),
        until=moment("until"),
        captcha_passed=bool(values.get("proven")),
        reminded=bool(values.get("reminded")),
        extensions=int(values.get("extensions", 0)),
        person=values.get("person", ""),
        filed_at=moment("filed_at"),
        past=values.get("past", ""),
        past_state=State(values["past_state"]) if "past_state" in values else None,
        generation=int(values.get("generation", 0)),
        emails_refused=int(values.get("emails_refused", 0)),
        brief=bool(values.get("brief")),
        captchas_due=int(values.get("captchas_due", 0)),
        checked_for=values.get("checked_for", ""),
        preferences=tuple(values.get("preferences", "").split(",")),
        receipt=values.get("receipt", ""),
        proved_at=moment("proved_at"),
        moved_to=SeatKey.parse(values["moved_to"]) if "moved_to" in values else None,
        erase_at=datetime.fromtimestamp(int(erase_at), UTC) if erase_at else None,
    )
