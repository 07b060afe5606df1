"""Bookings whose mailer crashes, whose SES fails, and whose records all come twice: `python -m tests.load.outbox`.

`--bookings N` (2,000), `--seed N`, `--json`; `--mark-first` plays the wrong mailer, which marks before it sends. On the
engine that AWS_ENDPOINT_URL names, else on one of its own; on a table of its own. Ends with 1 if a letter was lost or
too many were repeated.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import pairwise

# The first names the table that the others read.
from tests.load.units import Record, Stream, fresh_table, somewhere

# isort: split
from chalicelib.booking import filing
from chalicelib.domain import timetable, tokens
from chalicelib.domain.person import Details
from chalicelib.domain.seat import State
from chalicelib.keys import keys
from chalicelib.mail import letters, outbox, ses
from chalicelib.storage import person_store, seat_store, service_store
from chalicelib.storage.items import SeatItem
from chalicelib.web import clock
from tests.load.office import planned

FAULTS, CRASHES = 0.05, 0.02  # of the letters; half of each before the letter left, half after
BATCH = 100  # records, as infra/deploy/templates/app.yaml has it
LINK = re.compile(r"/requests/([^\s/]+)")
LETTERS = {letters.CONFIRM, letters.CONVOCATION}
WHAT = {
    "away": FAULTS / 2,
    "away after it left": FAULTS / 2,
    "crash": CRASHES / 2,
    "crash after it left": CRASHES / 2,
    "sent": 1 - FAULTS - CRASHES,
}
Send = Callable[..., str]


class Crash(BaseException):
    """The mailer's process ends here: no handler of the service may see it."""


class Post:
    """SES with its faults, and the crashes of the mailer around it; keeps what left."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.seen = dict.fromkeys(WHAT, 0)

    def send(self, letter: ses.Letter, key: str, **_more: str) -> str:
        """One attempt, and what becomes of it."""
        what = self.chance.choices([*WHAT], [*WHAT.values()])[0]
        self.seen[what] += 1
        if what not in {"away", "crash"}:
            reference, _, kind = key.partition(".")
            self.left[reference, kind].append(" ".join(sorted(set(LINK.findall(letter.text)))))
        if what.startswith("away"):
            raise ses.MailAway(what)
        if what.startswith("crash"):
            raise Crash
        return "sent"


def marking_first(send: Send, people: dict[str, str]) -> Send:
    """The wrong mailer: a letter is marked as sent, and only then sent."""

    def marked(letter: ses.Letter, key: str, **more: str) -> str:
        reference, _, mark = key.partition(".")
        person = person_store.read(people[reference], "aes")
        if person:
            person_store.mark_sent(person, mark)
        return send(letter, key, **more)

    return marked


def book(bookings: int) -> dict[str, str]:
    """So many requests, each filed and confirmed; the person key of each reference."""
    now, people = clock.now(), dict[str, str]()
    service = planned(bookings // 500 + 1, weeks_ahead=3)
    planned_keys = timetable.planned_seats(service, timetable.weeks_to_create(service, now)[-1])[:bookings]
    tickets = [keys().hold_token(key) for key in planned_keys]
    with SeatItem.batch_write() as batch:
        for ticket in tickets:
            row = seat_store.new_item(ticket.seat, now)
            row.state, row.hold, row.captcha_passed = State.HELD, tokens.digest(ticket.secret), True
            row.until = now + timedelta(minutes=15)
            batch.save(row)
    for number, ticket in enumerate(tickets):
        name = "".join("bcdfghijkl"[int(digit)] for digit in str(number))
        details = Details("Awa", name, "", date(1990, 5, 17), f"awa@{name.lower()}.example", "06 12 34 56 78", "fr")
        filed = filing.file(str(ticket), details, now=clock.now())
        seat_store.confirm(filed.seat.key, filed.seat.hold, clock.now())
        people[filed.reference] = filed.person.key if filed.person else ""
    return people


def deliver(batch: Sequence[Record], send: Send) -> None:
    """A batch as Lambda gives it: again from the record that failed, or whole after a crash, until it is done."""
    while batch:
        try:
            failed = outbox.deliver(batch, now=clock.now(), send=send)
        except Crash:
            service_store.forget()  # a new process
            continue
        batch = [record for record in batch if int(record[0]) >= int(failed[0])] if failed else []


def play(bookings: int, seed: int, *, mark_first: bool = False) -> dict[str, int | float]:
    """Book, deliver every record twice, and count the letters."""
    start = time.monotonic()
    with fresh_table() as arn:
        people, stream, records = book(bookings), Stream(arn), list[Record]()
        booked = time.monotonic()
        while len(records) < bookings * len(LETTERS):
            records += stream.due()
        post = Post(random.Random(seed))
        send = marking_first(post.send, people) if mark_first else post.send
        batches = [records[first : first + BATCH] for first in range(0, len(records), BATCH)]
        deliver(batches[0], send)
        for before, after in pairwise(batches):
            deliver(after, send)
            deliver(before, send)
        deliver(batches[-1], send)
    sent = {letter: len(links) for letter, links in post.left.items()}
    return {
        "bookings": len(people),
        "letters due": len(records),
        "lost": sum((reference, kind) not in sent for reference in people for kind in LETTERS),
        "repeated": sum(sent.values()) - len(sent),
        "with another link": sum(len(set(links)) > 1 for links in post.left.values()),
        **post.seen,
        "seconds to book": round(booked - start, 1),
        "seconds to send": round(time.monotonic() - booked, 1),
    }


def is_right(seen: dict[str, int | float]) -> bool:
    """No letter lost, none repeated but those that left without a word of it, and every repeat with the same link."""
    unheard = seen["crash after it left"] + seen["away after it left"]
    return seen["lost"] == seen["with another link"] == 0 and seen["repeated"] <= unheard


def main() -> None:
    """Print the figures."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--bookings", type=int, default=2_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--mark-first", action="store_true")
    asked.add_argument("--json", action="store_true")
    wish = asked.parse_args()
    with somewhere():
        seen = play(wish.bookings, wish.seed, mark_first=wish.mark_first)
    print(json.dumps(seen) if wish.json else "\n".join(f"{value:>8g}  {what}" for what, value in seen.items()))
    sys.exit(not is_right(seen))


if __name__ == "__main__":
    main()
