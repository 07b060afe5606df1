"""The commands `release preview` and `release run`."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from gettext import gettext as _
from typing import Annotated

import typer
from rich.table import Table

from chalicelib.booking import schedule
from chalicelib.domain import seat_changes, timetable
from chalicelib.domain.seat import SeatKey, monday_of, week_of
from chalicelib.domain.seat_changes import ChangeKind
from chalicelib.domain.service import Service
from chalicelib.storage import seat_store, service_store
from infra.ops import output
from infra.ops.audit import audited
from infra.ops.options import STAGE_DEFAULT, DryRun, Json, ServiceId, StageName
from infra.ops.session import open_session

release = typer.Typer(
    name="release", no_args_is_help=True, help="Preview the next releases; apply the rules of a service to its seats."
)
YEAR = 53
"""Weeks."""

Weeks = Annotated[int, typer.Option("--weeks", min=1, max=YEAR, help="How many weeks to show.")]
MaybeService = Annotated[
    str | None, typer.Argument(metavar="[SERVICE]", help="The id of a service; without it, all services.")
]


@release.command()
def preview(
    ctx: typer.Context,
    service_id: ServiceId,
    weeks: Weeks = 4,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Show when seats will open, how many, at how many desks, and of which week."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = session.service(service_id)
        releases: list[tuple[datetime, str, list[SeatKey]]] = []
        monday = monday_of(session.week(service, None))
        for number in range(YEAR + service.release.weeks_ahead):
            week = week_of(monday + number * timetable.WEEK)
            coming = _coming_seats(service, week, session.now)
            releases += [(moment, week, keys) for moment, keys in sorted(coming.items())]
            if len({week for _, week, _ in releases}) >= weeks:
                break
        document, lines = [], []
        for moment, week, keys in releases:
            seats, desks = len(keys), len({key.unit for key in keys})
            document.append({"opens_at": moment, "week": week, "seats": seats, "desks": desks})
            lines.append(
                _("{}: {}, {}, week {}").format(
                    output.moment(moment, service.zone), output.count(seats, "seat"), output.count(desks, "desk"), week
                )
            )
        nothing = _("Nothing opens: the seats are drawn.") if service.draw else _("Nothing opens within a year.")
        session.show({"service": service.id, "releases": document}, *(lines or [nothing]))


def _coming_seats(service: Service, week: str, now: datetime) -> dict[datetime, list[SeatKey]]:
    """Return the seats of a week that will open, by moment: those of the rules and of operators, but no freed seat.

    Empty for a draw, which gives its seats without opening them.
    """
    if service.draw:
        return {}
    seats = seat_store.read_week(service.id, week)
    opens = {seat.key: seat.opens_at for seat in seats if seat.is_coming(now)}
    for change in seat_changes.changes_of_week(service, week, seats, now, create=True):
        if change.kind is ChangeKind.CLOSE:
            opens.pop(change.seat.key, None)
        elif change.seat.opens_at > now and not change.seat.past_state:  # when a freed seat returns is a secret
            opens[change.seat.key] = change.seat.opens_at
    by_moment: dict[datetime, list[SeatKey]] = {}
    internal = timetable.internal_seats(service, week)
    for key, moment in opens.items():
        if key in internal:
            continue
        by_moment.setdefault(moment, []).append(key)
    return by_moment


@release.command()
def run(
    ctx: typer.Context,
    service_id: MaybeService = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Apply the rules to the seats now, as the release function does every hour. A second run changes nothing."""
    with open_session(ctx, stage, as_json=as_json) as session:
        services = service_store.read_all(session.now) if service_id is None else [session.service(service_id)]
        if dry_run:
            due = {
                service.id: Counter(str(change.kind) for change in schedule.changes(service, session.now))
                for service in services
            }
            session.show({"dry_run": True, "services": due}, _table(due))
            return
        done = {}
        with audited(session, "release run", service=service_id) as counts:
            for service in services:
                done[service.id] = schedule.apply_rules(service, session.now, watch=session.progress(service.id))
                counts.update(done[service.id])
        session.show({"dry_run": False, "services": done}, _table(done))


def _table(services: Mapping[str, Counter[str]]) -> Table | str:
    if not services:
        return _("There is no service.")
    rows = [(service_id, *(counts[kind] for kind in ChangeKind)) for service_id, counts in services.items()]
    return output.table(("service", *ChangeKind), rows)
