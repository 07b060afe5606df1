"""Play people and programs at a release with Locust: `python -m tests.load.rush.crowd PLAN.json`.

`make rush` starts this program, once for each worker. The plan has the URL, the number of visitors and the time at
which the seats open. The environment variable GUICHET_SECRET is the stage's secret. All requests are written to the
plan's `records` file when the last visitor has left; the counters are written to its `progress` file once a second.
"""

import json
import os
import sys
from pathlib import Path

import gevent
from gevent.lock import BoundedSemaphore
from geventhttpclient.client import HTTPClientPool
from locust import User
from locust.env import Environment

from chalicelib.domain.tokens import Keys
from infra.local.process_guard import die_with_parent
from tests.load.rush.people import Person
from tests.load.rush.plan import Plan
from tests.load.rush.programs import Hammering, Many, Solving
from tests.load.rush.visitor import FUNCTION, Crowd, Visitor

PROGRAMS: tuple[type[Visitor], ...] = (Hammering, Solving, Many)


def play(plan: Plan, keys: Keys) -> Crowd:
    """Run all visitors, and wait until the last has left."""
    crowd = Crowd(plan, keys, {name: BoundedSemaphore(plan.at_once) for name in set(FUNCTION.values())})
    Visitor.crowd = crowd
    if plan.shares_connections:
        Visitor.client_pool = HTTPClientPool(concurrency=plan.at_once * len(crowd.limits))
    classes: list[type[User]] = [Person]
    for program in PROGRAMS:
        program.fixed_count = plan.programs.get(program.group, 0)
        classes += [program] * bool(program.fixed_count)  # Locust reads 0 as "any number"
    environment = Environment(user_classes=classes, host=plan.url)
    runner = environment.create_local_runner()
    if plan.mail:
        gevent.spawn(crowd.read_letters)
    runner.start(plan.visitors, spawn_rate=plan.rate)
    while crowd.tally["left"] < plan.visitors:
        gevent.sleep(1)
        crowd.write_progress()
    runner.quit()
    if runner.exceptions:
        raise RuntimeError(next(iter(runner.exceptions.values()))["traceback"])
    return crowd


def main() -> None:
    """Run a plan, and write its records."""
    die_with_parent()
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    crowd = play(plan, Keys(os.environ["GUICHET_SECRET"]))
    Path(plan.records).write_text(json.dumps(crowd.records))


if __name__ == "__main__":
    main()
