"""A new version of the functions, and the way back, while people book."""

import threading
from collections import Counter
from typing import Self

from infra.deploy.commands import rollback
from infra.deploy.stacks import BEFORE, Deployment
from infra.local.stack import Stack
from tests.stack.visitor import Visitor, answered, person, restart

STEPS = ("hold", "captcha", "request")
FIRST = {"first_free": True, "conditions_accepted": True}


class Crowd:
    """People who take places and give them back, one after the other, until they are told to stop."""

    def __init__(self, stack: Stack, people: int) -> None:
        self.stack, self.stop = stack, threading.Event()
        self.answers: Counter[int] = Counter()
        self.threads = [threading.Thread(target=self.book) for _ in range(people)]

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


def test_a_new_version_and_the_way_back_lose_no_hold_and_answer_no_failure(stack: Stack) -> None:
    deployment = Deployment("laptop", stack.client)
    visitor, was = Visitor(stack), deployment.live()
    before, between = visitor.captcha_passed(), ""
    deployment.point(BEFORE, was)
    with Crowd(stack, people=4) as crowd:
        restart(stack, *STEPS)  # publishes a version of each and turns `live` to it, as a deployment does
        assert all(deployment.live()[f"guichet-laptop-{step}"] != was[f"guichet-laptop-{step}"] for step in STEPS)
        between = visitor.captcha_passed()
        rollback(deployment, ask=lambda _question: None)
        assert deployment.live() == was
        after = visitor.captcha_passed()
    assert set(crowd.answers) <= {200, 201, 409}
    assert crowd.answers[201] > 0
    for hold in (before, between, after):
        assert answered(visitor.post(f"/holds/{hold}/details", person()), 202)["state"] == "pending"
