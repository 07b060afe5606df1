"""Convert a service and the details of a person from and to the documents that the table stores."""

from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.domain.person import Details
from chalicelib.domain.service import (
    Allocation,
    Beacon,
    Closure,
    DrawRules,
    InternalSeats,
    Limits,
    Opening,
    Release,
    ReleaseMoment,
    SeatAfter,
    Service,
    Text,
    WeeklyMoment,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_UNREADABLE = (AttributeError, KeyError, OSError, OverflowError, TypeError, ValueError, ZoneInfoNotFoundError)
"""The errors that a malformed document causes: a list in place of a dict, an unknown time zone, an endless number."""


def _text(value: Any) -> Text:
    if not isinstance(value, Mapping) or "fr" not in value or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"a text needs at least `fr`: {value!r}")
    return dict(value)


def _line(value: Any) -> Text:
    """Return a line that was written once for all languages, or by language."""
    return {"fr": value} if isinstance(value, str) else _text(value)


def service_from_document(document: Mapping[str, Any]) -> Service:
    """Build a service from its document. Raise ValueError, naming the part, if one is missing or malformed.

    The document was validated before it was stored: `infra.servicefile.reader` reports the mistakes in a YAML file.
    """
    part = "times"
    try:
        limits = _limits(document.get("times", {}), document.get("limits", {}))
        part = "plannings"
        plannings = [(planning, tuple(_openings(planning))) for planning in document["plannings"]]
        openings = tuple(opening for _, of_planning in plannings for opening in of_planning)
        internal = tuple(_internal(*planning) for planning in plannings if "internal" in planning[0])
        part = "closures"
        closures = tuple(_closure(closure) for closure in document.get("closures", ()))
        part = "draw"
        draw = _draw(document)
        part = "release"
        release = Release(draw.weeks_ahead, ()) if draw else _release(document["release"])
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
            contact=_line(document["contact"]),
            reply_to=document["reply_to"],
            rights_address=document["rights_address"],
            intro=_text(document["intro"]),
            not_for=tuple(_text(line) for line in document["not_for"]),
            documents=tuple(_text(line) for line in document["documents"]),
            documents_note=tuple(_text(line) for line in document["documents_note"]),
            otherwise=tuple(_text(line) for line in document["otherwise"]),
            limits=limits,
            internal=internal,
            closures=closures,
            holidays=frozenset(date.fromisoformat(day) for day in document.get("holidays", ())),
            hidden=document.get("listing") == "hidden",
            seat_after=SeatAfter(document.get("seat_after", SeatAfter.CROWD)),
            publisher=document.get("publisher", ""),
            host=document.get("host", ""),
            data_officer=document.get("data_officer", ""),
            accessibility_contact=document.get("accessibility_contact", ""),
            draw=draw,
        )
    except _UNREADABLE as error:
        raise ValueError(f"{part}: {error!r}") from error
    if service.slot <= timedelta(0) or not openings or not (draw or release.moments):
        raise ValueError("plannings: a service needs hours, a slot of at least a minute, and a moment that opens seats")
    return service


def _limits(times: Mapping[str, Any], limits: Mapping[str, Any]) -> Limits:
    default = Limits()
    window = times.get("return_hours", [2, 48])
    return Limits(
        hold=timedelta(seconds=int(times.get("hold_seconds", default.hold.total_seconds()))),
        form=timedelta(seconds=int(times.get("form_seconds", default.form.total_seconds()))),
        extensions=int(limits.get("extensions", default.extensions)),
        confirm=timedelta(minutes=int(times.get("confirm_minutes", default.confirm.total_seconds() // 60))),
        notice=timedelta(hours=float(times.get("notice_hours", default.notice.total_seconds() / 3600))),
        return_after=timedelta(hours=float(window[0])),
        return_before=timedelta(hours=float(window[1])),
        erase_after=timedelta(days=int(times.get("erase_days", default.erase_after.days))),
        choice=timedelta(days=int(times.get("choice_days", default.choice.days))),
        moves=int(limits.get("moves", default.moves)),
        association_bookings=int(limits.get("association_bookings", default.association_bookings)),
        domain_requests=int(limits.get("domain_requests", default.domain_requests)),
        ipv6_48_requests=int(limits.get("ipv6_48_requests", default.ipv6_48_requests)),
        ipv6_32_requests=int(limits.get("ipv6_32_requests", default.ipv6_32_requests)),
    )


def _openings(planning: Mapping[str, Any]) -> Iterator[Opening]:
    """Yield the opening hours of one planning, divided at its breaks."""
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


def _internal(planning: Mapping[str, Any], openings: tuple[Opening, ...]) -> InternalSeats:
    until = planning.get("internal_until")
    if not until:
        return InternalSeats(openings, int(planning["internal"]))
    moment = time.fromisoformat(until["at"])
    return InternalSeats(openings, int(planning["internal"]), int(until["days_before"]), moment)


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
    return Release(
        int(rule["weeks_ahead"]),
        moments,
        waits_for_working_day=rule.get("on_holiday") == "next_working_day",
        batch=timedelta(seconds=int(rule.get("batch_seconds", 0))),
    )


def _draw(document: Mapping[str, Any]) -> DrawRules | None:
    if Allocation(document.get("allocation", Allocation.FIRST_COME)) is Allocation.FIRST_COME:
        return None
    rules = document["draw"]
    return DrawRules(
        opens=_weekly_moment(rules["opens"]),
        closes=_weekly_moment(rules["closes"]),
        weeks_ahead=int(rules["weeks_ahead"]),
        seniority_percent=int(rules["seniority_percent"]),
        preferences=int(rules["preferences"]),
        beacon=Beacon(rules["beacon"]),
        witnesses=tuple(rules.get("witnesses", ())),
    )


def _weekly_moment(moment: Mapping[str, Any]) -> WeeklyMoment:
    return WeeklyMoment(WEEKDAYS.index(moment["day"]) + 1, time.fromisoformat(moment["at"]))


def details_to_document(details: Details) -> dict[str, str]:
    """Return the details of a person as a document."""
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
    """Read a document that `details_to_document` returned."""
    return Details(**{**document, "birth_date": date.fromisoformat(document["birth_date"])})  # type: ignore[arg-type]  # one date among strings
