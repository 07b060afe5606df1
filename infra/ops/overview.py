"""What an operator looks at before a release: each service on a few lines, and what needs a hand."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from chalicelib.booking import schedule
from chalicelib.domain import lifecycle, timetable
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.seat_changes import ChangeKind, DeskOccupancy
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.storage import dynamodb, service_store
from chalicelib.storage.items import PersonItem
from infra.ops import output
from infra.ops.session import REFUSED, STAGE_DEFAULT, Json, Session, StageName, at, documents
from infra.ops.status import Status
from infra.ops.status import status as status_of

LATE = timedelta(minutes=10)
"""The clock functions run each minute, and a letter leaves within minutes: what is later than this is stuck."""
MADE_BEFORE = timetable.WEEK - timedelta(hours=2)
"""Seats are made a week ahead of their release, each hour."""


@dataclass(frozen=True)
class Letters:
    """The letters of a service: how many are late, and how many applicants have an address that takes no letter."""

    late: int
    stopped: int


def status(ctx: typer.Context, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Each service: the next release, its seats, its open weeks, its letters. Exit code 1 if something needs a hand."""
    with at(ctx, stage, as_json=as_json) as session:
        services = sorted(service_store.read_all(session.now), key=lambda service: service.id)
        unsent = _unsent(session)
        problems = [] if services else ["there is no service: put one in place with `services put FILE`"]
        if unsent:
            problems.append(f"{output.count(unsent, 'letter')} or more given up: docs/letters.md says what to do")
        report, drawn = list[dict[str, Any]](), list[Any]()
        persons = _persons()
        for service in services:
            weeks = [(week, seats) for week, seats in schedule.weeks_with_seats(service, session.now) if seats]
            seats = [seat for _, here in weeks for seat in here]
            letters_of = _letters(service, seats, persons, session.now)
            moment = timetable.next_release(service, session.now)
            planned, missing = _release(service, moment, session.now)
            wrong = [*_problems(service, seats, session.now), *_release_problems(service, moment, missing, session.now)]
            problems += [f"{service.id}: {why}" for why in [*wrong, *_letter_problems(letters_of)]]
            counted = [(week, Counter(status_of(service, seat, session.now) for seat in here)) for week, here in weeks]
            report.append(
                {
                    "id": service.id,
                    "hidden": service.hidden,
                    "next_release": moment,
                    "seats_planned": planned,
                    "seats_made": planned - missing,
                    "letters_late": letters_of.late,
                    "letters_stopped": letters_of.stopped,
                    "weeks": [{"week": week, **_named(counts)} for week, counts in counted],
                }
            )
            drawn += _drawn(report[-1], service, counted)
        document = {"services": report, "unsent": unsent, "problems": problems}
        summary = [f"needs a hand: {problem}" for problem in problems] or ["Nothing needs a hand."]
        if unsent is None:
            summary.append("The queue of letters given up could not be read.")
        session.show(document, *drawn, *summary)
        if problems:
            raise typer.Exit(REFUSED)


def _drawn(report: dict[str, Any], service: Service, counted: list[tuple[str, Counter[Status]]]) -> list[Any]:
    """A service on a few lines, with a table of its weeks."""
    release = "none within a year"
    if moment := report["next_release"]:
        made = f"{report['seats_made']} of {output.count(report['seats_planned'], 'seat')} made"
        release = f"{output.moment(moment, service.zone)}, {made}"
    refused = output.count(report["letters_stopped"], "applicant")
    lines = [
        f"{service.id}{' (hidden)' if service.hidden else ''}",
        f"  next release: {release}",
        f"  letters: {report['letters_late']} late; {refused} whose address takes no letter",
    ]
    columns = [column for column in Status if any(counts[column] for _, counts in counted)]
    weeks = [(week, *(counts[column] for column in columns)) for week, counts in counted]
    return [*lines, *([output.table(("week", *columns), weeks)] if weeks else [])]


def _release(service: Service, moment: datetime | None, now: datetime) -> tuple[int, int]:
    """Count the seats that the next release should open, and those of them that are not made yet."""
    if moment is None:
        return 0, 0
    weeks = timetable.weeks_to_create(service, now)
    planned = sum(seats for week in weeks for opens, seats in timetable.releases(service, week) if opens == moment)
    new = [
        change.seat for change in schedule.changes(service, now) if change.do in {ChangeKind.CREATE, ChangeKind.REOPEN}
    ]
    missing = sum(seat.opens_at == moment for seat in new)
    return planned, missing


def _named(counts: Counter[Status]) -> dict[str, int]:
    return {name.replace(" ", "_"): counts[name] for name in Status}


def _release_problems(service: Service, moment: datetime | None, missing: int, now: datetime) -> Iterator[str]:
    if moment is None and not service.hidden:
        yield "no seat opens within a year: look at its closures and its release"
    elif moment and missing and moment - now <= MADE_BEFORE:
        yield f"{output.count(missing, 'seat')} of the next release not made: `release run {service.id}`"


def _problems(service: Service, seats: list[Seat], now: datetime) -> Iterator[str]:
    late = [seat for seat in seats if lifecycle.expired_state(seat, now - LATE)]
    if late:
        yield f"{output.count(len(late), 'seat')} not freed in time: look at the log of the function `expiry`"
    live = [seat.key for seat in seats if seat.state is not State.CLOSED and service.start_of(seat.key) > now]
    desks = DeskOccupancy(service, live)
    for key in sorted(key for key in live if desks.overlapped(key)):
        yield f"desk {key.unit} is given twice on {output.day(key.day)}, {key.start:%H:%M}: close one seat"
    document = documents().get(service.id, {})
    if document.get("public_holidays") and max(service.holidays, default=date.min).year <= now.year:
        yield f"its public holidays end with {now.year}: put its file in place again"


def _letter_problems(letters_of: Letters) -> Iterator[str]:
    if letters_of.late:
        yield f"{output.count(letters_of.late, 'letter')} late: look at the log of the function `mailer`"


Persons = dict[tuple[str, str], PersonItem]


def _persons() -> Persons:
    """The person items without their details: which letters they were sent. Reads the whole table."""
    fields = ["pk", "sk", "hold", "seat", "sent", "stopped"]
    with dynamodb.translated_errors():
        scanned = PersonItem.scan(PersonItem.pk.startswith("PERSON#"), attributes_to_get=fields)
        return {(row.pk.removeprefix("PERSON#"), row.sk.removeprefix("SERVICE#")): row for row in scanned}


def _letters(service: Service, seats: list[Seat], persons: Persons, now: datetime) -> Letters:
    late = stopped = 0
    for seat in seats:
        person = persons.get((seat.person, service.id))
        if person is None or person.hold != seat.hold or service.start_of(seat.key) <= now:
            continue
        if person.stopped:
            stopped += 1
        elif seat.filed_at and seat.filed_at <= now - LATE:
            late += not _is_sent(seat, (person.sent or "").split())
    return Letters(late, stopped)


def _is_sent(seat: Seat, sent: list[str]) -> bool:
    """Tell whether the first letter was sent. The table does not say when a convocation was due."""
    return seat.state not in {State.PENDING, State.CONFIRMED} or outbox.first_mark(seat.generation) in sent


def _unsent(session: Session) -> int | None:
    """How many messages wait in the queue of letters that the mailer gave up; None if it cannot be read."""
    quick = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1})
    try:
        sqs = get_session().create_client("sqs", region_name=session.region, config=quick)
        queue = sqs.get_queue_url(QueueName=f"guichet-{session.stage}-unsent")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])
    except (BotoCoreError, ClientError):
        return None
