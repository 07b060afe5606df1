"""A morning, or a desk, that receives nobody: kindly closed."""

from datetime import date, time
from typing import Annotated, Any

import typer

from chalicelib.domain.service import Service
from infra.ops import closing, output
from infra.ops.audit import act
from infra.ops.closing import Closing, Prepared
from infra.ops.session import (
    REFUSED,
    STAGE_DEFAULT,
    Day,
    Desks,
    DryRun,
    Json,
    MaybeFrom,
    MaybeTo,
    Refused,
    ServiceId,
    StageName,
    Yes,
    at,
)

Short = Annotated[bool, typer.Option("--short", help="Close although there is not another seat for everybody.")]


def close(
    ctx: typer.Context,
    service: ServiceId,
    day: Day,
    *,
    start: MaybeFrom = None,
    end: MaybeTo = None,
    desks: Desks = None,
    stage: StageName = STAGE_DEFAULT,
    short: Short = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Close a day, some hours or some desks; who is booked gets a letter and the first choice of other seats.

    Cut short, it is run again: what is done stays done, and nobody is written to twice.
    """
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        morning = Closing(of.id, day, start or time.min, end or time.max, tuple(sorted(set(desks or ()))))
        plan = closing.prepare(morning, session.now)
        document, lines = _told(of, day, plan)
        if dry_run:
            session.show(document | {"dry_run": True}, *lines)
            return
        count = document["seats"]
        if not count:
            raise Refused(f"there is nothing to close on {output.day(day)}")
        if plan.missing and not short:
            raise Refused(f"{lines[-1]} Or say --short: the last to choose will find no seat kept")
        session.ask("Close? It cannot be undone for who is written to." if plan.booked else "Close?", *lines, yes=yes)
        facts = {"service": of.id, "day": day, "start": start, "end": end, "desks": morning.desks}
        with act(session, "close", **facts) as done:
            done.update(closing.close(morning, plan, session.now, watch=session.track("seats")))
        left = count - done["closed"]
        told = [f"Closed: {output.count(done['closed'], 'seat')}; {done['written_to']} people are written to."]
        if left:
            told.append(f"{output.count(left, 'seat')} changed meanwhile and left: run it again.")
        session.show(document | {"dry_run": False, "done": done, "left": left}, *told)
        if left:
            raise typer.Exit(REFUSED)


def _told(service: Service, day: date, plan: Prepared) -> tuple[dict[str, Any], list[str]]:
    """What a closing would do, for a program and for a person."""
    booked, held, reserve = len(plan.booked), len(plan.held), len(plan.reserve)
    document = {
        "service": service.id,
        "date": day,
        "seats": booked + held + len(plan.unused),
        "booked": booked,
        "held": held,
        "reserve": reserve,
        "missing": plan.missing,
        "choose_before": plan.until,
    }
    seats, until = output.count(booked + held + len(plan.unused), "seat"), output.moment(plan.until, service.zone)
    lines = [
        f"{output.day(day)}: {seats} to close, {booked} of them booked, {held} held by somebody who is booking now.",
    ]
    if booked:
        lines.append(f"{output.count(reserve, 'other seat')} to keep for those who are booked, until {until}.")
    if plan.missing:
        lines.append(f"{output.count(plan.missing, 'seat')} missing: open more with `seats add`.")
    return document, lines
