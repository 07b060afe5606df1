"""Seats by hand: more of them, or again those that the office closed."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import typer

from chalicelib.domain import timetable
from chalicelib.domain.seat import Seat, SeatKey, State, week_of
from chalicelib.domain.service import Closure, Service
from chalicelib.storage import seat_store
from infra.ops import output
from infra.ops.audit import act
from infra.ops.desk_changes import Plan, by_office, plan_to_add, plan_to_reopen, unusual
from infra.ops.desk_changes import add as add_seats
from infra.ops.desk_changes import reopen as reopen_seats
from infra.ops.session import (
    REFUSED,
    STAGE_DEFAULT,
    AtDesks,
    Day,
    Desks,
    DryRun,
    From,
    Json,
    Opens,
    Refused,
    ServiceId,
    Session,
    StageName,
    To,
    Yes,
    at,
)
from infra.ops.status import status

seats = typer.Typer(
    name="seats", no_args_is_help=True, help="Seats by hand: more of them, or again those that the office closed."
)

Force = Annotated[
    bool,
    typer.Option("--force", help="Also off the slot grid, outside the hours, on closed days, at an unknown desk."),
]


@seats.command()
def add(
    ctx: typer.Context,
    service: ServiceId,
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
    """Open extra seats, now or at a moment. A seat that is there stays as it is; none may overlap another of its desk.

    A desk belongs to its service: the same number in another service is another desk.
    """
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        moment = max(opens.replace(tzinfo=of.zone) if opens else session.now, session.now)
        keys = _keys(of, day, start, end, desks)
        _in_time(of, keys, moment)
        plan = plan_to_add(of, keys)
        to_make, made = plan.fits, list[SeatKey]()
        odd = _odd(session, of, to_make, force=force)
        if to_make and not dry_run:
            when = "now" if moment == session.now else output.moment(moment, of.zone)
            if moment == session.now:  # later ones can be closed again until then
                question = (
                    f"Open {output.count(len(to_make), 'seat')} on {output.day(day)} now? Who is faster has them."
                )
                session.ask(question, *odd, yes=yes)
            facts = {"service": of.id, "day": day, "start": start, "end": end, "desks": desks, "opens": when}
            with act(session, "seats add", **facts, forced=len(odd) or None) as done:
                for step in add_seats(of, keys, moment):
                    made += step.fits
                    done["made"] += len(step.fits)
                    plan = step
        there = [(seat.key, status(of, seat, session.now)) for seat in plan.there]
        document = {
            "service": of.id,
            "dry_run": dry_run,
            "opens_at": moment,
            "to_make": len(to_make),
            "made": len(made),
            "there": [{"start": key.start, "desk": key.unit, "state": state} for key, state in there],
            "not_made": _overlaps(of, plan, session.now),
        }
        what = f"{output.count(len(to_make), 'seat')} to make" if dry_run else f"{output.count(len(made), 'seat')} made"
        what += f", {len(plan.overlaps)} not made" if plan.overlaps else ""
        lines = [f"{output.day(day)}: {what}, open from {output.moment(moment, of.zone)}."]
        if week_of(day) not in timetable.open_weeks(of, moment):
            shown = output.moment(timetable.opens_at(of, week_of(day)), of.zone)
            lines.append(f"Visitors see week {week_of(day)} from {shown} on.")
        lines += [f"{key.start:%H:%M} desk {key.unit} is there already: {state}" for key, state in there]
        lines += _overlap_lines(of, plan, session.now, "made")
        session.show(document, *lines)
        if plan.overlaps or not to_make:
            raise typer.Exit(REFUSED)


def _odd(session: Session, service: Service, keys: list[SeatKey], *, force: bool) -> list[str]:
    """Say what is unusual about these seats, a line each; Refused without `--force`."""
    lines = [f"{key.start:%H:%M} desk {key.unit}: {why}" for key in keys if (why := unusual(service, key))]
    if lines and not force:
        for line in lines:
            session.tell(line)
        raise Refused(f"no seat was made: {output.count(len(lines), 'seat')} of {len(keys)} would need --force")
    return lines


def _overlaps(service: Service, plan: Plan, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "start": key.start,
            "desk": key.unit,
            "overlaps": other.key.start,
            "state": status(service, other, now),
        }
        for key, other in plan.overlaps
    ]


def _overlap_lines(service: Service, plan: Plan, now: datetime, what: str) -> list[str]:
    return [
        f"{key.start:%H:%M} desk {key.unit} was not {what}: it overlaps the seat of {other.key.start:%H:%M}, "
        f"which is {status(service, other, now)}"
        for key, other in plan.overlaps
    ]


def _keys(service: Service, day: date, start: time, end: time, desks: list[int]) -> list[SeatKey]:
    found: list[SeatKey] = []
    begins, last = datetime.combine(day, start), datetime.combine(day, end)
    while begins + service.slot <= last:
        found += [SeatKey(day, begins.time(), desk, service.id) for desk in sorted(set(desks))]
        begins += service.slot
    if not found:
        raise Refused(f"no slot of {service.minutes} minutes fits between {start:%H:%M} and {end:%H:%M}")
    return found


def _in_time(service: Service, keys: list[SeatKey], opens: datetime) -> None:
    """Refuse seats that nobody could take any more when they open."""
    if service.start_of(keys[0]) - opens < service.limits.notice:
        hours = service.limits.notice / timedelta(hours=1)
        raise Refused(f"a seat of {keys[0].start:%H:%M} must open at least {hours:g} hours before")


@seats.command()
def reopen(
    ctx: typer.Context,
    service: ServiceId,
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
    """Open again what the office closed, less the seats whose person may still choose another."""
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        hours = Closure(day, day, start, end, tuple(desks or ()))
        closed = [
            seat
            for seat in seat_store.read_week(of.id, week_of(day))
            if by_office(seat) and of.start_of(seat.key) > session.now
            if hours.covers(seat.key, of.slot)
        ]
        waiting = [seat for seat in closed if _is_owed(seat, session.now)]
        grid = set(timetable.planned_seats(of, week_of(day)))  # these first, if the slot has another length now
        keys = sorted((seat.key for seat in closed if seat not in waiting), key=lambda key: (key not in grid, key))
        plan = plan_to_reopen(of, keys)
        to_reopen, reopened = len(plan.fits), 0
        if to_reopen and not dry_run:
            session.ask(f"Open {output.count(to_reopen, 'seat')} again? Who is faster has them.", yes=yes)
            with act(session, "seats reopen", service=of.id, day=day, start=start, end=end, desks=desks) as done:
                for step in reopen_seats(of, keys):
                    done["reopened"] += len(step.fits)
                    plan = step
            reopened = done["reopened"]
        document = {
            "service": of.id,
            "dry_run": dry_run,
            "to_reopen": to_reopen,
            "reopened": reopened,
            "waiting": len(waiting),
            "not_reopened": _overlaps(of, plan, session.now),
        }
        what = f"{output.count(to_reopen if dry_run else reopened, 'seat')} {'to open' if dry_run else 'opened'} again"
        lines = [f"{output.day(day)}: {what}."]
        if waiting:
            lines.append(f"{output.count(len(waiting), 'seat')} left closed: the person may still choose another.")
        session.show(document, *lines, *_overlap_lines(of, plan, session.now, "opened"))
        if plan.overlaps or not to_reopen:
            raise typer.Exit(REFUSED)


def _is_owed(seat: Seat, now: datetime) -> bool:
    return seat.past_state is State.DISPLACED and seat.until is not None and seat.until > now
