"""The programs of a rush, one class for each kind."""

import time
from contextlib import suppress

import gevent

from tests.load.history import OK
from tests.load.rush.plan import HAMMERING, IDENTITIES, MANY, SOLVING
from tests.load.rush.visitor import Left, Visitor

HAMMERED = 25
"""How often a hammering program asks for a seat before its owner gives up."""
GUESSES = 6
"""How often it guesses at the captcha."""
SOLVED = 2.0
"""Seconds in which a better program solves the captcha."""
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
    """A program that asks without a pause from just before the opening, and cannot read the captcha."""

    group = HAMMERING

    def walk(self) -> None:
        """Ask until there is a hold; then guess at the captcha. Never wait as a refusal says."""
        self.wait_until(self.crowd.plan.opens_at - 2)
        for _ in range(HAMMERED):
            if self.ask_for_seat():
                break
            gevent.sleep(0.2)
        else:
            raise Left
        page = self.ask("captcha", self.hold, page=True)
        for guess in range(GUESSES):
            self.ask("answer", f"{self.hold}/captcha/answer", {**page.hidden, "answer": f"{guess:06}"})


class Solving(Program):
    """A program that solves the captcha in two seconds, tries once, and goes on to the confirmation."""

    group = SOLVING

    def walk(self) -> None:
        """Ask once when the seats open, and go through with it."""
        self.wait_until(self.crowd.plan.opens_at)
        if not self.ask_for_seat():
            raise Left
        page = self.need(self.insist("captcha", self.hold, page=True))
        gevent.sleep(SOLVED)
        self.need(self.send_answer(page))
        self.file()
        self.press_confirm(self.read_letter())


class Many(Solving):
    """A solving program with several identities, each with its own cookies, client network and invented person."""

    group = MANY

    def walk(self) -> None:
        """Do it with all identities at once."""
        others = [Many(self.environment) for _ in range(1, IDENTITIES)]
        for persona, other in enumerate(others, start=1):
            other.become(self.number, persona)
        gevent.joinall([gevent.spawn(each.try_once) for each in (self, *others)], raise_error=True)

    def try_once(self) -> None:
        """Do it with this identity."""
        with suppress(Left):
            super().walk()
