"""Seats by hand: more of them, or again those that the office closed."""

from datetime import date, datetime, time, timedelta

import typer

from chalicelib import places, store, timetable
from chalicelib.errors import NotFound
from chalicelib.model import OFFICE, Closure, Seat, SeatKey, Service, State, week_of
from infra.ops import look
from infra.ops.audit import act
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
    StageName,
    To,
    Yes,
    at,
)
from infra.ops.status import status

seats = typer.Typer(
    name="seats", no_args_is_help=True, help="Seats by hand: more of them, or again those that the office closed."
)


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
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Open extra seats, now or at a moment. A seat that is there is told and not touched."""
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        moment = max(opens.replace(tzinfo=of.zone) if opens else session.now, session.now)
        keys = _keys(of, day, start, end, desks)
        _in_time(of, keys, moment)
        there = [seat for key in keys if (seat := _found(key))]
        new = [key for key in keys if key not in {seat.key for seat in there}]
        made = 0
        if new and not dry_run:
            when = "now" if moment == session.now else look.moment(moment, of.zone)
            if moment == session.now:  # later ones can be closed again until then
                session.ask(
                    f"Open {look.count(len(new), 'seat')} on {look.day(day)} now? Who is faster has them.", yes=yes
                )
            facts = {"service": of.id, "day": day, "start": start, "end": end, "desks": desks, "opens": when}
            with act(session, "seats add", **facts) as done:
                for key in session.track("seats")(new):
                    done["made"] += places.add(key, moment, of.erase_at(key))
            made = done["made"]
        told = [(seat.key, status(of, seat, session.now)) for seat in there]
        document = {
            "service": of.id,
            "dry_run": dry_run,
            "opens_at": moment,
            "to_make": len(new),
            "made": made,
            "there": [{"start": key.start, "desk": key.unit, "state": state} for key, state in told],
        }
        what = f"{look.count(len(new), 'seat')} to make" if dry_run else f"{look.count(made, 'seat')} made"
        lines = [f"{look.day(day)}: {what}, open from {look.moment(moment, of.zone)}."]
        if week_of(day) not in timetable.open_weeks(of, moment):
            shown = look.moment(timetable.opens_at(of, week_of(day)), of.zone)
            lines.append(f"Visitors see week {week_of(day)} from {shown} on.")
        lines += [f"{key.start:%H:%M} desk {key.unit} is there already: {state}" for key, state in told]
        session.show(document, *lines)
        if not new:
            raise typer.Exit(REFUSED)


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


def _found(key: SeatKey) -> Seat | None:
    try:
        return store.seat(key)
    except NotFound:
        return None


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
            for seat in store.seats(of.id, week_of(day))
            if seat.state is State.CLOSED and seat.closed == OFFICE and of.start_of(seat.key) > session.now
            if hours.covers(seat.key, of.slot)
        ]
        waiting = [seat for seat in closed if _is_owed(seat, session.now)]
        todo = [seat for seat in closed if seat not in waiting]
        made = 0
        if todo and not dry_run:
            session.ask(f"Open {look.count(len(todo), 'seat')} again? Who is faster has them.", yes=yes)
            with act(session, "seats reopen", service=of.id, day=day, start=start, end=end, desks=desks) as done:
                for seat in session.track("seats")(todo):
                    done["reopened"] += places.reopen(seat.key, OFFICE, seat.opens_at)
            made = done["reopened"]
        document = {
            "service": of.id,
            "dry_run": dry_run,
            "to_reopen": len(todo),
            "reopened": made,
            "waiting": len(waiting),
        }
        what = f"{look.count(len(todo) if dry_run else made, 'seat')} {'to open' if dry_run else 'opened'} again"
        lines = [f"{look.day(day)}: {what}."]
        if waiting:
            lines.append(f"{look.count(len(waiting), 'seat')} left closed: the person may still choose another.")
        session.show(document, *lines)
        if not todo:
            raise typer.Exit(REFUSED)


def _is_owed(seat: Seat, now: datetime) -> bool:
    return seat.past_state is State.DISPLACED and seat.until is not None and seat.until > now
