"""A service and a person's details as plain documents, as a YAML file or the table keeps them."""

from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.model import Details, Limits, Opening, Release, Service, Text

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _text(value: Any) -> Text:
    if not isinstance(value, Mapping) or "fr" not in value or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"a text needs at least `fr`: {value!r}")
    return dict(value)


def service_from(document: Mapping[str, Any]) -> Service:
    """Build a service from its document; ValueError names the part that is missing or wrong."""
    part = "document"
    try:
        part = "times"
        times = document.get("times", {})
        plain = Limits()
        window = times.get("return_hours", [2, 48])
        limits = Limits(
            hold=timedelta(seconds=int(times.get("hold_seconds", plain.hold.total_seconds()))),
            form=timedelta(seconds=int(times.get("form_seconds", plain.form.total_seconds()))),
            extensions=int(times.get("extensions", plain.extensions)),
            confirm=timedelta(minutes=int(times.get("confirm_minutes", plain.confirm.total_seconds() // 60))),
            notice=timedelta(hours=float(times.get("notice_hours", plain.notice.total_seconds() / 3600))),
            return_after=timedelta(hours=float(window[0])),
            return_before=timedelta(hours=float(window[1])),
            erase_after=timedelta(days=int(times.get("erase_days", plain.erase_after.days))),
        )
        part = "openings"
        openings = tuple(
            Opening(WEEKDAYS.index(day) + 1, time.fromisoformat(rule["from"]), time.fromisoformat(rule["to"]))
            for rule in document["openings"]
            for day in rule["days"]
        )
        part = "release"
        rule = document["release"]
        release = Release(WEEKDAYS.index(rule["day"]) + 1, time.fromisoformat(rule["at"]), int(rule["weeks_ahead"]))
        part = "the rest"
        service = Service(
            id=document["id"],
            name=_text(document["name"]),
            zone=ZoneInfo(document["timezone"]),
            slot=timedelta(minutes=int(document["slot_minutes"])),
            desks=int(document["desks"]),
            openings=openings,
            release=release,
            office=document["office"],
            address=tuple(document["address"]),
            contact=document["contact"],
            reply_to=document["reply_to"],
            rights_address=document["rights_address"],
            intro=_text(document["intro"]),
            not_for=tuple(_text(line) for line in document["not_for"]),
            documents=tuple(_text(line) for line in document["documents"]),
            documents_note=tuple(_text(line) for line in document["documents_note"]),
            otherwise=tuple(_text(line) for line in document["otherwise"]),
            limits=limits,
        )
    except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{part}: {error!r}") from error
    if service.slot <= timedelta(0) or not 0 < service.desks < 1000 or not openings:  # noqa: PLR2004  # three digits
        raise ValueError("openings: a service needs hours, a slot of at least a minute and 1 to 999 desks")
    return service


def details_to(details: Details) -> dict[str, str]:
    """Details as a document."""
    return {
        "first_name": details.first_name,
        "last_name": details.last_name,
        "birth_name": details.birth_name,
        "birth_date": details.birth_date.isoformat(),
        "email": details.email,
        "phone": details.phone,
        "language": details.language,
    }


def details_from(document: Mapping[str, str]) -> Details:
    """The details that `details_to` wrote."""
    return Details(**{**document, "birth_date": date.fromisoformat(document["birth_date"])})  # type: ignore[arg-type]  # one date among strings
