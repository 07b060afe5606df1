"""The audit: which command was run on a stage or showed personal data, by whom, when and how it ended. Never a name."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, timedelta
from gettext import gettext as _

import typer
from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from chalicelib.domain.rng import RNG
from chalicelib.storage import dynamodb, items
from chalicelib.storage.items import Item, TimestampAttribute
from infra.ops import output
from infra.ops.options import STAGE_DEFAULT, Json, Since, StageName
from infra.ops.session import Refused, Session, open_session
from infra.ops.stage_access import caller

BEGUN, DONE, REFUSED, FAILED = "begun", "done", "refused", "failed"
DEFAULT_PERIOD = timedelta(days=30)
RETENTION = timedelta(days=365)
"""How long an audit item is kept."""


class AuditItem(Item):
    """One run of a command. It stays `begun` if the program was stopped in the middle."""

    who = UnicodeAttribute()
    what = UnicodeAttribute()
    arguments = JSONAttribute()
    outcome = UnicodeAttribute()
    counts = JSONAttribute(null=True)
    ended_at = TimestampAttribute(null=True)
    erase_at = NumberAttribute()


@contextmanager
def audited(
    session: Session, command: str, learned: dict[str, str] | None = None, /, **arguments: object
) -> Iterator[Counter[str]]:
    """Write an audit item before the block runs, and its outcome and counts after it.

    The block fills the counts, and `learned` with arguments that it learns. None of them must be personal data.
    """
    item = _item(session, command, arguments, BEGUN)
    with dynamodb.translated_errors():
        item.save()
    counts: Counter[str] = Counter()
    outcome = FAILED
    try:
        yield counts
        outcome = DONE
    except Refused:
        outcome = REFUSED
        raise
    finally:
        actions: list[Action] = [
            AuditItem.outcome.set(outcome),
            AuditItem.counts.set(dict(counts)),
            AuditItem.ended_at.set(session.clock()),
            AuditItem.arguments.set({**item.arguments, **(learned or {})}),
        ]
        with dynamodb.translated_errors():
            item.update(actions=actions)


def audit_reading(session: Session, command: str, people: int, **arguments: object) -> None:
    """Write an audit item before personal data is shown: of how many people, and of whom only by a reference."""
    item = _item(session, command, arguments, DONE)
    item.counts, item.ended_at = {"people": people}, session.clock()
    with dynamodb.translated_errors():
        item.save()


def _item(session: Session, command: str, arguments: dict[str, object], outcome: str) -> AuditItem:
    moment = session.now.astimezone(UTC).isoformat(timespec="milliseconds")
    item = AuditItem(_month(session.now.date()), f"{moment}#{RNG.token_hex(4)}")
    given = {name: value for name, value in arguments.items() if value not in (None, (), [])}
    item.who, item.what, item.outcome = caller(session.region), command, outcome
    item.arguments = json.loads(output.as_json(given))
    item.erase_at = int((session.now + RETENTION).timestamp())
    return item


def _month(day: date) -> str:
    return items.audit_partition(f"{day:%Y-%m}")


def audit_items(since: date, until: date) -> Iterator[AuditItem]:
    """Return the audit items from one day to another, newest first."""
    month = until.replace(day=1)
    while month >= since.replace(day=1):
        with dynamodb.translated_errors():
            yield from AuditItem.query(_month(month), AuditItem.sk >= since.isoformat(), scan_index_forward=False)
        month = (month - timedelta(days=1)).replace(day=1)


def audit(ctx: typer.Context, since: Since = None, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False) -> None:
    """Show what was done with this program, newest first: since a day, or in the last 30 days. Times are UTC."""
    with open_session(ctx, stage, as_json=as_json) as session:
        today = session.now.astimezone(UTC).date()
        items = list(audit_items(since or today - DEFAULT_PERIOD, today))
        document = [
            {
                "at": item.sk.partition("#")[0],
                "who": item.who,
                "what": item.what,
                "arguments": item.arguments,
                "outcome": item.outcome,
                "counts": item.counts or {},
                "ended_at": item.ended_at,
            }
            for item in items
        ]
        lines = [
            (
                item.sk[:19].replace("T", " "),
                item.who,
                item.what,
                _in_words(item.arguments),
                item.outcome,
                _in_words(item.counts),
            )
            for item in items
        ]
        columns = ("when (UTC)", "who", "command", "with", "outcome", "counts")
        session.show({"acts": document}, output.table(columns, lines) if lines else _("No command was run."))


def _in_words(values: dict[str, object] | None) -> str:
    texts = {
        name: " ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in (values or {}).items()
    }
    return ", ".join(f"{name} {text}" for name, text in texts.items())
