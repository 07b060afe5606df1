"""A release played with people, and a verdict: `make rush`, or `python -m tests.load.rush`.

Without URL the stack is this machine's own, started and ended here. Settings, all from the environment:

    URL       the service, as `make run` prints it after `api:`; then STAGE too, if it is not on this machine
    STAGE     which stage that is: its table, by the operator's own keys, makes the seats and is read at the end
    VISITORS  how many come (2000)        SEATS    how many seats open (200)
    RATE      visitors a second (60)      WORKERS  processes that play them (1)
    AT_ONCE   requests on their way to one function (2 on this machine, whose engine starts a process for each;
              elsewhere 10,000)
    ANSWER    what the captcha of that stage accepts; without it the walk ends at the captcha
    INBOX     where its letters can be read, as `make run` prints it; without it the walk ends at the request

A service of its own is put in place and removed afterwards. A stage's OriginHolds should be 0 for it: all visitors come
from one address. Exit codes: 0 all promises kept, 1 one is broken, and for
a wish that cannot be done 1 and one line. What it finds goes to build/rush: index.html for people, and result.json:

    date, machine {cores, system, python, load}, where ("laptop" or the URL), settings (as above), rate, workers, haste
    visitors, bots, seats          how many came, how many of them were programs, how many seats opened
    held, confirmed, cancelled     seats that were held at least once; requests that were confirmed, and then cancelled
    doubles, lost, fives, silent   seats given twice; confirmed and not in the table; answers 5xx; no answer at all
    no_letter                      people who filed and whose letter did not come within a minute
    broken                         the promises that are broken, in words; empty when all are kept
    rejected [{seat, kind, why}]   the seats whose history no fair service can have
    operations                     how many operations the history has
    requests, seconds              of the whole rush, from the first visitor to the last
    requests_per_second            mean of the busiest ten seconds
    drain_seconds                  from the moment the seats opened until each had been held once; null if never
    attempts_per_win               requests for a seat, for each that was given
    refusals {code: n}             by code of the contract
    service_seconds_by_step {step: {count, p50, p95, p99, mean}}   from sending to the answer; "letter": the mail's way
    waited_seconds_by_step         the same as the visitors waited, for one of the AT_ONCE too
    write_units {per_win, per_loser_at_most, how}                  computed from tests/load/units.py
"""

import json
import math
import os
import platform
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from chalicelib import store
from chalicelib.model import Seat, SeatKey, State
from chalicelib.rows import LockRow, SeatRow, ServiceRow
from infra.command import no_arguments
from infra.guard import die_with_parent
from infra.laptop import STAGE, Stack, answers, running
from infra.ops.reach import reach
from infra.package import ROOT
from tests.load.history import REFUSED, Operation, Rules
from tests.load.rush import report
from tests.load.rush.plan import HERE_AT_ONCE, CannotRush, Plan, Wish, asked, document, keys

LOOK = 3.0  # seconds between two lines
MEMORY = 61.0  # seconds after which every function has read the services again
SETTLE = 8.0  # seconds between the last to arrive and the opening
KINDS = {"captcha": "view"} | {
    step: step for step in ("hold", "extend", "answer", "details", "confirm", "end", "cancel", "view")
}


# The stage


@contextmanager
def stage(wish: Wish) -> Iterator[tuple[str, str, Stack | None]]:
    """The service to rush: its address, its inbox, and the stack if it is our own. The rows are turned to its table."""
    if not wish.url:
        print("starting the stack on this machine", flush=True)
        with running(answer=wish.answer) as stack:
            os.environ["AWS_ENDPOINT_URL"] = stack.endpoint
            reach(STAGE)
            yield stack.api, stack.inbox, stack
        return
    alive(wish.url)
    if wish.stage == STAGE:
        parts = urlsplit(wish.url)
        os.environ["AWS_ENDPOINT_URL"] = f"{parts.scheme}://{parts.netloc}"
    reach(wish.stage)
    if wish.stage != STAGE and (people := sum(1 for _ in LockRow.scan(LockRow.pk.startswith("PERSON#")))):
        raise CannotRush(f"guichet: {wish.stage} has appointments of {people} people: rush a stage that has none")
    yield wish.url, wish.inbox, None


def alive(url: str) -> None:
    """CannotRush unless a Guichet answers here."""
    try:
        with urlopen(Request(f"{url}/health", headers={"Accept": "application/json"}), timeout=15) as answer:  # noqa: S310 - http or https, see asked
            told = json.loads(answer.read())
    except HTTPError as error:
        raise CannotRush(f"guichet: {url} is no Guichet: its /health answers {error.code}") from error
    except OSError as error:
        raise CannotRush(f"guichet: nothing answers at {url}: {error}") from error
    except ValueError as error:
        raise CannotRush(f"guichet: {url} is no Guichet: its /health is no JSON") from error
    if not isinstance(told, dict) or told.get("status") != "ok":
        raise CannotRush(f"guichet: {url} is no Guichet: its /health says something else")


@contextmanager
def place(service: str, own: Stack | None, stage_name: str) -> Iterator[None]:
    """The service in place, as ops put it, and everything of it gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="guichet-rush-") as folder:
        file = Path(folder) / f"{service}.yaml"
        file.write_text(json.dumps(document(service)), "utf-8")  # JSON is YAML
        command = [sys.executable, "-m", "infra.ops", "services", "put", "--yes", "--stage", stage_name, str(file)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise CannotRush(done.stderr.strip() or f"guichet: the service could not be put on {stage_name}")
    try:
        if own:
            functions = own.client("lambda")
            for name in ("page", "slots", "hold", "captcha", "request"):  # they remember the services for a minute
                known = functions.get_function_configuration(FunctionName=f"guichet-{STAGE}-{name}")
                functions.update_function_configuration(
                    FunctionName=known["FunctionName"], MemorySize=known["MemorySize"]
                )
            warm(own, service)
        else:
            print(f"waiting {MEMORY:.0f} s until every function knows the service", flush=True)
            time.sleep(MEMORY)
        yield
    finally:
        if not own:
            remove(service)


def warm(own: Stack, service: str) -> None:
    """Start as many workers of each function as the crowd will use at once: a cold one takes this machine seconds."""
    gone = "holds/none"
    visits = ((f"services/{service}", None), (f"services/{service}/slots", None), (f"services/{service}/holds", b"{}"))
    for path, body in (*visits, (gone, None), (f"{gone}/details", b"{}")):
        with ThreadPoolExecutor(HERE_AT_ONCE) as pool:
            list(pool.map(partial(answers, form=body), [f"{own.api}/{path}"] * HERE_AT_ONCE))


def remove(service: str) -> None:
    """Everything that the rush left in the table."""
    ServiceRow("SERVICES", service).delete()
    with SeatRow.batch_write() as batch:
        for row in SeatRow.scan(SeatRow.pk.startswith(f"SEATS#{service}#")):
            batch.delete(row)
    with LockRow.batch_write() as locks:
        for lock in LockRow.scan(LockRow.sk == f"SERVICE#{service}"):
            locks.delete(lock)


def open_seats(found: Sequence[SeatKey], opens_at: datetime) -> None:
    """Make the seats, as somebody at the office adds them by hand: they open at this moment."""
    with SeatRow.batch_write() as batch:
        for key in found:
            row = store.new_row(key, opens_at)
            row.extra = True
            batch.save(row)


# The crowd


def rush(wish: Wish, *, url: str, mail: str, service: str, opens_at: float, folder: Path) -> list[dict[str, Any]]:
    """Let the crowd come, say where it stands, and give what it recorded."""
    share = [wish.visitors // wish.workers + (n < wish.visitors % wish.workers) for n in range(wish.workers)]
    plans = []
    for number, visitors in enumerate(share):
        plan = Plan(
            url=url,
            service=service,
            opens_at=opens_at,
            first=sum(share[:number]),
            visitors=visitors,
            rate=wish.rate / wish.workers,
            haste=wish.haste,
            at_once=math.ceil(wish.at_once / wish.workers),
            answer=wish.answer,
            mail=mail,
            records=str(folder / f"records-{number}.json"),
            progress=str(folder / f"progress-{number}.json"),
        )
        path = folder / f"plan-{number}.json"
        path.write_text(json.dumps(asdict(plan)))
        plans.append((plan, path))
    with ExitStack() as ends:
        crowds = []
        for _, path in plans:
            command = [sys.executable, "-m", "tests.load.rush.crowd", str(path)]
            log = ends.enter_context((folder / f"{path.stem}.log").open("wb"))
            crowd = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)  # noqa: S603 - our own
            ends.callback(crowd.kill)
            crowds.append(crowd)
        while any(crowd.poll() is None for crowd in crowds):
            time.sleep(LOOK)
            progress(plans, opens_at, wish)
        if any(crowd.returncode for crowd in crowds):
            last = [(folder / f"{path.stem}.log").read_text(errors="replace").strip()[-500:] for _, path in plans]
            raise CannotRush(f"guichet: the crowd broke down: {' '.join(last)}")
    return [one for plan, _ in plans for one in json.loads(Path(plan.records).read_text())["records"]]


def progress(plans: Sequence[tuple[Plan, Path]], opens_at: float, wish: Wish) -> None:
    """One line: the time from the opening on, and who is where."""
    tally: Counter[str] = Counter()
    for plan, _ in plans:
        if Path(plan.progress).exists():
            tally.update(json.loads(Path(plan.progress).read_text()))
    unknown = sum(count for what, count in tally.items() if what.endswith(" unknown"))
    print(
        f"{time.time() - opens_at:+5.0f} s  here {tally['arrived'] - tally['left']:>6,} of {wish.visitors:,}"
        f"  holds {tally['hold ok']:>5,}  filed {tally['filed']:>5,}  confirmed {tally['confirmed']:>5,}"
        f"  slot-taken {tally['slot-taken']:>6,}  nothing-free {tally['nothing-free']:>6,}"
        f"  429 {tally['too-many-requests']:,}  without answer or 5xx {unknown:,}",
        flush=True,
    )


# The verdict


def history(
    records: Sequence[Mapping[str, Any]], seats: Sequence[Seat], looked: tuple[float, float]
) -> list[Operation]:
    """What the visitors did and were told, and what the table said at the end."""
    done = [
        Operation(
            kind=kind,
            seat=one["seat"],
            hold=one["hold"],
            start=one["start"],
            end=math.inf if one["end"] is None else one["end"],
            outcome=one["outcome"],
            code=one["code"],
            until=one["until"],
            state=one["state"] if kind == "view" else "",
        )
        for one in records
        for kind in kinds(one)
    ]
    return done + [looked_at(seat, *looked) for seat in seats]


def kinds(one: Mapping[str, Any]) -> tuple[str, ...]:
    """What a request was for its seat: of one that comes after the captcha, the answer takes it."""
    if one["step"] not in KINDS:
        return ()
    if one["late"] and one["outcome"] != REFUSED:
        return ("hold", "answer") if one["step"] == "answer" else ()
    return (KINDS[one["step"]],)


def looked_at(seat: Seat, start: float, end: float) -> Operation:
    """A seat as the table has it."""
    moment = seat.opens_at if seat.state is State.OPEN else seat.until
    hold = "" if seat.state is State.OPEN else seat.hold
    told = None if seat.state is State.CONFIRMED or moment is None else moment.timestamp()
    return Operation("table", seat.key.ref, hold, start, end, until=told, state=str(seat.state))


def prices(endpoint: str) -> dict[str, float]:
    """What each step costs in write units, by tests/load/units.py on the engine."""
    command = [sys.executable, "-m", "tests.load.units", "--json"]
    env = os.environ | {"AWS_ENDPOINT_URL": endpoint}
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return {step["name"]: step["writes"] for step in json.loads(done.stdout)}


def machine() -> dict[str, Any]:
    """Where this was measured, and how busy it was with other things."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def play(wish: Wish) -> bool:
    """The whole rush, from an empty service to its verdict; True for a broken promise."""
    before, began = machine(), time.monotonic()
    with stage(wish) as (url, mail, own), tempfile.TemporaryDirectory(prefix="guichet-rush-") as folder:
        service = f"rush-{secrets.token_hex(3)}"
        with place(service, own, wish.stage):
            found = keys(service, wish.seats, datetime.now(UTC).date())
            opens_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=wish.visitors / wish.rate + SETTLE)
            open_seats(found, opens_at)
            print(f"{wish.visitors:,} visitors, {wish.seats:,} seats of {service} at {url}", flush=True)
            for line in ends(wish, mail):
                print(line, flush=True)
            records = rush(
                wish, url=url, mail=mail, service=service, opens_at=opens_at.timestamp(), folder=Path(folder)
            )
            start = time.time()
            seats = [seat for week in sorted({key.week for key in found}) for seat in store.seats(service, week)]
            looked = (start, time.time())
            units = prices(own.endpoint) if own else {}
            result = report.judge(
                wish=asdict(wish) | {"haste": wish.haste},
                machine=before,
                records=records,
                history=history(records, seats, looked),
                table=[(seat.key.ref, str(seat.state), seat.hold, seat.person) for seat in seats],
                opens={key.ref: opens_at.timestamp() for key in found},
                rules=Rules(slack=0.05 if wish.stage == STAGE else 2.0, grain=1.0),
                units=units,
            )
            tell(result, time.monotonic() - began)  # before the stack is put away, which may take a minute
    return bool(result.figures["broken"])


def tell(result: report.Result, seconds: float) -> None:
    """Print the verdict, write the page and the figures."""
    folder = ROOT / "build" / "rush"
    report.write(result, folder)
    for line in result.lines():
        print(line, flush=True)
    print(f"{folder.relative_to(ROOT) / 'index.html'}, after {seconds:.0f} s in all", flush=True)


def ends(wish: Wish, mail: str) -> Iterator[str]:
    """Where the walk stops short, said before it starts."""
    if not wish.answer:
        yield "no ANSWER to the captcha: the walk ends there"
    elif not mail:
        yield "no INBOX to read the letters in: the walk ends at the request, nothing is confirmed"


def main() -> None:
    """Play, and exit as the docstring says."""
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(play(asked(os.environ)))
    except KeyboardInterrupt:
        raise CannotRush("guichet: the rush was stopped; there is no verdict") from None


if __name__ == "__main__":
    no_arguments(
        "tests.load.rush", "Play a release with a crowd. Its settings are variables: see `make rush` in README."
    )
    main()
