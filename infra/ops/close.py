"""The command `close`."""

from datetime import date, time
from typing import Annotated, Any

import typer

from chalicelib.domain.service import Service
from infra.ops import closing, output
from infra.ops.audit import audited
from infra.ops.closing import Closing, ClosingPlan
from infra.ops.options import (
    STAGE_DEFAULT,
    Day,
    Desks,
    DryRun,
    Json,
    MaybeFrom,
    MaybeTo,
    ServiceId,
    StageName,
    Yes,
)
from infra.ops.session import REFUSED, Refused, open_session

Short = Annotated[bool, typer.Option("--short", help="Close even if there are too few other seats to set aside.")]


def close(
    ctx: typer.Context,
    service_id: ServiceId,
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
    """Close a day, some hours or some desks; booked applicants get a letter and may choose another seat first.

    An interrupted closing can be run again. Nobody gets a second letter.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        request = Closing(service.id, day, start or time.min, end or time.max, tuple(sorted(set(desks or ()))))
        plan = closing.prepare(request, session.now)
        document, lines = _describe(service, day, plan)
        if dry_run:
            session.show(document | {"dry_run": True}, *lines)
            return
        if not plan.seats:
            raise Refused(f"there is no seat to close on {output.day(day)}")
        if plan.missing and not short:
            raise Refused(f"{lines[-1]} With --short, the last to choose will find no seat set aside")
        question = "Close? It cannot be undone for applicants who get a letter." if plan.booked else "Close?"
        session.confirm(question, *lines, yes=yes)
        arguments = {"service": service.id, "day": day, "start": start, "end": end, "desks": request.desks}
        with audited(session, "close", **arguments) as counts:
            counts.update(closing.close(request, plan, session.now, watch=session.progress("seats")))
        left = plan.seats - counts["closed"]
        lines = [f"Closed {output.count(counts['closed'], 'seat')}; {counts['written_to']} applicants get a letter."]
        if left:
            lines.append(f"{output.count(left, 'seat')} changed meanwhile and stayed open: run this again.")
        session.show(document | {"dry_run": False, "done": counts, "left": left}, *lines)
        if left:
            raise typer.Exit(REFUSED)


def _describe(service: Service, day: date, plan: ClosingPlan) -> tuple[dict[str, Any], list[str]]:
    """Describe what a closing would do, as a document and in lines."""
    booked, held, reserve = len(plan.booked), len(plan.held), len(plan.reserve)
    document = {
        "service": service.id,
        "date": day,
        "seats": plan.seats,
        "booked": booked,
        "held": held,
        "reserve": reserve,
        "missing": plan.missing,
        "choose_before": plan.until,
    }
    lines = [f"{output.day(day)}: {output.count(plan.seats, 'seat')} to close, {booked} of them booked, {held} held."]
    if booked:
        until = output.moment(plan.until, service.zone)
        lines.append(f"{output.count(reserve, 'other seat')} to set aside for the booked applicants until {until}.")
    if plan.missing:
        lines.append(f"{output.count(plan.missing, 'other seat')} missing: open more with `seats add`.")
    return document, lines
