"""The programs of a rush, one class for each kind."""

import time
from contextlib import suppress

import gevent

from tests.load.history import OK
from tests.load.rush.plan import HAMMERING, IDENTITIES, MANY, SOLVING, SOLVING_SECONDS
from tests.load.rush.visitor import Left, Visitor

HOLD_ATTEMPTS = 25
"""How often a hammering program asks for a seat before it gives up."""
CAPTCHA_GUESSES = 6
"""How often a hammering program guesses the captcha's answer."""
WISH = {"first_free": True, "conditions_accepted": True}


class Program(Visitor):
    """A program that wants seats."""

    abstract = True

    def ask_for_seat(self) -> bool:
        """Ask once for the first free seat. Return False if it is refused."""
        return self.ask("hold", f"/services/{self.crowd.plan.service}/holds", WISH).outcome == OK

    def wait_until(self, moment: float) -> None:
        """Wait until this moment, and up to two seconds longer."""
        gevent.sleep(max(0.0, moment - time.time()) + self.chance.uniform(0, 2))


class Hammering(Program):
    """A program that repeats its request from two seconds before the opening, and cannot read the captcha."""

    group = HAMMERING

    def walk(self) -> None:
        """Ask until there is a hold, then guess the captcha's answer. Ignore Retry-After."""
        self.wait_until(self.crowd.plan.opens_at - 2)
        for _ in range(HOLD_ATTEMPTS):
            if self.ask_for_seat():
                break
            gevent.sleep(0.2)
        else:
            raise Left
        page = self.ask("captcha", self.hold_path, page=True)
        for guess in range(CAPTCHA_GUESSES):
            self.ask("answer", f"{self.hold_path}/captcha/answer", {**page.hidden, "answer": f"{guess:06}"})


class Solving(Program):
    """A program that asks once, solves the captcha in two seconds, and books to the confirmation."""

    group = SOLVING

    def walk(self) -> None:
        """Ask once when the seats open, and book the seat."""
        self.wait_until(self.crowd.plan.opens_at)
        if not self.ask_for_seat():
            raise Left
        page = self.need(self.insist("captcha", self.hold_path, page=True))
        gevent.sleep(SOLVING_SECONDS)
        self.need(self.send_answer(page))
        self.file()
        self.press_confirm(self.read_letter())


class Many(Solving):
    """A solving program with several identities, each with its own cookies, client network and invented person."""

    group = MANY

    def walk(self) -> None:
        """Book with all identities at the same time."""
        others = [Many(self.environment) for _ in range(1, IDENTITIES)]
        for persona, other in enumerate(others, start=1):
            other.become(self.number, persona)
        gevent.joinall([gevent.spawn(program.try_once) for program in (self, *others)], raise_error=True)

    def try_once(self) -> None:
        """Book with this identity."""
        with suppress(Left):
            super().walk()
