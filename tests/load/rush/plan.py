"""What the load tester asked for, what a process of the crowd is told to play, and the service that it plays at."""

import math
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit

import yaml

from chalicelib.domain.seat import SeatKey
from infra.deploy.package import ROOT
from infra.local.stack import HOST, STAGE

HERE_AT_ONCE = 2
"""Requests on their way to one function at once on this machine: its engine starts a process for each."""
MOST_VISITORS, MOST_SEATS = 1_000_000, 100_000
SLOTS = 96  # of five minutes, from nine to five
DAYS = 5
PEOPLE = "people"
"""The group of the visitors that are not programs."""
HAMMERING, SOLVING, MANY = KINDS = ("hammering", "solving", "many")
"""The kinds of programs: without the captcha, with it, and with several identities each."""
BOTS, MOST_BOTS = 0.02, 0.5
"""The share of programs in the crowd: the default and the maximum."""
SEAT_AFTER = ("crowd", "captcha", "choice")
"""When the service takes a seat, as its file says; the first is the default."""
IDENTITIES = 5
"""How many applicants, cookies and client networks a program of the kind `many` has."""
FIRST_NETWORK = IPv4Address("10.0.0.0")
"""Invented addresses: they stand in a header only, and no traffic goes there."""


class CannotRush(SystemExit):
    """The rush cannot be played; the message is the one line that says why."""


@dataclass(frozen=True)
class Wish:
    """What the load tester asked for."""

    url: str
    stage: str
    visitors: int
    seats: int
    rate: int
    workers: int
    at_once: int
    inbox: str
    bots: float = BOTS
    kinds: tuple[str, ...] = (HAMMERING,)
    seat_after: str = SEAT_AFTER[0]

    @property
    def haste(self) -> float:
        """Seconds within which most come back when the seats open: twice as fast as they arrived."""
        return self.visitors / self.rate / 2


def asked(env: Mapping[str, str]) -> Wish:
    """Read the settings; CannotRush for one that makes no sense."""

    def number(name: str, default: int, most: int) -> int:
        value = env.get(name) or str(default)
        if not value.isdecimal() or not 0 < int(value) <= most:
            raise CannotRush(f"guichet: {name} must be a whole number from 1 to {most:,}, not {value!r}")
        return int(value)

    url = env.get("URL", "").rstrip("/")
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise CannotRush(f"guichet: URL must be the address of a service, like https://example.org/api, not {url!r}")
    here = not url or parts.hostname in {HOST, "localhost"}
    stage = env.get("STAGE", "") or (STAGE if here else "")
    if not stage:
        raise CannotRush(f"guichet: say which stage {url} is: STAGE=name. Its table makes the seats and is checked")
    return Wish(
        url=url,
        stage=stage,
        visitors=number("VISITORS", 2000, MOST_VISITORS),
        seats=number("SEATS", 200, MOST_SEATS),
        rate=number("RATE", 60, 100_000),
        workers=number("WORKERS", 1, os.cpu_count() or 1),
        at_once=number("AT_ONCE", HERE_AT_ONCE if here else 10_000, 10_000),
        inbox=env.get("INBOX", ""),
        bots=share_of_programs(env.get("BOTS") or str(BOTS)),
        kinds=kinds_of_programs(env.get("KINDS") or HAMMERING),
        seat_after=seat_rule(env.get("SEAT_AFTER") or SEAT_AFTER[0]),
    )


def share_of_programs(value: str) -> float:
    """Read BOTS. Raise CannotRush unless it is a share from 0 to 0.5."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|\.[0-9]+", value) or float(value) > MOST_BOTS:
        raise CannotRush(f"guichet: BOTS must be a number from 0 to {MOST_BOTS}, not {value!r}")
    return float(value)


def kinds_of_programs(value: str) -> tuple[str, ...]:
    """Read KINDS, names between commas. Raise CannotRush for an unknown name."""
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",")))
    for name in names:
        if name not in KINDS:
            raise CannotRush(f"guichet: KINDS must be some of {', '.join(KINDS)}, with commas between, not {name!r}")
    return names


def seat_rule(value: str) -> str:
    """Read SEAT_AFTER. Raise CannotRush for an unknown rule."""
    if value not in SEAT_AFTER:
        raise CannotRush(f"guichet: SEAT_AFTER must be one of {', '.join(SEAT_AFTER)}, not {value!r}")
    return value


def part(total: int, parts: int, number: int) -> range:
    """The numbers below `total` that part `number` of so many equal parts gets."""
    return range(total * number // parts, total * (number + 1) // parts)


def programs(wish: Wish, worker: int) -> dict[str, int]:
    """How many programs of each kind one worker plays: over all workers, each kind has an equal share."""
    numbers = part(round(wish.visitors * wish.bots), wish.workers, worker)
    return dict(Counter(wish.kinds[number % len(wish.kinds)] for number in numbers))


# Who the visitors are


def identity(visitor: int, persona: int = 0) -> int:
    """The number of one identity of a visitor. Only a program of the kind `many` has more than one."""
    return visitor + persona * MOST_VISITORS


def network(number: int) -> str:
    """The invented IPv4 address of an identity."""
    return str(FIRST_NETWORK + number)


def mailbox(number: int, service: str) -> str:
    """The e-mail address of an identity, in a domain of its own."""
    return f"awa@v{number}-{service}.example"


def edge_headers(edge: str, address: str) -> dict[str, str]:
    """The headers of a request that the stage's own CDN forwards for the visitor at this address.

    The service reads the last but one entry of X-Forwarded-For. API Gateway appends an entry and the local stack does
    not, so the address is sent twice: it is the last but one in both cases.
    """
    return {"X-Guichet-Edge": edge, "X-Forwarded-For": f"{address}, {address}"}


@dataclass(frozen=True)
class Plan:
    """What one process of the crowd is to play. `mail` is the inbox, empty where letters cannot be read."""

    url: str
    service: str
    opens_at: float
    first: int
    visitors: int
    programs: Mapping[str, int]
    rate: float
    haste: float
    at_once: int
    mail: str
    records: str
    progress: str


def document(service: str, seat_after: str) -> dict[str, Any]:
    """The file of a service like the seed's, closed so that its rules make no seat."""
    made: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    today = datetime.now(UTC).date()
    closure = {"first": today.isoformat(), "last": (today + timedelta(days=60)).isoformat()}
    release = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}
    return made | {"id": service, "closures": [closure], "release": release, "seat_after": seat_after}


def keys(service: str, seats: int, today: date) -> list[SeatKey]:
    """The seats: from nine to five on the working days of the week after the next."""
    monday = today - timedelta(days=today.weekday()) + timedelta(weeks=2)
    desks = max(2, math.ceil(seats / SLOTS / DAYS))
    opening = datetime.combine(monday, clock_time(9))
    found = []
    for number in range(seats):
        day, slot = divmod(number // desks, SLOTS)
        moment = opening + timedelta(days=day, minutes=5 * slot)
        found.append(SeatKey(moment.date(), moment.time(), number % desks + 1, service))
    return found
