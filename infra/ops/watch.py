"""The command `watch`: a service while people book, on one screen, from the table alone."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from gettext import gettext as _
from typing import Any

import typer
from rich.console import Group
from rich.live import Live

from chalicelib.booking.weeks import weeks_with_seats
from chalicelib.domain.refusals import TooManyRequests, Unavailable
from chalicelib.domain.seat import Seat, State
from chalicelib.domain.service import Service
from chalicelib.mail import outbox
from chalicelib.storage import person_store, pulse_store
from chalicelib.storage.pulse_store import Success
from infra.ops import output
from infra.ops.options import STAGE_DEFAULT, Json, ServiceId, StageName
from infra.ops.seat_status import SeatStatus, seat_status
from infra.ops.session import Session, open_session

PAUSE = 2.0
"""Seconds between two looks."""
NO_ANSWER = "the table does not answer: trying again"


@dataclass(frozen=True)
class Snapshot:
    """What the table says of a service at a moment."""

    at: datetime
    seats: Counter[SeatStatus]
    holds: int
    """How many holds the stored seats have had."""
    holds_per_second: float | None
    """Since the snapshot before, if there is one."""
    letters_waiting: int
    """First letters of pending requests that were not sent."""
    oldest_letter: timedelta
    canary: Success | None

    def document(self, service: Service) -> dict[str, Any]:
        """Return the snapshot as a JSON document."""
        return {
            "service": service.id,
            "at": self.at,
            "seats": {status.key: self.seats[status] for status in SeatStatus},
            "holds_had": self.holds,
            "letters_waiting": self.letters_waiting,
            "oldest_letter_seconds": int(self.oldest_letter.total_seconds()),
            "canary": self.canary
            and {"last_success": self.canary.at, "milliseconds": round(self.canary.took / timedelta(milliseconds=1))},
        }

    def facts(self) -> list[str]:
        """Return what is not a number of seats: holds a second, letters, the canary."""
        rate = "…" if self.holds_per_second is None else f"{self.holds_per_second:.1f}"
        oldest = (
            _(", the oldest for {:.0f} s").format(self.oldest_letter.total_seconds()) if self.letters_waiting else ""
        )
        return [
            _("{} holds a second").format(rate),
            _("{} waiting{}").format(output.count(self.letters_waiting, "first letter"), oldest),
            _("canary: {}").format(self._canary()),
        ]

    def _canary(self) -> str:
        if self.canary is None:
            return _("no trial has passed yet")
        age = max((self.at - self.canary.at).total_seconds(), 0)
        return _("passed {:.0f} s ago, in {:.1f} s").format(age, self.canary.took.total_seconds())

    def line(self, service: Service) -> str:
        """Return the snapshot on one line."""
        seats = ", ".join(f"{number} {_(status)}" for status in SeatStatus if (number := self.seats[status]))
        return "; ".join((f"{self.at.astimezone(service.zone):%H:%M:%S}", seats or _("no seat"), *self.facts()))

    def screen(self, service: Service, stage: str) -> Group:
        """Return the snapshot as a table and some lines."""
        rows = [(status, self.seats[status]) for status in SeatStatus if self.seats[status]]
        moment = f"{output.moment(self.at, service.zone)}:{self.at:%S}"
        return Group(
            _("{} on {}, {}").format(service.id, stage, moment), output.table(("seats", ""), rows), *self.facts()
        )


@dataclass
class Watcher:
    """Looks at a service again and again."""

    service: Service
    before: Snapshot | None = None
    sent: set[tuple[str, int]] = field(default_factory=set)
    """The requests, by hold and number of e-mail corrections, whose first letter need not be looked for again."""

    def look(self, now: datetime) -> Snapshot:
        """Read all seats of the service, the people of new requests, and the canary's item."""
        seats = [seat for _, week in weeks_with_seats(self.service, now) for seat in week]
        waiting = self._waiting_letters(seats)
        holds = sum(seat.holds_had for seat in seats)
        rate = None
        if self.before and now > self.before.at:
            rate = max(holds - self.before.holds, 0) / (now - self.before.at).total_seconds()
        oldest = min((seat.filed_at for seat in waiting if seat.filed_at), default=now)
        self.before = Snapshot(
            now,
            Counter(seat_status(self.service, seat, now) for seat in seats),
            holds,
            rate,
            len(waiting),
            now - oldest,
            pulse_store.last_success(),
        )
        return self.before

    def _waiting_letters(self, seats: list[Seat]) -> list[Seat]:
        """Return the pending seats whose first letter was not sent, and can be delivered."""
        unknown = [
            seat for seat in seats if seat.state is State.PENDING and (seat.hold, seat.generation) not in self.sent
        ]
        people = person_store.read_many(self.service.id, [(seat.person, seat.hold) for seat in unknown])
        waiting = []
        for seat in unknown:
            person = people.get(seat.hold)
            if person and not person.stopped and outbox.first_mark(seat.generation) not in person.sent:
                waiting.append(seat)
            else:
                self.sent.add((seat.hold, seat.generation))
        return waiting


def watch(
    ctx: typer.Context, service_id: ServiceId, stage: StageName = STAGE_DEFAULT, *, as_json: Json = False
) -> None:
    """Show a service every two seconds until Ctrl-C: seats, holds a second, letters that wait, the canary.

    Without a terminal it prints a line for each look, and with `--json` one document.
    """
    with open_session(ctx, stage, as_json=as_json) as session:
        watcher = Watcher(session.service(service_id))
        snapshot = watcher.look(session.now)
        if as_json:
            session.show(snapshot.document(watcher.service))
            return
        with suppress(KeyboardInterrupt):
            follow(session, watcher, snapshot)


def follow(
    session: Session, watcher: Watcher, snapshot: Snapshot, *, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Show a snapshot and those after it, until a KeyboardInterrupt. While the table is away, show the last one."""
    service, is_screen = watcher.service, session.out.is_terminal
    with Live(console=session.out, auto_refresh=False) if is_screen else nullcontext() as screen:
        trouble = ""
        while True:
            if screen:
                screen.update(Group(snapshot.screen(service, session.stage), trouble), refresh=True)
            else:
                session.show(None, trouble or snapshot.line(service))
            sleep(PAUSE)
            try:
                snapshot, trouble = watcher.look(session.clock()), ""
            except (TooManyRequests, Unavailable):
                trouble = _(NO_ANSWER)
