"""The commands `draws`: list, preview, run, show and verify the draws of a service."""

import subprocess
import sys
import tempfile
from gettext import gettext as _
from pathlib import Path
from typing import Annotated, Any

import typer

from chalicelib.allocation import overview, publication
from chalicelib.allocation.overview import Preview, Progress
from chalicelib.domain import draw_window
from chalicelib.domain.draw_record import Draw, ListKind
from chalicelib.domain.refusals import NotFound
from chalicelib.domain.service import Service
from chalicelib.storage import draw_store
from infra.ops import draw_people, functions, output
from infra.ops.audit import audited
from infra.ops.draw_words import problem_in_words, record_in_words, waits_for
from infra.ops.options import STAGE_DEFAULT, Json, ServiceId, StageName, Week
from infra.ops.other_words import CHECKER as CHECKER_SAYS
from infra.ops.other_words import in_words
from infra.ops.session import REFUSED, Refused, Session, open_session

draws = typer.Typer(
    name="draws",
    no_args_is_help=True,
    help="List, preview, run, show and verify draws; enter people who came by post, phone or in person.",
)
CHECKER = Path(__file__).parents[2] / "chalicelib" / "static" / "verify_draw.py"
"""The checker that everybody can download. It shares no code with the service."""
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Read the record from this site, as everybody does, not from the table."),
]
Hash = Annotated[str | None, typer.Option(metavar="HEX", help="What was kept from before the draw.")]


@draws.command("list")
def list_draws(
    ctx: typer.Context, service_id: ServiceId, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """List the draws of a service, oldest first: stage, times, counts, and what each waits for."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = _drawing(session, service_id)
        steps = overview.progress(draw_store.read_all(service.id))
        document = [_progress_document(step, session) for step in steps]
        lines = [_progress_line(step, service, session) for step in steps]
        columns = ("week", "stage", "closes", "entries", "seats", "letters", "waits for")
        known = {step.draw.week for step in steps}
        window = draw_window.current_window(service, session.now)
        coming = window if window and window.week not in known else None
        notes = []
        if coming:
            opens = output.moment(coming.opens, service.zone)
            notes = [
                _("{}: its window {}.").format(
                    coming.week, _("is open") if coming.is_open(session.now) else _("opens {}").format(opens)
                )
            ]
        table = output.table(columns, lines) if lines else _("There is no draw yet.")
        session.show({"service": service.id, "draws": document}, table, *notes)


def _drawing(session: Session, service_id: str) -> Service:
    service = session.service(service_id)
    if service.draw is None:
        raise Refused(_("{} does not draw its seats: its file says `allocation: first_come`").format(service.id))
    if service.is_canary_draw:
        raise Refused(_("{} is the service of the canary, in which nothing is ever drawn").format(service.id))
    return service


def _progress_document(step: Progress, session: Session) -> dict[str, Any]:
    draw = step.draw
    names = ("opens", "closes", "frozen_at", "drawn_at", "entries", "seats")
    return {
        "week": draw.week,
        "stage": draw.stage,
        **{name: draw.record.get(name) for name in names},
        "letters": draw.letters,
        "unassigned": len(draw.unassigned),
        "next_step": step.step,
        "due": step.due,
        "overdue": step.is_overdue(session.now),
    }


def _progress_line(step: Progress, service: Service, session: Session) -> tuple[object, ...]:
    draw, entries = step.draw, step.draw.record.get("entries")
    letters = f"{draw.letters}/{entries}" if draw.is_drawn else ""
    closes = f"{draw.closes.astimezone(service.zone):%Y-%m-%d %H:%M}"
    counts = (entries if entries is not None else "", draw.record.get("seats", ""))
    return draw.week, draw.stage, closes, *map(str, counts), letters, waits_for(step, service, session.now)


@draws.command()
def preview(
    ctx: typer.Context, service_id: ServiceId, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Show what the next draw would look like now, and what is wrong. Writes nothing, and tells nobody who will win.

    Exit code 1 if something is wrong.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        service = _drawing(session, service_id)
        coming = overview.preview(service, session.now)
        session.show(_preview_document(coming), *_preview_lines(coming, service))
        if coming.problems:
            raise typer.Exit(REFUSED)


def _preview_document(coming: Preview) -> dict[str, Any]:
    return {
        "week": coming.window.week,
        "opens": coming.window.opens,
        "closes": coming.window.closes,
        "stage": coming.stage,
        "entries": coming.entries,
        "unproven": coming.unproven,
        "left_out": coming.left_out,
        "seats": coming.seats,
        "half_days": {
            name: {"seats": half.seats, "first_choices": half.first_choices} for name, half in coming.half_days.items()
        },
        "problems": [problem_in_words(problem) for problem in coming.problems],
    }


def _preview_lines(coming: Preview, service: Service) -> list[Any]:
    window = coming.window
    opens, closes = (output.moment(moment, service.zone) for moment in (window.opens, window.closes))
    lines: list[Any] = [
        _("The draw of {}: its window is open from {} to {}.").format(window.week, opens, closes),
        _("{} would be drawn. {} entries take part.").format(output.count(coming.seats, "seat"), coming.entries),
        _("Not proven yet: {}. Left out, because no half-day of theirs has a seat: {}.").format(
            coming.unproven, coming.left_out
        ),
    ]
    if coming.half_days:
        rows = [(name, str(half.seats), str(half.first_choices)) for name, half in coming.half_days.items()]
        lines.append(output.table(("half-day", "seats", "first choices"), rows))
    return [*lines, *(_("Look at this: {}.").format(problem_in_words(problem)) for problem in coming.problems)]


@draws.command()
def run(ctx: typer.Context, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Run the stages of all draws that are due now, as the draw function does every minute.

    A second run changes nothing. It starts the draw function, because only that function may read a seed.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        with audited(session, "draws run"):
            session.invoke("draw", functions.scheduled_event())
        session.show({"run": True}, _("The draw function ran: see `draws list SERVICE`."))


@draws.command()
def show(
    ctx: typer.Context,
    service_id: ServiceId,
    week: Week = None,
    stage: StageName = STAGE_DEFAULT,
    *,
    as_json: Json = False,
) -> None:
    """Show the public record of a draw in words, and how far its letters are. Without --week, of the last draw."""
    with open_session(ctx, stage, as_json=as_json) as session:
        service = _drawing(session, service_id)
        draw = _draw(service, week)
        (step,) = (step for step in overview.progress(draw_store.read_all(service.id)) if step.draw.week == draw.week)
        offers = draw_store.read_log(service.id, draw.week)
        offered = sum(line.seat is not None for line in offers)
        document = {
            "record": dict(draw.record),
            **_progress_document(step, session),
            "offered": offered,
            "left": len(offers) - offered,
        }
        words = record_in_words(draw, service, offered=offered, left=len(offers) - offered)
        session.show(document, *words, _("Next: {}.").format(waits_for(step, service, session.now) or _("nothing")))


def _draw(service: Service, week: str | None) -> Draw:
    draws = draw_store.read_all(service.id)
    if not draws:
        raise Refused(_("{} has no draw yet").format(service.id))
    try:
        return publication.draw(service.id, week or draws[-1].week)
    except NotFound as error:
        raise Refused(
            _("{} has no draw of {}: it has {}").format(service.id, week, ", ".join(d.week for d in draws))
        ) from error


@draws.command()
def verify(
    ctx: typer.Context,
    service_id: ServiceId,
    *,
    week: Week = None,
    url: Url = None,
    promise: Hash = None,
    root: Hash = None,
    stage: StageName = STAGE_DEFAULT,
    as_json: Json = False,
) -> None:
    """Run the public checker on the public record of a draw. Without --week, on the last draw that is drawn.

    Exit code 0: everything was shown; 1: something is wrong, or there is nothing to check.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        service = _drawing(session, service_id)
        drawn = [draw for draw in draw_store.read_all(service.id) if draw.is_final]
        if not drawn:
            raise Refused(_("{} has no draw that is drawn yet").format(service.id))
        of_week = _draw(service, week or drawn[-1].week)
        options = [f"--{name}={value}" for name, value in (("promise", promise), ("root", root)) if value]
        with tempfile.TemporaryDirectory() as folder:
            if url is None:
                save(drawn, Path(folder))
            base = f"{url.rstrip('/')}/services/{service.id}/draws" if url else folder
            checked = _check(f"{base}/{of_week.week}", options)
        words = [in_words(line, CHECKER_SAYS) for line in (*checked.stdout.splitlines(), *checked.stderr.splitlines())]
        document = {"service": service.id, "week": of_week.week, "exit_code": checked.returncode, "output": words}
        session.show(document, *words)
        if checked.returncode:
            raise typer.Exit(REFUSED)


def _check(record: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the checker in its own process, as everybody runs it."""
    command = [sys.executable, str(CHECKER), record, *options]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def save(drawn: list[Draw], folder: Path) -> None:
    """Write the public records of draws as the checker saves them: a folder for each week."""
    for draw in drawn:
        of_week = folder / draw.week
        of_week.mkdir(parents=True)
        (of_week / "record.json").write_text(output.as_json(draw.record), "utf-8")
        for kind in publication.PUBLISHED:
            if kind in draw.lists:
                (of_week / f"{kind}.txt").write_text(draw_store.read_list(draw, ListKind(kind)), "utf-8", newline="")
        if draw.is_drawn:
            (of_week / "offers.txt").write_text(_offers(draw), "utf-8", newline="")


def _offers(draw: Draw) -> str:
    first = publication.offers(draw.service, draw.week, 1)
    rest = (publication.offers(draw.service, draw.week, number).text for number in range(2, first.parts + 1))
    return first.text + "".join(rest)


for command in (draw_people.enter, draw_people.receipt, draw_people.change, draw_people.renew, draw_people.calls):
    draws.command()(command)
