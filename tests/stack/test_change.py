"""A deployment and a rollback while people book."""

import threading
from collections import Counter
from typing import Self

from infra.deploy.rollout import rollback
from infra.deploy.stacks import Deployment
from infra.deploy.versions import BEFORE
from infra.local.stack import Stack
from tests.stack.visitor import Visitor, answered, person, restart

STEPS = ("hold", "captcha", "request")
FIRST = {"first_free": True, "conditions_accepted": True}


class Crowd:
    """Visitors in threads. Each holds a seat and gives it back again and again, until the block ends."""

    def __init__(self, stack: Stack, visitors: int) -> None:
        self.stack, self.stop = stack, threading.Event()
        self.answers: Counter[int] = Counter()
        self.threads = [threading.Thread(target=self.book) for _ in range(visitors)]

    def book(self) -> None:
        visitor = Visitor(self.stack)
        while not self.stop.is_set():
            held = visitor.post("/services/aes/holds", FIRST)
            self.answers[held.status_code] += 1
            if held.status_code == 201:
                ended = visitor.post(f"/holds/{held.json()['hold']}/end")
                self.answers[ended.status_code] += 1

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_a_new_version_and_a_rollback_lose_no_hold_and_answer_no_failure(stack: Stack) -> None:
    deployment = Deployment("laptop", stack.client)
    versions, visitor = deployment.versions, Visitor(stack)
    first_versions = versions.live()
    before = visitor.captcha_passed()
    versions.point(BEFORE, first_versions)
    with Crowd(stack, visitors=2) as crowd:
        restart(stack, *STEPS)  # publishes a version of each and points `live` at it, as a deployment does
        new_versions = versions.live()
        names = [f"guichet-laptop-{step}" for step in STEPS]
        assert all(new_versions[name] != first_versions[name] for name in names)
        between = visitor.captcha_passed()
        rollback(deployment, ask=lambda _question: None)
        assert versions.live() == first_versions
        after = visitor.captcha_passed()
    assert set(crowd.answers) <= {200, 201, 409}
    assert crowd.answers[201] > 0
    for hold in (before, between, after):
        assert answered(visitor.post(f"/holds/{hold}/details", person()), 202)["state"] == "pending"
