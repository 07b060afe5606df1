"""Compare how we give a seat with pretix's cart-add on the same machine: `python -m tests.load.peer [--record]`.

Each round has its own 100 seats and the same crowd. Rounds of pretix and of our server alternate; the rounds of our
Lambda functions follow. Exits with an error if a seat was given twice or lost. `--record` updates docs/peer.md.
"""

from tests.load import stopping

if __name__ == "__main__":
    stopping.stop_at_once()

import os
import platform
import re
import secrets
import sys
import tempfile
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from json import loads
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlencode

import psutil
import yaml

from chalicelib.domain.tokens import Keys
from infra.deploy.package import ROOT
from infra.local.process_guard import die_with_parent
from infra.local.settings import HOST, KEYS, REGION
from infra.local.stack import Stack, running
from tests.load import peerparts
from tests.load.pages import check_sections, write_sections
from tests.stack.storm import GIVEN, SEATS, Verdict, captcha_storm, document, seat_of, seated, storm
from tests.stack.volley import Answer, request, volley
from tests.table import SHAPE

CROWD = 300
AT_ONCE = (1, 8, 32)
ROUNDS = 3
TIME_LIMIT = 420.0  # seconds; no further round starts after it, because a busy machine is slow
AIM = 30  # our holds per second divided by pretix's, at the highest concurrency
PAGE = ROOT / "docs" / "peer.md"
PEER, SERVER, LAMBDAS = "pretix, gunicorn", "Guichet, gunicorn", "Guichet, MiniStack's Lambdas"
CAPTCHA = "Guichet, gunicorn, after the captcha"
SETTINGS = (PEER, SERVER, CAPTCHA, LAMBDAS)
SOLD_OUT = "no longer available"  # the message of pretix when the quota is used up
COLUMNS = (
    "at once",
    "holds/s, all rounds",
    "holds/s",
    "attempts/s",
    "p50 ms",
    "p95 ms",
    "drain s",
    "holds",
    "doubles",
    "refused",
    "CPU ms per attempt",
)
SERVICE, CROWD_SERVICE = "peer", "peer-crowd"
"""The services that take a seat with the choice of a slot, and with the right answer to a captcha."""
WARM_UP = "peer-warm"  # a round that is not counted, in which each worker handles its first requests
OUR_ROUNDS = 5  # per round of pretix, because a single one of half a second varies too much
CACHE_SECONDS = 1.1  # after this time, no worker has the round before in its cache
NEGLIGIBLE = 0.05  # ms of CPU; less is not listed
VERSIONS = 'from importlib.metadata import version as v; print(f\'pretix {v("pretix")}, gunicorn {v("gunicorn")}\')'
SERVERS = ("postgres", "redis-server")
Meter = Callable[[], Counter[str]]


@dataclass(frozen=True)
class Run:
    """A round of one setting: times in seconds, counts, CPU seconds by part, and the problems."""

    setting: str
    at_once: int
    times: list[float]
    seconds: float
    drained: float
    holds: int
    refused: Counter[str]
    doubles: int
    problems: list[str]
    cpu_seconds: Counter[str]

    @property
    def rate(self) -> float:
        """Holds per second, from the first attempt to the last seat taken."""
        return self.holds / self.drained if self.drained else 0.0

    def cpu(self) -> dict[str, float]:
        """Return the milliseconds of CPU per attempt, by part."""
        return {part: seconds / len(self.times) * 1000 for part, seconds in self.cpu_seconds.items()}


def ours(setting: str, at_once: int, verdict: Verdict) -> Run:
    """Turn the verdict on a storm into a round of our side."""
    doubles = len(verdict.holds) - len(set(map(seat_of, verdict.holds)))
    refused = Counter({code: n for (status, code), n in verdict.answers.items() if status not in GIVEN})
    return Run(
        setting,
        at_once,
        verdict.times,
        verdict.seconds,
        verdict.drained,
        len(verdict.holds),
        refused,
        doubles,
        verdict.problems(),
        verdict.spent,
    )


def judge(won: int, unexpected: int, tables: dict[str, int]) -> tuple[int, list[str]]:
    """Return the seats that pretix gave beyond the quota, and each mismatch between its answers and its tables."""
    doubles = max(tables["positions"] - SEATS, 0)
    problems = []
    if won != SEATS:
        problems.append(f"{won} answers confirmed a seat, but there are {SEATS}")
    if not tables["positions"] == tables["carts"] == won:
        problems.append(f"the tables have {tables['positions']} seats in {tables['carts']} carts")
    if tables["left"]:
        problems.append(f"the quota has {tables['left']} left")
    if unexpected:
        problems.append(f"{unexpected} attempts failed for another reason than sold out")
    return doubles, problems


def cart_add(shop: str, product: str, page: Answer) -> bytes:
    """Build the request of a browser that adds one seat to its cart from this page of the shop."""
    token = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert token
    form = urlencode({"csrfmiddlewaretoken": token[1].decode(), f"item_{product}": "1"})
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Referer": shop}
    return request("POST", f"{shop}cart/add?ajax=1", headers, form.encode())


def read_cart_answer(answer: Answer) -> tuple[bool, str]:
    """Return whether the seat is in the cart, and the message of the shop."""
    content = answer.json() if answer.status == 200 else {"success": False, "message": ""}
    return bool(content["success"]), str(content["message"])


class Pretix:
    """The running pretix server."""

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self.url = url
        self.settings = settings

    def run_script(self, *arguments: str) -> dict[str, dict[str, str]]:
        """Run peerevent.py in pretix's venv, and return its output."""
        script: peerparts.Command = [
            peerparts.PRETIX / "bin" / "python",
            ROOT / "tests" / "load" / "peerevent.py",
            *arguments,
        ]
        answer: dict[str, dict[str, str]] = loads(peerparts.run(script, **self.settings))
        return answer

    def round(self, at_once: int, name: str, event: dict[str, str], meter: Meter = Counter) -> tuple[Run, float]:
        """Let each browser open the shop and add a seat to its cart. Return the round and the shop pages per second."""
        shop = self.url + event["shop"]
        pages = volley(shop, [request("GET", shop, {})] * CROWD, max(AT_ONCE))
        attempts = volley(shop, [cart_add(shop, event["product"], page) for page in pages.answers], at_once, meter)
        outcomes = [(answer, *read_cart_answer(answer)) for answer in attempts.answers]
        wins = [answer.ended for answer, won, _ in outcomes if won]
        refused = Counter(
            "sold out" if SOLD_OUT in message else f"{answer.status} {message}"[:60]
            for answer, won, message in outcomes
            if not won
        )
        tables = {key: int(value) for key, value in self.run_script("count", name)[name].items()}
        doubles, problems = judge(len(wins), refused.total() - refused["sold out"], tables)
        drained = max(wins, default=0.0)
        run = Run(
            PEER,
            at_once,
            attempts.times,
            attempts.seconds,
            drained,
            len(wins),
            refused,
            doubles,
            problems,
            attempts.spent,
        )
        return run, CROWD / pages.seconds


def tree_cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, with those that have ended."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended, and its parent has its time
            total += sum(process.cpu_times()[:4])
    return total


def emulator_pid() -> int:
    """Return the process id of the emulator that this program started."""
    descendants = psutil.Process().children(recursive=True)
    return next(
        int(process.pid)
        for process in descendants
        if process.cmdline()[1:] == ["-P", str(ROOT / "infra" / "local" / "emulator.py")]
    )


def emulator_cpu() -> Counter[str]:
    """Return the CPU seconds of the emulator, whose process has table and gateway, and of its Lambda workers."""
    pid = emulator_pid()
    emulator = sum(psutil.Process(pid).cpu_times()[:2])
    return Counter({"functions": tree_cpu_seconds(pid) - emulator, "emulator": emulator})


def put_services(stack: Stack) -> None:
    """Add our services with the operator program."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for service, seat_after in ((SERVICE, "choice"), (CROWD_SERVICE, "crowd")):
            files.append(Path(folder) / f"{service}.yaml")
            files[-1].write_text(yaml.safe_dump(document(service, seat_after), allow_unicode=True), "utf-8")
        command: peerparts.Command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", *files]
        peerparts.run(command, AWS_ENDPOINT_URL=stack.endpoint)


def our_settings(stack: Stack, secret: str) -> dict[str, str]:
    """Return the environment of our functions, for a server on this machine."""
    return {
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "GUICHET_STAGE": "laptop",
        "GUICHET_TABLE": stack.table,
        "GUICHET_SECRET": secret,
        **KEYS,
    }


def measure(rounds: int) -> tuple[list[Run], list[float]]:
    """Run all rounds of all settings. Return them, and pretix's shop pages per second."""
    names = {(turn, n): f"peer-{turn}-{n}" for turn in range(rounds) for n in reversed(AT_ONCE)}
    runs, visits = [], []
    with stopping.cleanup() as cleanup:
        folder = cleanup.enter_context(peerparts.scratch())
        port = peerparts.free_port()
        settings = peerparts.pretix_settings(folder, port)
        postgres = cleanup.enter_context(peerparts.postgres(folder, peerparts.database(folder)))
        redis = cleanup.enter_context(peerparts.redis(folder))
        pretix = Pretix(f"http://{HOST}:{port}", settings)
        events = pretix.run_script("open", str(SEATS), WARM_UP, *names.values())
        shop = cleanup.enter_context(peerparts.gunicorn(peerparts.PRETIX, "pretix.wsgi", folder, port, **settings))
        table_port = peerparts.free_port()
        table = cleanup.enter_context(peerparts.dynoxide(folder, table_port))
        table_stack = Stack(f"http://{HOST}:{table_port}", inbox="")
        table_stack.client("dynamodb").create_table(
            TableName=table_stack.table, **SHAPE
        )  # no stream, because this emulator never deletes stream records
        put_services(table_stack)
        server_port = peerparts.free_port()
        app = "tests.load.server:application"
        secret = secrets.token_urlsafe(32)
        server = cleanup.enter_context(
            peerparts.gunicorn(peerparts.OURS, app, folder, server_port, **our_settings(table_stack, secret))
        )

        def shop_cpu() -> Counter[str]:
            return Counter(
                {
                    "server": tree_cpu_seconds(shop),
                    "PostgreSQL": tree_cpu_seconds(postgres),
                    "Redis": tree_cpu_seconds(redis),
                }
            )

        def server_cpu() -> Counter[str]:
            return Counter({"server": tree_cpu_seconds(server), "Dynoxide": tree_cpu_seconds(table)})

        def add(run: Run) -> None:
            runs.append(run)
            print(f"{run.setting} | {run.at_once} | {line(run)}", flush=True)

        def server_round(at_once: int) -> Run:
            return our_round(SERVER, table_stack, f"http://{HOST}:{server_port}", at_once, server_cpu)

        def captcha_round(at_once: int) -> Run:
            place = seated(table_stack, f"http://{HOST}:{server_port}", CROWD_SERVICE)
            time.sleep(CACHE_SECONDS)
            return ours(CAPTCHA, at_once, captcha_storm(place, Keys(secret), CROWD, at_once, server_cpu))

        start = time.monotonic()
        pretix.round(max(AT_ONCE), WARM_UP, events[WARM_UP])
        server_round(max(AT_ONCE))
        captcha_round(max(AT_ONCE))
        for (turn, at_once), name in names.items():
            if turn and at_once == max(AT_ONCE) and time.monotonic() - start > TIME_LIMIT:
                break
            run, pages = pretix.round(at_once, name, events[name], shop_cpu)
            add(run)
            visits.append(pages)
            for _ in range(OUR_ROUNDS):
                add(server_round(at_once))
                add(captcha_round(at_once))
        stack = cleanup.enter_context(running())
        put_services(stack)
        our_round(LAMBDAS, stack, stack.api, max(AT_ONCE), emulator_cpu)  # a warm-up, because cold workers start slowly
        for _turn, at_once in list(names)[: len(visits)]:
            add(our_round(LAMBDAS, stack, stack.api, at_once, emulator_cpu))
    return runs, visits


def our_round(setting: str, stack: Stack, api: str, at_once: int, meter: Meter) -> Run:
    """Run a round of holds with the same crowd."""
    context = seated(stack, api, SERVICE)
    time.sleep(CACHE_SECONDS)
    return ours(setting, at_once, storm(context, CROWD, at_once, meter, slots=False))


def line(run: Run) -> str:
    """Format the figures of a round as a table row."""
    cuts = [cut * 1000 for cut in quantiles(run.times, n=100)]
    cpu = ", ".join(f"{part} {ms:.1f}" for part, ms in run.cpu().items() if ms >= NEGLIGIBLE)
    refused = ", ".join(f"{count} {code}" for code, count in sorted(run.refused.items()))
    return (
        f"{run.rate:.1f} | {len(run.times) / run.seconds:.1f} | {cuts[49]:.0f} | {cuts[94]:.0f} | {run.drained:.2f}"
        f" | {run.holds} | {run.doubles} | {refused} | {cpu}"
    )


def median(runs: list[Run], setting: str, at_once: int) -> Run:
    """Return the median round by holds per second."""
    rounds = sorted((run for run in runs if (run.setting, run.at_once) == (setting, at_once)), key=lambda run: run.rate)
    return rounds[(len(rounds) - 1) // 2]


def table(runs: list[Run]) -> list[str]:
    """Return the table of the median rounds, with the range of all rounds."""
    lines = [
        f"| | {' | '.join(COLUMNS)} |",
        "|---" * (1 + len(COLUMNS)) + "|",
    ]
    for at_once in AT_ONCE:
        for setting in SETTINGS:
            rates = sorted(run.rate for run in runs if (run.setting, run.at_once) == (setting, at_once))
            spread = f"{rates[0]:.1f} to {rates[-1]:.1f}"
            lines.append(f"| {setting} | {at_once} | {spread} | {line(median(runs, setting, at_once))} |")
    return lines


def speedup(runs: list[Run], setting: str, at_once: int) -> float:
    """Divide the holds per second of this setting by pretix's."""
    return median(runs, setting, at_once).rate / median(runs, PEER, at_once).rate


def aim(runs: list[Run]) -> str:
    """Say for each setting of our server whether the aim is reached. MiniStack's overhead is not ours."""
    most = max(AT_ONCE)
    factors = {setting: speedup(runs, setting, most) for setting in (SERVER, CAPTCHA)}
    results = ", ".join(
        f"{setting}: {factor:.1f} times ({'reached' if factor >= AIM else 'missed'})"
        for setting, factor in factors.items()
    )
    return f"Aim: {AIM} times pretix's holds per second at {most} at once. {results}."


def machine() -> str:
    """Describe this machine."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    name = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores, {name}, {psutil.virtual_memory().total >> 30} GiB"


def versions() -> str:
    """List the versions of all programs in the comparison."""
    pretix = peerparts.run([peerparts.PRETIX / "bin" / "python", "-c", VERSIONS]).strip()
    servers = [peerparts.run([peerparts.program(name), "--version"], **peerparts.libraries()) for name in SERVERS]
    numbers = [matches[0] for text in servers if (matches := re.findall(r"\d+\.[\d.]*\d", text))]
    python = f"Python {platform.python_version()}"
    table = peerparts.run([peerparts.DYNOXIDE, "--version"]).strip().capitalize()
    others = (f"PostgreSQL {numbers[0]}", f"Redis {numbers[1]}", table, f"MiniStack {version('ministack')}", python)
    return f"{pretix}, {', '.join(others)}"


def page(runs: list[Run], visits: list[float], load: float) -> str:
    """Return the figures of a run for docs/peer.md."""
    day, first, last = f"{datetime.now(UTC):%Y-%m-%d}", min(visits), max(visits)
    rounds = len(visits) // len(AT_ONCE)
    facts = f"""\
{day}, {machine()}, load {load:.1f} before the start (1.0 is one busy core).
{versions()}. {peerparts.WORKERS} gunicorn workers on each side.
{CROWD} attempts on {SEATS} seats per round. {rounds} rounds of pretix, each with {OUR_ROUNDS} of our server;
a row is the median round.
pretix's shop page, which each browser opens first and which the table omits: {first:.1f} to {last:.1f} per second."""
    return "\n".join([facts, "", *table(runs), "", aim(runs)])


def number_of_rounds(text: str) -> int:
    """Read the number of rounds, for argparse."""
    if not re.fullmatch("[1-9][0-9]?", text):
        raise ArgumentTypeError(f"a whole number from 1 to 99, not {text!r}")
    return int(text)


def main() -> None:
    """Install the programs, run the comparison, and exit with an error for a wrong result."""
    die_with_parent()
    parser = ArgumentParser(description="Compare our hold with pretix's cart-add.")
    parser.add_argument("--record", action="store_true", help="write the figures to docs/peer.md")
    parser.add_argument(
        "--rounds", type=number_of_rounds, default=ROUNDS, help="rounds of pretix (default: %(default)s)"
    )
    options = parser.parse_args()
    stopping.stop_with("guichet: the comparison was stopped; there is no result")
    check_sections(PAGE, ["figures"])
    print(peerparts.ANNOUNCEMENT, flush=True)
    with peerparts.installed():
        load = os.getloadavg()[0]
        runs, visits = measure(options.rounds)
        text = page(runs, visits, load)
    print(text)
    if options.record:
        write_sections(PAGE, {"figures": text})
    if problems := [f"{run.setting}, {run.at_once} at once: {problem}" for run in runs for problem in run.problems]:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main()
