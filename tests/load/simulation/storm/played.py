"""Play a storm on this machine: a crowd in this process, the fast setting's web servers, and the emulator's table."""

import json
import os
import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psutil

from chalicelib.domain.tokens import Keys
from chalicelib.storage import service_store
from tests.load.rush import fast, plan
from tests.load.rush.target import open_seats
from tests.load.simulation.seats import CACHE_SECONDS
from tests.load.simulation.storm.crowd import CALENDAR, DESKS, FIRST_FREE, FULL, HELD, LOOK, Person, Reply, StormAnswer
from tests.load.simulation.storm.metered import HEADER
from tests.stack.volley import PATIENCE, READ, request

OPEN_SINCE = timedelta(minutes=1)
NETWORK_HOLDS = "30"
"""As in infra/deploy/templates/app.yaml. Each person has a client network, so that nobody reaches this limit."""
HEADERS = re.compile(r"^([^:\s]+): (.*?)\r?$", re.MULTILINE)
JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass(frozen=True)
class Metered(StormAnswer):
    """An answer with its CPU seconds in the application and in the crowd, and its calls to the table by name."""

    line: int
    server: int
    cpu: float
    crowd: float
    calls: Counter[str]


@dataclass
class Played:
    """A storm that was played: its answers, its seconds, and the CPU seconds of each program in it."""

    answers: list[Metered] = field(default_factory=list)
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "Played") -> "Played":
        cpu = {name: seconds + other.cpu[name] for name, seconds in self.cpu.items()}
        return Played(self.answers + other.answers, self.seconds + other.seconds, cpu)

    def per_answer(self, program: str, named: float) -> float:
        """Return the CPU seconds of a program for each answer, without those that the answers name."""
        return (self.cpu[program] - named) / len(self.answers)

    @property
    def connections(self) -> list[int]:
        """Return how many connections each server had: each accepts those that it sees first."""
        first: dict[int, int] = {}
        for answer in self.answers:
            first.setdefault(answer.line, answer.server)
        return sorted(Counter(first.values()).values())

    @property
    def cores(self) -> float:
        """Return how many cores the other programs of this machine left."""
        own = sum(self.cpu[name] for name in ("crowd", "servers", "emulator"))
        return (os.cpu_count() or 1) - max(0.0, self.cpu["machine"] - own) / self.seconds


def process_cpu(pid: int) -> float:
    """Return the CPU seconds of a process, exact to nanoseconds: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


class Servers:
    """The running servers and their table."""

    def __init__(self, site: fast.Site) -> None:
        self.site, self.keys = site, Keys(site.secret)
        url = urlsplit(site.url)
        self.host = (url.hostname or "", url.port or 80)
        family = psutil.Process().children(recursive=True)
        web = next(process for process in family if process.cmdline()[1:3] == ["-m", "granian"])
        self.programs = {
            "servers": [process.pid for process in (web, *web.children(recursive=True))],
            "emulator": [process.pid for process in family if process.cmdline()[1:2] == ["-P"]],
        }
        self.people = 0
        """How many have come until now. Each has a client network."""

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each program, and of the whole machine."""
        times = psutil.cpu_times()
        busy = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        programs = {name: sum(map(process_cpu, pids)) for name, pids in self.programs.items()}
        return {**programs, "crowd": time.thread_time(), "machine": busy}

    def storm(self, service: str, crowd: Sequence[Person], at_once: int) -> Played:
        """Play a storm on a service when no server has its seats in its cache any more."""
        time.sleep(CACHE_SECONDS)
        storm = PlayedStorm(self, service, crowd)
        self.people += len(crowd)
        return storm.play(at_once)


def create_seats(service: str, seats: int) -> None:
    """Create the seats of the released week."""
    open_seats(plan.keys(service, seats, datetime.now(UTC).date()), datetime.now(UTC) - OPEN_SINCE)


@dataclass
class Connection:
    """A connection that is used again and again: what is asked on it now, by whom, and what has arrived."""

    connection: socket.socket
    index: int
    number: int = 0
    person: Person | None = None
    asked: int = 0
    sent: float = 0.0
    received: bytes = b""


class PlayedStorm:
    """A crowd with a connection for each person who is present, in one thread."""

    def __init__(self, place: Servers, service: str, crowd: Sequence[Person]) -> None:
        self.place, self.path = place, f"{place.site.url}/services/{service}"
        now = datetime.now(UTC)
        keys = plan.keys(service, plan.SLOTS * plan.DAYS * DESKS, now.date())[::DESKS]
        self.week, self.slots = keys[0].week, [(key.day.isoformat(), f"{key.start:%H:%M}") for key in keys]
        self.numbers = {slot: number for number, slot in enumerate(self.slots)}
        self.headers = [
            JSON
            | plan.cdn_headers(place.keys.cdn_secret, plan.network(place.people + number))
            | {"Cookie": f"visit={place.keys.visitor_token(now)}", "Connection": "keep-alive"}
            for number in range(len(crowd))
        ]
        self.queue = iter(enumerate(crowd))
        self.lines = selectors.DefaultSelector()
        self.played = Played()
        self.began = 0.0

    def play(self, at_once: int) -> Played:
        """Send everything, and return the storm when the last person has an answer."""
        with self.lines, ExitStack() as connections:
            lines = [
                Connection(connections.enter_context(socket.create_connection(self.place.host, PATIENCE)), index)
                for index in range(at_once)
            ]
            start, self.began = self.place.cpu(), time.perf_counter()
            for line in lines:
                self.lines.register(line.connection, selectors.EVENT_READ, line)
                self.next_person(line)
            while self.lines.get_map():
                ready = self.lines.select(PATIENCE)
                if not ready:
                    raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
                for key, _ in ready:
                    self.receive(key.data)
            self.played.seconds = time.perf_counter() - self.began
            self.played.cpu = {name: seconds - start[name] for name, seconds in self.place.cpu().items()}
        return self.played

    def next_person(self, line: Connection) -> None:
        """Let the next person begin on this connection."""
        line.number, line.person = next(self.queue, (0, None))
        asked = next(line.person, None) if line.person else None
        if asked is None:
            self.lines.unregister(line.connection)
        else:
            self.send(line, asked)

    def send(self, line: Connection, asked: int) -> None:
        """Send a request."""
        line.asked, line.sent, line.received = asked, time.perf_counter() - self.began, b""
        line.connection.sendall(self.content(asked, self.headers[line.number]))

    def content(self, asked: int, headers: dict[str, str]) -> bytes:
        """Return the bytes of a request."""
        if asked == LOOK:
            return request("GET", f"{self.path}/slots?week={self.week}", headers)
        if asked == FIRST_FREE:
            wish: dict[str, Any] = {"first_free": True}
        else:
            wish = dict(zip(("date", "start"), self.slots[asked], strict=True))
        return request(
            "POST", f"{self.path}/holds", headers, json.dumps({**wish, "conditions_accepted": True}).encode()
        )

    def receive(self, line: Connection) -> None:
        """Receive what has arrived. At the end of the answer let the person go on."""
        before = time.thread_time()
        line.received += line.connection.recv(READ)
        head, _, body = line.received.partition(b"\r\n\r\n")
        headers = {name.lower(): value for name, value in HEADERS.findall(head.decode())}
        if not body or len(body) < int(headers["content-length"]):
            return
        answered, asked, number = time.perf_counter() - self.began, line.asked, line.number
        assert line.person
        reply, sent = self.read_reply(asked, int(head[9:12]), json.loads(body)), line.sent
        try:
            self.send(line, line.person.send(reply))
        except StopIteration:
            self.next_person(line)
        server, cpu, *calls = headers[HEADER.lower()].split()
        counts = Counter({name: int(count) for name, _, count in (call.partition("=") for call in calls)})
        crowd = time.thread_time() - before
        spent = (line.index, int(server), float(cpu), crowd, counts)
        self.played.answers.append(Metered(number, asked, sent, answered, reply.outcome, *spent))

    def read_reply(self, asked: int, status: int, document: dict[str, Any]) -> Reply:
        """Read an answer. Raise ValueError for one that nobody in a storm may get."""
        if status == 200 and asked == LOOK:
            free = [(day["date"], slot["start"]) for day in document["days"] for slot in day["slots"] if slot["free"]]
            return Reply(CALENDAR if free else FULL, [self.numbers[slot] for slot in free])
        if status == 201:
            return Reply(HELD)
        if status != 409:
            raise ValueError(f"status {status}: {document}")
        nearest = [self.numbers[slot["date"], slot["start"]] for slot in document.get("nearest", ())]
        return Reply(document["type"].rpartition(":")[2], nearest)


def repeat(asked: int, seconds: float) -> Generator[int, Reply, None]:
    """Ask for the same again and again."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        yield asked


@contextmanager
def serving(services: Sequence[str]) -> Iterator[Servers]:
    """Start the fast setting with these services. Without the mailer: a hold has no letter."""
    settings = plan.Settings("", "", 1, plan.SLOTS * plan.DAYS * DESKS, 1, 1, 1, 1, "", seat_after="choice")
    first, *others = (plan.document(service, settings) for service in services)
    application = "tests.load.simulation.storm.metered:application"
    with fast.running(first, origin_holds=NETWORK_HOLDS, application=application, letters=False) as site:
        for document in others:
            service_store.put(document)
        yield Servers(site)
