"""The command `close`."""

from datetime import time
from gettext import gettext as _
from typing import Annotated, Any

import typer

from chalicelib.desk import closing, history
from chalicelib.desk.closing import Closing, ClosingPlan, UnknownDesk
from chalicelib.domain.service import Service
from infra.ops import output
from infra.ops.audit import audited
from infra.ops.options import (
    STAGE_DEFAULT,
    Day,
    Desks,
    DryRun,
    Json,
    Last,
    MaybeFrom,
    MaybeTo,
    ServiceId,
    StageName,
    Yes,
)
from infra.ops.session import REFUSED, Refused, open_session
from infra.ops.stage_access import caller

Short = Annotated[bool, typer.Option("--short", help="Close even if there are too few other seats to set aside.")]


def close(
    ctx: typer.Context,
    service_id: ServiceId,
    day: Day,
    *,
    last: Last = None,
    start: MaybeFrom = None,
    end: MaybeTo = None,
    desks: Desks = None,
    stage: StageName = STAGE_DEFAULT,
    short: Short = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Close days, some hours or some desks; booked applicants get a letter and may choose another seat first.

    An interrupted closing can be run again. Nobody gets a second letter.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        if last and last < day:
            raise Refused(_("the last day, {}, is before {}").format(output.day(last), output.day(day)))
        request = Closing(service.id, day, start or time.min, end or time.max, tuple(sorted(set(desks or ()))), last)
        try:
            plan = closing.prepare(request, session.now)
        except UnknownDesk as refusal:
            raise Refused(
                _("{} has no such desk: it has {}").format(service.id, ", ".join(map(str, refusal.desks)))
            ) from refusal
        document, lines = _describe(service, request, plan)
        if dry_run:
            session.show(document | {"dry_run": True}, *lines)
            return
        if not plan.seats:
            raise Refused(_("there is no seat to close on {}").format(_days(request)))
        if plan.present:
            raise Refused(_("{} Record what becomes of them first, or close other hours").format(_present(plan)))
        if plan.missing and not short:
            raise Refused(_("{} With --short, the last to choose will find no seat set aside").format(_missing(plan)))
        question = _("Close? It cannot be undone for applicants who get a letter.") if plan.booked else _("Close?")
        session.confirm(question, *lines, yes=yes)
        arguments = {"service": service.id, "day": day, "last": last, "start": start, "end": end}
        who = caller(session.region)
        with (
            audited(session, "close", **arguments, desks=request.desks) as counts,
            history.recorded(service.id, who, history.Act.CLOSING, session.now, **request.facts) as done,
        ):
            counts.update(closing.close(request, plan, session.now, watch=session.progress("seats")))
            done.update(counts)
        left = plan.seats - counts["closed"]
        lines = [
            _("Closed {}; {} applicants get a letter.").format(
                output.count(counts["closed"], "seat"), counts["written_to"]
            )
        ]
        if left:
            lines.append(_("{} changed meanwhile and stayed open: run this again.").format(output.count(left, "seat")))
        session.show(document | {"dry_run": False, "done": counts, "left": left}, *lines)
        if left:
            raise typer.Exit(REFUSED)


def _days(request: Closing) -> str:
    last = request.hours.last
    return output.day(request.day) + (_(" to {}").format(output.day(last)) if last != request.day else "")


def _present(plan: ClosingPlan) -> str:
    numbers = ", ".join(seat.key.number for seat in plan.present)
    return _("{} arrived or called: {}.").format(output.count(len(plan.present), "applicant"), numbers)


def _missing(plan: ClosingPlan) -> str:
    return _("{} missing: open more with `seats add`.").format(output.count(plan.missing, "other seat"))


def _describe(service: Service, request: Closing, plan: ClosingPlan) -> tuple[dict[str, Any], list[str]]:
    """Describe what a closing would do, as a document and in lines."""
    booked, held, reserve = len(plan.booked), len(plan.held), len(plan.reserve)
    document = {
        "service": service.id,
        "date": request.day,
        "last": request.hours.last,
        "seats": plan.seats,
        "booked": booked,
        "held": held,
        "present": [seat.key.number for seat in plan.present],
        "reserve": reserve,
        "replaced": len(plan.replaced),
        "missing": plan.missing,
        "uncreated": plan.uncreated,
        "choose_before": plan.until,
    }
    lines = [
        _("{}: {} to close, {} of them booked, {} held.").format(
            _days(request), output.count(plan.seats, "seat"), booked, held
        )
    ]
    if plan.present:
        lines.append(_present(plan))
    if booked:
        until = output.moment(plan.until, service.zone)
        lines.append(
            _("{} to set aside for the booked applicants until {}.").format(output.count(reserve, "other seat"), until)
        )
    if plan.replaced:
        lines.append(
            _("{} to set aside again, for an earlier closing.").format(output.count(len(plan.replaced), "other seat"))
        )
    if plan.missing:
        lines.append(_missing(plan))
    if plan.uncreated:
        lines.append(
            _("{} not created yet, which will open: close them later.").format(output.count(plan.uncreated, "seat"))
        )
    return document, lines
