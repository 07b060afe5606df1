"""pretix's cart-add beside our hold, same machine, client and crowd: `python -m tests.load.peer [--record]`.

Each round has a hundred places of its own; pretix and our server take turns, our Lambdas come after. Ends
with an error if a place was given twice or lost. `--record` puts the table into docs/peer.md.
"""

import os
import platform
import re
import secrets
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from json import loads
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlencode

import psutil
import yaml

from infra.deploy.package import ROOT
from infra.local.process_guard import die_with_parent
from infra.local.stack import HOST, KEYS, REGION, Stack, running
from tests.load import peerparts
from tests.stack.storm import SEATS, Verdict, document, seat_of, seated, storm
from tests.stack.volley import Answer, request, volley
from tests.table import SHAPE

CROWD = 300
AT_ONCE = (1, 8, 32)
ROUNDS = 3
ENOUGH = 420.0  # seconds after which no other round begins: on a busy machine one may take that long
AIM = 20  # times pretix's holds a second, at the most at once
PAGE = ROOT / "docs" / "peer.md"
MARKS = ("<!-- figures -->\n", "<!-- end of figures -->\n")
PEER, SERVER, ENGINE = "pretix, gunicorn", "Guichet, gunicorn", "Guichet, MiniStack's Lambdas"
GONE = "no longer available"  # what pretix says when the quota is used up
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
    "CPU ms an attempt",
)
SERVICE = "peer"
WARM = "peer-warm"  # a round that does not count: every worker has met everything once
OURS = 5  # of our rounds beside one of pretix: one alone, of half a second, would be chance
FORGET = 1.1  # seconds after which no worker remembers the round before
MERE = 0.05  # ms of CPU that are not worth a word
VERSIONS = 'from importlib.metadata import version as v; print(f\'pretix {v("pretix")}, gunicorn {v("gunicorn")}\')'
SERVERS = ("postgres", "redis-server")
Meter = Callable[[], Counter[str]]


@dataclass(frozen=True)
class Run:
    """One round of one setting: seconds, counts, CPU seconds by part, and everything that was not right."""

    setting: str
    at_once: int
    times: list[float]
    seconds: float
    drained: float
    holds: int
    refused: Counter[str]
    doubles: int
    problems: list[str]
    spent: Counter[str]

    @property
    def rate(self) -> float:
        """Holds a second, from the first attempt to the last place."""
        return self.holds / self.drained if self.drained else 0.0

    def cpu(self) -> dict[str, float]:
        """Milliseconds of CPU an attempt, by part."""
        return {part: seconds / len(self.times) * 1000 for part, seconds in self.spent.items()}


def ours(setting: str, at_once: int, verdict: Verdict) -> Run:
    """What the judge of the storm says of our side."""
    doubles = len(verdict.holds) - len(set(map(seat_of, verdict.holds)))
    refused = Counter({code: n for (status, code), n in verdict.answers.items() if status != 201})
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


def judged(given: int, odd: int, tables: dict[str, int]) -> tuple[int, list[str]]:
    """Places that pretix gave beyond the quota, and all that does not agree between its answers and its tables."""
    doubles = max(tables["positions"] - SEATS, 0)
    found = []
    if given != SEATS:
        found.append(f"{given} carts were told that they have one of {SEATS} places")
    if not tables["positions"] == tables["carts"] == given:
        found.append(f"the table has {tables['positions']} places in {tables['carts']} carts")
    if tables["left"]:
        found.append(f"the quota has {tables['left']} left")
    if odd:
        found.append(f"{odd} answers that a loser must not have")
    return doubles, found


def cart_add(shop: str, product: str, page: Answer) -> bytes:
    """What a browser sends from this page of the shop to put one place into its cart."""
    token = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert token
    form = urlencode({"csrfmiddlewaretoken": token[1].decode(), f"item_{product}": "1"})
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Referer": shop}
    return request("POST", f"{shop}cart/add?ajax=1", headers, form.encode())


def cart_told(answer: Answer) -> tuple[bool, str]:
    """Whether the place is in the cart, and what the shop says."""
    said = answer.json() if answer.status == 200 else {"success": False, "message": ""}
    return bool(said["success"]), str(said["message"])


class Pretix:
    """The running shop."""

    def __init__(self, url: str, settings: dict[str, str]) -> None:
        self.url = url
        self.settings = settings

    def ask(self, *words: str) -> dict[str, dict[str, str]]:
        """What the program inside pretix's venv says."""
        script: peerparts.Command = [
            peerparts.PRETIX / "bin" / "python",
            ROOT / "tests" / "load" / "peerevent.py",
            *words,
        ]
        answer: dict[str, dict[str, str]] = loads(peerparts.said(script, **self.settings))
        return answer

    def round(self, at_once: int, name: str, event: dict[str, str], meter: Meter = Counter) -> tuple[Run, float]:
        """Browsers that open the shop, then each put a place into their cart; also how many opened it a second."""
        shop = self.url + event["shop"]
        opened = volley(shop, [request("GET", shop, {})] * CROWD, max(AT_ONCE))
        fired = volley(shop, [cart_add(shop, event["product"], page) for page in opened.answers], at_once, meter)
        told = [(answer, *cart_told(answer)) for answer in fired.answers]
        wins = [answer.ended for answer, won, _ in told if won]
        refused = Counter(
            "sold out" if GONE in said else f"{answer.status} {said}"[:60] for answer, won, said in told if not won
        )
        tables = {key: int(value) for key, value in self.ask("count", name)[name].items()}
        doubles, problems = judged(len(wins), refused.total() - refused["sold out"], tables)
        end = max(wins, default=0.0)
        run = Run(PEER, at_once, fired.times, fired.seconds, end, len(wins), refused, doubles, problems, fired.spent)
        return run, CROWD / opened.seconds


def tree(pid: int) -> float:
    """CPU seconds of a process and of all that it started, the ended ones included."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile; its parent has the time
            total += sum(process.cpu_times()[:4])
    return total


def engine() -> int:
    """The process of the engine that this program started."""
    every = psutil.Process().children(recursive=True)
    return next(int(one.pid) for one in every if one.cmdline()[1:] == ["-P", str(ROOT / "infra" / "engine.py")])


def engine_spent() -> Counter[str]:
    """The engine's own CPU seconds, table and gateway in one process, and those of its Lambdas."""
    pid = engine()
    own = sum(psutil.Process(pid).cpu_times()[:2])
    return Counter({"functions": tree(pid) - own, "engine": own})


def put_service(stack: Stack) -> None:
    """Put our service in place as the office does."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{SERVICE}.yaml"
        file.write_text(yaml.safe_dump(document(SERVICE), allow_unicode=True), "utf-8")
        command: peerparts.Command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", file]
        peerparts.said(command, AWS_ENDPOINT_URL=stack.endpoint)


def our_settings(stack: Stack) -> dict[str, str]:
    """The hold function's, for a server of this machine."""
    return {
        "PYTHONPATH": str(ROOT),
        "AWS_ENDPOINT_URL": stack.endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "GUICHET_STAGE": "laptop",
        "GUICHET_TABLE": stack.table,
        "GUICHET_SECRET": secrets.token_urlsafe(32),
        **KEYS,
    }


def measure(rounds: int) -> tuple[list[Run], list[float]]:
    """All rounds of all settings, and pretix's first pages a second."""
    names = {(turn, n): f"peer-{turn}-{n}" for turn in range(rounds) for n in reversed(AT_ONCE)}
    runs, visits = [], []
    with ExitStack() as life:
        folder = life.enter_context(peerparts.scratch())
        port = peerparts.free_port()
        settings = peerparts.pretix_settings(folder, port)
        postgres = life.enter_context(peerparts.postgres(folder, peerparts.database(folder)))
        redis = life.enter_context(peerparts.redis(folder))
        pretix = Pretix(f"http://{HOST}:{port}", settings)
        events = pretix.ask("open", str(SEATS), WARM, *names.values())
        shop = life.enter_context(peerparts.gunicorn(peerparts.PRETIX, "pretix.wsgi", folder, port, **settings))
        table_at = peerparts.free_port()
        table = life.enter_context(peerparts.dynoxide(folder, table_at))
        alone = Stack(f"http://{HOST}:{table_at}", inbox="")
        alone.client("dynamodb").create_table(
            TableName=alone.table, **SHAPE
        )  # no stream: this engine keeps its records for ever
        put_service(alone)
        ours_at = peerparts.free_port()
        app = "tests.load.server:application"
        server = life.enter_context(peerparts.gunicorn(peerparts.OURS, app, folder, ours_at, **our_settings(alone)))

        def shop_spent() -> Counter[str]:
            return Counter({"server": tree(shop), "PostgreSQL": tree(postgres), "Redis": tree(redis)})

        def server_spent() -> Counter[str]:
            return Counter({"server": tree(server), "Dynoxide": tree(table)})

        def told(run: Run) -> None:
            runs.append(run)
            print(f"{run.setting} | {run.at_once} | {line(run)}", flush=True)

        def server_round(at_once: int) -> Run:
            return our_round(SERVER, alone, f"http://{HOST}:{ours_at}", at_once, server_spent)

        start = time.monotonic()
        pretix.round(max(AT_ONCE), WARM, events[WARM])
        server_round(max(AT_ONCE))
        for (turn, at_once), name in names.items():
            if turn and at_once == max(AT_ONCE) and time.monotonic() - start > ENOUGH:
                break
            run, pages = pretix.round(at_once, name, events[name], shop_spent)
            told(run)
            visits.append(pages)
            for _ in range(OURS):
                told(server_round(at_once))
        stack = life.enter_context(running())
        put_service(stack)
        our_round(ENGINE, stack, stack.api, max(AT_ONCE), engine_spent)  # cold workers start slowly
        for _turn, at_once in list(names)[: len(visits)]:
            told(our_round(ENGINE, stack, stack.api, at_once, engine_spent))
    return runs, visits


def our_round(setting: str, stack: Stack, api: str, at_once: int, meter: Meter) -> Run:
    """The same crowd at our hold."""
    place = seated(stack, api, SERVICE)
    time.sleep(FORGET)
    return ours(setting, at_once, storm(place, CROWD, at_once, meter, slots=False))


def line(run: Run) -> str:
    """One row of the table."""
    cuts = [cut * 1000 for cut in quantiles(run.times, n=100)]
    cpu = ", ".join(f"{part} {ms:.1f}" for part, ms in run.cpu().items() if ms >= MERE)
    refused = ", ".join(f"{count} {code}" for code, count in sorted(run.refused.items()))
    return (
        f"{run.rate:.1f} | {len(run.times) / run.seconds:.1f} | {cuts[49]:.0f} | {cuts[94]:.0f} | {run.drained:.2f}"
        f" | {run.holds} | {run.doubles} | {refused} | {cpu}"
    )


def median(runs: list[Run], setting: str, at_once: int) -> Run:
    """The round in the middle, by holds a second."""
    rounds = sorted((run for run in runs if (run.setting, run.at_once) == (setting, at_once)), key=lambda run: run.rate)
    return rounds[(len(rounds) - 1) // 2]


def table(runs: list[Run]) -> list[str]:
    """The rounds in the middle, and between what the others were."""
    lines = [
        f"| | {' | '.join(COLUMNS)} |",
        "|---" * (1 + len(COLUMNS)) + "|",
    ]
    for at_once in AT_ONCE:
        for setting in (PEER, SERVER, ENGINE):
            rates = sorted(run.rate for run in runs if (run.setting, run.at_once) == (setting, at_once))
            spread = f"{rates[0]:.1f} to {rates[-1]:.1f}"
            lines.append(f"| {setting} | {at_once} | {spread} | {line(median(runs, setting, at_once))} |")
    return lines


def times(runs: list[Run], setting: str, at_once: int) -> float:
    """How many times pretix's holds a second this setting of ours makes."""
    return median(runs, setting, at_once).rate / median(runs, PEER, at_once).rate


def aim(runs: list[Run]) -> str:
    """Whether the aim is reached, and in which setting."""
    most = max(AT_ONCE)
    by = {setting: times(runs, setting, most) for setting in (SERVER, ENGINE)}
    told = ", ".join(
        f"{setting}: {factor:.1f} times ({'reached' if factor >= AIM else 'missed'})" for setting, factor in by.items()
    )
    return f"Aim, {AIM} times pretix's holds a second at {most} at once. {told}."


def machine() -> str:
    """What all this ran on."""
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    name = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores, {name}, {psutil.virtual_memory().total >> 30} GiB"


def versions() -> str:
    """Of everything that was compared."""
    listed = peerparts.said([peerparts.PRETIX / "bin" / "python", "-c", VERSIONS]).strip()
    servers = [peerparts.said([peerparts.program(name), "--version"], **peerparts.libraries()) for name in SERVERS]
    numbers = [found[0] for text in servers if (found := re.findall(r"\d+\.[\d.]*\d", text))]
    python = f"Python {platform.python_version()}"
    table = peerparts.said([peerparts.DYNOXIDE, "--version"]).strip().capitalize()
    known = (f"PostgreSQL {numbers[0]}", f"Redis {numbers[1]}", table, f"MiniStack {version('ministack')}", python)
    return f"{listed}, {', '.join(known)}"


def page(runs: list[Run], visits: list[float], load: float) -> str:
    """What docs/peer.md keeps of a run."""
    day, first, last = f"{datetime.now(UTC):%Y-%m-%d}", min(visits), max(visits)
    rounds = len(visits) // len(AT_ONCE)
    facts = f"""\
{day}, {machine()}, load {load:.1f} before the start (1.0 is one busy core).
{versions()}. {peerparts.WORKERS} gunicorn workers on either side.
{CROWD} attempts on {SEATS} places a round. {rounds} rounds of pretix, {OURS} of our server beside each;
the row is the round in the middle.
pretix's shop page, which each browser opens first and which is not in the table: {first:.1f} to {last:.1f} a second."""
    return "\n".join([facts, "", *table(runs), "", aim(runs), ""])


def replaced(kept: str, figures: str) -> str:
    """The page with other figures between its marks."""
    begin, end = MARKS
    before, _, rest = kept.partition(begin)
    return before + begin + figures + end + rest.partition(end)[2]


def main() -> None:
    """Say what it will do, do it, and judge."""
    die_with_parent()
    options = ArgumentParser(description="Our hold beside pretix's cart-add.")
    options.add_argument("--record", action="store_true", help="put the figures into docs/peer.md")
    options.add_argument("--rounds", type=int, default=ROUNDS, help="%(default)s unless given")
    asked = options.parse_args()
    for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, lambda *_: sys.exit(130))
    print(peerparts.WHAT, flush=True)
    with peerparts.installed():
        load = os.getloadavg()[0]
        runs, visits = measure(asked.rounds)
        text = page(runs, visits, load)
    print(text)
    if asked.record:
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), text), "utf-8")
    if wrong := [f"{run.setting}, {run.at_once} at once: {problem}" for run in runs for problem in run.problems]:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
