"""What opens next, and making the seats agree with the rules now."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
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
from infra.ops.audit import act
from infra.ops.session import STAGE_DEFAULT, DryRun, Json, ServiceId, StageName, at

release = typer.Typer(
    name="release", no_args_is_help=True, help="What opens next; make the seats agree with the rules."
)
A_YEAR = 53

Weeks = Annotated[int, typer.Option("--weeks", min=1, max=A_YEAR, help="How many weeks with seats to come.")]
MaybeService = Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="One service; all if not given.")]


@release.command()
def preview(
    ctx: typer.Context, service: ServiceId, weeks: Weeks = 4, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Each coming moment: when, how many seats, how many desks, of which week."""
    with at(ctx, stage, as_json=as_json) as session:
        of = session.service(service)
        found = []
        day, last = monday_of(session.week(of, None)), A_YEAR + of.release.weeks_ahead
        for week in (week_of(day + n * timetable.WEEK) for n in range(last)):
            coming = _coming(of, week, session.now)
            found += [(moment, week, keys) for moment, keys in sorted(coming.items())]
            if len({week for _, week, _ in found}) >= weeks:
                break
        document = [
            {"opens_at": moment, "week": week, "seats": len(keys), "desks": len({key.unit for key in keys})}
            for moment, week, keys in found
        ]
        lines = [
            f"{output.moment(moment, of.zone)}: {output.count(len(keys), 'seat')}, "
            f"{output.count(len({key.unit for key in keys}), 'desk')}, week {week}"
            for moment, week, keys in found
        ]
        session.show({"service": of.id, "releases": document}, *(lines or ["Nothing opens within a year."]))


def _coming(service: Service, week: str, now: datetime) -> dict[datetime, list[SeatKey]]:
    """The seats of a week that will open, by their moment: as the rules say, less what the office closed or keeps."""
    seats = seat_store.read_week(service.id, week)
    opens = {seat.key: seat.opens_at for seat in seats if seat.is_coming(now)}
    for change in seat_changes.changes_of_week(service, week, seats, now, create=True):
        if change.do is ChangeKind.CLOSE:
            opens.pop(change.seat.key, None)
        elif change.seat.opens_at > now and not change.seat.past_state:  # when a freed seat returns is a secret
            opens[change.seat.key] = change.seat.opens_at
    by_moment: dict[datetime, list[SeatKey]] = {}
    for key, moment in opens.items():
        by_moment.setdefault(moment, []).append(key)
    return by_moment


@release.command()
def run(
    ctx: typer.Context,
    service: MaybeService = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make the seats agree with the rules now, as the clock does every hour. Twice is once."""
    with at(ctx, stage, as_json=as_json) as session:
        known = service_store.read_all(session.now) if service is None else [session.service(service)]
        if dry_run:
            due = {of.id: Counter(str(change.do) for change in schedule.changes(of, session.now)) for of in known}
            session.show({"dry_run": True, "services": due}, _drawn(due))
            return
        with act(session, "release run", service=service) as done:
            made = {}
            for of in known:
                made[of.id] = schedule.apply_rules(of, session.now, watch=session.track(of.id))
                done.update(made[of.id])
        session.show({"dry_run": False, "services": made}, _drawn(made))


def _drawn(counts: Mapping[str, Counter[str]]) -> Table:
    return output.table(
        ("service", *ChangeKind), [(name, *(found[do] for do in ChangeKind)) for name, found in counts.items()]
    )
