"""What the load tester asked for, what a process of the crowd is told to play, and the service that it plays at."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from urllib.parse import urlsplit

import yaml

from chalicelib.model import SeatKey
from infra.laptop import HOST, STAGE
from infra.package import ROOT

ANSWER = "RUSH42"
HERE_AT_ONCE = 2
"""Requests on their way to one function at once on this machine: its engine starts a process for each."""
MOST_VISITORS, MOST_SEATS = 1_000_000, 100_000
SLOTS = 96  # of five minutes, from nine to five
DAYS = 5
BOTS = 0.02
"""How many of the crowd are programs that hammer."""


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
    answer: str
    inbox: str

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
        at_once=number("AT_ONCE", 10_000 if url else HERE_AT_ONCE, 10_000),
        answer=env.get("ANSWER", "") or ("" if url else ANSWER),
        inbox=env.get("INBOX", ""),
    )


@dataclass(frozen=True)
class Plan:
    """What one process of the crowd is to play. `mail` is the inbox, empty where letters cannot be read."""

    url: str
    service: str
    opens_at: float
    first: int
    visitors: int
    rate: float
    haste: float
    at_once: int
    answer: str
    mail: str
    records: str
    progress: str

    @property
    def bots(self) -> int:
        """How many of the visitors are programs."""
        return round(self.visitors * BOTS)


def document(service: str) -> dict[str, Any]:
    """The file of a service like the seed's, closed so that its rules make no seat."""
    made: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    today = datetime.now(UTC).date()
    closure = {"first": today.isoformat(), "last": (today + timedelta(days=60)).isoformat()}
    release = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}
    return made | {"id": service, "closures": [closure], "release": release}


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
