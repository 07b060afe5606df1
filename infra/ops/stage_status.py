"""The command `status`: each service on a few lines, and what needs attention before a release."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from gettext import gettext as _
from typing import Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session
from rich.text import Text

from chalicelib.booking import schedule
from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.domain import lifecycle, timetable
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.seat_changes import ChangeKind, DeskOccupancy
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.storage import dynamodb, items, service_store
from chalicelib.storage.items import PersonItem
from infra.ops import output, stored_services
from infra.ops.options import STAGE_DEFAULT, Json, StageName
from infra.ops.seat_status import SeatStatus, seat_status
from infra.ops.session import REFUSED, Session, open_session
from infra.ops.stage_access import QUICK

LATE = timedelta(minutes=10)
"""Seats are freed and letters sent within minutes. What takes longer than this is stuck."""
CREATED_BEFORE = timetable.WEEK - timedelta(hours=2)
"""The hourly release function creates seats a week before they open."""


@dataclass(frozen=True)
class Letters:
    """How many letters of a service are late, and to how many applicants none can be delivered."""

    late: int
    stopped: int


Persons = dict[tuple[str, str], PersonItem]
"""Person items by person key and service id."""


def status(ctx: typer.Context, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Show each service: next release, seats, open weeks, letters. Exit with 1 if anything needs attention."""
    with open_session(ctx, stage, as_json=as_json) as session:
        services = sorted(service_store.read_all(session.now), key=lambda service: service.id)
        unsent = _count_unsent(session)
        problems = [] if services else [_("there is no service: put one in place with `services put FILE`")]
        if unsent:
            problems.append(_("{} or more not sent: follow docs/letters.md").format(output.count(unsent, "letter")))
        documents, parts, persons = list[dict[str, Any]](), list[Any](), _persons()
        for service in services:
            document, counts, service_problems = _report(service, persons, session.now)
            documents.append(document)
            parts += _parts(document, service, counts)
            problems += [f"{service.id}: {problem}" for problem in service_problems]
        summary = [Text(_("needs attention: {}").format(problem), "red") for problem in problems]
        summary = summary or [Text(_("Nothing needs attention."), "green")]
        if unsent is None:
            summary.append(Text(_("The queue of unsent letters could not be read.")))
        session.show({"services": documents, "unsent": unsent, "problems": problems}, *parts, *summary)
        if problems:
            raise typer.Exit(REFUSED)


WeekCounts = list[tuple[str, Counter[SeatStatus]]]


def _report(service: Service, persons: Persons, now: datetime) -> tuple[dict[str, Any], WeekCounts, list[str]]:
    """Return the document of a service, the seats of each week by status, and the problems."""
    weeks = [(week, seats) for week, seats in weeks_with_seats(service, now) if seats]
    seats = [seat for _, week_seats in weeks for seat in week_seats]
    letters = _letters(service, seats, persons, now)
    moment = timetable.next_release(service, now)
    planned, missing = _release(service, moment, now)
    counts = [(week, Counter(seat_status(service, seat, now) for seat in week_seats)) for week, week_seats in weeks]
    document = {
        "id": service.id,
        "hidden": service.hidden,
        "next_release": moment,
        "seats_planned": planned,
        "seats_made": planned - missing,
        "letters_late": letters.late,
        "letters_stopped": letters.stopped,
        "weeks": [{"week": week, **{each.key: number[each] for each in SeatStatus}} for week, number in counts],
    }
    problems = [
        *_seat_problems(service, seats, now),
        *_release_problems(service, moment, missing, now),
        *_letter_problems(letters),
    ]
    return document, counts, problems


def _parts(document: dict[str, Any], service: Service, counts: WeekCounts) -> list[Any]:
    """Return a service as it is printed: a few lines, and a table of its weeks."""
    release = _("none: the seats are drawn") if service.draw else _("none within a year")
    if moment := document["next_release"]:
        created = _("{} of {} created").format(document["seats_made"], output.count(document["seats_planned"], "seat"))
        release = f"{output.moment(moment, service.zone)}, {created}"
    stopped = output.count(document["letters_stopped"], "applicant")
    lines = [
        f"{service.id}{_(' (hidden)') if service.hidden else ''}",
        _("  next release: {}").format(release),
        _("  letters: {} late; {} whose e-mail address takes no letter").format(document["letters_late"], stopped),
    ]
    columns = [column for column in SeatStatus if any(number[column] for _, number in counts)]
    rows = [(week, *(number[column] for column in columns)) for week, number in counts]
    return [*lines, *([output.table(("week", *columns), rows)] if rows else [])]


def _release(service: Service, moment: datetime | None, now: datetime) -> tuple[int, int]:
    """Count the seats that the next release should open, and those that are not created yet."""
    if moment is None:
        return 0, 0
    weeks = timetable.weeks_to_create(service, now)
    planned = sum(seats for week in weeks for opens, seats in timetable.releases(service, week) if opens == moment)
    new = {ChangeKind.CREATE, ChangeKind.REOPEN}
    due = [change.seat for change in schedule.changes(service, now) if change.kind in new]
    return planned, sum(seat.opens_at == moment for seat in due)


def _release_problems(service: Service, moment: datetime | None, missing: int, now: datetime) -> Iterator[str]:
    if moment is None and not service.hidden and not service.draw:
        yield _("no seat opens within a year: check `closures` and `release` in its file")
    elif moment and missing and moment - now <= CREATED_BEFORE:
        yield _("{} of the next release not created: run `release run {}`").format(
            output.count(missing, "seat"), service.id
        )


def _seat_problems(service: Service, seats: list[Seat], now: datetime) -> Iterator[str]:
    late = sum(1 for seat in seats if lifecycle.expired_state(seat, now - LATE))
    if late:
        yield _("{} not freed in time: look at the log of the function `expiry`").format(output.count(late, "seat"))
    keys = [seat.key for seat in seats if seat.state is not State.CLOSED and service.start_of(seat.key) > now]
    occupancy = DeskOccupancy(service, keys)
    for key in sorted(key for key in keys if occupancy.overlapped(key)):
        yield _("desk {} has overlapping seats on {}, {:%H:%M}: close one of them").format(
            key.unit, output.day(key.day), key.start
        )
    document = stored_services.read_all().get(service.id, {})
    if document.get("public_holidays") and max(service.holidays, default=date.min).year <= now.year:
        yield _("its public holidays end with {}: put its file in place again").format(now.year)


def _letter_problems(letters: Letters) -> Iterator[str]:
    if letters.late:
        yield _("{} late: look at the log of the function `mailer`").format(output.count(letters.late, "letter"))


def _persons() -> Persons:
    """Read the person items without their details, which an observer may not scan. Reads the whole table."""
    attributes = ["pk", "sk", "hold", "seat", "sent", "stopped", "booked_by"]
    with dynamodb.translated_errors():
        people = PersonItem.scan(items.is_person_or_name_lock(), attributes_to_get=attributes)
        return {(person.key, person.service_id): person for person in people}


def _letters(service: Service, seats: list[Seat], persons: Persons, now: datetime) -> Letters:
    late = stopped = 0
    for seat in seats:
        person = persons.get((seat.person, service.id))
        if person is None or person.hold != seat.hold or service.start_of(seat.key) <= now:
            continue
        if person.stopped:
            stopped += 1
        elif seat.filed_at and seat.filed_at <= now - LATE:
            late += seat.state in outbox.LIVE and not _is_sent(seat, person)
    return Letters(late, stopped)


def _is_sent(seat: Seat, person: PersonItem) -> bool:
    """Tell whether the first letter was sent: that with the link to confirm, or the result of a draw.

    An appointment that an agent booked has no such letter. The table does not say when a convocation was due.
    """
    sent = (person.sent or "").split()
    of_a_draw = {mark.partition(":")[0] for mark in sent} & set(outbox.OF_A_DRAW.values())
    return bool(person.booked_by or of_a_draw) or outbox.first_mark(seat.generation) in sent


def _count_unsent(session: Session) -> int | None:
    """Count the messages in the queue of letters that the mailer could not send; None if it cannot be read."""
    try:
        sqs = get_session().create_client("sqs", region_name=session.region, config=QUICK)
        queue = sqs.get_queue_url(QueueName=f"guichet-{session.stage}-unsent")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])
    except (BotoCoreError, ClientError):
        return None
