"""Deliver letters although mailers crash, SES fails and every record arrives twice: `python -m tests.load.outbox`.

`--bookings N` (2,000), `--mailers N` at once (4), `--seed N`, `--json`; `--mark-first` uses a wrong mailer that marks a
letter before it sends it. Uses the emulator at AWS_ENDPOINT_URL, or starts one, and creates its own table.
Exits with 1 if a letter was lost or too many were repeated.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from itertools import chain, pairwise
from threading import Lock

# This import sets the environment that the imports below read.
from tests.load.units import Record, Stream, fresh_table, somewhere

# isort: split
from chalicelib.booking import filing, holds
from chalicelib.domain import timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import State
from chalicelib.keys import keys
from chalicelib.mail import lanes, outbox, ses
from chalicelib.mail.letter_kinds import LetterKind
from chalicelib.storage import person_store, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock
from tests.load.office import planned

FAULTS, CRASHES = 0.05, 0.02  # shares of the attempts; half of each happen before the letter is sent, half after
BATCH = 100  # records, as infra/deploy/templates/app.yaml has it
LINK = re.compile(r"/requests/([^\s/]+)")
LETTERS = {LetterKind.CONFIRM, LetterKind.CONVOCATION}
EVENTS = {
    "away": FAULTS / 2,
    "away after it left": FAULTS / 2,
    "crash": CRASHES / 2,
    "crash after it left": CRASHES / 2,
    "sent": 1 - FAULTS - CRASHES,
}
Send = Callable[..., str]


class Crash(BaseException):
    """Ends the mailer's process. It is a BaseException, so that the service does not handle it."""


class FaultySes:
    """SES with faults, and crashes of the mailer before and after it. It stores the links of all letters sent."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.lock = chance, Lock()
        self.sent: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.events = dict.fromkeys(EVENTS, 0)

    def send(self, letter: ses.Letter, key: str, **_more: str) -> str:
        """Send a letter, fail or crash at random."""
        reference, _, kind = key.partition(".")
        with self.lock:
            event = self.chance.choices([*EVENTS], [*EVENTS.values()])[0]
            self.events[event] += 1
            if event not in {"away", "crash"}:
                self.sent[reference, kind].append(" ".join(sorted(set(LINK.findall(letter.text)))))
        if event.startswith("away"):
            raise ses.MailAway(event)
        if event.startswith("crash"):
            raise Crash
        return "sent"


def marking_first(send: Send, people: dict[str, str]) -> Send:
    """Return the sending function of a wrong mailer, which marks a letter as sent before it sends it."""

    def mark_and_send(letter: ses.Letter, key: str, **more: str) -> str:
        reference, _, mark = key.partition(".")
        person = person_store.read(people[reference], "aes")
        if person:
            person_store.mark_sent(person, mark)
        return send(letter, key, **more)

    return mark_and_send


def book(bookings: int) -> dict[str, str]:
    """File and confirm this number of requests. Return the person key by reference."""
    now, people = clock.now(), dict[str, str]()
    service = planned(bookings // 500 + 1, weeks_ahead=3)
    planned_keys = timetable.planned_seats(service, timetable.weeks_to_create(service, now)[-1])[:bookings]
    hold_tokens = [keys().hold_token(key) for key in planned_keys]
    with SeatItem.batch_write() as batch:
        for token in hold_tokens:
            row = seat_store.new_item(token.seat, now)
            row.state, row.hold, row.captcha_passed = State.HELD, tokens.digest(token.secret), True
            row.until = now + timedelta(minutes=15)
            batch.save(row)
    for number, token in enumerate(hold_tokens):
        name = "".join("bcdfghijkl"[int(digit)] for digit in str(number))
        details = Details("Awa", name, "", date(1990, 5, 17), f"awa@{name.lower()}.example", "06 12 34 56 78", "fr")
        request = filing.file(holds.view_ready(str(token), clock.now()), details, now=clock.now())
        seat_store.confirm(request.seat.key, request.seat.hold, clock.now())
        people[request.reference] = request.person.key if request.person else ""
    return people


def deliver(batch: Sequence[Record], send: Send) -> None:
    """Deliver a batch as Lambda does, until it succeeds: again from the first failed record, or whole after a crash."""
    while batch:
        try:
            failed = outbox.deliver(batch, now=clock.now(), send=send, at_once=outbox.AT_ONCE)
        except Crash:
            service_store.clear_caches()  # a new process
            continue
        first = min((int(number) for number in failed), default=None)
        batch = [record for record in batch if int(record[0]) >= first] if first is not None else []


def deliver_twice(records: Sequence[Record], send: Send) -> None:
    """Deliver the records of one mailer in batches, each of them a second time after the next one."""
    batches = [records[first : first + BATCH] for first in range(0, len(records), BATCH)]
    deliver(batches[0], send)
    for before, after in pairwise(batches):
        deliver(after, send)
        deliver(before, send)
    deliver(batches[-1], send)


def shares(records: Sequence[Record], mailers: int) -> list[list[Record]]:
    """Divide the records among the mailers as Lambda does: those of an item go to the same one, in their order."""
    items = lanes.split(records)
    return [
        sorted(chain.from_iterable(items[mailer::mailers]), key=lambda record: int(record[0]))
        for mailer in range(min(mailers, len(items)))
    ]


def play(bookings: int, seed: int, *, mailers: int = 1, mark_first: bool = False) -> dict[str, int | float]:
    """Book, let several mailers at once deliver every record twice, and count the letters that were sent."""
    start = time.monotonic()
    with fresh_table() as arn:
        people, stream, records = book(bookings), Stream(arn), list[Record]()
        booked = time.monotonic()
        while len(records) < bookings * len(LETTERS):
            records += stream.due()
        ses_with_faults = FaultySes(random.Random(seed))
        send = marking_first(ses_with_faults.send, people) if mark_first else ses_with_faults.send
        with ThreadPoolExecutor(mailers) as pool:
            list(pool.map(partial(deliver_twice, send=send), shares(records, mailers)))
    sent = {letter: len(links) for letter, links in ses_with_faults.sent.items()}
    return {
        "bookings": len(people),
        "letters due": len(records),
        "lost": sum((reference, kind) not in sent for reference in people for kind in LETTERS),
        "repeated": sum(sent.values()) - len(sent),
        "with another link": sum(len(set(links)) > 1 for links in ses_with_faults.sent.values()),
        **ses_with_faults.events,
        "seconds to book": round(booked - start, 1),
        "seconds to send": round(time.monotonic() - booked, 1),
    }


def is_correct(figures: dict[str, int | float]) -> bool:
    """Return whether no letter was lost, and each repeat follows an unreported success and has the same link."""
    unreported = figures["crash after it left"] + figures["away after it left"]
    return figures["lost"] == figures["with another link"] == 0 and figures["repeated"] <= unreported


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bookings", type=int, default=2_000)
    parser.add_argument("--mailers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mark-first", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with somewhere():
        figures = play(options.bookings, options.seed, mailers=options.mailers, mark_first=options.mark_first)
    print(json.dumps(figures) if options.json else "\n".join(f"{value:>8g}  {name}" for name, value in figures.items()))
    sys.exit(not is_correct(figures))


if __name__ == "__main__":
    main()
