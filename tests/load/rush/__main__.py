"""A release played with people and programs, and a verdict: `make rush`, or `python -m tests.load.rush`.

Without URL the stack is this machine's own, started and ended here. Settings, all from the environment:

    URL         the API, as `make run` prints it after `api:`; of a deployed stage the URL of API Gateway, not the
                CDN's; then STAGE too, if it is not on this machine
    STAGE       which stage that is: its table and its secret are read with the operator's own keys
    VISITORS    how many come (2000)          SEATS    how many seats open (200)
    BOTS        the programs' share of the visitors, from 0 to 0.5 (0.02)
    KINDS       which programs, with equal shares (hammering): hammering cannot pass the captcha, solving passes it
                in two seconds, many does so with several identities
    SEAT_AFTER  when the service takes a seat (crowd): crowd, captcha or choice, as in a service file
    RATE        visitors a second (60)        WORKERS  processes that play them (1)
    AT_ONCE     requests on their way to one function (2 on this machine, whose engine starts a process for each;
                elsewhere 10,000)
    INBOX       where the stage's letters can be read, as `make run` prints it; without it the walk ends at the request

A service of its own is put in place and removed afterwards. Each visitor has an e-mail domain and a client network of
its own: it shows an invented address as the stage's CDN does, and passes the captcha, with the stage's secret. So a
stage keeps its OriginHolds; the stack on this machine gets the default.

Exit codes: 0 all promises kept; 1 a promise is broken, or the rush cannot be played, which one line explains. The
figures go to build/rush: index.html for people, and result.json:

    date, machine {cores, system, python, load}, where ("laptop" or the URL), settings (as above), rate, workers, haste
    visitors, bots, seats          how many came, how many of them were programs, how many seats opened
    held, confirmed, cancelled     seats that were held at least once; requests that were confirmed, and then cancelled
    groups {group: {visitors, held, confirmed}}   the same for people and for each kind of program that took part; a
                                   waiting hold holds no seat; a seat that two groups held counts for both
    chance_ratio                   seats held per program, divided by seats held per person; 0 when programs hold
                                   nothing, null without programs or when people hold nothing
    people_held_in_time            seats that people held within two minutes of the opening
    doubles, lost, fives, silent   seats given twice; confirmed and not in the table; answers 5xx; no answer at all
    no_letter                      people who filed and whose letter did not come within a minute
    broken                         the promises that are broken, in words; empty when all are kept
    rejected [{seat, kind, why}]   the seats whose history no fair service can have
    operations                     how many operations the history has
    requests, seconds              of the whole rush, from the first visitor to the last
    requests_per_second            mean of the busiest ten seconds
    drain_seconds                  from the moment the seats opened until each had been held once; null if never
    attempts_per_win               requests for a seat, for each seat that was given
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
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chalicelib.storage import seat_store
from infra.deploy.package import ROOT
from infra.local.process_guard import die_with_parent
from infra.local.stack import STAGE
from infra.tools.command_line import no_arguments
from tests.load.history import Rules
from tests.load.rush import report
from tests.load.rush.plan import CannotRush, Plan, Wish, asked, keys, part, programs
from tests.load.rush.recorded import history
from tests.load.rush.target import Target, open_seats, stage

LOOK = 3.0  # seconds between two lines
SETTLE = 8.0  # seconds between the last to arrive and the opening


# The crowd


def rush(wish: Wish, target: Target, *, service: str, opens_at: float, folder: Path) -> list[dict[str, Any]]:
    """Let the crowd come, say where it stands, and give what it recorded."""
    plans = []
    for number in range(wish.workers):
        visitors = part(wish.visitors, wish.workers, number)
        plan = Plan(
            url=target.url,
            service=service,
            opens_at=opens_at,
            first=visitors.start,
            visitors=len(visitors),
            programs=programs(wish, number),
            rate=wish.rate / wish.workers,
            haste=wish.haste,
            at_once=math.ceil(wish.at_once / wish.workers),
            mail=target.inbox,
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
            env = os.environ | {"GUICHET_SECRET": target.secret}
            crowd = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)  # noqa: S603 - our own
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
        f"  seats held {tally['seats']:>5,}  filed {tally['filed']:>5,}  confirmed {tally['confirmed']:>5,}"
        f"  slot-taken {tally['slot-taken']:>6,}  nothing-free {tally['nothing-free']:>6,}"
        f"  429 {tally['too-many-requests']:,}  without answer or 5xx {unknown:,}",
        flush=True,
    )


# The verdict


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
    service = f"rush-{secrets.token_hex(3)}"
    with stage(wish, service) as target, tempfile.TemporaryDirectory(prefix="guichet-rush-") as folder:
        opened = keys(service, wish.seats, datetime.now(UTC).date())
        opens_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=wish.visitors / wish.rate + SETTLE)
        open_seats(opened, opens_at)
        print(f"{wish.visitors:,} visitors, {wish.seats:,} seats of {service} at {target.url}", flush=True)
        if not target.inbox:
            print("no INBOX to read the letters in: the walk ends at the request, nothing is confirmed", flush=True)
        records = rush(wish, target, service=service, opens_at=opens_at.timestamp(), folder=Path(folder))
        start = time.time()
        seats = [seat for week in sorted({key.week for key in opened}) for seat in seat_store.read_week(service, week)]
        looked = (start, time.time())
        units = prices(target.own.endpoint) if target.own else {}
        result = report.judge(
            wish=asdict(wish) | {"haste": wish.haste},
            machine=before,
            records=records,
            history=history(records, seats, looked),
            table=[(seat.key.ref, str(seat.state), seat.hold, seat.person) for seat in seats],
            opens={key.ref: opens_at.timestamp() for key in opened},
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
