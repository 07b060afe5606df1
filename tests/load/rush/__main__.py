"""Play a release against a stage and judge the result: `make rush`, or `python -m tests.load.rush`.

Without URL, the program starts and ends a local stack. The settings come from the environment:

    URL         the URL of the API, as `make run` prints it after `api:`; for a deployed stage the URL of API Gateway,
                not of the CDN
    STAGE       the name of the deployed stage; its table and its secret are read with the operator's credentials
    VISITORS    number of visitors (2000)     SEATS    number of seats (200; at most 10,000 on this machine)
    BOTS        the share of programs among the visitors, from 0 to 0.5 (0.02)
    KINDS       the kinds of programs, with equal shares (hammering): hammering cannot pass the captcha, solving
                passes it in two seconds, many does so with several identities
    SEAT_AFTER  when the service takes a seat (crowd): crowd, captcha or choice, as in a service file
    BATCH       seconds after the opening in which a captcha that is passed gives a turn (0), as `batch_seconds` in a
                service file. The seats then open at a whole minute, one or two minutes later
    LOCAL       the local setting: lambdas, the packaged stack on the emulator and the reference for correctness, or
                fast, web servers before the emulator's table (lambdas up to 20,000 visitors, fast beyond)
    RATE        visitors a second before the opening (60; fast: 450)
    HASTE       how slow people are, in seconds: a larger value means slower people. The time from the opening to a
                person's first request for a seat is exponential, shorter than twice HASTE, and 0.69 times HASTE on
                average (half of the seconds in which all visitors arrive; fast: 1.2 times these seconds)
    WORKERS     processes that play the visitors (1)
    AT_ONCE     concurrent requests to one function (2 for a local stack, where the emulator starts a process for
                each; else 10,000)
    INBOX       the URL of the inbox with the stage's letters, as `make run` prints it; without it, no visitor confirms

The program adds its own service, and removes the service, its seats and its requests afterwards; counters stay until
they expire. Each visitor has its own e-mail domain and its own client
network: it signs an invented IP address as the stage's CDN does, and computes the captcha's answer, both with the
stage's secret. The limit OriginHolds of the stage stays as it is; the local stack has the default.

Exit codes: 0 if all promises were kept; 1 if a promise was broken, or if the rush cannot run, which one line explains;
130, 143 or 129 if INT (Ctrl-C), TERM or HUP stopped it.
The program writes build/rush/index.html, the report, and build/rush/result.json with these figures:

    date, machine {cores, system, python, load}
    where, settings                "this machine" or the URL; the settings above, with their names in lower case
    visitors, bots, seats          number of visitors, of programs among them, and of seats
    held, confirmed, cancelled     seats held at least once; confirmed requests, and those cancelled afterwards
    groups {group: {visitors, identities, held, confirmed}}   the same for people and each kind of program; a waiting
                                   hold does not count as a seat; a seat that two groups held counts for both
    chance_ratio                   seats held per program, divided by seats held per person; 0 when programs hold
                                   nothing, null without programs or when people hold nothing
    chance_ratio_by_identity       the same for each identity of a program
    people_held_in_time            seats that people held within two minutes of the opening, or of the end of its batch
    doubles, lost, fives, silent   seats given twice; confirmations that are not in the table; 5xx answers; requests
                                   without an answer
    no_letter                      people whose letter did not arrive within a minute
    broken                         one sentence for each broken promise
    rejected [{seat, kind, why}]   the seats whose history breaks the rules of tests/load/history.py
    operations                     number of operations in the history
    requests, seconds              of the whole rush, from the first visitor to the last
    requests_per_second            mean of the busiest ten seconds
    drain_seconds                  from the moment the seats opened until each had been held once; null if never
    attempts_per_win               requests for a hold, per hold that was granted
    refusals {code: n}             by error code
    service_seconds_by_step {step: {count, p50, p95, p99, mean}}   from sending to the answer; "letter": to its arrival
    waited_seconds_by_step         the same, with the wait for one of the AT_ONCE connections
    write_units {per_win, per_loser_at_most, how}                  computed from tests/load/units.py
"""

from tests.load import stopping

if __name__ == "__main__":
    stopping.stop_at_once()

import json
import math
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.domain.seat import SeatKey
from chalicelib.storage import seat_store, service_items
from chalicelib.storage.service_items import ServiceItem
from infra.deploy.package import ROOT
from infra.local.process_guard import die_with_parent
from infra.local.settings import STAGE
from infra.tools.command_line import no_arguments
from tests.load.history import Rules
from tests.load.rush import report
from tests.load.rush.plan import (
    FAST,
    CannotRush,
    Plan,
    Settings,
    check_opening,
    document,
    keys,
    opening,
    part,
    programs,
    read_settings,
)
from tests.load.rush.recorded import history
from tests.load.rush.target import Target, open_seats, stage, using_table, writing_seconds

PROGRESS_INTERVAL = 3.0  # seconds between two progress lines
SETTLE_SECONDS = 8.0  # between the last arrival and the opening


# The crowd


def rush(settings: Settings, target: Target, *, service: str, opens_at: float, folder: Path) -> list[dict[str, Any]]:
    """Run the crowd processes, print their progress, and return their records."""
    plans = []
    for number in range(settings.workers):
        visitors = part(settings.visitors, settings.workers, number)
        plan = Plan(
            url=target.url,
            service=service,
            opens_at=opens_at,
            first=visitors.start,
            visitors=len(visitors),
            programs=programs(settings, number),
            rate=settings.rate / settings.workers,
            haste=settings.haste,
            at_once=math.ceil(settings.at_once / settings.workers),
            shares_connections=settings.local == FAST,
            mail=target.inbox,
            records=str(folder / f"records-{number}.json"),
            progress=str(folder / f"progress-{number}.json"),
        )
        path = folder / f"plan-{number}.json"
        path.write_text(json.dumps(asdict(plan)))
        plans.append((plan, path))
    with stopping.cleanup() as cleanup:
        crowds = []
        for _, path in plans:
            command = [sys.executable, "-m", "tests.load.rush.crowd", str(path)]
            log = cleanup.enter_context((folder / f"{path.stem}.log").open("wb"))
            env = os.environ | {"GUICHET_SECRET": target.secret}
            crowd = cleanup.enter_context(
                subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)  # noqa: S603 - our own
            )
            cleanup.callback(crowd.kill)
            crowds.append(crowd)
        while any(crowd.poll() is None for crowd in crowds):
            time.sleep(PROGRESS_INTERVAL)
            print_progress(plans, opens_at, settings)
        if any(crowd.returncode for crowd in crowds):
            logs = [(folder / f"{path.stem}.log").read_text(errors="replace").strip()[-500:] for _, path in plans]
            raise CannotRush(f"guichet: a crowd process failed: {' '.join(logs)}")
    return [record for plan, _ in plans for record in json.loads(Path(plan.records).read_text())]


def print_progress(plans: Sequence[tuple[Plan, Path]], opens_at: float, settings: Settings) -> None:
    """Print one line: the seconds since the opening, and the counters of all crowd processes."""
    tally: Counter[str] = Counter()
    for plan, _ in plans:
        if Path(plan.progress).exists():
            tally.update(json.loads(Path(plan.progress).read_text()))
    unknown = sum(count for step, count in tally.items() if step.endswith(" unknown"))
    print(
        f"{time.time() - opens_at:+5.0f} s  present {tally['arrived'] - tally['left']:>6,} of {settings.visitors:,}"
        f"  seats held {tally['seats']:>5,}  filed {tally['filed']:>5,}  confirmed {tally['confirmed']:>5,}"
        f"  slot-taken {tally['slot-taken']:>6,}  nothing-free {tally['nothing-free']:>6,}"
        f"  429 {tally['too-many-requests']:,}  no answer or 5xx {unknown:,}",
        flush=True,
    )


# The verdict


def measure_write_units(endpoint: str) -> dict[str, float]:
    """Measure the write units of each step with tests/load/units.py on the emulator."""
    command = [sys.executable, "-m", "tests.load.units", "--json"]
    env = os.environ | {"AWS_ENDPOINT_URL": endpoint}
    process = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return {step["name"]: step["writes"] for step in json.loads(process.stdout)}


def machine() -> dict[str, Any]:
    """Describe this machine and its load."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def prepare(settings: Settings, service: str) -> tuple[datetime, list[SeatKey]]:
    """Write the seats, and return when they open, and their keys. Raise CannotRush if it took too long."""
    seconds = writing_seconds(keys(service, settings.seats, datetime.now(UTC).date()))
    opens_at = opening(settings, datetime.now(UTC), seconds + SETTLE_SECONDS)
    seat_keys = keys(service, settings.seats, opens_at.date())
    if settings.batch:
        new = ServiceItem.document.set(document(service, settings, opens_at))
        service_items.service_item(service).update(actions=[new])  # with the partitions that it has
    open_seats(seat_keys, opens_at)
    check_opening(settings, opens_at, datetime.now(UTC))
    return opens_at, seat_keys


def play(settings: Settings) -> bool:
    """Run the whole rush and write its verdict. Return whether a promise was broken."""
    machine_before, began = machine(), time.monotonic()
    service = f"rush-{secrets.token_hex(3)}"
    with stopping.cleanup() as cleanup:
        target = cleanup.enter_context(stage(settings, service))
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="guichet-rush-"))
        with using_table(settings.stage):
            opens_at, seat_keys = prepare(settings, service)
        print(f"{settings.visitors:,} visitors, {settings.seats:,} seats of {service} at {target.url}", flush=True)
        if not target.inbox:
            print("INBOX is not set: visitors cannot read their letters, so nothing is confirmed", flush=True)
        records = rush(settings, target, service=service, opens_at=opens_at.timestamp(), folder=Path(folder))
        start, weeks = time.time(), sorted({key.week for key in seat_keys})
        with using_table(settings.stage):
            seats = [seat for week in weeks for seat in seat_store.read_week(service, week)]
        read_between = (start, time.time())
        units = measure_write_units(target.emulator) if target.emulator else {}
        result = report.judge(
            settings=asdict(settings),
            machine=machine_before,
            records=records,
            history=history(records, seats, read_between),
            table=[(seat.key.ref, str(seat.state), seat.hold, seat.person) for seat in seats],
            opens={key.ref: opens_at.timestamp() for key in seat_keys},
            rules=Rules(slack=0.05 if settings.stage == STAGE else 2.0, grain=1.0),
            units=units,
        )
        publish(result, time.monotonic() - began)  # before the local stack stops, which may take a minute
    return bool(result.figures["broken"])


def publish(result: report.Result, seconds: float) -> None:
    """Print the verdict, and write the page and the figures."""
    folder = ROOT / "build" / "rush"
    report.write(result, folder)
    for _, line in result.lines():
        print(line, flush=True)
    stopping.stop_with("guichet: the rush was stopped after its verdict")
    print(f"{folder.relative_to(ROOT) / 'index.html'}, after {seconds:.0f} s in all", flush=True)


def main() -> None:
    """Run the rush, and exit with the code that the module docstring documents."""
    die_with_parent()
    stopping.stop_with("guichet: the rush was stopped; there is no verdict")
    sys.exit(play(read_settings(os.environ)))


if __name__ == "__main__":
    no_arguments(
        "tests.load.rush",
        "Play a release. The settings are environment variables, such as VISITORS, SEATS and HASTE (a larger value "
        "means slower people): see `make rush` in README, and the beginning of tests/load/rush/__main__.py.",
    )
    main()
