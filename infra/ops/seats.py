"""The commands `seats add` and `seats reopen`."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta
from gettext import gettext as _
from typing import Annotated, Any

import typer

from chalicelib.desk import history, manual_seats
from chalicelib.desk.closing import Closing
from chalicelib.desk.manual_seats import Plan, is_closed_by_operator
from chalicelib.domain import timetable
from chalicelib.domain.seat import Seat, SeatKey, State, week_of
from chalicelib.domain.service import Closure, Service
from chalicelib.storage import seat_store
from chalicelib.storage.timetable_store import Outdated
from infra.ops import output
from infra.ops.audit import audited
from infra.ops.options import (
    STAGE_DEFAULT,
    AtDesks,
    Day,
    Desks,
    DryRun,
    From,
    Json,
    Opens,
    ServiceId,
    StageName,
    To,
    Yes,
)
from infra.ops.seat_status import seat_status
from infra.ops.session import REFUSED, Refused, Session, open_session
from infra.ops.stage_access import caller

seats = typer.Typer(
    name="seats", no_args_is_help=True, help="Add seats by hand, or reopen seats that an operator closed."
)

Force = Annotated[
    bool,
    typer.Option("--force", help="Also off the slot grid, outside the hours, on closed days, at an unknown desk."),
]


@seats.command()
def add(
    ctx: typer.Context,
    service_id: ServiceId,
    day: Day,
    *,
    start: From,
    end: To,
    desks: AtDesks,
    opens: Opens = None,
    stage: StageName = STAGE_DEFAULT,
    force: Force = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add seats that open now or later. Existing seats stay as they are, and no seat may overlap another of its desk.

    Desks belong to a service: desk 1 of another service is another desk.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        moment = max(opens.replace(tzinfo=service.zone) if opens else session.now, session.now)
        keys = _slots(service, day, start, end, desks)
        _refuse_short_notice(service, keys, moment)
        plan = manual_seats.plan_to_add(service, keys)
        new, added = plan.fits, list[SeatKey]()
        warnings = _rule_warnings(session, service, new, force=force)
        if new and not dry_run:
            opens_at = "now" if moment == session.now else f"{moment.astimezone(service.zone):%Y-%m-%d %H:%M}"
            if moment == session.now:  # seats that open later can still be closed
                question = _("Open {} on {} now? Visitors can take them.").format(
                    output.count(len(new), "seat"), output.day(day)
                )
                session.confirm(question, *warnings, yes=yes)
            arguments = {
                "service": service.id,
                "day": day,
                "start": start,
                "end": end,
                "desks": desks,
                "opens": opens_at,
                "forced": len(warnings) or None,
            }
            with (
                audited(session, "seats add", **arguments) as counts,
                _recorded(session, history.Act.ADDED, Closing(service.id, day, start, end, tuple(desks))) as done,
            ):
                for plan in _planned_again(service, manual_seats.add(service, keys, moment)):
                    added += plan.fits
                    counts["made"] = done["made"] = len(added)
        existing = [(seat.key, seat_status(service, seat, session.now)) for seat in plan.existing]
        document = {
            "service": service.id,
            "dry_run": dry_run,
            "opens_at": moment,
            "to_make": len(new),
            "made": len(added),
            "there": [{"start": key.start, "desk": key.unit, "state": status} for key, status in existing],
            "not_made": _overlaps(service, plan, session.now),
        }
        result = (
            _("{} to add").format(output.count(len(new), "seat"))
            if dry_run
            else _("{} added").format(output.count(len(added), "seat"))
        )
        result += _(", {} not added").format(len(plan.overlaps)) if plan.overlaps else ""
        lines = [_("{}: {}, open from {}.").format(output.day(day), result, output.moment(moment, service.zone))]
        if not service.draw and week_of(day) not in timetable.open_weeks(service, moment):
            from_moment = output.moment(timetable.opens_at(service, week_of(day)), service.zone)
            lines.append(_("Visitors see week {} from {} on.").format(week_of(day), from_moment))
        lines += [
            _("{:%H:%M} desk {} exists already: {}").format(key.start, key.unit, _(status)) for key, status in existing
        ]
        lines += _overlap_lines(service, plan, session.now, _("added"))
        session.show(document, *lines)
        if plan.overlaps or not new:
            raise typer.Exit(REFUSED)


def _rule_warnings(session: Session, service: Service, keys: list[SeatKey], *, force: bool) -> list[str]:
    """Return a line for each seat that the service's rules never create. Raise Refused without `--force`."""
    lines = [
        _("{:%H:%M} desk {}: {}").format(key.start, key.unit, rule)
        for key in keys
        if (rule := rule_broken(service, key))
    ]
    if lines and not force:
        for line in lines:
            session.note(line)
        raise Refused(
            _("no seat was added: {} of {} would need --force").format(output.count(len(lines), "seat"), len(keys))
        )
    return lines


def _planned_again(service: Service, plans: Iterator[Plan]) -> Iterator[Plan]:
    """Yield the plans: the last one has what does not fit. Raise Refused when others keep changing the seats."""
    try:
        yield from plans
    except Outdated as outdated:
        message = _("another operator is changing the seats of {}: try again in a minute").format(service.id)
        raise Refused(message) from outdated


def rule_broken(service: Service, key: SeatKey) -> str | None:
    """Say why the rules of the service never create this seat; None if they can."""
    begins = datetime.combine(key.day, key.start)
    if not any(key.unit in opening.desks for opening in service.openings):
        return _("the service has no desk {}").format(key.unit)
    if key.day in service.holidays:
        return _("the day is a public holiday")
    if any(closure.covers(key, service.slot) for closure in service.closures):
        return _("the service is closed then")
    hours = [
        datetime.combine(key.day, opening.start)
        for opening in service.openings
        if opening.weekday == key.day.isoweekday() and key.unit in opening.desks
        if opening.start <= key.start and begins + service.slot <= datetime.combine(key.day, opening.end)
    ]
    if not hours:
        return _("outside the opening hours of this desk")
    on_grid = any((begins - opens) % service.slot == timedelta(0) for opens in hours)
    return None if on_grid else _("off the grid of {} minutes").format(service.minutes)


def _overlaps(service: Service, plan: Plan, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "start": key.start,
            "desk": key.unit,
            "overlaps": other.key.start,
            "state": seat_status(service, other, now),
        }
        for key, other in plan.overlaps
    ]


def _overlap_lines(service: Service, plan: Plan, now: datetime, verb: str) -> list[str]:
    return [
        _("{:%H:%M} desk {} was not {}: it overlaps the seat of {:%H:%M}, which is {}").format(
            key.start, key.unit, verb, other.key.start, _(seat_status(service, other, now))
        )
        for key, other in plan.overlaps
    ]


def _slots(service: Service, day: date, start: time, end: time, desks: list[int]) -> list[SeatKey]:
    """Return the seats of these hours and desks, slot by slot. Raise Refused if no slot fits."""
    keys: list[SeatKey] = []
    begins, last = datetime.combine(day, start), datetime.combine(day, end)
    while begins + service.slot <= last:
        keys += [SeatKey(day, begins.time(), desk, service.id) for desk in sorted(set(desks))]
        begins += service.slot
    if not keys:
        raise Refused(_("no slot of {} minutes fits between {:%H:%M} and {:%H:%M}").format(service.minutes, start, end))
    return keys


def _refuse_short_notice(service: Service, keys: list[SeatKey], opens: datetime) -> None:
    """Raise Refused if the first seat opens inside the service's notice, when nobody can take it any more."""
    if service.start_of(keys[0]) - opens < service.limits.notice:
        hours = service.limits.notice / timedelta(hours=1)
        raise Refused(_("a seat of {:%H:%M} must open at least {:g} hours before").format(keys[0].start, hours))


@seats.command()
def reopen(
    ctx: typer.Context,
    service_id: ServiceId,
    day: Day,
    *,
    start: From,
    end: To,
    desks: Desks = None,
    stage: StageName = STAGE_DEFAULT,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Reopen seats that an operator closed, except those whose applicant can still choose another seat."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        hours = Closure(day, day, start, end, tuple(desks or ()))
        closed = [
            seat
            for seat in seat_store.read_week(service.id, week_of(day))
            if is_closed_by_operator(seat) and service.start_of(seat.key) > session.now
            if hours.covers(seat.key, service.slot)
        ]
        waiting = [seat for seat in closed if _is_choosing(seat, session.now)]
        grid = set(timetable.planned_seats(service, week_of(day)))  # these first: the slot length may have changed
        keys = sorted((seat.key for seat in closed if seat not in waiting), key=lambda key: (key not in grid, key))
        plan = manual_seats.plan_to_reopen(service, keys)
        to_reopen, reopened = len(plan.fits), 0
        if to_reopen and not dry_run:
            session.confirm(
                _("Reopen {}? Visitors can take them at once.").format(output.count(to_reopen, "seat")), yes=yes
            )
            arguments = {"service": service.id, "day": day, "start": start, "end": end, "desks": desks}
            with (
                audited(session, "seats reopen", **arguments) as counts,
                _recorded(session, history.Act.REOPENED, Closing(service.id, day, start, end, hours.desks)) as done,
            ):
                for plan in _planned_again(service, manual_seats.reopen(service, keys)):
                    counts["reopened"] = done["reopened"] = done["reopened"] + len(plan.fits)
            reopened = counts["reopened"]
        document = {
            "service": service.id,
            "dry_run": dry_run,
            "to_reopen": to_reopen,
            "reopened": reopened,
            "waiting": len(waiting),
            "not_reopened": _overlaps(service, plan, session.now),
        }
        number = output.count(to_reopen if dry_run else reopened, "seat")
        lines = [f"{output.day(day)}: {number} {_('to reopen') if dry_run else _('reopened')}."]
        if waiting:
            lines.append(
                _("{} left closed: the applicant can still choose another.").format(output.count(len(waiting), "seat"))
            )
        session.show(document, *lines, *_overlap_lines(service, plan, session.now, _("reopened")))
        if plan.overlaps or not to_reopen:
            raise typer.Exit(REFUSED)


def _is_choosing(seat: Seat, now: datetime) -> bool:
    return seat.past_state is State.DISPLACED and seat.until is not None and seat.until > now


def _recorded(session: Session, act: history.Act, hours: Closing) -> AbstractContextManager[Counter[str]]:
    """Record in the history of the opening hours what the block changes."""
    return history.recorded(hours.service, caller(session.region), act, session.now, **hours.facts)
