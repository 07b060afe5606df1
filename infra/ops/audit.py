"""What was done to a stage, or read of people, by this program: who, what, when, how it ended. Never a name."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import typer
from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from chalicelib.domain.rng import RNG
from chalicelib.storage import dynamodb
from chalicelib.storage.items import Item, TimestampAttribute
from infra.ops import output
from infra.ops.session import STAGE_DEFAULT, Json, Refused, Session, Since, StageName, at
from infra.ops.stage_access import caller

BEGUN, DONE, WAS_REFUSED, FAILED = "begun", "done", "refused", "failed"
A_MONTH = timedelta(days=30)
KEPT = timedelta(days=365)
"""How long an act is kept."""


class AuditRow(Item):
    """One act. `begun` and nothing after it: the program was stopped while it worked."""

    who = UnicodeAttribute()
    what = UnicodeAttribute()
    arguments = JSONAttribute()
    outcome = UnicodeAttribute()
    counts = JSONAttribute(null=True)
    ended_at = TimestampAttribute(null=True)
    erase_at = NumberAttribute()


@contextmanager
def act(session: Session, what: str, **arguments: object) -> Iterator[Counter[str]]:
    """Put the act before it is done, and its counts after it. The arguments are no personal data."""
    row = _row(session, what, arguments, BEGUN)
    with dynamodb.translated_errors():
        row.save()
    done: Counter[str] = Counter()
    outcome = FAILED
    try:
        yield done
        outcome = DONE
    except Refused:
        outcome = WAS_REFUSED
        raise
    finally:
        ended: list[Action] = [
            AuditRow.outcome.set(outcome),
            AuditRow.counts.set(dict(done)),
            AuditRow.ended_at.set(session.clock()),
        ]
        with dynamodb.translated_errors():
            row.update(actions=ended)


def looked(session: Session, what: str, people: int, **arguments: object) -> None:
    """Put the act of reading people before they are shown: how many, never who but by a reference."""
    row = _row(session, what, arguments, DONE)
    row.counts, row.ended_at = {"people": people}, session.clock()
    with dynamodb.translated_errors():
        row.save()


def _row(session: Session, what: str, arguments: dict[str, object], outcome: str) -> AuditRow:
    row = AuditRow(_month(session.now.date()), f"{_moment(session.now)}#{RNG.token_hex(4)}")
    row.who, row.what, row.arguments, row.outcome = caller(session.region), what, _plain(arguments), outcome
    row.erase_at = int((session.now + KEPT).timestamp())
    return row


def _plain(arguments: dict[str, object]) -> dict[str, object]:
    """As JSON, without what was not said."""
    said = {name: value for name, value in arguments.items() if value not in (None, (), [])}
    return dict(json.loads(output.as_json(said)))


def _month(day: date) -> str:
    return f"AUDIT#{day:%Y-%m}"


def _moment(of: datetime) -> str:
    return of.astimezone(UTC).isoformat(timespec="milliseconds")


def acts(since: date, until: date) -> Iterator[AuditRow]:
    """The acts from one day to another, newest first."""
    month = until.replace(day=1)
    while month >= since.replace(day=1):
        with dynamodb.translated_errors():
            yield from AuditRow.query(_month(month), AuditRow.sk >= since.isoformat(), scan_index_forward=False)
        month = (month - timedelta(days=1)).replace(day=1)


def audit(ctx: typer.Context, since: Since = None, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """What was done with this program, newest first: the last 30 days, or since a day. Times are UTC."""
    with at(ctx, stage, as_json=as_json) as session:
        today = session.now.astimezone(UTC).date()
        found = list(acts(since or today - A_MONTH, today))
        document = [
            {
                "at": row.sk.partition("#")[0],
                "who": row.who,
                "what": row.what,
                "arguments": row.arguments,
                "outcome": row.outcome,
                "counts": row.counts or {},
                "ended_at": row.ended_at,
            }
            for row in found
        ]
        lines = [
            (row.sk[:19].replace("T", " "), row.who, row.what, _words(row.arguments), row.outcome, _words(row.counts))
            for row in found
        ]
        columns = ("when (UTC)", "who", "what", "with", "outcome", "counts")
        session.show({"acts": document}, output.table(columns, lines) if lines else "No act.")


def _words(facts: dict[str, object] | None) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in (facts or {}).items())


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
