"""A service and a person's details as plain documents, as a YAML file or the table keeps them."""

from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.domain.person import Details
from chalicelib.domain.service import Closure, Limits, Opening, Release, ReleaseMoment, SeatAfter, Service, Text

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


_UNREADABLE = (AttributeError, KeyError, OSError, OverflowError, TypeError, ValueError, ZoneInfoNotFoundError)
"""What a part of another kind leads to: a list for a dict, a folder for a zone, an hour without end."""


def _text(value: Any) -> Text:
    if not isinstance(value, Mapping) or "fr" not in value or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"a text needs at least `fr`: {value!r}")
    return dict(value)


def service_from_document(document: Mapping[str, Any]) -> Service:
    """Build a service from its document; ValueError names the part that is missing or wrong.

    `infra.servicefile.reader` checks what a person wrote; this reads what was stored.
    """
    part = "times"
    try:
        limits = _limits(document.get("times", {}), document.get("limits", {}))
        part = "plannings"
        openings = tuple(opening for planning in document["plannings"] for opening in _openings(planning))
        part = "closures"
        closures = tuple(_closure(closure) for closure in document.get("closures", ()))
        part = "release"
        release = _release(document["release"])
        part = "the rest"
        service = Service(
            id=document["id"],
            name=_text(document["name"]),
            zone=ZoneInfo(document["timezone"]),
            slot=timedelta(minutes=int(document["slot_minutes"])),
            openings=openings,
            release=release,
            office=document["office"],
            postal_address=tuple(document["address"]),
            contact=document["contact"],
            reply_to=document["reply_to"],
            rights_address=document["rights_address"],
            intro=_text(document["intro"]),
            not_for=tuple(_text(line) for line in document["not_for"]),
            documents=tuple(_text(line) for line in document["documents"]),
            documents_note=tuple(_text(line) for line in document["documents_note"]),
            otherwise=tuple(_text(line) for line in document["otherwise"]),
            limits=limits,
            closures=closures,
            holidays=frozenset(date.fromisoformat(day) for day in document.get("holidays", ())),
            hidden=document.get("listing") == "hidden",
            seat_after=SeatAfter(document.get("seat_after", SeatAfter.CROWD)),
        )
    except _UNREADABLE as error:
        raise ValueError(f"{part}: {error!r}") from error
    if service.slot <= timedelta(0) or not openings or not release.moments:
        raise ValueError("plannings: a service needs hours, a slot of at least a minute, and a moment that opens seats")
    return service


def _limits(times: Mapping[str, Any], limits: Mapping[str, Any]) -> Limits:
    plain = Limits()
    window = times.get("return_hours", [2, 48])
    return Limits(
        hold=timedelta(seconds=int(times.get("hold_seconds", plain.hold.total_seconds()))),
        form=timedelta(seconds=int(times.get("form_seconds", plain.form.total_seconds()))),
        extensions=int(limits.get("extensions", plain.extensions)),
        confirm=timedelta(minutes=int(times.get("confirm_minutes", plain.confirm.total_seconds() // 60))),
        notice=timedelta(hours=float(times.get("notice_hours", plain.notice.total_seconds() / 3600))),
        return_after=timedelta(hours=float(window[0])),
        return_before=timedelta(hours=float(window[1])),
        erase_after=timedelta(days=int(times.get("erase_days", plain.erase_after.days))),
        choice=timedelta(days=int(times.get("choice_days", plain.choice.days))),
        moves=int(limits.get("moves", plain.moves)),
        domain_requests=int(limits.get("domain_requests", plain.domain_requests)),
        ipv6_48_requests=int(limits.get("ipv6_48_requests", plain.ipv6_48_requests)),
        ipv6_32_requests=int(limits.get("ipv6_32_requests", plain.ipv6_32_requests)),
    )


def _openings(planning: Mapping[str, Any]) -> Iterator[Opening]:
    """The hours of one planning, cut at their breaks."""
    desks = tuple(int(desk) for desk in planning["desks"])
    if not desks or not all(0 < desk < 1000 for desk in desks):  # noqa: PLR2004  # three digits in a seat's key
        raise ValueError("desks are numbers from 1 to 999")
    for rule in planning["openings"]:
        cuts = sorted(
            (time.fromisoformat(pause["from"]), time.fromisoformat(pause["to"])) for pause in rule.get("breaks", ())
        )
        starts = [time.fromisoformat(rule["from"]), *(end for _, end in cuts)]
        ends = [*(start for start, _ in cuts), time.fromisoformat(rule["to"])]
        for day in rule["days"]:
            for start, end in zip(starts, ends, strict=True):
                yield Opening(WEEKDAYS.index(day) + 1, start, end, desks)


def _closure(closure: Mapping[str, Any]) -> Closure:
    first = date.fromisoformat(closure["first"])
    return Closure(
        first=first,
        last=date.fromisoformat(closure.get("last", closure["first"])),
        start=time.fromisoformat(closure["from"]) if "from" in closure else time.min,
        end=time.fromisoformat(closure["to"]) if "to" in closure else time.max,
        desks=tuple(int(desk) for desk in closure.get("desks", ())),
    )


def _release(rule: Mapping[str, Any]) -> Release:
    moments = tuple(
        ReleaseMoment(WEEKDAYS.index(moment["day"]) + 1, time.fromisoformat(moment["at"]), moment.get("seats"))
        for moment in rule["moments"]
    )
    return Release(int(rule["weeks_ahead"]), moments, waits=rule.get("on_holiday") == "next_working_day")


def details_to_document(details: Details) -> dict[str, str]:
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


def details_from_document(document: Mapping[str, str]) -> Details:
    """The details that `details_to` wrote."""
    return Details(**{**document, "birth_date": date.fromisoformat(document["birth_date"])})  # type: ignore[arg-type]  # one date among strings
