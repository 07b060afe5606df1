"""The settings of a rush, the plan of each crowd process, and the service and seats of the rush."""

import math
import os
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import yaml

from chalicelib.domain.codec import WEEKDAYS
from chalicelib.domain.seat import SeatKey
from infra.deploy.package import ROOT
from infra.local.settings import HOST, STAGE

SERVICE_CACHE_SECONDS = 61.0
"""After this time, every function has read the services again."""
LOCAL_CONCURRENCY = 2
"""Concurrent requests to one function on this machine, where the emulator starts a process for each."""
LAMBDAS, FAST = "lambdas", "fast"
"""The local settings: the packaged stack on the emulator, or web servers before the table."""
MOST_WITH_LAMBDAS = 20_000
"""Beyond so many visitors the fast setting is the default: the emulator takes seven minutes for 10,000."""
FAST_CONCURRENCY = 16
"""Concurrent requests to one function in the fast setting."""
RATE, FAST_RATE = 60, 450
"""Visitors a second before the opening, each with two requests. The fast setting answers about 1,300 on two cores."""
HASTE, FAST_HASTE = 0.5, 1.2
"""Default of HASTE, and of HASTE in the fast setting: this share of the seconds in which all visitors arrive."""
MOST_VISITORS, MOST_SEATS = 1_000_000, 100_000
MOST_LOCAL_SEATS = 10_000
"""On this machine. With 100,000 the emulator no longer answers in time."""
SLOTS = 96  # of five minutes, from nine to five
WORKING_DAYS = list(WEEKDAYS[:5])
DAYS = len(WORKING_DAYS)
PEOPLE = "people"
"""The group of the visitors that are not programs."""
HAMMERING, SOLVING, MANY = KINDS = ("hammering", "solving", "many")
"""The kinds of programs: those that cannot pass the captcha, those that can, and those with several identities."""
BOTS, MOST_BOTS = 0.02, 0.5
"""The share of programs among the visitors: default and maximum."""
SEAT_AFTER = ("crowd", "captcha", "choice")
"""The values of `seat_after` in a service file; the first is the default."""
MOST_BATCH = 300
"""The longest batch of a service file, in seconds."""
IDENTITIES = 5
"""How many applicants, cookies and client networks a program of the kind `many` has."""
SOLVING_SECONDS = 2.0
"""Seconds that a solving program takes for the captcha."""
WITHOUT_SCRIPT = 0.1
"""The share of people who press a button when their turn comes. The page of the others goes on by itself."""
FIRST_NETWORK = IPv4Address("10.0.0.0")
"""The first of the invented IP addresses. They appear in a header only: no traffic goes there."""


MOST_DIGITS = 20
VISIBLE = re.compile(r"[!-~]+")
"""The characters of a URL: ASCII without spaces."""


class CannotRush(SystemExit):
    """Raised when the rush cannot run. The message is one line that says why."""


@dataclass(frozen=True)
class Settings:
    """The settings of a rush, as `python -m tests.load.rush` documents them."""

    url: str
    stage: str
    visitors: int
    seats: int
    rate: int
    haste: int
    """How slow people are, in seconds, as `first_request` reads it: a larger value means slower people."""
    workers: int
    at_once: int
    inbox: str
    bots: float = BOTS
    kinds: tuple[str, ...] = (HAMMERING,)
    seat_after: str = SEAT_AFTER[0]
    batch: int = 0
    local: str = ""
    """The local setting that the program starts; empty with a URL."""


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read the settings from the environment. Raise CannotRush for an invalid one."""

    def number(name: str, default: int, most: int, least: int = 1) -> int:
        value = env.get(name) or str(default)
        is_number = value.isdecimal() and len(value) <= MOST_DIGITS  # Python reads no number of 4,301 digits
        if not is_number or not least <= int(value) <= most:
            short = repr(value[:MOST_DIGITS]) + "…" * (len(value) > MOST_DIGITS)
            raise CannotRush(f"guichet: {name} must be a whole number from {least} to {most:,}, not {short}")
        return int(value)

    url, inbox = url_setting(env, "URL", "an API"), url_setting(env, "INBOX", "an inbox")
    is_local = not url or urlsplit(url).hostname in {HOST, "localhost"}
    stage = env.get("STAGE", "") or (STAGE if is_local else "")
    if not stage:
        raise CannotRush(f"guichet: set STAGE to the stage of {url}, because the rush creates seats in its table")
    visitors = number("VISITORS", 2000, MOST_VISITORS)
    local = "" if url else local_setting(env.get("LOCAL") or (LAMBDAS if visitors <= MOST_WITH_LAMBDAS else FAST))
    is_fast = local == FAST
    at_once = (FAST_CONCURRENCY if is_fast else LOCAL_CONCURRENCY) if is_local else 10_000
    rate = number("RATE", FAST_RATE if is_fast else RATE, 100_000)
    return Settings(
        url=url,
        stage=stage,
        visitors=visitors,
        seats=number("SEATS", 200, MOST_LOCAL_SEATS if is_local else MOST_SEATS),
        rate=rate,
        haste=number("HASTE", max(1, round(visitors / rate * (FAST_HASTE if is_fast else HASTE))), 100_000),
        workers=number("WORKERS", 1, os.cpu_count() or 1),
        at_once=number("AT_ONCE", at_once, 10_000),
        inbox=inbox,
        bots=share_of_programs(env.get("BOTS") or str(BOTS)),
        kinds=kinds_of_programs(env.get("KINDS") or HAMMERING),
        seat_after=seat_rule(env.get("SEAT_AFTER") or SEAT_AFTER[0]),
        batch=number("BATCH", 0, MOST_BATCH, least=0),
        local=local,
    )


def url_setting(env: Mapping[str, str], name: str, what: str) -> str:
    """Read a URL, without slashes at its end. Raise CannotRush unless it is empty, or an http or https URL."""
    url = env.get(name, "").rstrip("/")
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and VISIBLE.fullmatch(url)
    except ValueError:  # brackets around no IPv6 address; a port that is not a number
        is_url = False
    if url and not is_url:
        raise CannotRush(f"guichet: {name} must be the URL of {what}, like https://example.org/api, not {url!r}")
    return url


def local_setting(value: str) -> str:
    """Read LOCAL. Raise CannotRush for an unknown setting."""
    if value not in {LAMBDAS, FAST}:
        raise CannotRush(f"guichet: LOCAL must be {LAMBDAS} or {FAST}, not {value!r}")
    return value


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
            raise CannotRush(
                f"guichet: KINDS must be one or more of {', '.join(KINDS)}, separated by commas, not {name!r}"
            )
    return names


def seat_rule(value: str) -> str:
    """Read SEAT_AFTER. Raise CannotRush for an unknown rule."""
    if value not in SEAT_AFTER:
        raise CannotRush(f"guichet: SEAT_AFTER must be one of {', '.join(SEAT_AFTER)}, not {value!r}")
    return value


def part(total: int, parts: int, number: int) -> range:
    """Divide the numbers below `total` into `parts` equal ranges, and return range `number`."""
    return range(total * number // parts, total * (number + 1) // parts)


def programs(settings: Settings, worker: int) -> dict[str, int]:
    """Count the programs of each kind in one worker. Over all workers, each kind has an equal share."""
    numbers = part(round(settings.visitors * settings.bots), settings.workers, worker)
    return dict(Counter(settings.kinds[number % len(settings.kinds)] for number in numbers))


def first_request(chance: random.Random, haste: float) -> float:
    """Return how many seconds after the opening a person first asks for a seat: fewer than twice HASTE.

    The seconds are exponential without those from twice HASTE on, so their mean is 0.69 times HASTE.
    """
    return chance.expovariate(1 / haste) % (2 * haste)


def lateness(chance: random.Random) -> float:
    """Return how many seconds after its turn a person asks for the seat."""
    return chance.uniform(2, 5) if chance.random() < WITHOUT_SCRIPT else chance.uniform(0.1, 0.5)


# The visitors' identities


def identity(visitor: int, persona: int = 0) -> int:
    """Number an identity of a visitor. Only a program of the kind `many` has more than one."""
    return visitor + persona * MOST_VISITORS


def network(number: int) -> str:
    """Return the invented IPv4 address of an identity."""
    return str(FIRST_NETWORK + number)


def mailbox(number: int, service: str) -> str:
    """Return the e-mail address of an identity, in its own domain."""
    return f"awa@v{number}-{service}.example"


def cdn_headers(cdn_secret: str, ip_address: str) -> dict[str, str]:
    """Return the headers that the stage's own CDN adds to the request of a visitor.

    The service reads the last but one entry of X-Forwarded-For. API Gateway appends an entry and the local stack does
    not, so the IP address is sent twice: it is the last but one entry in both cases.
    """
    return {"X-Guichet-Edge": cdn_secret, "X-Forwarded-For": f"{ip_address}, {ip_address}"}


@dataclass(frozen=True)
class Plan:
    """The plan of one crowd process. `mail` is the URL of the inbox, or empty if letters cannot be read."""

    url: str
    service: str
    opens_at: float
    first: int
    visitors: int
    programs: Mapping[str, int]
    rate: float
    haste: float
    at_once: int
    shares_connections: bool
    """Whether visitors use the same connections, as API Gateway's are when it calls the functions."""
    mail: str
    records: str
    progress: str


def opening(settings: Settings, now: datetime, settle: float) -> datetime:
    """Return when the seats open: a while after the last arrival.

    With a batch it is a whole minute, as in a service file, and late enough that each function has read the file anew:
    those of the fast setting have not read it before.
    """
    seconds = settings.visitors / settings.rate + settle
    if not settings.batch:
        return now.replace(microsecond=0) + timedelta(seconds=seconds)
    earliest = now + timedelta(seconds=seconds if settings.local == FAST else max(seconds, SERVICE_CACHE_SECONDS))
    return earliest.replace(second=0, microsecond=0) + timedelta(minutes=1)


def check_opening(settings: Settings, opens_at: datetime, now: datetime) -> None:
    """Raise CannotRush if visitors would arrive after the opening, because the seats were written too slowly."""
    if now + timedelta(seconds=settings.visitors / settings.rate) > opens_at:
        raise CannotRush(
            f"guichet: writing the {settings.seats:,} seats took so long that visitors would arrive after the opening: "
            "run this again, with fewer SEATS"
        )


def document(service: str, settings: Settings, opens_at: datetime | None = None) -> dict[str, Any]:
    """Return a service document like the seed's, with enough desks, and a closure: the release creates no seats.

    With `opens_at`, a batch begins then.
    """
    seed: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "services" / "aes.yaml").read_text("utf-8"))
    today = datetime.now(UTC).date()
    closure = {"first": today.isoformat(), "last": (today + timedelta(days=60)).isoformat()}
    release: dict[str, Any] = {"weeks_ahead": 2, "moments": [{"day": "monday", "at": "00:00"}]}
    if opens_at:
        local = opens_at.astimezone(ZoneInfo(seed["timezone"]))
        moment = {"day": WEEKDAYS[local.weekday()], "at": f"{local:%H:%M}"}
        release = {"weeks_ahead": 2, "moments": [moment], "batch_seconds": settings.batch}
    hours = {"days": WORKING_DAYS, "from": "09:00", "to": "17:00"}
    seed["plannings"] = [{"desks": list(range(1, desks(settings.seats) + 1)), "openings": [hours]}]
    return seed | {"id": service, "closures": [closure], "release": release, "seat_after": settings.seat_after}


def desks(seats: int) -> int:
    """Return how many desks give so many seats in five days."""
    return max(2, math.ceil(seats / SLOTS / DAYS))


def keys(service: str, seats: int, today: date) -> list[SeatKey]:
    """Return the keys of the seats: from 9:00 to 17:00 on the working days of the week after the next."""
    monday = today - timedelta(days=today.weekday()) + timedelta(weeks=2)
    at_once = desks(seats)
    opening = datetime.combine(monday, clock_time(9))
    seat_keys = []
    for number in range(seats):
        day, slot = divmod(number // at_once, SLOTS)
        moment = opening + timedelta(days=day, minutes=5 * slot)
        seat_keys.append(SeatKey(moment.date(), moment.time(), number % at_once + 1, service))
    return seat_keys
