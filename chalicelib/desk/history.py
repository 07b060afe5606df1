"""The history of a service's opening hours: who changed what, and when. Kept for two years.

The pages of the planners and the operator program write it. It names agents by the id of their account and operators by
their AWS identity. It never names an applicant.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain import tokens
from chalicelib.storage import desk_items, history_store

RETENTION = timedelta(days=2 * 365)


class Act(StrEnum):
    """What can change the opening hours. The facts and counts that each has are named here."""

    SERVICE = "service"
    """Another service file was put in place: `rules`, each with `rule`, and perhaps `before` and `after`. A new service
    has none."""
    WITHDRAWN = "withdrawn"
    """The service was closed for good."""
    CLOSING = "closing"
    """Desks were closed: `first`, `last`, `start`, `end`, `desks`; counts `closed`, `written_to`, `set_aside`."""
    ADDED = "added"
    """Seats were added by hand: the facts of CLOSING; count `made`."""
    REOPENED = "reopened"
    """Closed seats were opened again: the facts of CLOSING; count `reopened`."""
    PAUSED = "paused"
    """Nobody could begin to book any more: `languages` of the message."""
    RESUMED = "resumed"
    """A pause ended."""
    WALK_IN = "walk-in"
    """A seat was added for somebody who came without an appointment: the facts of CLOSING; count `made`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the opening hours."""

    key: str
    """Where the change is in the history: later changes have greater keys."""
    at: datetime
    who: str
    """The account id of an agent, or the AWS identity of an operator."""
    act: Act
    facts: Mapping[str, Any]
    counts: Mapping[str, int] | None
    """What was done; None if the change was interrupted, or still runs."""


@contextmanager
def recorded(service_id: str, who: str, act: Act, now: datetime, **facts: Any) -> Iterator[Counter[str]]:
    """Store a change before the block makes it, and what it has done after the block, which fills the counts.

    A change that is made again at the same moment replaces the one before.
    """
    moment = now.astimezone(UTC)
    digest = tokens.digest(repr((who, act, sorted(facts.items()))))[:8]
    row = desk_items.history_item(
        service_id,
        f"{moment.isoformat(timespec='milliseconds')}#{digest}",
        who=who,
        act=act,
        facts=facts,
        erase_at=int((moment + RETENTION).timestamp()),
    )
    history_store.write(row)
    counts: Counter[str] = Counter()
    try:
        yield counts
    finally:
        row.counts = dict(counts)
        history_store.write(row)


def read(service_id: str, *, before: str = "", limit: int = 100) -> list[Change]:
    """Return the last changes of a service, the newest first; with `before`, those before the change with this key."""
    return [
        Change(
            key=row.sk,
            at=datetime.fromisoformat(row.sk.partition("#")[0]),
            who=row.who,
            act=Act(row.act),
            facts=row.facts,
            counts=row.counts,
        )
        for row in history_store.read(service_id, before, limit)
    ]
